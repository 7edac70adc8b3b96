"""Word files (docx): their text, then its footnotes, endnotes and comments."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections import deque
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from . import limits
from .draft import LONGEST, Details, add_note, clean, keep_title
from .medium import MediaError, check_size
from .passages import Paragraph
from .plain import is_heading

_BLOCK = 1 << 16  # bytes read at a time
_LONGEST_TAG = 1 << 20  # bytes; expat holds all of a tag
_DEEPEST = 200  # paragraphs and rows inside each other
_ZIP_DIRECTORY = 4 << 20  # bytes; a Word file's has a few thousand
_DAMAGED = "is damaged, or not a Word document"
_TEXT = r"(?:document|template)\.main"
_SIGNS = {"tab": " ", "br": " ", "cr": " ", "noBreakHyphen": "-"}
_NOTES = ("footnote", "endnote", "comment")
_PART_NAME = re.compile(r"PartName=[\"']/([^\"']+)[\"']")


class _UnfitError(Exception):
    """A Word file that holds what it should not."""


def open_word(path: Path, file: BinaryIO, details: Details) -> Iterator[Paragraph]:
    """The paragraphs of a Word file; its title goes into `details`.

    Raises MediaError when it is damaged, too large, or no Word document.
    """
    check_size(path, file, "MAX_DOCUMENT_BYTES", "documents")
    try:
        _check_directory(file)
        archive = zipfile.ZipFile(file)
        types = _part(archive, "[Content_Types].xml", 1 << 20).decode("utf-8", "replace")
        name = _find_part(types, _TEXT)
        if name is None:
            raise MediaError(path, "is a zip archive, and not a Word document")
        info = _info(archive, name)
        if info.file_size > limits.MAX_DOCUMENT_BYTES:
            raise MediaError(
                path,
                f"unpacks to {info.file_size:,} bytes of text, more than the limit of "
                f"{limits.MAX_DOCUMENT_BYTES:,} (ANYFIND_MAX_DOCUMENT_BYTES)",
            )
        keep_title(details, _core_title(archive))
        notes = {kind: name for kind in _NOTES if (name := _find_part(types, f"{kind}s"))}
        return _document(archive, info, notes, details)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(path, _DAMAGED) from error


def _check_directory(file: BinaryIO) -> None:
    """Look at the size of an archive's list of contents before zipfile reads it whole."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or struct.unpack_from("<I", tail, end + 12)[0] > _ZIP_DIRECTORY:
        raise _UnfitError
    file.seek(0)


def _find_part(types: str, kind: str) -> str | None:
    """The name of the part that holds this kind of text, by the list of contents."""
    wanted = re.compile(rf"wordprocessingml\.{kind}\+xml")
    tags = (tag for tag in re.findall(r"<[^<>]+>", types) if wanted.search(tag))
    name = _PART_NAME.search(next(tags, ""))
    return name[1] if name else None


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


class _Part:
    """Gathers the paragraphs of one part of a Word file in `found`, as expat reads it.

    In the text the unit is the paragraph that has words; a table's row counts as one. Among notes
    it is the note, numbered as the text refers to it; what the text does not refer to is not shown.
    """

    def __init__(self, unit: str = "paragraph", numbers: dict[str, int] | None = None) -> None:
        self.found: deque[Paragraph] = deque()
        self.notes: dict[str, dict[str, int]] = {kind: {} for kind in _NOTES}
        """Of each kind of note the numbers by their ids, in the order of the text."""
        self._unit, self._numbers = unit, numbers
        self._number = 1
        self._open: list[list[str]] = []  # the texts of the paragraphs that are open
        self._rows: list[list[list[str]]] = []  # the cells of the rows that are open
        self._length = 0  # characters in all that is open
        self._fed = 0  # bytes
        self._heading = self._listening = False
        self._passed = 0  # depth inside what is not shown
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
        if self._passed or name == "Fallback":  # which is a second version of the same
            self._passed += 1
        elif self._numbers is not None and name == self._unit:
            self._number = self._numbers.get(_id(attributes), 0)
            self._passed += not self._number
        elif name.endswith("Reference") and (kind := name.removesuffix("Reference")) in self.notes:
            notes = self.notes[kind]
            if len(notes) < limits.MAX_PASSAGES:
                notes.setdefault(_id(attributes), len(notes) + 1)
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
        elif name in _SIGNS:
            self._hear(_SIGNS[name])
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
            text = clean("".join(self._open.pop()))
            self._put(text, self._heading or (bool(text) and is_heading(text)))
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
        if self._length > LONGEST:
            for row in self._rows:
                self._found("; ".join(" ".join(cell) for cell in row if cell))
                row[:] = [[]]
            self._length = 0
            for texts in self._open:
                text = "".join(texts)
                end = text.rfind(" ") + 1 or len(text)
                self._found(clean(text[:end]))
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
            heading = heading and self._numbers is None
            self.found.append(Paragraph(text, self._unit, ((0, self._number),), heading))
            self._number += self._numbers is None
        if not self._open and not self._rows:
            self._length = 0


def _id(attributes: dict[str, str]) -> str:
    return next((value for name, value in attributes.items() if name.endswith(" id")), "")


def _document(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, notes: dict[str, str], details: Details
) -> Iterator[Paragraph]:
    with archive:
        text = _Part()
        yield from _paragraphs(archive, info, text)
        for kind, name in notes.items():
            if text.notes[kind]:
                try:
                    part = _Part(kind, text.notes[kind])
                    yield from _paragraphs(archive, _info(archive, name), part)
                except MemoryError:
                    raise
                except Exception:  # damaged notes do not spoil the text
                    add_note(details, f"its {kind}s cannot all be read")


def _paragraphs(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, part: _Part
) -> Iterator[Paragraph]:
    if info.file_size > limits.MAX_DOCUMENT_BYTES:
        raise _UnfitError
    with archive.open(info) as file:
        while block := file.read(_BLOCK):
            part.feed(block)
            while part.found:
                yield part.found.popleft()
    part.feed(b"", last=True)
    yield from part.found
