"""What stands apart in a library: items that lie farther from their neighbours than those lie from
theirs, by the local outlier factor (Breunig et al. 2000).

In a large library items are compared with a sample of the others, so that the time grows with the
number of items and not with its square.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from store.library import Library, LibraryError
from store.records import Item
from store.streams import STREAMS

NEIGHBOURS = 20
"""Of an item, as in the paper's advice; fewer where there are few items."""
FEWEST = 6
"""Among fewer items nothing can stand apart."""
REFERENCE = 3_000
"""Items that the others are compared with."""
AT_ONCE = 4_096
MOST = 100.0
"""Beside nothing but doubles, whose own distances are 0, anything would stand endlessly apart."""

Tell = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Outlier:
    """An item, and how far it stands apart: 1 is as close to its neighbours as they are to theirs,
    2 is twice as far."""

    item: Item
    factor: float


def find_outliers(
    library: Library, modality: str, k: int = 12, progress: Tell | None = None
) -> list[Outlier]:
    """The k items of a medium that stand apart most, the farthest first; none of fewer than FEWEST.

    Films are taken by what they show, those without pictures by nothing.
    """
    if modality not in STREAMS or modality not in library.modalities:
        raise LibraryError(f"The space {library.space.name} holds no {modality}.")
    numbers, rows = library.points(modality)
    factors = outlier_factors(rows, progress)
    first = np.argsort(-factors, kind="stable")[:k]
    items = library.numbered(numbers[first])
    return [
        Outlier(items[int(numbers[at])], round(float(factors[at]), 3))
        for at in first
        if int(numbers[at]) in items  # else it was removed this moment
    ]


def outlier_factors(rows: np.ndarray, progress: Tell | None = None) -> np.ndarray:
    """The local outlier factor of each unit row (n, dim): float64 (n,); empty below FEWEST."""
    if len(rows) < FEWEST:
        return np.empty(0)
    # Alike ones are taken once: as each other's only neighbours they would put all else far apart.
    _, first, back = np.unique(rows.round(5), axis=0, return_index=True, return_inverse=True)
    if FEWEST <= len(first) < len(rows):
        return outlier_factors(rows[first], progress)[back.ravel()]
    from sklearn.neighbors import LocalOutlierFactor

    places = np.linspace(0, len(rows) - 1, min(len(rows), REFERENCE)).astype(np.intp)
    # among few, a third: with all of them every item would have the same neighbours
    neighbours = min(NEIGHBOURS, max(2, len(places) // 3))
    whole = len(places) == len(rows)
    lof = LocalOutlierFactor(neighbours, algorithm="brute", novelty=not whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of doubles, which stand apart in nothing
        lof.fit(rows[places])
    factors = np.empty(len(rows))
    factors[places] = -lof.negative_outlier_factor_
    others = np.setdiff1d(np.arange(len(rows)), places)
    for start in range(0, len(others), AT_ONCE):
        part = others[start : start + AT_ONCE]
        factors[part] = -lof.score_samples(rows[part])
        if progress is not None:
            progress("Looking for what stands apart", start + len(part), len(others))
    return np.minimum(factors, MOST)
