"""The encoding of a text, known by its first bytes and by what the text itself declares."""

from __future__ import annotations

import codecs
import re
import unicodedata

MIXED = "anyfind-cp1252"  # bytes that are not UTF-8 are taken as Windows' western letters
_WIDE = (  # the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What charset-normalizer chooses from: what texts on people's disks were written in.
_LEGACY = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman", "cp437", "cp850", "cp866"),
]
_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,30})|"
    rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{2,30})",
    re.I,
)
_TEXT_ENCODINGS = re.compile(
    r"(utf|iso|latin|windows|cp|koi|gb|big|euc|shift|sjis|ms|mac|us-ascii|ascii|ks|tis)[\w.:-]*$",
    re.I,
)


def _western(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(MIXED, _western)


def find_encoding(sample: bytes, declared: str | None = None) -> str:
    """The encoding of a text by its first bytes: a name for Python's codecs.

    In order: a byte order mark, UTF-16 by its zeros, UTF-8 if it is that, what the file declares,
    what charset-normalizer finds, and cp1252.
    """
    if wide := find_wide(sample):
        return wide
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    # not to the end: the sample may stop inside a character
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    wrong, beyond = text.count("\ufffd"), sum(not c.isascii() for c in text)
    if beyond and wrong * 10 <= beyond - wrong:
        return "utf-8"
    if declared:
        return declared
    if not beyond:
        return "utf-8"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_LEGACY, preemptive_behaviour=False).best()
    return best.encoding if best is not None else "cp1252"


def find_wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark, or by its zeros: in most scripts every second byte of some."""
    for mark, name in _WIDE:
        if sample.startswith(mark):
            return name
    sample = sample[: len(sample) // 2 * 2]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 100 <= len(sample) or min(even, odd) * 20 > max(even, odd):
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = sample.decode(name, "replace")
    odd_ones = sum(unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") for c in text)
    return name if (odd_ones - sum(map(text.count, "\t\n\r\f"))) * 50 <= len(text) else None


def find_declared(sample: bytes) -> str | None:
    """The encoding that a web page says it has, if Python knows it."""
    found = _DECLARED.search(sample[:4096])
    if found is None:
        return None
    name = (found[1] or found[2]).decode("ascii", "replace").lower()
    if not _TEXT_ENCODINGS.match(name):
        return None
    try:
        name = codecs.lookup(name).name
        b"a".decode(name)
    except (LookupError, UnicodeError):
        return None
    if name.startswith(("utf-16", "utf-32", "utf-7")):  # it was read as ASCII, so it is not that
        return "utf-8"
    # as browsers do: https://encoding.spec.whatwg.org/#names-and-labels
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}.get(
        name, name
    )
