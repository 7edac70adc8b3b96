"""PDF: the paragraphs of its pages, with bounds on the work that a page may ask for."""

from __future__ import annotations

import codecs
import functools
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from . import limits
from .draft import Details, add_note, keep_title
from .medium import MediaError, check_size
from .passages import Paragraph
from .plain import BULLET, read_plain

_LONGEST_PAGE = 1 << 23  # characters of a page
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


def is_pdf(head: bytes) -> bool:
    """Are these the first bytes of a PDF? White space may stand before it."""
    return head[:1024].lstrip().removeprefix(codecs.BOM_UTF8).startswith(b"%PDF-")


def open_pdf(path: Path, file: BinaryIO, details: Details) -> Iterator[Paragraph]:
    """The paragraphs of a PDF; its title and number of pages go into `details`.

    Raises MediaError when it is damaged, encrypted, too large, scanned, or too much work.
    """
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
            keep_title(details, _pdf_title(reader))
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
        add_note(details, f"only its first {limits.MAX_PAGES:,} pages are used (ANYFIND_MAX_PAGES)")
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
        add_note(details, f"{failed:,} of its pages cannot be read")


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
        if BULLET.match(following):
            return False
        ended = line[-1] in '.!?:…"”'
        return following[0].islower() or len(line) >= width * (0.85 if ended else 0.6)

    yield from read_plain(((number, line) for line in mended), "page", wraps, on_page=True)


def _too_slow(path: Path) -> MediaError:
    return MediaError(
        path,
        f"asks for more than a PDF should: over {limits.MAX_PDF_SECONDS:,.0f} s of work "
        f"(ANYFIND_MAX_PDF_SECONDS), or over {_LONGEST_PAGE:,} characters on a page",
    )
