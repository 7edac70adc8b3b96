"""Cuts texts into passages: a few sentences each, at the borders of paragraphs and sentences.

A passage is as much as a text encoder reads at once (MiniLM: 256 tokens) and about as much as
speaks of one thing: `ENOUGH_WORDS` to `MOST_WORDS` words. Short neighbouring paragraphs are joined,
a long one is cut into parts of like length at the ends of its sentences, and never inside a word.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

FEW_WORDS = 20  # fewer do not stand alone where a chapter or a page ends
ENOUGH_WORDS = 40  # with these a passage ends where a paragraph does
MOST_WORDS = 110
MOST_CHARACTERS = 800

_ATOM_WORDS = 60  # a sentence longer than this, or than half a passage, may be cut
_ATOM_CHARACTERS = 400

# Where a sentence may end; in Chinese and Japanese no space follows.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s+|[。！？]+[」』”）]*\s*|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"“‘'])(?:[^\W\d_]|[A-Za-z]\.[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Rev|Gen|Col|Capt|Lt|"
    r"No|Nos|Nr|Vol|Fig|Figs|Eq|Ch|Sec|pp|p|vs|cf|ca|approx|al|Inc|Ltd|Co|Corp|Abb|Bd|Hr|Fr|"
    r"z\.\s?B|d\.\s?h|u\.\s?a)$"
)
# Han, kana and hangul: written without spaces, or with few; each character counts as a word.
_IDEOGRAPH = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_IDEOGRAPH}]\s*|[^\s{_IDEOGRAPH}]+\s*")
_CLAUSE_ENDS = (",", ";", ":", "–", "—", "，", "、", "；", "：")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, a heading or a table's row, and where its characters lie in the file.

    `unit` names what is counted ("line", "page", ...); `marks` are (offset in `text`, number),
    rising, the first at offset 0. `opens`: something new begins here (a heading, a page).
    `alone`: it is joined with nothing (a table's row).
    """

    text: str
    unit: str
    marks: Sequence[tuple[int, int]]
    opens: bool = False
    alone: bool = False

    def number(self, offset: int) -> int:
        """The line, page, ... in which the character at `offset` lies."""
        return self.marks[bisect_right(self.marks, (offset, math.inf)) - 1][1]


@dataclass(frozen=True, slots=True)
class Passage:
    """Words for one vector, how many they are, and where they begin: {"line": 12}."""

    text: str
    words: int
    place: dict[str, int]


def split_words(text: str) -> list[str]:
    """Words, with the space after them; of Chinese, Japanese and Korean, characters."""
    return _WORD.findall(text)


def count_words(text: str) -> int:
    return len(text.split()) if text.isascii() else len(split_words(text))


def cut(paragraphs: Iterable[Paragraph]) -> Iterator[Passage]:
    """Cut a stream of paragraphs into passages of at most `MOST_CHARACTERS`, in order.

    What is counted by another unit (footnotes after paragraphs) begins a passage of its own.
    Memory is that of one paragraph and one passage.
    """
    held = _Held()
    for paragraph in paragraphs:
        opens = paragraph.opens and held.words >= FEW_WORDS
        if paragraph.alone or opens or held.unit != paragraph.unit:
            yield from held.take()
        atoms = list(_atoms(paragraph.text))
        left = sum(words for _, _, words in atoms)
        total = held.words + left
        share = total / math.ceil(total / MOST_WORDS) if total else 0
        for start, end, words in atoms:
            if not held.has_room(words, end - start):
                yield from held.take()
            held.add(paragraph, start, end, words)
            left -= words
            if held.words >= share and left >= FEW_WORDS:
                yield from held.take()
        if paragraph.alone or (held.words >= ENOUGH_WORDS and not paragraph.opens):
            yield from held.take()
        held.end_line()
    yield from held.take()


class _Held:
    """The passage that is being put together."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._parts: list[str] = []
        self._characters = 0
        self._place: dict[str, int] = {}
        self.words = 0
        self.unit = ""

    def has_room(self, words: int, characters: int) -> bool:
        return self.words + words <= MOST_WORDS and self._characters + characters <= MOST_CHARACTERS

    def add(self, paragraph: Paragraph, start: int, end: int, words: int) -> None:
        if not self._parts:
            self.unit = paragraph.unit
            self._place = {self.unit: paragraph.number(start)}
        self._parts.append(paragraph.text[start:end])
        self._characters += end - start
        self.words += words

    def end_line(self) -> None:
        if self._parts:
            self._parts.append("\n")
            self._characters += 1

    def take(self) -> Iterator[Passage]:
        text = "".join(self._parts).strip()
        if text:
            yield Passage(text, self.words, self._place)
        self._clear()


def _atoms(text: str) -> Iterator[tuple[int, int, int]]:
    """What is not cut: (start, end, words) of sentences, and of parts of very long ones."""
    for start, end in _sentences(text):
        words = count_words(text[start:end])
        if words <= _ATOM_WORDS and end - start <= _ATOM_CHARACTERS:
            yield start, end, words
        else:
            yield from _parts(text, start, end)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for found in _END.finditer(text):
        end = found.end()
        if found.group().startswith(".") and (
            text[end : end + 1].islower()
            or _ABBREVIATION.search(text, max(start, found.start() - 12), found.start())
        ):
            continue
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Cut a very long sentence after a comma or the like, or else between two words.

    What has no spaces for as long as a passage (encoded data) is no word, and is cut anywhere.
    """
    first, words, clause, clause_words = start, 0, start, 0
    for found in _WORD.finditer(text, start, end):
        while found.end() - first > _ATOM_CHARACTERS or words >= _ATOM_WORDS:
            if (clause - first) * 2 >= found.start() - first > 0:
                yield first, clause, clause_words
                first, words = clause, words - clause_words
            elif found.start() > first:
                yield first, found.start(), words
                first, words = found.start(), 0
            else:
                yield first, first + _ATOM_CHARACTERS, 1
                first += _ATOM_CHARACTERS
            clause, clause_words = first, 0
        words += 1
        if found.group().rstrip().endswith(_CLAUSE_ENDS):
            clause, clause_words = found.end(), words
    if first < end:
        yield first, end, max(words, 1)
