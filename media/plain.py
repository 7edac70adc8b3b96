"""Plain text: paragraphs end at empty lines, and at lines that were not broken at a margin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .draft import LONGEST, Draft, clean
from .lines import Lines
from .passages import Paragraph

BULLET = re.compile(r"(?:[-*+•‣▪–]|\d{1,3}[.)]|[a-z]\))\s")


def wraps_prose(line: str, following: str) -> bool:
    """Does a paragraph go on with the following line? Then this one was broken at a margin."""
    if BULLET.match(following):
        return False
    return 50 <= len(line) <= 120 or following[0].islower()


def wraps_log(line: str, following: str) -> bool:
    """In a log every line stands for itself."""
    return False


def read_plain(
    lines: Lines, unit: str, wraps: Callable[[str, str], bool], on_page: bool = False
) -> Iterator[Paragraph]:
    """Paragraphs end at empty lines, and at lines that are not broken at a margin.

    On a page, the first one opens something new, and a heading needs no empty lines around it.
    """
    draft, last = Draft(unit), ""
    opens, after_space, alone = on_page, True, False
    for number, line in lines:
        text = clean(line)
        if draft.length and (not text or draft.length > LONGEST or not wraps(last, text)):
            heading = alone and (on_page or not text) and is_heading(last)
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


def is_heading(line: str) -> bool:
    """Does this line, which stands by itself, look like the heading of what follows?"""
    return (
        len(line) <= 80
        and line[-1] not in ".!?,;:…。"
        and (line[0].isupper() or line[0].isdigit())
        and len(line.split()) <= 12
    )
