"""Things to be looked at beside each other: words, items and files, each as vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from store.library import Library, LibraryError, Term
from store.records import Item
from store.search import middle
from store.streams import STREAMS
from store.wordings import encode_queries, read_wordings, space_kind

WORDS = "words"
"""The medium of a thing that is words."""
MOST_THINGS = 40


@dataclass(frozen=True)
class Thing:
    """One of the things, by its vectors."""

    label: str
    medium: str
    """A modality, or WORDS."""
    vectors: Mapping[str, np.ndarray]
    """A unit vector (dim,) for each tower that it may be compared with."""
    towers: frozenset[str]
    """Those that made it: a film's are two."""
    item: Item | None = None


def read_things(library: Library, terms: Sequence[Term]) -> list[Thing]:
    """What the terms name, in their order; weights count for nothing.

    Raises LibraryError for empty words, items that are not there, files that cannot be read, and
    too many things.
    """
    if len(terms) > MOST_THINGS:
        raise LibraryError(f"{len(terms)} things are too many: take at most {MOST_THINGS}.")
    towers = sorted({STREAMS[name].tower for name in library.streams})
    words = [_plain(str(term.what)) for term in terms if term.by == "text"]
    if not all(words):
        raise LibraryError("One of the things is empty: type words, or leave it out.")
    if words and not reads_words(library):
        raise LibraryError(
            f"The space {library.space.name} reads no words: take items or files alone."
        )
    wordings = read_wordings(space_kind(library.space.name))
    rows: Mapping[str, np.ndarray] = {}
    if words:
        rows = encode_queries(library.space, words, {tower: wordings[tower] for tower in towers})
    at = 0
    things = []
    for term in terms:
        if term.by == "text":
            vectors = {tower: rows[tower][at] for tower in towers}
            things.append(Thing(words[at], WORDS, vectors, frozenset({"text"})))
            at += 1
        else:
            things.append(_read(library, term, towers))
    return things


def reads_words(library: Library) -> bool:
    """Whether the library's space has a tower for words, as most have."""
    return library.space.reads_text


def _read(library: Library, term: Term, towers: Sequence[str]) -> Thing:
    """An item or a file."""
    what: Any = term.what
    item = None
    if term.by == "item":
        item, parts = library.get(str(what)), library.item_vectors(str(what))
        label = str(what) if item is None else str(item.details.get("title") or item.title)
    else:
        parts = what if isinstance(what, dict) else library.embed_parts(what)
        label = what.name if isinstance(what, Path) else "a file"
    if not parts:
        raise LibraryError(f"{label} has no vectors in this library: add it again.")
    own = {STREAMS[name].tower: middle(rows) for name, rows in parts.items()}
    every = middle(np.concatenate(list(parts.values())))
    medium = STREAMS[next(iter(parts))].modality
    vectors = {tower: own.get(tower, every) for tower in towers}
    return Thing(label, medium, vectors, frozenset(own), item)


def _plain(text: str) -> str:
    """Text that can be encoded: half a character becomes "?"."""
    return text.strip().encode("utf-8", "replace").decode()
