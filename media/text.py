"""Texts: passages of plain text, Markdown, web pages, tables, PDF and Word files, read as streams.

Nothing in a file is ever run or fetched: scripts, macros, pictures and links are passed over.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import logging
import re
import struct
import time
import unicodedata
import warnings
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

from PIL import Image, ImageDraw, ImageFont

from . import limits
from .medium import Media, MediaError, Medium, Segment, check_size
from .passages import Paragraph, cut, split_words

_PLAIN = (".txt", ".text", ".log", ".rst")
_MARKDOWN = (".md", ".markdown")
_HTML = (".html", ".htm", ".xhtml")
_TABLES = (".csv", ".tsv")
_SUFFIXES = (*_PLAIN, *_MARKDOWN, *_HTML, *_TABLES, ".pdf", ".docx")

_SAMPLE = 1 << 16  # bytes by which the encoding is known
_BLOCK = 1 << 16  # characters, or bytes, read at a time
_LONGEST = 1 << 16  # characters of a line or a paragraph; what is longer is taken in parts
_LONGEST_ROW = 1 << 20  # characters of a line of a table
_LONGEST_TAG = 1 << 20  # characters; html.parser may take 200 bytes for each
_LONGEST_PAGE = 1 << 23  # characters of a page of a PDF
_LONGEST_TITLE = 200  # characters
_MOST_COLUMNS = 1000
_DEEPEST = 200  # paragraphs and rows inside each other
_ZIP_DIRECTORY = 4 << 20  # bytes; a Word file's has a few thousand

Details = dict[str, int | float | str]
Lines = Iterator[tuple[int, str]]

# What is not shown: control characters, marks without width, halves of characters.
_INVISIBLE = re.compile(
    "\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1b\x7f\xad\u200b\u2060\ufeff\ud800-\udfff]"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_SVG = re.compile(
    rb"\s*+(?>(?><\?xml.*?\?>|<!--.*?-->)\s*+)*+(?:<!doctype\s+svg|<svg)[\s/>]", re.I | re.S
)
_BULLET = re.compile(r"(?:[-*+•‣▪–]|\d{1,3}[.)]|[a-z]\))\s")


class Text(Media):
    """An open text; see Media. Its passages come as it is read; memory is that of a few.

    `details` holds "words" and "passages" once all have been read, "encoding" or "pages" where
    there is one, "title" where the text itself says it, and "note" where not all of it is used.
    """

    modality = "text"

    def __init__(
        self, path: Path, file: BinaryIO, paragraphs: Iterator[Paragraph], details: Details
    ) -> None:
        self.details = details
        self._path, self._file, self._paragraphs = path, file, paragraphs
        self._shown: list[str] = []
        self._state = "new"

    def segments(self) -> Iterator[Segment]:
        if self._state != "new":
            raise RuntimeError("the segments of a text can be read only once")
        self._state = "reading"
        words = passages = 0
        for passage in cut(self._read()):
            if passages == limits.MAX_PASSAGES:
                _note(
                    self.details,
                    f"only its first {passages:,} passages are used (ANYFIND_MAX_PASSAGES)",
                )
                break
            passages += 1
            words += passage.words
            if passages <= 12:  # more than fit on the preview
                self._shown.append(passage.text)
            yield Segment(
                content=passage.text, words=passage.text, tower="text", place=passage.place
            )
        self.close()
        if not passages:
            raise MediaError(self._path, "holds no words")
        self.details |= {"words": words, "passages": passages}
        self._state = "read"

    def preview(self) -> Image.Image:
        if self._state != "read":
            raise RuntimeError("a text's preview is ready when all its segments have been read")
        return draw(str(self.details.get("title", "")), "\n".join(self._shown))

    def close(self) -> None:
        self._file.close()

    def _read(self) -> Iterator[Paragraph]:
        """Paragraphs with a word in them; whatever a reader raises becomes a sentence."""
        try:
            for paragraph in self._paragraphs:
                if any(map(str.isalnum, paragraph.text)):
                    yield paragraph
        except (MediaError, OSError):
            raise
        except MemoryError as error:
            raise MediaError(self._path, "is too large for this machine's memory") from error
        except Exception as error:  # a damaged file can raise anything in a reader
            raise MediaError(self._path, "is damaged and cannot be read") from error


def open_text(path: Path, file: BinaryIO, head: bytes) -> Text:
    """Open a text for streaming.

    Raises MediaError when it is damaged, encrypted, too large, or no text in spite of its name.
    """
    details: Details = {}
    suffix = path.suffix.lower()
    if _is_pdf(head):
        paragraphs = _open_pdf(path, file, details)
    elif head.startswith(b"PK\x03\x04"):
        paragraphs = _open_docx(path, file, details)
    else:
        file.seek(0)
        sample = file.read(_SAMPLE)
        file.seek(0)
        encoding = find_encoding(sample, _declared(sample) if suffix in _HTML else None)
        details["encoding"] = "utf-8" if encoding == "utf-8-sig" else encoding
        errors = _MIXED if encoding.startswith("utf-8") else "replace"
        reader = io.TextIOWrapper(file, encoding, errors)
        if suffix in _HTML:
            paragraphs = _web_page(path, reader, details)
        elif suffix in _TABLES:
            paragraphs = _table(path, reader, suffix)
        else:
            lines = _lines(path, reader)
            if suffix in _MARKDOWN:
                paragraphs = _markdown(lines, details)
            else:
                paragraphs = _plain(lines, "line", _wraps_log if suffix == ".log" else _wraps)
    return Text(path, file, paragraphs, details)


def _recognise(head: bytes, suffix: str) -> bool:
    if _is_pdf(head):
        return True
    if head.startswith(b"PK\x03\x04"):
        return suffix == ".docx" or (b"[Content_Types].xml" in head and b"word/" in head)
    return suffix in _SUFFIXES[:-2] and _is_text(head)


def _is_pdf(head: bytes) -> bool:
    return head[:1024].lstrip().removeprefix(codecs.BOM_UTF8).startswith(b"%PDF-")


def _is_text(head: bytes) -> bool:
    """Are these first bytes words, in any encoding? Drawings (SVG) and RTF are not."""
    if _wide(head):
        return True
    body = head.removeprefix(codecs.BOM_UTF8)
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", body))
    if b"\0" in body or control * 100 > len(body):
        return False
    return not _SVG.match(body) and not body.startswith(b"{\\rtf")


def _note(details: Details, note: str) -> None:
    details["note"] = f"{details['note']}; {note}" if "note" in details else note


def _title(details: Details, title: object) -> None:
    """Keep a title that says something; the first one counts."""
    if isinstance(title, str) and "title" not in details:
        plain = _clean(title)[:_LONGEST_TITLE].strip()
        if plain and plain.lower() not in ("untitled", "unknown", "title"):
            details["title"] = plain


def _clean(text: str) -> str:
    """On one line, without what is not shown, every white space one space."""
    return " ".join(_INVISIBLE.sub("", text).split())


# --- encodings

_MIXED = "anyfind-cp1252"  # bytes that are not UTF-8 are taken as Windows' western letters
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


codecs.register_error(_MIXED, _western)


def find_encoding(sample: bytes, declared: str | None = None) -> str:
    """The encoding of a text by its first bytes: a name for Python's codecs.

    In order: a byte order mark, UTF-16 by its zeros, UTF-8 if it is that, what the file declares,
    what charset-normalizer finds, and cp1252.
    """
    if wide := _wide(sample):
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


def _wide(sample: bytes) -> str | None:
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


def _declared(sample: bytes) -> str | None:
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


# --- lines and paragraphs


class _Draft:
    """The paragraph that is being put together; `unit` is what its numbers count."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._parts: list[str] = []
        self._marks: list[tuple[int, int]] = []
        self.length = 0

    def add(self, text: str, number: int, glue: str = " ") -> None:
        if not text:
            return
        if self._parts:
            self._parts.append(glue)
            self.length += len(glue)
        if not self._marks or self._marks[-1][1] != number:
            self._marks.append((self.length, number))
        self._parts.append(text)
        self.length += len(text)

    def drop(self, count: int) -> None:
        """Take back the last characters of what was added last."""
        self._parts[-1] = self._parts[-1][:-count]
        self.length -= count

    def take(self, opens: bool = False, alone: bool = False) -> Iterator[Paragraph]:
        if self._parts:
            paragraph = Paragraph("".join(self._parts), self._unit, self._marks, opens, alone)
            self._parts, self._marks, self.length = [], [], 0
            yield paragraph


def _lines(path: Path, reader: io.TextIOWrapper) -> Lines:
    """Number and text of each line. Very long ones come in parts, cut between two words."""
    number, rest = 1, ""
    while piece := reader.readline(_LONGEST):
        _check_words(path, piece, number)
        whole = len(piece) < _LONGEST or piece.endswith("\n")
        piece = rest + piece
        end = len(piece) if whole else piece.rfind(" ") + 1 or len(piece)
        rest = piece[end:]
        yield number, piece[:end]
        number += whole
    if rest:
        yield number, rest


def _check_words(path: Path, piece: str, number: int) -> None:
    """Raises MediaError where words have turned into something else, near line `number`."""
    if len(_CONTROL.findall(piece)) * 25 > len(piece) > 200:
        raise MediaError(path, f"is not a text throughout: line {number:,} holds other data")


def _wraps(line: str, following: str) -> bool:
    """Does a paragraph go on with the following line? Then this one was broken at a margin."""
    if _BULLET.match(following):
        return False
    return 50 <= len(line) <= 120 or following[0].islower()


def _wraps_log(line: str, following: str) -> bool:
    return False


def _plain(
    lines: Lines, unit: str, wraps: Callable[[str, str], bool], on_page: bool = False
) -> Iterator[Paragraph]:
    """Paragraphs end at empty lines, and at lines that are not broken at a margin.

    On a page, the first one opens something new, and a heading needs no empty lines around it.
    """
    draft, last = _Draft(unit), ""
    opens, after_space, alone = on_page, True, False
    for number, line in lines:
        text = _clean(line)
        if draft.length and (not text or draft.length > _LONGEST or not wraps(last, text)):
            heading = alone and (on_page or not text) and _is_heading(last)
            yield from draft.take(opens or heading)
            opens = False
        if not text:
            after_space = True
            continue
        alone = not draft.length and (on_page or after_space)
        after_space = False
        draft.add(text, number)
        last = text
    yield from draft.take(opens)


def _is_heading(line: str) -> bool:
    return (
        len(line) <= 80
        and line[-1] not in ".!?,;:…。"
        and (line[0].isupper() or line[0].isdigit())
        and len(line.split()) <= 12
    )


# --- Markdown

_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_ATX = re.compile(r"\s{0,3}#{1,6}(?=\s|$)")
_SETEXT = re.compile(r"\s{0,3}(?:=+|-{2,})\s*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTE = re.compile(r"\s{0,3}(?:>\s?)+")
_REFERENCE = re.compile(r"\s{0,3}\[[^\]^][^\]]*\]:\s*\S")
_FRONT = re.compile(r"[\w.-]+\s*:|\s|#|-\s|[\]}]|$")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_SHELTER = 0xE000  # private characters stand for the escaped ones meanwhile
_SHELTERED = re.compile("[\ue021-\ue07e]")
_MARKS = re.compile(r"[]<`*_~\\]")
# Bounded, so that no line can keep them busy for long.
_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<!--.{0,500}?-->"), " "),
    (
        re.compile(
            r"!?\[([^\[\]]{0,500})\]"
            r"(?:\([^()]{0,500}(?:\([^()]{0,100}\)[^()]{0,100}){0,3}\)|\[[^\[\]]{0,100}\])"
        ),
        r"\1",
    ),
    (re.compile(r"\[\^[^\]\s]{1,50}\]:?"), ""),
    (re.compile(r"<((?:https?|mailto):[^>\s]{1,500})>"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]{0,500}>"), ""),
    (re.compile(r"(`{1,3})(.{1,500}?)\1"), r"\2"),
    (re.compile(r"(\*{1,3}|~~)(?=\S)(.{1,500}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=\S)(.{1,500}?)(?<=\S)\1(?!\w)"), r"\2"),
)


def _is_rule(line: str) -> bool:
    """A line across the page, or between a table's head and body."""
    marks = set("".join(line.split()))
    return (len(marks) == 1 and marks < set("-*_") and len(line) > 2) or (
        "---" in line and marks <= set("-|:+")
    )


def _unmark(line: str) -> str:
    """A line of Markdown without its marks; links and pictures leave their text."""
    if "|" in line and line.strip().startswith("|"):
        line = line.strip().strip("|").replace("|", " , ")
    if _MARKS.search(line):
        line = _ESCAPE.sub(lambda found: chr(_SHELTER + ord(found[1])), line)
        for _ in range(2):  # a picture may be a link, a link may be bold
            for pattern, kept in _INLINE:
                line = pattern.sub(kept, line)
        line = _SHELTERED.sub(lambda found: chr(ord(found[0]) - _SHELTER), line)
    return _clean(unescape(line)).replace(" , ", ", ")


def _body(lines: Lines, details: Details) -> Lines:
    """Lines of Markdown without the properties before it, and without comments of several lines."""
    front = comment = False
    for number, line in lines:
        plain = line.strip()
        if number == 1 and plain == "---":
            front = True
        elif front and (plain in ("---", "...") or _FRONT.match(line)):
            front = plain not in ("---", "...")
            if plain.startswith("title:"):
                _title(details, plain.removeprefix("title:").strip(" \"'"))
        elif comment or (plain.startswith("<!--") and "-->" not in plain):
            comment = "-->" not in plain
        else:
            front = False
            yield number, line


def _markdown(lines: Lines, details: Details) -> Iterator[Paragraph]:
    draft, fence = _Draft("line"), ""
    last, count = "", 0  # the last line of the draft, and its lines where it may be a heading
    for number, line in _body(lines, details):
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            yield from draft.take()
            fence, count = "" if fence else mark[1], 0
        elif fence:  # a line of code
            draft.add(_clean(line), number)
            yield from draft.take()
        elif found := _ATX.match(line):
            yield from draft.take()
            heading = _unmark(line[found.end() :].strip().rstrip("#"))
            _title(details, heading)
            draft.add(heading, number)
            yield from draft.take(opens=True)
            count = 0
        elif count == 1 and _SETEXT.match(line):
            _title(details, last)
            yield from draft.take(opens=True)
            count = 0
        elif not line.strip() or _is_rule(line) or _REFERENCE.match(line):
            yield from draft.take()
            count = 0
        else:
            quoted = _QUOTE.match(line)
            item = _ITEM.match(line, quoted.end() if quoted else 0)
            if item or draft.length > _LONGEST or line.lstrip().startswith("|"):
                yield from draft.take()
                count = 0
            begin = item or quoted
            last = _unmark(line[begin.end() :] if begin else line)
            draft.add(last, number)
            count += not item
    yield from draft.take()


# --- web pages

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BREAKS = _HEADINGS | {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"),
    *("dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"),
    *("hr", "html", "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "section"),
    *("summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
}
_UNSEEN = {
    *("script", "style", "template", "noscript", "svg", "math", "iframe", "object", "audio"),
    *("video", "canvas", "select", "datalist", "noframes", "noembed"),
}


_ENCODED = re.compile(r"[A-Za-z0-9+/=%]{1024,}")  # pictures inside the page


class _Page(HTMLParser):
    """Gathers the visible text of a web page in `found`."""

    def __init__(self, details: Details) -> None:
        super().__init__(convert_charrefs=True)
        self.found: deque[Paragraph] = deque()
        self._details = details
        self._draft = _Draft("line")
        self._spaced = self._heading = False
        self._unseen: list[str] = []
        self._titled: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            if len(self._unseen) < 100:
                self._unseen.append(tag)
        elif tag == "title" and not self._unseen:
            self._titled = []
        elif tag in _BREAKS:
            self.end()
            self._heading = tag in _HEADINGS
        elif tag in ("br", "td", "th"):
            self._spaced = True

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]
        elif tag == "title" and self._titled is not None:
            _title(self._details, "".join(self._titled))
            self._titled = None
        elif tag in _BREAKS:
            self.end()

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._titled is not None:
            if len(self._titled) < 100:
                self._titled.append(data[:_LONGEST_TITLE])
            return
        number = self.getpos()[0]
        for place, line in enumerate(data.split("\n")):
            text = _clean(line)
            if text:
                spaced = self._spaced or place > 0 or line[0].isspace()
                self._draft.add(text, number + place, " " if spaced else "")
                self._spaced = line[-1].isspace()
            else:
                self._spaced = self._spaced or place > 0 or bool(line)
            if self._draft.length > _LONGEST:
                self.end()

    def end(self) -> None:
        """The paragraph ends."""
        self.found.extend(self._draft.take(self._heading))
        self._spaced = self._heading = False


def _web_page(path: Path, reader: io.TextIOWrapper, details: Details) -> Iterator[Paragraph]:
    page = _Page(details)
    # twice as much next time where a tag has not ended yet, so that it is not gone over too often
    while block := reader.read(max(_BLOCK, len(page.rawdata))):
        _check_words(path, block, page.getpos()[0])
        page.feed(_ENCODED.sub("", block))
        while page.found:
            yield page.found.popleft()
        if len(page.rawdata) > _LONGEST_TAG:
            _note(details, f"only used to line {page.getpos()[0]:,}: what begins there has no end")
            break
    if len(page.rawdata) <= _BLOCK:
        page.close()
    page.end()
    yield from page.found


# --- tables


def _table(path: Path, reader: io.TextIOWrapper, suffix: str) -> Iterator[Paragraph]:
    """A paragraph a row, "column: value; column: value", numbered as a spreadsheet does."""

    def lines() -> Iterator[str]:
        number = 0
        while line := reader.readline(_LONGEST_ROW):
            number += 1
            _check_words(path, line, number)
            if len(line) == _LONGEST_ROW:
                raise MediaError(path, f"has a line of over {_LONGEST_ROW:,} characters: cut it")
            yield line.replace("\0", "")

    source = lines()
    first = list(islice(source, 20))
    rows = csv.reader(chain(first, source), delimiter=_delimiter(first, suffix))
    names: list[str] | None = None
    found = False
    number = 0
    try:
        for number, row in enumerate(rows, 1):  # told where it cannot be read
            cells = [_clean(cell) for cell in row[:_MOST_COLUMNS]]
            if not any(cells):
                continue
            if names is None:
                names = cells if _is_header(cells) else []
                if names:
                    continue
            found = True
            pairs = [
                f"{names[place]}: {cell}" if place < len(names) and names[place] else cell
                for place, cell in enumerate(cells)
                if cell
            ]
            yield Paragraph("; ".join(pairs), "line", ((0, number),), alone=True)
    except csv.Error as error:
        raise MediaError(
            path, f"is damaged after row {number:,} (a quotation mark that is never closed?)"
        ) from error
    if not found:
        raise MediaError(path, "is a table without rows")


def _delimiter(lines: list[str], suffix: str) -> str:
    """What parts the columns: what gives the first rows the same number of cells, and most."""
    if suffix == ".tsv":
        return "\t"

    def agreement(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0, 0
        width = max(set(widths), key=widths.count) if widths else 0
        return (widths.count(width) if width > 1 else 0), width

    return max(",;\t|", key=agreement)


def _is_header(cells: list[str]) -> bool:
    """Names of columns: all different, and none of them a number."""
    return (
        all(cells[:-1])
        and len(set(cells)) == len(cells)
        and not any(re.fullmatch(r"[-+]?[\d.,:/ %-]+", cell) for cell in cells)
        and all(len(cell) <= 100 for cell in cells)
    )


# --- PDF

_MARGIN_NUMBER = re.compile(
    r"(?:page|seite|p\.)?\s*[-–]?\s*\d{1,5}\s*[-–]?(?:\s*(?:/|of|von)\s*\d{1,5})?", re.I
)
_NO_PAGE = "has no page that can be read: they are damaged, or unpack to too much"
_LEADER = re.compile(r"(?:\. ?){4,}")  # the dots of a table of contents
_SCAN = "has no text on its pages, as a scan has none: run text recognition (OCR) over it first"
# Odd PDFs are nothing the reader of the error stream could act on.
logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pypdf\.")


class _Exhausted(BaseException):
    """Too much time or text. Not an Exception: pypdf passes over those and goes on."""


class _Budget:
    """Bounds the time spent in pypdf, and the text that one page may give.

    `with budget:` around each call; reads of the file and operators of a page check the clock.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell = file.seek, file.tell
        self._file = file
        self._left = limits.MAX_PDF_SECONDS
        self._until = 0.0
        self._characters = 0

    def __enter__(self) -> None:
        self._until = time.monotonic() + self._left
        self._characters = 0

    def __exit__(self, *_: object) -> None:
        self._left = self._until - time.monotonic()

    def check(self, *_: object) -> None:
        if time.monotonic() > self._until:
            raise _Exhausted

    def read(self, size: int = -1) -> bytes:
        self.check()
        return self._file.read(size)

    def hear(self, text: str, *_: object) -> None:
        self._characters += len(text)
        if self._characters > _LONGEST_PAGE:
            raise _Exhausted


def _open_pdf(path: Path, file: BinaryIO, details: Details) -> Iterator[Paragraph]:
    from pypdf import PdfReader, apply_configuration
    from pypdf.errors import PyPdfError

    check_size(path, file, "MAX_DOCUMENT_BYTES", "documents")
    budget = _Budget(file)
    tamed = functools.partial(
        apply_configuration,
        zlib_maximum_output_length=limits.MAX_PAGE_BYTES,
        lzw_maximum_output_length=limits.MAX_PAGE_BYTES,
        run_length_maximum_output_length=limits.MAX_PAGE_BYTES,
        brotli_maximum_output_length=limits.MAX_PAGE_BYTES,
        array_based_stream_maximum_output_length=limits.MAX_PAGE_BYTES,
        stream_parsing_work_maximum_count=500_000,  # about 3 s of work on a page
        jbig2dec_binary=None,  # no other program is started
    )
    try:
        with tamed(), budget:
            reader = PdfReader(budget, strict=False)  # type: ignore[arg-type]  # read, seek, tell
            if reader.is_encrypted and not reader.decrypt(""):
                raise MediaError(path, "is encrypted: save it without its password and add that")
            pages = len(reader.pages)
            _title(details, _pdf_title(reader))
    except _Exhausted:
        raise _too_slow(path) from None
    except MediaError:
        raise
    except (PyPdfError, Exception) as error:
        raise MediaError(path, "is damaged, or not a PDF that can be read") from error
    if not pages:
        raise MediaError(path, "is a PDF without pages")
    details["pages"] = pages
    return _pages(path, reader, budget, tamed, details)


def _pdf_title(reader: Any) -> object:
    try:
        return reader.metadata.title if reader.metadata else None
    except Exception:  # damaged metadata do not spoil the text
        return None


def _pages(
    path: Path, reader: Any, budget: _Budget, tamed: Callable[[], Any], details: Details
) -> Iterator[Paragraph]:
    pages = int(details["pages"])
    if pages > limits.MAX_PAGES:
        _note(details, f"only its first {limits.MAX_PAGES:,} pages are used (ANYFIND_MAX_PAGES)")
        pages = limits.MAX_PAGES
    found, failed = False, 0
    for place in range(pages):
        try:
            with tamed(), budget:
                text = reader.pages[place].extract_text(
                    visitor_operand_before=budget.check, visitor_text=budget.hear
                )
        except _Exhausted:
            raise _too_slow(path) from None
        except MemoryError:
            raise
        except Exception:  # one page does not spoil the others
            failed += 1
            continue
        finally:
            reader.resolved_objects.clear()  # or the unpacked pages would all be kept
        for paragraph in _page(text, place + 1):
            found = True
            yield paragraph
    if not found:
        raise MediaError(path, _NO_PAGE if failed else _SCAN)
    if failed:
        _note(details, f"{failed:,} of its pages cannot be read")


def _page(text: str, number: int) -> Iterator[Paragraph]:
    """The paragraphs of a page: words broken at a line's end are mended, page numbers left out."""
    lines = [line.strip() for line in _LEADER.sub("… ", text).split("\n")]
    lines = [line for line in lines if len(line) > 40 or not _MARGIN_NUMBER.fullmatch(line)]
    lengths = sorted(len(line) for line in lines if line)
    if not lengths:
        return
    width = lengths[len(lengths) * 9 // 10]
    mended: list[str] = []
    for line in lines:
        before, rest = mended[-1] if mended else "", line
        if (
            len(before) > 1
            and before[-1] in "-\xad\u2010"
            and before[-2].isalpha()
            and line[:1].islower()
        ):
            word, _, rest = line.partition(" ")
            mended[-1] = before[:-1] + word
        if rest or rest is line:
            mended.append(rest.strip())

    def wraps(line: str, following: str) -> bool:
        if _BULLET.match(following):
            return False
        ended = line[-1] in '.!?:…"”'
        return following[0].islower() or len(line) >= width * (0.85 if ended else 0.6)

    yield from _plain(((number, line) for line in mended), "page", wraps, on_page=True)


def _too_slow(path: Path) -> MediaError:
    return MediaError(
        path,
        f"asks for more than a PDF should: over {limits.MAX_PDF_SECONDS:,.0f} s of work "
        f"(ANYFIND_MAX_PDF_SECONDS), or over {_LONGEST_PAGE:,} characters on a page",
    )


# --- Word

_DAMAGED_WORD = "is damaged, or not a Word document"
_MAIN_PART = re.compile(r"wordprocessingml\.(?:document|template)\.main\+xml")
_PART_NAME = re.compile(r"PartName=[\"']/([^\"']+)[\"']")


class _UnfitError(Exception):
    """A Word file that holds what it should not."""


def _open_docx(path: Path, file: BinaryIO, details: Details) -> Iterator[Paragraph]:
    check_size(path, file, "MAX_DOCUMENT_BYTES", "documents")
    try:
        _check_directory(file)
        archive = zipfile.ZipFile(file)
        types = _part(archive, "[Content_Types].xml", 1 << 20).decode("utf-8", "replace")
        tags = (tag for tag in re.findall(r"<[^<>]+>", types) if _MAIN_PART.search(tag))
        name = _PART_NAME.search(next(tags, ""))
        if name is None:
            raise MediaError(path, "is a zip archive, and not a Word document")
        info = _info(archive, name[1])
        if info.file_size > limits.MAX_DOCUMENT_BYTES:
            raise MediaError(
                path,
                f"unpacks to {info.file_size:,} bytes of text, more than the limit of "
                f"{limits.MAX_DOCUMENT_BYTES:,} (ANYFIND_MAX_DOCUMENT_BYTES)",
            )
        _title(details, _core_title(archive))
        return _document(archive, info)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(path, _DAMAGED_WORD) from error


def _check_directory(file: BinaryIO) -> None:
    """Look at the size of an archive's list of contents before zipfile reads it whole."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or struct.unpack_from("<I", tail, end + 12)[0] > _ZIP_DIRECTORY:
        raise _UnfitError
    file.seek(0)


def _info(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _UnfitError  # the other methods unpack without bounds
    return info


def _part(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with archive.open(_info(archive, name)) as part:
        return part.read(most)


def _core_title(archive: zipfile.ZipFile) -> str | None:
    """The title among the document's properties."""
    try:
        properties = _part(archive, "docProps/core.xml", 1 << 18).decode("utf-8", "replace")
    except Exception:  # it may have none
        return None
    found = re.search(r"<dc:title[^<>]*>([^<]*)<", properties)
    return unescape(found[1]) if found else None


class _Document:
    """Gathers the paragraphs of a Word file's main part in `found`, as expat reads it.

    The unit is the paragraph that has words; a table's row counts as one.
    """

    def __init__(self) -> None:
        self.found: deque[Paragraph] = deque()
        self._count = 1
        self._open: list[list[str]] = []  # the texts of the paragraphs that are open
        self._rows: list[list[list[str]]] = []  # the cells of the rows that are open
        self._length = 0  # characters in all that is open
        self._fed = 0  # bytes
        self._heading = self._listening = False
        self._passed = 0  # depth inside what is a second version of the same
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._refuse  # entities need one

    def feed(self, data: bytes, last: bool = False) -> None:
        self._parser.Parse(data, last)
        self._fed += len(data)
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TAG:  # expat holds all of it
            raise _UnfitError

    def _refuse(self, *_: object) -> None:
        raise _UnfitError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        if self._passed or name == "Fallback":
            self._passed += 1
        elif name == "p":
            self._open.append([])
            self._heading = False
        elif name == "tr":
            self._rows.append([])
        elif name == "tc" and self._rows:
            self._rows[-1].append([])
            self._grow(1)
        elif name == "t":
            self._listening = True
        elif name in ("tab", "br", "cr"):
            self._hear(" ")
        elif name == "noBreakHyphen":
            self._hear("-")
        elif name == "pStyle":
            style = next((v for k, v in attributes.items() if k.endswith("val")), "")
            self._heading = style.lower().startswith(("heading", "title", "subtitle"))
        elif name == "outlineLvl":
            self._heading = True
        if len(self._open) + len(self._rows) > _DEEPEST:
            raise _UnfitError

    def _end(self, name: str) -> None:
        name = name.rpartition(" ")[2]
        if self._passed:
            self._passed -= 1
        elif name == "t":
            self._listening = False
        elif name == "p" and self._open:
            text = _clean("".join(self._open.pop()))
            self._put(text, self._heading or (bool(text) and _is_heading(text)))
        elif name == "tr" and self._rows:
            cells = (" ".join(cell) for cell in self._rows.pop())
            self._put("; ".join(filter(None, cells)))

    def _data(self, data: str) -> None:
        if self._listening and not self._passed:
            self._hear(data)

    def _hear(self, text: str) -> None:
        if self._open:
            self._open[-1].append(text)
            self._grow(len(text))

    def _grow(self, size: int) -> None:
        """What is open grows: of an endless paragraph or row, give what there is so far."""
        self._length += size
        if self._length > _LONGEST:
            for row in self._rows:
                self._found("; ".join(" ".join(cell) for cell in row if cell))
                row[:] = [[]]
            self._length = 0
            for texts in self._open:
                text = "".join(texts)
                end = text.rfind(" ") + 1 or len(text)
                self._found(_clean(text[:end]))
                texts[:] = [text[end:]]

    def _put(self, text: str, heading: bool = False) -> None:
        """A paragraph or a row is whole; in a table it belongs to a cell."""
        if self._rows and self._rows[-1]:
            if text:
                self._rows[-1][-1].append(text)
        else:
            self._found(text, heading)

    def _found(self, text: str, heading: bool = False) -> None:
        if text:
            self.found.append(Paragraph(text, "paragraph", ((0, self._count),), heading))
            self._count += 1
        if not self._open and not self._rows:
            self._length = 0


def _document(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Paragraph]:
    document = _Document()
    with archive, archive.open(info) as part:
        while block := part.read(_BLOCK):
            document.feed(block)
            while document.found:
                yield document.found.popleft()
    document.feed(b"", last=True)
    yield from document.found


# --- the preview

WIDTH, HEIGHT = 384, 512  # pixels
_PAPER, _INK, _TITLE_INK, _ACCENT, _BAR = "#ffffff", "#454a59", "#1d2130", "#4f5bd5", "#d5d8e3"
_MARGIN = 36
_FINER = 2  # drawn this much larger, then scaled down
_FADE = 96  # pixels at the foot over which the text fades out
# Beside Pillow's own font, which knows little but English: what systems have, the common first.
_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf"),
    *("arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc"),
    *("DroidSansFallbackFull.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "PingFang.ttc"),
    *("Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
)

Font = ImageFont.FreeTypeFont


def draw(title: str, text: str) -> Image.Image:
    """The beginning of a text as a sheet of paper, RGB 384 x 512.

    Words for which no font has the letters are drawn as grey bars.
    """
    sheet = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), _PAPER)
    brush = ImageDraw.Draw(sheet)
    font = _choose(f"{title} {text[:2000]}", 14 * _FINER)
    first = text.partition("\n")[0]
    y = float(_MARGIN * _FINER)
    if title:
        y = _write(brush, title, y, font.font_variant(size=23 * _FINER), _TITLE_INK, 3)
        brush.line(
            [(_MARGIN * _FINER, y + 12), ((_MARGIN + 44) * _FINER, y + 12)], _ACCENT, 3 * _FINER
        )
        y += 36
        if first.strip() == title:
            text = text[len(first) :]
    for line in text.split("\n"):
        if line.strip() and y < sheet.height:
            y = _write(brush, line, y, font, _INK) + 12
    fade = Image.linear_gradient("L").resize((sheet.width, _FADE * _FINER))
    sheet.paste(_PAPER, (0, sheet.height - fade.height), fade)
    return sheet.reduce(_FINER)


def _write(
    brush: ImageDraw.ImageDraw, text: str, y: float, font: Font, ink: str, most: int = 99
) -> float:
    """Draw words in lines from `y` down, `most` of them; where the next line would be."""
    left, right = _MARGIN * _FINER, (WIDTH - _MARGIN) * _FINER
    gap, height = font.getlength(" "), font.size * 1.5
    lines: list[list[tuple[str, Font | None, float, float]]] = [[]]
    x = 0.0
    for token in split_words(text):
        shown, its_font = _drawable(token.strip(), font)
        while len(shown) > 1 and _length(shown, its_font or font) > right - left:
            shown = shown[: len(shown) * 2 // 3]
        width = _length(shown, its_font or font)
        if lines[-1] and x + width > right - left:
            if len(lines) == most or y + len(lines) * height > HEIGHT * _FINER:
                break
            lines.append([])
            x = 0.0
        lines[-1].append((shown, its_font, x, width))
        x += width + (gap if token[-1].isspace() else 0)
    for line in lines:
        turned = 2 * sum(_is_from_right(word) for word, *_ in line) > len(line)
        for word, its_font, x, width in line:
            at = right - x - width if turned else left + x
            if its_font is None:
                box = (at, y + height * 0.22, at + width, y + height * 0.56)
                brush.rectangle(box, _BAR)
            else:
                brush.text((at, y), word, ink, its_font, stroke_width=int(most < 99))
        y += height
    return y


def _is_from_right(word: str) -> bool:
    return unicodedata.bidirectional(word[:1] or " ") in ("R", "AL")


def _length(word: str, font: Font) -> float:
    return float(font.getlength(word))


def _choose(text: str, size: int) -> Font:
    """The font that has most of a text's letters; Pillow's own where it has them all."""
    letters = set(text) - set(" \n")
    return max(_fonts(size), key=lambda font: sum(_has(font, letter) for letter in letters))


def _drawable(word: str, font: Font) -> tuple[str, Font | None]:
    """The word and a font that has it; else without accents; else (word, None)."""
    plain = unicodedata.normalize("NFKD", word)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    for shown in (word, plain):
        for known in (font, *_fonts(int(font.size))):
            if shown and all(_has(known, letter) for letter in shown):
                return shown, known
    return word, None


@functools.cache
def _fonts(size: int) -> tuple[Font, ...]:
    found = [ImageFont.load_default(size)]
    for name in _FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # this system does not have it
            continue
    return tuple(font for font in found if isinstance(font, ImageFont.FreeTypeFont))


@functools.lru_cache(maxsize=8192)
def _has(font: Font, letter: str) -> bool:
    """Does it draw this letter, and not the box that stands for what it has not?"""
    mask, nothing = font.getmask(letter), font.getmask("\uffff")
    return mask.size != nothing.size or bytes(mask) != bytes(nothing)


MEDIUM = Medium("text", _SUFFIXES, _recognise, open_text)
