"""What all readers of texts use: clean words, paragraphs in the making, notes about the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .passages import Paragraph

LONGEST = 1 << 16  # characters of a line or a paragraph; what is longer is taken in parts
LONGEST_TITLE = 200  # characters

Details = dict[str, int | float | str]

# What is not shown: control characters, marks without width, halves of characters.
_INVISIBLE = re.compile(
    "\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1b\x7f\xad\u200b\u2060\ufeff\ud800-\udfff]"
)


def add_note(details: Details, note: str) -> None:
    """Tell of what is not used of a file, after what has been told already."""
    details["note"] = f"{details['note']}; {note}" if "note" in details else note


def keep_title(details: Details, title: object) -> None:
    """Keep a title that says something; the first one counts."""
    if isinstance(title, str) and "title" not in details:
        plain = clean(title)[:LONGEST_TITLE].strip()
        if plain and plain.lower() not in ("untitled", "unknown", "title"):
            details["title"] = plain


def clean(text: str) -> str:
    """On one line, without what is not shown, every white space one space."""
    return " ".join(_INVISIBLE.sub("", text).split())


class Draft:
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

    def take(self, opens: bool = False, alone: bool = False) -> Iterator[Paragraph]:
        if self._parts:
            paragraph = Paragraph("".join(self._parts), self._unit, self._marks, opens, alone)
            self._parts, self._marks, self.length = [], [], 0
            yield paragraph
