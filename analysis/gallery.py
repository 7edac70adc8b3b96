"""Galleries: the passages or the pictures of a library that ways of finding are compared on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from store.library import Item, Library, LibraryError
from store.records import Progress

MOST_PASSAGES = 20_000
MOST_PICTURES = 1_000
"""So many are looked through, from all over the library: of the older ways, that for corners of
pictures takes some twenty milliseconds for each."""
FEW = 20
"""With fewer passages than this, example sentences show more."""


@dataclass(frozen=True)
class Gallery:
    """What is looked through: passages, or files of pictures, with their vectors in the space."""

    contents: Sequence[str] | Sequence[Path]
    vectors: np.ndarray
    """float32 (n, dim), rows of length 1."""
    items: Sequence[Item | None]
    """Where each is from; None for an example sentence."""
    total: int
    """How many there are in the library."""

    def __len__(self) -> int:
        return len(self.contents)


def gather_passages(
    library: Library, most: int = MOST_PASSAGES, progress: Progress | None = None
) -> Gallery:
    """The passages of a library's texts."""
    contents: list[str] = []
    rows: list[np.ndarray] = []
    items: list[Item | None] = []
    total, chosen = _choose(library, "text", most)
    for item, places, vectors in _read(library, "text", chosen, "Reading passages", progress):
        said = library.passages(item.id)
        if len(said) != len(vectors):  # then nobody knows which is whose
            continue
        for place in places:
            contents.append(said[place])
            rows.append(vectors[place])
            items.append(item)
    return Gallery(contents, _stack(rows, library), items, total)


def gather_pictures(
    library: Library, most: int = MOST_PICTURES, progress: Progress | None = None
) -> Gallery:
    """The pictures of a library, by their previews (about 384 x 384 pixels at most)."""
    contents: list[Path] = []
    rows: list[np.ndarray] = []
    items: list[Item | None] = []
    total, chosen = _choose(library, "image", most)
    for item, _, vectors in _read(library, "image", chosen, "Reading pictures", progress):
        preview = library.preview(item.id)
        if preview.exists():
            contents.append(preview)
            rows.append(vectors[0])
            items.append(item)
    return Gallery(contents, _stack(rows, library), items, total)


def example_sentences(library: Library) -> Gallery:
    """The sentences that come along, in the library's space."""
    sentences = read_sentences()
    vectors = library.space.encode_texts(sentences)
    return Gallery(sentences, vectors, [None] * len(sentences), 0)


@cache
def read_sentences() -> tuple[str, ...]:
    """The example sentences."""
    lines = files("assets").joinpath("sentences.txt").read_text("utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and line[:1] != "#")


def has_passages(library: Library, least: int = FEW) -> bool:
    """Whether the library's texts have at least so many passages."""
    count = 0
    if "text" not in library.streams:
        return False
    for part in library.portions("text"):
        count += len(part.items)
        if count >= least:
            return True
    return False


def _choose(library: Library, stream: str, most: int) -> tuple[int, dict[int, list[int]]]:
    """How many segments a stream has; and of at most so many, evenly from all over them, the places
    within their items, by the items' numbers."""
    if stream not in library.streams:
        return 0, {}
    parts = [part.items for part in library.portions(stream)]
    numbers = np.concatenate([np.empty(0, np.int64), *parts])
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    within = np.arange(len(numbers)) - np.repeat(starts, np.diff(starts, append=len(numbers)))
    chosen: dict[int, list[int]] = {}
    for at in np.linspace(0, len(numbers) - 1, min(len(numbers), most)).astype(np.intp):
        chosen.setdefault(int(numbers[at]), []).append(int(within[at]))
    return len(numbers), chosen


def _read(
    library: Library,
    stream: str,
    chosen: dict[int, list[int]],
    what: str,
    progress: Progress | None,
) -> Iterator[tuple[Item, list[int], np.ndarray]]:
    """The chosen items that are still there, the places chosen in them, and their vectors."""
    known = library.numbered(chosen)
    for done, (number, places) in enumerate(chosen.items()):
        if progress and done % 50 == 0:
            progress(what, done, len(chosen))
        if number in known:
            with contextlib.suppress(LibraryError):  # removed meanwhile
                yield known[number], places, library.item_vectors(known[number].id)[stream]


def _stack(rows: Sequence[np.ndarray], library: Library) -> np.ndarray:
    return np.stack(rows) if rows else np.empty((0, library.space.dim), np.float32)
