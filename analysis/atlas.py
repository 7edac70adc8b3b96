"""The library as a map: every item a point in two dimensions, in groups that have names.

Pictures, sounds and texts lie in cones of their own (the modality gap, Liang et al. 2022): each
stream's mean is taken off first, so that what is alike comes together across the media. What was
laid out is kept in `map.npz` of the data folder; items that come later are placed among those that
they are nearest to, until the map is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.layout import AXES, lay_out, main_axes
from encoders.weights import write_whole
from store.background import MEAN, SD, Background, read_background
from store.library import Item, Library
from store.records import Progress
from store.streams import STREAMS
from store.wordings import encode_queries, read_wordings, space_kind

SHOWN = ("image", "audio", "film", "text", "graph")
"""The streams that have points of their own: a film is where its shots are, nodes in their graph.
"""
LOOSE = -1
"""The cluster of what belongs to none."""
LEAST = 5  # items of a cluster
MOST = 40  # clusters that a large map is to have, about
PLACED_BY = 5  # neighbours that a new item is put between
STALE = 0.2  # from this part of new items on a map is made anew
WORDS = 2  # of a cluster's name
AT_ONCE = 4096  # points compared with the bank of words at a time
LABELS = 30  # that can be told apart by colours, at most


@dataclass(frozen=True)
class Atlas:
    """A map; all arrays in the order of the numbers."""

    numbers: np.ndarray
    """(n,): the items by their numbers in the catalogue."""
    places: np.ndarray
    """float32 (n, 2), within about -1 to 1."""
    clusters: np.ndarray
    """(n,): each item's cluster, or LOOSE."""
    names: list[str]
    """Of the clusters, by words that they are nearest to and others are not."""
    placed: int = 0
    """How many were put among the others since the map was made."""


@dataclass(frozen=True)
class Points:
    """The library's items as rows: numbers (n,), stream of each (n,) as a place in `streams`, and
    unit vectors, float32 (n, dim)."""

    numbers: np.ndarray
    of: np.ndarray
    streams: list[str]
    vectors: np.ndarray

    def stamps(self) -> np.ndarray:
        """(n,) uint64: a checksum of each vector, which tells another item of the same number."""
        bits = np.ascontiguousarray(self.vectors).view(np.uint32).astype(np.uint64)
        stamps: np.ndarray = (bits * np.arange(1, bits.shape[1] + 1, dtype=np.uint64)).sum(axis=1)
        return stamps

    def in_order(self) -> Points:
        """The same, however they were added: the same files are to lie where they did."""
        order = np.lexsort((self.stamps(), self.of))
        return Points(self.numbers[order], self.of[order], self.streams, self.vectors[order])


def read_points(library: Library) -> Points:
    """One point an item, of all media."""
    streams = [name for name in SHOWN if name in library.streams]
    read = [library.points(name) for name in streams]
    numbers = np.concatenate([numbers for numbers, _ in read])
    of = np.concatenate([np.full(len(own), at) for at, (own, _) in enumerate(read)]).astype(int)
    vectors = np.concatenate([vectors for _, vectors in read])
    return Points(numbers, of, streams, vectors)


def centre(points: Points, means: np.ndarray) -> np.ndarray:
    """Vectors (n, dim) less the means (streams, dim) of their streams, of length 1 again."""
    rows = points.vectors - means[points.of]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, np.float32(1e-6))
    return unit


def stream_means(points: Points) -> np.ndarray:
    """float32 (streams, dim); of a stream of one item zero, which would leave nothing of it."""
    means = np.zeros((len(points.streams), points.vectors.shape[1]), np.float32)
    for at in range(len(points.streams)):
        mine = points.vectors[points.of == at]
        if len(mine) > 1:
            means[at] = mine.mean(axis=0)
    return means


def draw_atlas(
    library: Library,
    *,
    anew: bool = False,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Atlas:
    """The map of a library: the one that was kept, with what is new put into it; made again where
    too much is new, or where that is asked for.

    Raises `analysis.layout.Stopped` once `stopped` says so.
    """
    report = progress or (lambda what, done, total: None)
    points = read_points(library)
    with _drawing:
        kept = None if anew else _Kept.read(library)
        if kept is not None:
            atlas = kept.place(points)
            if atlas is not None:
                return atlas
        if not len(points.numbers):
            return Atlas(points.numbers, np.zeros((0, 2), np.float32), points.numbers, [])
        report("Reading the library", 0, 0)
        found, points = points, points.in_order()
        means = stream_means(points)
        rows = centre(points, means)
        count = min(AXES, len(rows), rows.shape[1])
        mean, axes = main_axes(rows, count)
        low = (rows - mean) @ axes.T
        places = lay_out(low, report, stopped)
        report("Finding clusters", 0, 0)
        clusters = find_clusters(places)
        report("Naming the clusters", 0, 0)
        names = name_clusters(library, points, clusters)
        made = _Kept(
            points.numbers,
            points.stamps(),
            places,
            clusters,
            names,
            low,
            means,
            mean,
            axes,
            points.streams,
        )
        made.write(library)
        atlas = made.place(found)
        assert atlas is not None  # nothing of it is new
        return atlas


_drawing = threading.Lock()


@dataclass(frozen=True)
class _Kept:
    """What a map was made of, and how: enough to put new items into it."""

    numbers: np.ndarray
    stamps: np.ndarray
    places: np.ndarray
    clusters: np.ndarray
    names: list[str]
    low: np.ndarray
    means: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    streams: list[str]

    @classmethod
    def read(cls, library: Library) -> _Kept | None:
        try:
            with np.load(_path(library), allow_pickle=False) as file:
                if str(file["key"]) != _key(library):
                    return None
                names, streams = (list(map(str, file[name])) for name in ("names", "streams"))
                arrays = {
                    name: file[name]
                    for name in cls.__dataclass_fields__
                    if name not in ("names", "streams")
                }
                return cls(names=names, streams=streams, **arrays)
        except (OSError, ValueError, KeyError, EOFError):
            return None  # none, or not whole: made anew

    def write(self, library: Library) -> None:
        def save(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, key=np.array(_key(library)), **vars(self))

        with contextlib.suppress(OSError):  # then it is made anew another time
            write_whole(_path(library), save)

    def place(self, points: Points) -> Atlas | None:
        """The map of the library as it is now; None where too much of it is new."""
        if points.streams != self.streams:
            return None
        count = len(points.numbers)
        order = np.argsort(self.numbers)
        if not len(order):
            return None if count else Atlas(points.numbers, self.places, self.clusters, [])
        found = order[
            np.minimum(np.searchsorted(self.numbers[order], points.numbers), len(order) - 1)
        ]
        known = (self.numbers[found] == points.numbers) & (self.stamps[found] == points.stamps())
        new = np.flatnonzero(~known)
        gone = len(self.numbers) - int(known.sum())
        if len(new) + gone > STALE * max(count, 1):
            return None
        places, clusters = self.places[found], self.clusters[found]
        if len(new):
            few = Points(points.numbers[new], points.of[new], points.streams, points.vectors[new])
            low = (centre(few, self.means) - self.mean) @ self.axes.T
            own = _unit(self.low)
            for at, row in zip(new, _unit(low), strict=True):
                cosines = own @ row
                nearest = np.argsort(-cosines)[:PLACED_BY]
                weights = np.maximum(cosines[nearest], 1e-3)[:, None]
                # beside the nearest: between all of them there may be nothing
                close = np.linalg.norm(self.places[nearest] - self.places[nearest[0]], axis=1) < 0.2
                total = (self.places[nearest] * weights)[close].sum(axis=0)
                places[at] = total / weights[close].sum()
                clusters[at] = self.clusters[nearest[0]]
        return Atlas(points.numbers, places, clusters, self.names, len(new))


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit


def _path(library: Library) -> Path:
    return library.data / "map.npz"


def _key(library: Library) -> str:
    """Names the space and what a map is made with: another map is made for another."""
    about = (library.space.name, library.space.dim, library.space.version, AXES, 2)
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


# Clusters


def find_clusters(places: np.ndarray) -> np.ndarray:
    """The cluster of each place (n, 2), the largest 0, or LOOSE (HDBSCAN, Campello et al. 2013)."""
    count = len(places)
    if count < 2 * LEAST:
        return np.full(count, LOOSE)
    from sklearn.cluster import HDBSCAN

    least = max(LEAST, count // (4 * MOST))
    found = HDBSCAN(min_cluster_size=least, min_samples=min(LEAST, least), copy=True).fit_predict(
        places.astype(np.float64)
    )
    sizes = np.bincount(found[found >= 0]) if (found >= 0).any() else np.zeros(0, int)
    ranks = np.empty(len(sizes), int)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    clusters: np.ndarray = np.where(found >= 0, ranks[found] if len(ranks) else LOOSE, LOOSE)
    return clusters


def name_clusters(library: Library, points: Points, clusters: np.ndarray) -> list[str]:
    """A name for each cluster: the words of the bank that its items are nearer to than the others.

    Every item's cosine to a word is taken in standard deviations above those to all words
    (`store.background`), so that items near everything weigh no more than others; then the mean of
    the item's stream is taken off, so that words near everything, and the media's own cones, say
    nothing.
    """
    count = int(clusters.max(initial=LOOSE)) + 1
    if not count:
        return []
    if not library.space.reads_text:
        return [f"Cluster {at + 1}" for at in range(count)]
    bank = Background(library.space, library.data / "vectors")
    words = read_background()
    sums = np.zeros((count, len(words)))
    for at, stream in enumerate(points.streams):
        rows = np.flatnonzero(points.of == at)
        if len(rows) < 2:
            continue
        vectors = bank.vectors(STREAMS[stream].tower)
        total = np.zeros(len(words))
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            higher = _standardised(points.vectors[part] @ vectors.T)
            total += higher.sum(axis=0)
            np.add.at(sums, clusters[part][clusters[part] >= 0], higher[clusters[part] >= 0])
        own = np.bincount(clusters[rows][clusters[rows] >= 0], minlength=count)
        sums -= own[:, None] * (total / len(rows))
    sizes = np.bincount(clusters[clusters >= 0], minlength=count)
    means = sums / sizes[:, None]
    # a word tells a cluster from the others where none of those has as much of it
    rivals = np.sort(means, axis=0)[-2:] if count > 1 else np.zeros((2, len(words)))
    other = np.where(means >= rivals[1], rivals[0], rivals[1])
    told = means - 0.5 * np.maximum(other, 0)
    return [_name([words[at] for at in np.argsort(-row)]) for row in told]


def _standardised(cosines: np.ndarray) -> np.ndarray:
    cosines = cosines - cosines.mean(axis=1, keepdims=True)
    rows: np.ndarray = cosines / np.maximum(cosines.std(axis=1, keepdims=True), 1e-6)
    return rows


def _name(best: Sequence[str]) -> str:
    """The first words that do not say the same: of "a dog" and "dogs" one is enough."""
    chosen: list[str] = []
    for text in best[:10]:
        plain = _bare(text)
        if not any(set(plain) & set(_bare(other)) for other in chosen):
            chosen.append(text)
        if len(chosen) == WORDS:
            break
    return ", ".join(chosen)


def _bare(text: str) -> list[str]:
    small = {"a", "an", "the", "of", "in", "on", "at", "and", "with", "to", "for"}
    return [word.rstrip("s") for word in text.lower().split() if word not in small]


# Labels


def choose_labels(library: Library, points: Points, labels: Sequence[str]) -> np.ndarray:
    """Which of some labels fits each point best, by its place among them, int (n,).

    Cosines are compared in standard deviations above those of everyday queries for the same label
    and medium, so that a label that is near everything does not take it all.
    """
    space = library.space
    wordings = read_wordings(space_kind(space.name))
    towers = sorted({STREAMS[name].tower for name in points.streams})
    encoded = encode_queries(space, list(labels), {tower: wordings[tower] for tower in towers})
    bank = Background(space, library.data / "vectors")
    chosen = np.zeros(len(points.numbers), int)
    for at, stream in enumerate(points.streams):
        rows = np.flatnonzero(points.of == at)
        tower = STREAMS[stream].tower
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            vectors = points.vectors[part]
            standing = bank.standing(tower, vectors)
            cosines = vectors @ encoded[tower].T
            higher = (cosines - standing[:, [MEAN]]) / standing[:, [SD]]
            chosen[part] = higher.argmax(axis=1)
    return chosen


def described(atlas: Atlas, items: Mapping[int, Item]) -> list[dict[str, object]]:
    """The points of a map, ready for JSON, of the items that are there."""
    told: list[dict[str, object]] = []
    for number, (x, y), cluster in zip(
        atlas.numbers.tolist(), atlas.places.tolist(), atlas.clusters.tolist(), strict=True
    ):
        item = items.get(number)
        if item is not None:
            told.append(
                {
                    "id": item.id,
                    "modality": item.modality,
                    "title": item.title,
                    "x": round(x, 4),
                    "y": round(y, 4),
                    "cluster": None if cluster == LOOSE else atlas.names[cluster],
                }
            )
    return told
