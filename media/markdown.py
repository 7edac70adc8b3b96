"""Markdown: its words without its marks, headings, and the title before or in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from .draft import LONGEST, Details, Draft, clean, keep_title
from .lines import Lines
from .passages import Paragraph

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
    return clean(unescape(line)).replace(" , ", ", ")


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
                keep_title(details, plain.removeprefix("title:").strip(" \"'"))
        elif comment or (plain.startswith("<!--") and "-->" not in plain):
            comment = "-->" not in plain
        else:
            front = False
            yield number, line


def read_markdown(lines: Lines, details: Details) -> Iterator[Paragraph]:
    """Its paragraphs, list items and rows of tables; its title goes into `details`."""
    draft, fence = Draft("line"), ""
    last, count = "", 0  # the last line of the draft, and its lines where it may be a heading
    for number, line in _body(lines, details):
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            yield from draft.take()
            fence, count = "" if fence else mark[1], 0
        elif fence:  # a line of code
            draft.add(clean(line), number)
            yield from draft.take()
        elif found := _ATX.match(line):
            yield from draft.take()
            heading = _unmark(line[found.end() :].strip().rstrip("#"))
            keep_title(details, heading)
            draft.add(heading, number)
            yield from draft.take(opens=True)
            count = 0
        elif count == 1 and _SETEXT.match(line):
            keep_title(details, last)
            yield from draft.take(opens=True)
            count = 0
        elif not line.strip() or _is_rule(line) or _REFERENCE.match(line):
            yield from draft.take()
            count = 0
        else:
            quoted = _QUOTE.match(line)
            item = _ITEM.match(line, quoted.end() if quoted else 0)
            if item or draft.length > LONGEST or line.lstrip().startswith("|"):
                yield from draft.take()
                count = 0
            begin = item or quoted
            last = _unmark(line[begin.end() :] if begin else line)
            draft.add(last, number)
            count += not item
    yield from draft.take()
