"""Texts: passages of plain text, Markdown, web pages, tables, PDF and Word files, read as streams.

Nothing in a file is ever run or fetched: scripts, macros, pictures and links are passed over.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from . import limits
from .draft import Details, add_note
from .encoding import MIXED, find_declared, find_encoding, find_wide
from .leaf import draw
from .lines import read_lines
from .markdown import read_markdown
from .medium import Media, MediaError, Medium, Segment
from .passages import Paragraph, cut
from .pdf import is_pdf, open_pdf
from .plain import read_plain, wraps_log, wraps_prose
from .table import read_table
from .web_page import read_web_page
from .word import open_word

_PLAIN = (".txt", ".text", ".log", ".rst")
_MARKDOWN = (".md", ".markdown")
_HTML = (".html", ".htm", ".xhtml")
_TABLES = (".csv", ".tsv")
_SUFFIXES = (*_PLAIN, *_MARKDOWN, *_HTML, *_TABLES, ".pdf", ".docx")

_SAMPLE = 1 << 16  # bytes by which the encoding is known

_SVG = re.compile(
    rb"\s*+(?>(?><\?xml.*?\?>|<!--.*?-->)\s*+)*+(?:<!doctype\s+svg|<svg)[\s/>]", re.I | re.S
)


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
                add_note(
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
    if is_pdf(head):
        paragraphs = open_pdf(path, file, details)
    elif head.startswith(b"PK\x03\x04"):
        paragraphs = open_word(path, file, details)
    else:
        file.seek(0)
        sample = file.read(_SAMPLE)
        file.seek(0)
        encoding = find_encoding(sample, find_declared(sample) if suffix in _HTML else None)
        details["encoding"] = "utf-8" if encoding == "utf-8-sig" else encoding
        errors = MIXED if encoding.startswith("utf-8") else "replace"
        reader = io.TextIOWrapper(file, encoding, errors)
        if suffix in _HTML:
            paragraphs = read_web_page(path, reader, details)
        elif suffix in _TABLES:
            paragraphs = read_table(path, reader, suffix)
        else:
            lines = read_lines(path, reader)
            if suffix in _MARKDOWN:
                paragraphs = read_markdown(lines, details)
            else:
                wraps = wraps_log if suffix == ".log" else wraps_prose
                paragraphs = read_plain(lines, "line", wraps)
    return Text(path, file, paragraphs, details)


def _recognise(head: bytes, suffix: str) -> bool:
    if is_pdf(head):
        return True
    if head.startswith(b"PK\x03\x04"):
        return suffix == ".docx" or (b"[Content_Types].xml" in head and b"word/" in head)
    return suffix in _SUFFIXES[:-2] and _is_text(head)


def _is_text(head: bytes) -> bool:
    """Are these first bytes words, in any encoding? Drawings (SVG) and RTF are not."""
    if find_wide(head):
        return True
    body = head.removeprefix(codecs.BOM_UTF8)
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", body))
    if b"\0" in body or control * 100 > len(body):
        return False
    return not _SVG.match(body) and not body.startswith(b"{\\rtf")


MEDIUM = Medium("text", _SUFFIXES, _recognise, open_text)
