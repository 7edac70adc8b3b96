"""Exact search: one memory-mapped matrix of vectors for each stream.

Derived from the catalogue and checked against it when opened: a file of float32 rows that only
grows, and a file telling each row's segment and item; a third holds how each row stands to the
bank of everyday queries (`store.background`), under the bank's key. A row of a removed segment
stays, marked dead, until there are so many that the matrix is written anew under the next number.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from store.background import Background, above, correct, typical
from store.catalogue import Catalogue
from store.coarse import Coarse, shorten
from store.products import products
from store.records import Progress
from store.scores import PRIOR, moments
from store.streams import STREAMS

DEAD = -1
PAGE = 4096  # rows read from the catalogue at a time
SAMPLE = 4096  # rows that mean and spread of a large collection are taken from
COARSE_FROM = 20_000
"""Segments from which on a short copy is searched first (benchmarks/search.py)."""
AT_ONCE = 16_384  # chosen rows read at a time
CANDIDATES = 1_500  # segments that are then compared in full
CHECKED = 16  # rows compared with the catalogue when opening


@dataclass(frozen=True)
class Match:
    """The best segment of an item for a query, by the numbers of the catalogue."""

    segment: int
    item: int
    cosine: float
    """Of a query of words: the corrected one (`store.background`)."""
    above: float | None = None
    """Of a query of words: standard deviations above the bank's cosines for this segment."""


@dataclass(frozen=True)
class Matches:
    """Best first, each item once; with mean and spread of the query's cosines (`store.scores`)."""

    matches: list[Match]
    mean: float
    sd: float


@dataclass(frozen=True)
class Portion:
    """Some segments of a stream."""

    items: np.ndarray
    """(n,): the numbers of their items in the catalogue."""
    vectors: np.ndarray
    """float32 (n, dim), rows of length 1."""
    standing: np.ndarray
    """float32 (n, 3): how they stand to everyday queries (`store.background`)."""


@dataclass(frozen=True)
class _View:
    """The rows as they were at one moment: vectors (n, dim), segment and item numbers (n, 2),
    standings (n, 3); and the rows that are dead, that are not, and a sample of these."""

    vectors: np.ndarray
    rows: np.ndarray
    standing: np.ndarray
    dead: np.ndarray
    living: np.ndarray
    sample: np.ndarray
    prior: tuple[float, float]
    """Mean and standard deviation of corrected cosines, going by the bank."""
    number: int
    """Of the files."""


class Matrix:
    """The vectors of one stream; searching never waits for writing."""

    def __init__(
        self, folder: Path, stream: str, dim: int, background: Background | None = None
    ) -> None:
        """Without a background, words are searched for like any vector."""
        self._folder = folder
        self._stream = stream
        self._tower = STREAMS[stream].tower
        self._dim = dim
        self._background = background
        self._lock = threading.Lock()
        self._shortening = threading.Lock()
        self._coarse: tuple[int, Coarse | None] = (0, None)
        self._number = 0
        self._last = 0
        self._rows = np.empty((0, 2), dtype=np.int64)
        self._standing = np.empty((0, 3), dtype=np.float32)
        self._view = self._look(0)

    def __len__(self) -> int:
        """Segments that can be found."""
        return len(self._view.rows) - len(self._view.dead)

    # Keeping up with the catalogue

    def open(self, catalogue: Catalogue, progress: Progress | None = None) -> None:
        """Map the files, after a check against the catalogue; build them anew where stale."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._load()
            if not self._whole(catalogue):
                self._begin(self._number + 1)
            self._load_standing(progress)
            self._catch_up(catalogue, progress)
            self._tidy()

    def _load(self) -> None:
        """Map what the newest complete pair of files holds."""
        numbers = [
            int(path.stem.rpartition("-")[2])
            for path in self._folder.glob(f"{self._stream}-*.rows")
            if path.stem.rpartition("-")[2].isdecimal()
        ]
        self._number = max(numbers, default=0)
        try:
            rows = np.fromfile(self._path("rows"), dtype="<i8")
            size = self._path("f32").stat().st_size
        except OSError:
            self._begin(self._number + 1)
            return
        count = min(len(rows) // 2, size // (4 * self._dim))
        self._rows = rows[: 2 * count].reshape(count, 2).astype(np.int64)
        self._last = int(self._rows[:, 0].max(initial=0))
        self._standing = np.zeros((count, 3), dtype=np.float32)
        self._view = self._look(count)

    def _load_standing(self, progress: Progress | None) -> None:
        """Read how the rows stand to the bank, and find out what is not written yet."""
        count = len(self._view.rows)
        if self._background is None:
            return
        path = self._path(self._background.key)
        if not path.exists():
            path.write_bytes(b"")
        kept = np.fromfile(path, dtype="<f4")
        known = min(len(kept) // 3, count)
        self._standing[:known] = kept[: 3 * known].reshape(known, 3)
        for start in range(known, count, PAGE):
            end = min(start + PAGE, count)
            rows = self._background.standing(self._tower, self._view.vectors[start:end])
            self._write_standing(start, rows)
            self._standing[start:end] = rows
            if progress is not None and count - known > PAGE:
                progress("Comparing with everyday words", end - known, count - known)
        self._view = self._look(count)

    def _write_standing(self, start: int, rows: np.ndarray) -> None:
        assert self._background is not None
        with open(self._path(self._background.key), "r+b") as file:
            file.seek(start * 12)
            file.write(rows.astype("<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())

    def _whole(self, catalogue: Catalogue) -> bool:
        """Whether the rows are the catalogue's, as far as they go."""
        alive = self._rows[self._rows[:, 0] != DEAD, 0]
        if (len(alive), int(alive.sum())) != catalogue.checksum(self._stream, self._last):
            return False
        living = np.flatnonzero(self._rows[:, 0] != DEAD)
        picks = np.linspace(0, len(living) - 1, min(CHECKED, len(living))).astype(np.intp)
        for row in living[picks]:
            vector = catalogue.vector(int(self._rows[row, 0]))
            if vector is None or not np.array_equal(self._view.vectors[row], vector):
                return False
        return True

    def catch_up(self, catalogue: Catalogue) -> None:
        """Append the segments committed since the last time."""
        with self._lock:
            self._catch_up(catalogue, None)

    def _catch_up(self, catalogue: Catalogue, progress: Progress | None) -> None:
        total = 0
        if progress is not None:
            total = catalogue.count_segments().get(self._stream, 0)
        while True:
            numbers, vectors = catalogue.vectors(self._stream, self._last, PAGE)
            if not numbers:
                return
            self._append(np.array(numbers, dtype=np.int64), vectors)
            if progress is not None and total > PAGE:
                progress("Preparing the search", min(len(self), total), total)

    def _append(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        count = len(self._view.rows)
        standing = np.zeros((len(numbers), 3), dtype=np.float32)
        if self._background is not None:
            standing = self._background.standing(self._tower, vectors)
            self._write_standing(count, standing)
        with open(self._path("f32"), "r+b") as file:
            file.seek(count * self._dim * 4)  # over what a killed process may have left
            file.write(vectors.astype("<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())  # a row must not be named before it is there
        with open(self._path("rows"), "r+b") as file:
            file.seek(count * 16)
            file.write(numbers.astype("<i8").tobytes())
        end = count + len(numbers)
        if end > len(self._rows):  # older views keep the old array
            larger = np.full((max(end, 2 * len(self._rows)), 2), DEAD, dtype=np.int64)
            larger[:count] = self._rows[:count]
            self._rows = larger
            standings = np.zeros((len(larger), 3), dtype=np.float32)
            standings[:count] = self._standing[:count]
            self._standing = standings
        self._rows[count:end] = numbers
        self._standing[count:end] = standing
        self._last = int(numbers[-1, 0])
        self._view = self._look(end)

    def drop(self, segments: list[int], catalogue: Catalogue) -> None:
        """Take removed segments out, by their numbers."""
        with self._lock:
            count = len(self._view.rows)
            gone = np.flatnonzero(np.isin(self._rows[:count, 0], segments))
            with open(self._path("rows"), "r+b") as file:
                for row in gone:
                    file.seek(int(row) * 16)
                    file.write(np.array([DEAD, DEAD], dtype="<i8").tobytes())
            self._rows[gone] = DEAD
            self._view = self._look(count)
            if len(self._view.dead) > max(1000, len(self)):
                self._begin(self._number + 1)
                self._catch_up(catalogue, None)
                self._tidy()

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._rows = np.empty((0, 2), dtype=np.int64)
            self._standing = np.empty((0, 3), dtype=np.float32)
            self._coarse = (0, None)
            self._view = self._look(0)

    def _begin(self, number: int) -> None:
        """Start empty files under a number not used before."""
        self._number = number
        for path in self._paths():
            path.write_bytes(b"")
        self._rows = np.empty((0, 2), dtype=np.int64)
        self._standing = np.empty((0, 3), dtype=np.float32)
        self._last = 0
        self._view = self._look(0)

    def _tidy(self) -> None:
        """Remove the files of other numbers and banks, where nobody holds them open."""
        keep = set(self._paths())
        for path in self._folder.glob(f"{self._stream}-*"):
            if path not in keep:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _paths(self) -> list[Path]:
        kinds = ["f32", "rows"] + ([self._background.key] if self._background else [])
        return [self._path(kind) for kind in kinds]

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self._stream}-{self._number}.{kind}"

    def _look(self, count: int) -> _View:
        rows = self._rows[:count]
        vectors: np.ndarray = np.empty((0, self._dim), dtype=np.float32)
        if count:
            vectors = np.memmap(self._path("f32"), "<f4", "r", shape=(count, self._dim))
        dead = np.flatnonzero(rows[:, 0] == DEAD)
        living = np.arange(count) if not len(dead) else np.setdiff1d(np.arange(count), dead)
        picks = np.linspace(0, len(living) - 1, min(len(living), SAMPLE)).astype(np.intp)
        sample = living[picks]
        standing = self._standing[:count]
        prior = PRIOR
        if self._background is not None and len(sample):
            prior = typical(standing[sample])
        return _View(vectors, rows, standing, dead, living, sample, prior, self._number)

    # Searching

    def search(
        self,
        vector: np.ndarray,
        k: int,
        without: Collection[int] = (),
        words: bool = False,
        only: np.ndarray | None = None,
        thorough: bool = False,
    ) -> Matches:
        """The k items of highest cosine to a unit vector (dim,).

        Args:
            without: numbers of items to leave out.
            words: the vector is of a query of words, as the bank's are.
            only: numbers of the items to choose from; None: all.
            thorough: without the short copy of a large matrix.
        """
        view = self._view
        words = words and self._background is not None
        if only is not None:
            chosen = np.flatnonzero(np.isin(view.rows[:, 1], only))
            plain = _chosen_cosines(view.vectors, chosen, vector)
            sample = products(view.vectors[view.sample], vector)
        elif len(view.living) > COARSE_FROM and not thorough:
            chosen, sample = self._candidates(view, vector, k + len(without), words)
            plain = _chosen_cosines(view.vectors, chosen, vector)
        else:
            chosen = np.arange(len(view.rows))
            plain = products(view.vectors, vector)
            sample = plain[view.sample]
        cosines, standing = plain, view.standing[chosen]
        if words:
            cosines = correct(plain, standing)
            sample = correct(sample, view.standing[view.sample])
        mean, sd = moments(sample, view.prior if words else PRIOR)
        numbers = view.rows[chosen]
        cosines = np.where(numbers[:, 0] == DEAD, -np.inf, cosines)
        count = k + len(without)
        while True:
            count = min(count, len(chosen))
            places = best(numbers, cosines, count, k, without)
            if (
                len(places) < k
                and count == len(chosen)
                and only is None
                and len(chosen) < len(view.rows)
            ):
                # segments of one long item filled the candidates
                return self.search(vector, k, without, words, thorough=True)
            if len(places) == k or count == len(chosen):
                higher = above(plain[places], standing[places]) if words else None
                return Matches(_matches(numbers[places], cosines[places], higher), mean, sd)
            count *= 4  # several windows of one item stood among the best

    def _candidates(
        self, view: _View, vector: np.ndarray, count: int, words: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are worth comparing with a vector in full, for `count` items, and about
        the cosines of the sample."""
        coarse = self._shortened(view)
        known = min(len(coarse), len(view.rows))
        likely = coarse.products(vector)[:known]
        late = view.sample[view.sample >= known]
        sample = np.concatenate(
            [likely[view.sample[view.sample < known]], products(view.vectors[late], vector)]
        )
        if words:
            likely = correct(likely, view.standing[:known])
        likely[view.dead[view.dead < known]] = -np.inf
        count = min(known, CANDIDATES + 20 * count)
        first = np.argpartition(likely, known - count)[known - count :]
        # in the file's order: that is read fastest
        return np.sort(np.concatenate([first, np.arange(known, len(view.rows))])), sample

    def _shortened(self, view: _View) -> Coarse:
        """The short copy; rows added since it was made are few, and not in it."""
        with self._shortening:
            made_of, coarse = self._coarse
            if coarse is not None and made_of == view.number:
                late = len(view.rows) - len(coarse)
                if late <= max(COARSE_FROM // 4, len(coarse) // 10):
                    return coarse
            queries = np.empty((0, self._dim), dtype=np.float32)
            if self._background is not None:
                queries = self._background.vectors(self._tower)
            coarse = shorten(view.vectors, np.asarray(view.vectors[view.sample]), queries)
            if view.number >= made_of:  # else a search that began before the files were renewed
                self._coarse = view.number, coarse
            return coarse

    def rate(self, found: list[Match]) -> list[Match]:
        """Matches by plain cosine, such as an index gives, as `search` gives them for words."""
        view = self._view
        if self._background is None or not found or not len(view.living):
            return found
        segments = np.array([match.segment for match in found])
        numbers = view.rows[:, 0]
        if len(view.dead):
            numbers = numbers[view.living]
        places = np.minimum(np.searchsorted(numbers, segments), len(numbers) - 1)
        known = numbers[places] == segments  # else it was added or removed this moment
        rows = view.living[places[known]]
        cosines = np.array([match.cosine for match in found], dtype=np.float32)[known]
        standing = view.standing[rows]
        rated = _matches(view.rows[rows], correct(cosines, standing), above(cosines, standing))
        return sorted(rated, key=lambda match: (-match.cosine, match.segment))

    def portions(self, at_once: int = PAGE) -> Iterator[Portion]:
        """All segments that can be found, some at a time, in the order of their addition; those
        of one item follow each other."""
        view = self._view
        for start in range(0, len(view.living), at_once):
            rows = view.living[start : start + at_once]
            yield Portion(
                view.rows[rows, 1], np.asarray(view.vectors[rows]), np.array(view.standing[rows])
            )

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """A sample of the segments: vectors float32 (n, dim), and their items' numbers (n,)."""
        view = self._view
        return np.asarray(view.vectors[view.sample]), view.rows[view.sample, 1]

    def moments(self, vector: np.ndarray, words: bool = False) -> tuple[float, float]:
        """Mean and spread of the query's cosines, as `search` takes them."""
        view = self._view
        cosines = products(view.vectors[view.sample], vector)
        if words and self._background is not None:
            return moments(correct(cosines, view.standing[view.sample]), view.prior)
        return moments(cosines)


def _chosen_cosines(rows: np.ndarray, chosen: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """`products` of some rows, by their places; few are copied at a time."""
    parts = [
        products(rows[chosen[start : start + AT_ONCE]], vector)
        for start in range(0, len(chosen), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _matches(numbers: np.ndarray, cosines: np.ndarray, higher: np.ndarray | None) -> list[Match]:
    told = [None] * len(numbers) if higher is None else [float(value) for value in higher]
    return [
        Match(int(segment), int(item), float(cosine), above)
        for (segment, item), cosine, above in zip(numbers, cosines, told, strict=True)
    ]


def best(
    rows: np.ndarray, cosines: np.ndarray, count: int, k: int, without: Collection[int]
) -> list[int]:
    """The rows of the first k distinct items among the `count` segments of highest cosine."""
    if count < len(cosines):
        top = np.argpartition(cosines, len(cosines) - count)[len(cosines) - count :]
    else:
        top = np.arange(len(cosines))
    top = top[np.isfinite(cosines[top])]
    found: dict[int, int] = {}
    for row in top[np.lexsort((rows[top, 0], -cosines[top]))]:
        segment, item = (int(number) for number in rows[row])
        if DEAD not in (segment, item) and item not in without and item not in found:
            found[item] = int(row)
            if len(found) == k:
                break
    return list(found.values())
