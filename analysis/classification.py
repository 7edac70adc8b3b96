"""Sorting: every item under the one of some labels that suits it best, or under none of them.

A label is worded as the tower's prompt templates say, and compared with each segment of an item
(zero-shot classification, Radford et al. 2021). A cosine alone tells little, since some items lie
near every text: it counts in standard deviations above those of the bank of everyday queries
(`store.background`), averaged over the item's segments. These scores become probabilities by a
softmax in which "none of these" takes part as well:

    logit(label) = slope * score        logit(none) = none + near * how near the bank's nearest are

What suits some everyday query far better than any label belongs to none of them. The three figures
are fitted for each tower on libraries with known answers, some of whose labels are left out
(`python -m benchmarks.classify`), and lie in `assets/classification.toml`. In a space that nobody
measured, items are sorted all the same, but nothing is said of how sure that is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from store.background import MEAN, NEAR, SD, Background
from store.library import Library, LibraryError
from store.matrix import Portion
from store.records import Space
from store.streams import STREAMS
from store.wordings import encode_queries, read_wordings, space_kind

Array = np.ndarray[Any, Any]

NONE = -1
"""In place of a label's number: none of these."""
NONE_TITLE = "None of these"
MOST_LABELS = 200
LONGEST_LABEL = 300  # characters
MOST_WORDINGS = 20


@dataclass(frozen=True)
class Certainty:
    """How scores become probabilities, for one tower of one kind of space."""

    slope: float
    none: float
    near: float

    def __call__(self, scores: Array) -> Array:
        """Probabilities (n, labels + 1), the last of "none of these", from scores of that shape
        whose last column is how near the bank's nearest are (see `Labels`)."""
        logits = self.slope * scores.astype(np.float64)
        logits[:, -1] = self.none + self.near * scores[:, -1]
        return softmax(logits)


@cache
def _read(kind: str) -> dict[str, Any]:
    text = files("assets").joinpath("classification.toml").read_text("utf-8")
    row: dict[str, Any] = tomllib.loads(text).get(kind, {})
    return row


def read_certainty(kind: str, tower: str) -> Certainty | None:
    """The figures for a kind of space and a tower; None where nobody measured them."""
    row = _read(kind).get(tower)
    return None if row is None else Certainty(row["slope"], row["none"], row["near"])


def label_wordings(kind: str, tower: str) -> tuple[str, ...]:
    """How a label is worded for a tower, where nobody says otherwise."""
    own = _read(kind).get("wordings", {})
    return tuple(own.get(tower) or read_wordings(kind)[tower])


class Labels:
    """Labels as one tower knows them: unit vectors (labels, dim)."""

    def __init__(
        self, space: Space, names: Sequence[str], tower: str, templates: Sequence[str] = ()
    ) -> None:
        wordings = list(templates) or label_wordings(space_kind(space.name), tower)
        self.vectors: Array = encode_queries(space, names, {tower: wordings})[tower]

    def scores(self, vectors: Array, standing: Array) -> Array:
        """Of segments, unit rows (n, dim), and how they stand to the bank (n, 3): (n, labels + 1),
        each label's cosine, and last that of the bank's nearest, in standard deviations above the
        bank's cosines for the same segment."""
        cosines = np.column_stack([vectors @ self.vectors.T, standing[:, NEAR]])
        scores: Array = (cosines - standing[:, [MEAN]]) / standing[:, [SD]]
        return scores

    def of(self, part: Portion) -> Array:
        """The scores of some segments of a stream."""
        return self.scores(part.vectors, part.standing)


@dataclass(frozen=True)
class Sorted:
    """The items of one stream, sorted; arrays (n,) in the order of their addition."""

    stream: str
    numbers: Array
    """Their numbers in the catalogue (see `Library.numbered`)."""
    first: Array
    """The label that suits each best, by its place in the list, or NONE."""
    second: Array
    """The next best, or NONE."""
    belief: Array
    """By how much the first suits: its probability where `sure`, else how far the second is behind;
    orders the items of a label."""
    sure: bool
    """Whether the belief is a calibrated probability."""


@dataclass(frozen=True)
class Classified:
    """Items of some streams under labels."""

    labels: tuple[str, ...]
    parts: tuple[Sorted, ...]

    def count(self, label: int) -> int:
        """How many items are under a label, or NONE."""
        return sum(int((part.first == label).sum()) for part in self.parts)

    def __len__(self) -> int:
        return sum(len(part.numbers) for part in self.parts)

    def title(self, label: int) -> str:
        """A label as people are told it."""
        return NONE_TITLE if label == NONE else self.labels[label]

    def members(
        self, label: int, doubtful: bool = False, offset: int = 0, limit: int | None = None
    ) -> list[tuple[int, Sorted, int]]:
        """What is under a label, surest first or most doubtful first: (number, part, place in
        it), from place `offset` of that order on, at most `limit`."""
        places = [np.flatnonzero(part.first == label) for part in self.parts]
        if not places:
            return []
        of = np.repeat(np.arange(len(places)), [len(own) for own in places])
        at = np.concatenate(places)
        belief = np.concatenate(
            [part.belief[own] for part, own in zip(self.parts, places, strict=True)]
        )
        order = np.argsort(belief if doubtful else -belief, kind="stable")
        page = order[offset : None if limit is None else offset + limit]
        return [
            (int(self.parts[of[one]].numbers[at[one]]), self.parts[of[one]], int(at[one]))
            for one in page
        ]


def classify(
    library: Library,
    labels: Sequence[str],
    streams: Collection[str],
    templates: Sequence[str] = (),
) -> Classified:
    """Sort all items of some streams under labels.

    Args:
        labels: what to sort under; cleaned as by `clean_labels`.
        streams: as `choose_streams` gives them.
        templates: how to word a label, `{}` being the label; the towers' own where there are none.

    Errors: LibraryError for labels or templates that cannot be used.
    """
    names, wordings = clean_labels(labels), clean_templates(templates)
    towers = {STREAMS[stream].tower for stream in streams}
    known = {tower: Labels(library.space, names, tower, wordings) for tower in sorted(towers)}
    kind = space_kind(library.space.name)
    parts = []
    for stream in streams:
        tower = STREAMS[stream].tower
        certainty = read_certainty(kind, tower)
        scores = over_items(library.portions(stream), known[tower].of)
        if certainty is None:
            bare = ((numbers, rows[:, :-1]) for numbers, rows in scores)
            parts.append(sort_items(stream, bare, range(len(names)), sure=False))
        else:
            shares = _in_shares(scores, certainty)
            parts.append(sort_items(stream, shares, [*range(len(names)), NONE], sure=True))
    return Classified(names, tuple(parts))


def _in_shares(
    scores: Iterable[tuple[Array, Array]], certainty: Certainty
) -> Iterator[tuple[Array, Array]]:
    for numbers, rows in scores:
        yield numbers, certainty(rows)


def sort_items(
    stream: str, rated: Iterable[tuple[Array, Array]], places: Sequence[int], sure: bool
) -> Sorted:
    """Sort items as they come: numbers (n,) and ratings (n, columns).

    `places` tells the label of each column, or NONE; `sure`, whether the ratings are probabilities.
    """
    at = np.array(places)
    kept = []
    for numbers, ratings in rated:
        order = np.argsort(-ratings, axis=1, kind="stable")
        best = np.take_along_axis(ratings, order[:, :2], axis=1)
        belief = best[:, 0] if sure or len(at) == 1 else best[:, 0] - best[:, 1]
        second = at[order[:, 1]] if len(at) > 1 else np.full(len(numbers), NONE)
        kept.append((numbers, at[order[:, 0]], second, belief))
    empty = np.empty(0, np.int64)
    columns = list(zip(*kept, strict=True)) or [[empty], [empty], [empty], [np.empty(0)]]
    numbers, first, second, belief = (np.concatenate(column) for column in columns)
    return Sorted(stream, numbers, first, second, belief, sure)


def over_items(
    portions: Iterator[Portion], measure: Callable[[Portion], Array]
) -> Iterator[tuple[Array, Array]]:
    """Mean measures (n, m) over the segments of each item, with the items' numbers (n,), some
    thousand items at a time; an item may begin in one portion and end in another."""
    number, total, count = -1, np.empty(0), 0
    for part in portions:
        starts = np.flatnonzero(np.diff(part.items, prepend=-1))
        own = part.items[starts]
        sums = np.add.reduceat(measure(part).astype(np.float64), starts)
        counts = np.diff(starts, append=len(part.items))
        if count and own[0] == number:
            sums[0] += total
            counts[0] += count
        elif count:
            own, sums = np.append(number, own), np.concatenate([total[None], sums])
            counts = np.append(count, counts)
        number, total, count = int(own[-1]), sums[-1], int(counts[-1])
        if len(own) > 1:
            yield own[:-1], sums[:-1] / counts[:-1, None]
    if count:
        yield np.array([number]), total[None] / count


def choose_streams(library: Library, medium: str | None) -> list[str]:
    """The streams by which a medium is sorted, or all but nodes for None: a film by what it shows,
    or as "soundtrack" by what is heard. LibraryError for what the space cannot hold."""
    if medium is not None and medium in library.streams:
        return [medium]
    if medium is None:
        shown = [name for name in library.streams if name not in ("soundtrack", "node")]
        if "film" not in shown and "soundtrack" in library.streams:
            shown.append("soundtrack")
        return shown
    raise LibraryError(
        f'"{medium}" cannot be sorted in the space {library.space.name}: it is one of '
        f"{', '.join(library.streams)}."
    )


def clean_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels without blanks and doubles, in their order. LibraryError where none is left, or too
    many or too long ones are."""
    plain = (label.encode("utf-8", "replace").decode() for label in labels)
    names = tuple(dict.fromkeys(" ".join(label.split()) for label in plain if label.strip()))
    if not names:
        raise LibraryError("There are no labels to sort under: type some, separated by commas.")
    if len(names) > MOST_LABELS:
        raise LibraryError(f"These are {len(names)} labels: sort under at most {MOST_LABELS}.")
    longest = max(names, key=len)
    if len(longest) > LONGEST_LABEL:
        raise LibraryError(
            f'The label "{longest[:40]}…" is too long: use at most {LONGEST_LABEL} letters.'
        )
    if any(name.casefold() == NONE_TITLE.casefold() for name in names):
        raise LibraryError(f'"{NONE_TITLE}" is there already: leave it out of the labels.')
    return names


def clean_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """Templates without blanks and doubles. LibraryError for one that has no place for a label."""
    plain = (text.encode("utf-8", "replace").decode() for text in templates)
    wordings = tuple(dict.fromkeys(text.strip() for text in plain if text.strip()))
    for text in wordings:
        if "{}" not in text or len(text) > LONGEST_LABEL:
            raise LibraryError(
                f'The wording "{text[:60]}" cannot be used: write {{}} where the label goes, in at '
                f"most {LONGEST_LABEL} letters."
            )
    if len(wordings) > MOST_WORDINGS:
        raise LibraryError(f"These are {len(wordings)} wordings: use at most {MOST_WORDINGS}.")
    return wordings


def read_bank(library: Library) -> Background:
    """The bank of everyday queries as the library keeps it."""
    return Background(library.space, library.data / "vectors")


def softmax(logits: Array) -> Array:
    """Probabilities of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class LabelSet:
    """A ready set of labels."""

    name: str
    media: tuple[str, ...]
    labels: tuple[str, ...]


@cache
def read_sets() -> tuple[LabelSet, ...]:
    """The ready sets of labels, `assets/labels.toml`."""
    text = files("assets").joinpath("labels.toml").read_text("utf-8")
    rows: list[Mapping[str, Any]] = tomllib.loads(text)["set"]
    return tuple(LabelSet(r["name"], tuple(r["media"]), tuple(r["labels"])) for r in rows)
