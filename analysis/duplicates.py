"""Duplicates: items that are one and the same but for their size, their coding or their edges.

Exact ones are files with the same bytes: the library keeps them as one item and remembers where
each was seen. Near ones are found in two steps: what lies near each other by its vectors (and, of
pictures, by a tiny copy) is a candidate, and `analysis.alignment` tells whether it is the same.
Merely similar is not duplicate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import media
from analysis.alignment import (
    ENOUGH,
    HEARD_SECONDS,
    SMALLEST_WINDOW,
    Shot,
    Square,
    align_films,
    align_pictures,
    align_sounds,
    align_texts,
    shingles,
    spectrogram,
)
from store.library import Item, Library, LibraryError
from store.records import Progress

SAME = {"image": 0.905, "audio": 0.90, "film": 0.85, "text": 0.92}
"""The agreement from which on two items of a medium are duplicates, chosen with
benchmarks/duplicates.py: of pictures the least that no more than one in 200 of the pairs of
different drawings of one thing reach, on the half that is fitted on; of texts the same, of forms
filled in otherwise and of versions; of sounds by the curve; of films what 99 of 100 pictures of
one view, with something else before it in the other film, do not reach. To remove what is no
duplicate is worse than to leave one.
"""

NEAR = {"image": 0.5, "audio": 0.6, "film": 0.6, "text": 0.7}
"""The least cosine of candidates' vectors."""
NEIGHBOURS = 3
"""Of each item so many of the nearest are candidates."""
TINY = 16  # pixels of a side of the copies by which pictures that are not cut find each other
TINY_NEAR = 0.9  # the least correlation of two of them
ROUNDS = 4  # in which groups are put together: one of many copies has more than NEIGHBOURS
ROWS, COLUMNS = 2048, 8192  # compared at a time: 64 MB of cosines
SHOTS = 24  # of a film that are compared
KEPT = 2_000  # items read for comparing that are held in memory
THREADS = 2


@dataclass(frozen=True)
class Group:
    """Duplicates of one another, the one to keep first."""

    items: list[Item]
    agreement: float
    """The least of the first with one of the others: with it all have been compared."""


class Stopped(Exception):  # noqa: N818 (no error: the caller asked for it)
    """The search for duplicates was stopped by its caller."""


Check = Callable[[], bool]


def find_duplicates(
    library: Library,
    modality: str | None = None,
    *,
    progress: Progress | None = None,
    stopped: Check = lambda: False,
) -> list[Group]:
    """Groups of near duplicates, those of pictures first, the largest first within a medium.

    Graphs and their nodes have no near duplicates, only exact ones. Raises LibraryError for a
    medium that there is not, and Stopped once `stopped` says so.
    """
    if modality is not None and modality not in library.modalities:
        held = ", ".join(library.modalities)
        raise LibraryError(f'There is no medium "{modality}" in this library: it is one of {held}.')
    report = progress or (lambda what, done, total: None)
    groups = []
    for kind in SAME:
        if modality in (None, kind) and kind in library.streams:
            groups += _find(library, kind, report, stopped)
    return groups


def _find(library: Library, kind: str, report: Progress, stopped: Check) -> list[Group]:
    numbers, vectors = library.points(kind)
    if len(numbers) < 2:
        return []
    items = library.numbered(numbers)
    there = np.array([int(number) in items for number in numbers])
    numbers, vectors = numbers[there], vectors[there]
    comparer = _COMPARERS[kind](library)
    tiny = None
    if kind == "image":
        tiny = _tiny_copies([items[int(n)] for n in numbers], library, report, stopped)

    def candidates(at: np.ndarray) -> set[tuple[int, int]]:
        pairs = near_pairs(vectors[at], NEAR[kind], report=report, stopped=stopped)
        if tiny is not None:
            pairs |= near_pairs(tiny[at], TINY_NEAR, report=report, stopped=stopped)
        return {(int(at[a]), int(at[b])) for a, b in pairs}

    agreements: dict[tuple[int, int], float] = {}

    def agreement(a: int, b: int) -> float:
        pair = (min(a, b), max(a, b))
        if pair not in agreements:
            if stopped():
                raise Stopped
            one, other = (items[int(numbers[x])] for x in pair)
            agreements[pair] = comparer(one, other)
        return agreements[pair]

    def worth(group: list[int]) -> tuple[Any, ...]:
        return _worth(items[int(numbers[group[0]])])

    def best(pair: tuple[int, int]) -> list[tuple[Any, ...]]:
        return sorted((worth([x]) for x in pair), reverse=True)

    groups, at = [[x] for x in range(len(numbers))], np.arange(len(numbers))
    looked: set[tuple[int, int]] = set()
    for _ in range(ROUNDS):
        pairs = sorted(candidates(at) - looked)
        looked.update(pairs)
        same = []
        for done, pair in enumerate(pairs):
            if done % 50 == 0:
                report(f"Comparing {_PLURALS[kind]}", done, len(pairs))
            if agreement(*pair) >= SAME[kind]:
                same.append(pair)
        merged = False
        # of equal agreement what is most worth keeping first, not what happened to be added first
        for a, b in sorted(same, key=lambda pair: (agreements[pair], best(pair)), reverse=True):
            if groups[a] is groups[b]:
                continue
            first, second = sorted((groups[a], groups[b]), key=worth, reverse=True)
            # what is like one of a group need not be like the others
            if all(agreement(first[0], x) >= SAME[kind] for x in second):
                first += second
                for x in second:
                    groups[x] = first
                merged = True
        if not merged:
            break
        # the first of each stands for all of it
        at = np.array(sorted({group[0] for group in groups if len(group) > 1}))
    found = [
        Group(
            sorted((items[int(numbers[x])] for x in group), key=_worth, reverse=True),
            round(min(agreement(group[0], x) for x in group[1:]), 3),
        )
        for place, group in enumerate(groups)
        if len(group) > 1 and group[0] == place
    ]
    return sorted(found, key=lambda group: (len(group.items), _worth(group.items[0])), reverse=True)


_PLURALS = {"image": "pictures", "audio": "sounds", "film": "films", "text": "texts"}


def _worth(item: Item) -> tuple[Any, ...]:
    """Whether to keep this one: what is there, the largest, the longest, the most bytes, and what
    came first; the id settles what is equal in all of these."""
    details = item.details
    pixels = float(details.get("width", 0)) * float(details.get("height", 0))
    length = float(details.get("seconds", details.get("words", 0)))
    rate = float(details.get("rate", 0))
    return (not item.missing, pixels, round(length, 1), rate, item.bytes, -item.added, item.id)


def near_pairs(
    rows: np.ndarray,
    least: float,
    k: int = NEIGHBOURS,
    *,
    report: Progress = lambda what, done, total: None,
    stopped: Check = lambda: False,
) -> set[tuple[int, int]]:
    """Pairs (a, b), a < b, of unit rows (n, dim) of which one is among the k nearest of the other,
    with a cosine of at least `least`.

    All are compared with all, tile by tile: memory does not grow with the square of their number.
    """
    pairs: set[tuple[int, int]] = set()
    count = len(rows)
    for start in range(0, count, ROWS):
        if stopped():
            raise Stopped
        report("Looking for what is near", start, count)
        block = rows[start : start + ROWS]
        best = np.full((len(block), k), -np.inf, np.float32)
        where = np.zeros((len(block), k), np.int64)
        for first in range(0, count, COLUMNS):
            cosines = block @ rows[first : first + COLUMNS].T
            own = np.arange(max(start, first), min(start + len(block), first + cosines.shape[1]))
            cosines[own - start, own - first] = -np.inf
            if cosines.shape[1] > k:
                nearest = np.argpartition(cosines, -k, axis=1)[:, -k:]
            else:
                nearest = np.tile(np.arange(cosines.shape[1]), (len(block), 1))
            values = np.concatenate([best, np.take_along_axis(cosines, nearest, 1)], axis=1)
            places = np.concatenate([where, nearest + first], axis=1)
            keep = np.argsort(-values, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(values, keep, 1)
            where = np.take_along_axis(places, keep, 1)
        here, place = np.nonzero(best >= least)
        for a, b in zip((here + start).tolist(), where[here, place].tolist(), strict=True):
            pairs.add((min(a, b), max(a, b)))
    return pairs


# What is compared


def _tiny_copies(
    items: Sequence[Item], library: Library, report: Progress, stopped: Check
) -> np.ndarray:
    """Grey copies of pictures, float32 (n, TINY * TINY), each less its mean and of length 1."""
    rows = np.zeros((len(items), TINY * TINY), np.float32)

    def fill(at: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            grey = open_preview(library.preview(items[at].id)).convert("L")
            small = grey.resize((TINY, TINY), Image.Resampling.BOX)
            row = np.asarray(small, np.float32).ravel()
            row -= row.mean()
            rows[at] = row / max(float(np.linalg.norm(row)), 1.0)

    # decoding lets other threads run
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(items), 256):
            if stopped():
                raise Stopped
            report("Looking at pictures", start, len(items))
            list(pool.map(fill, range(start, min(start + 256, len(items)))))
    return rows


def open_preview(path: Path) -> Image.Image:
    """A preview's pixels, as many as are compared."""
    with Image.open(path) as image:
        return _reduced(image)


def _reduced(image: Image.Image) -> Image.Image:
    small = image.convert("RGB")
    small.thumbnail((ENOUGH, ENOUGH))
    return small


Comparer = Callable[[Item, Item], float]


def _compare_pictures(library: Library) -> Comparer:
    @lru_cache(KEPT)
    def read(id: str) -> Square | None:
        try:
            return Square(open_preview(library.preview(id)))
        except (OSError, ValueError):
            return None

    def compare(a: Item, b: Item) -> float:
        one, other = read(a.id), read(b.id)
        return 0.0 if one is None or other is None else align_pictures(one, other)

    return compare


def _compare_sounds(library: Library) -> Comparer:
    @lru_cache(KEPT // 8)
    def read(id: str) -> np.ndarray | None:
        path = library.original(id)
        return None if path is None else _unless_broken(lambda: spectrogram(_samples(path)))

    def compare(a: Item, b: Item) -> float:
        if not _alike_in_length(a, b):
            return 0.0
        one, other = read(a.id), read(b.id)
        return 0.0 if one is None or other is None else align_sounds(one, other)

    return compare


def _compare_films(library: Library) -> Comparer:
    @lru_cache(32)
    def read(id: str) -> list[Shot] | None:
        path = library.original(id)
        return None if path is None else _unless_broken(lambda: list(islice(_shots(path), SHOTS)))

    def compare(a: Item, b: Item) -> float:
        if not _alike_in_length(a, b):
            return 0.0
        one, other = read(a.id), read(b.id)
        return align_films(one, other) if one and other else 0.0

    return compare


def _compare_texts(library: Library) -> Comparer:
    @lru_cache(KEPT // 8)
    def read(id: str) -> frozenset[tuple[str, ...]]:
        return shingles(library.passages(id))

    return lambda a, b: align_texts(read(a.id), read(b.id))


_COMPARERS: dict[str, Callable[[Library], Comparer]] = {
    "image": _compare_pictures,
    "audio": _compare_sounds,
    "film": _compare_films,
    "text": _compare_texts,
}


def _alike_in_length(a: Item, b: Item) -> bool:
    lengths = sorted(float(item.details.get("seconds", 0)) for item in (a, b))
    return lengths[0] >= SMALLEST_WINDOW * lengths[1]


def _unless_broken(read: Callable[[], Any]) -> Any:
    """What is read; None where the file is gone or no longer what it was."""
    try:
        return read()
    except (media.MediaError, OSError, ValueError, ArithmeticError):
        return None


def _samples(path: Path) -> np.ndarray:
    """The beginning of a sound, mono at 44.1 kHz; what is silent between its windows is left out
    of them and comes back as silence."""
    pieces: list[np.ndarray] = []
    end = 0
    with media.open_media(path) as opened:
        for segment in opened.segments():
            content = segment.content
            if not isinstance(content, np.ndarray):
                continue
            first = round((segment.start or 0.0) * media.SAMPLE_RATE)
            if first > end:
                pieces.append(np.zeros(first - end, np.float32))
                end = first
            fresh = content[end - first :]
            pieces.append(fresh)
            end += len(fresh)
            if end > HEARD_SECONDS * media.SAMPLE_RATE:
                break
    return np.concatenate(pieces)


def _shots(path: Path) -> Iterator[Shot]:
    """Pictures of a film's shots, as many as its beginning has."""
    with media.open_media(path) as opened:
        for segment in opened.segments():
            start = segment.start or 0.0
            if start > HEARD_SECONDS:
                return
            if isinstance(segment.content, Image.Image):
                yield Shot(Square(_reduced(segment.content)), start, segment.end or start)


# Exact duplicates


def find_copies(library: Library, modality: str | None = None) -> list[tuple[Item, list[Path]]]:
    """Items of which there are several files with the same bytes, and where those lie."""
    found = []
    for id, paths in library.copies().items():
        item = library.get(id)
        if item is not None and modality in (None, item.modality):
            found.append((item, paths))
    return found


def wasted(copies: Iterable[tuple[Item, Sequence[Path]]]) -> int:
    """Bytes that files take which are there more than once."""
    return sum(item.bytes * (len(paths) - 1) for item, paths in copies)
