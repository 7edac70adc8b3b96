"""Passages of texts: where they stand, what stands around them, and the query's words in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from store.words import IDLE

BEFORE = 60  # characters shown before the first marked word of a passage that is cut

Marked = list[tuple[str, bool]]  # pieces of a text, and whether they are the query's words


def where(place: Mapping[str, Any]) -> str:
    """ "page 3", "line 12"."""
    units = ("page", "line", "paragraph", "row", "footnote", "endnote", "comment")
    return ", ".join(f"{unit} {place[unit]}" for unit in units if unit in place)


def mark(text: str, wanted: str) -> Marked:
    """Cut a text into pieces, so that those which are words of `wanted` can be marked."""
    asked = {word for word in re.findall(r"\w+", wanted.casefold()) if word not in IDLE}
    pieces: Marked = []
    last = 0
    for found in re.finditer(r"\w+", text) if asked else ():
        word = found.group().casefold()
        if any(_alike(word, other) for other in asked):
            pieces += [(text[last : found.start()], False), (found.group(), True)]
            last = found.end()
    pieces.append((text[last:], False))
    return [piece for piece in pieces if piece[0]]


def excerpt(pieces: Marked) -> Marked:
    """The passage from a little before its first marked word on, for a card of few lines."""
    before, *rest = pieces or [("", False)]
    if not rest or before[1] or len(before[0]) <= 2 * BEFORE:
        return pieces
    start = before[0].find(" ", len(before[0]) - BEFORE) + 1
    return [("…" + before[0][start:], False), *rest]


def _alike(a: str, b: str) -> bool:
    """Whether they are forms of one word: "church", "churches"."""
    if a == b:
        return True
    short, long = sorted((len(a), len(b)))
    shared = next((place for place in range(short) if a[place] != b[place]), short)
    rest = short - shared
    return shared >= 3 and long - shared <= 3 and (rest == 0 or (shared >= 5 and rest <= 1))
