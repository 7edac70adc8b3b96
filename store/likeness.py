"""How near is near, for a pair of streams: what makes hits for a picture, a sound or a film
comparable across media.

A picture's cosines to other pictures are far higher than to sounds. So a hit counts by how far it
stands above what the nearest of its stream usually is for an item of the query's kind, both taken
from the library itself: a sound that fits a picture better than sounds usually do comes before a
picture that is only as like it as the next best usually is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from store.matrix import Matrix

SOURCES = 256  # items asked for what is nearest to them
TARGETS = 2048  # among so many
PRIOR_ITEMS = 5  # imagined ones of a usual spread, so that few items give no wild scores
USUAL_TOP = 2.5
"""Where the nearest of a few dozen usually lies, in standard deviations of all cosines."""


class Likeness:
    """The usual nearest cosine for pairs of streams; every method may be called from any thread."""

    def __init__(self, matrices: Mapping[str, Matrix]) -> None:
        self._matrices = matrices
        self._known: dict[tuple[str, str], tuple[tuple[int, int], tuple[float, float]]] = {}
        self._lock = threading.Lock()

    def usual(self, source: str, target: str) -> tuple[float, float]:
        """Mean and standard deviation of the cosine to the nearest item of the stream `target`
        over items of the stream `source`, each left out itself."""
        sizes = len(self._matrices[source]), len(self._matrices[target])
        with self._lock:
            known = self._known.get((source, target))
            if known is None or not _alike(known[0], sizes):
                known = sizes, self._measure(source, target)
                self._known[source, target] = known
            return known[1]

    def _measure(self, source: str, target: str) -> tuple[float, float]:
        asked, of_asked = _thin(*self._matrices[source].rows(), SOURCES)
        rows, of_rows = _thin(*self._matrices[target].rows(), TARGETS)
        cosines = (asked @ rows.T).astype(np.float64)
        others = of_asked[:, None] != of_rows[None, :]
        if not others.any():
            return 0.5, 0.2
        every = cosines[others]
        mean, sd = float(every.mean()), max(float(every.std()), 0.02)
        top = np.where(others, cosines, -np.inf).max(axis=1)
        top = top[np.isfinite(top)]
        weight = len(top) + PRIOR_ITEMS
        usual = (top.sum() + PRIOR_ITEMS * (mean + USUAL_TOP * sd)) / weight
        spread = np.square(top - usual).sum() + PRIOR_ITEMS * sd**2
        return float(usual), float(np.sqrt(spread / weight))


def _thin(rows: np.ndarray, items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` of the rows, from all over them."""
    picks = np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(np.intp)
    return rows[picks], items[picks]


def _alike(before: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether the streams have hardly grown or shrunk."""
    return all(abs(a - b) * 10 <= a for a, b in zip(before, now, strict=True))
