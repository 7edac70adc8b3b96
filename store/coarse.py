"""A short copy of a large matrix, to find the rows worth comparing in full.

Reading every vector of a hundred thousand takes longer than a person's patience for typing allows,
and a graph index misses what lies far from everything, as queries of words do. So each row is kept
in few numbers as well, chosen such that products with likely queries change least; the best by
these are then compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from store.products import products

LENGTH = 192  # numbers kept of a row; one right answer in a thousand is lost (benchmarks/search.py)
AT_ONCE = 16_384  # rows shortened at a time


@dataclass(frozen=True)
class Coarse:
    """`rows` float32 (n, LENGTH) stand for the first n rows of a matrix."""

    rows: np.ndarray
    mean: np.ndarray
    """(dim,) of the rows: it is not in what is kept of them."""
    to_query: np.ndarray
    """(dim, LENGTH): shortens a query."""

    def __len__(self) -> int:
        return len(self.rows)

    def products(self, query: np.ndarray) -> np.ndarray:
        """About the dot products of the rows with a vector (dim,): float32 (n,)."""
        return np.asarray(products(self.rows, query @ self.to_query) + query @ self.mean)


def shorten(vectors: np.ndarray, sample: np.ndarray, queries: np.ndarray) -> Coarse:
    """Shorten all vectors (n, dim).

    Args:
        vectors: the rows.
        sample: (m, dim): some of them, which tell how they are spread.
        queries: (q, dim): what is likely to be asked, besides the rows themselves.
    """
    mean = sample.mean(axis=0)
    spread = _moments(sample - mean)
    asked = _moments(queries) + _moments(sample) if len(queries) else _moments(sample)
    values, axes = np.linalg.eigh(spread)
    values = np.sqrt(np.maximum(values, 0) + 1e-9)
    root, inverse = (axes * values) @ axes.T, (axes / values) @ axes.T
    # What is lost of the products is least along the largest axes of the queries' moments, seen
    # where the rows are spread alike in all directions.
    _, largest = np.linalg.eigh(root @ asked @ root)
    largest = largest[:, : -LENGTH - 1 : -1]
    to_row = (inverse @ largest).astype(np.float32)
    to_query = (root @ largest).astype(np.float32)
    rows = np.empty((len(vectors), largest.shape[1]), dtype=np.float32)
    for start in range(0, len(vectors), AT_ONCE):
        part = np.asarray(vectors[start : start + AT_ONCE])
        rows[start : start + AT_ONCE] = (part - mean) @ to_row
    return Coarse(rows, mean, to_query)


def _moments(rows: np.ndarray) -> np.ndarray:
    """Second moments (dim, dim) of rows (n, dim)."""
    wide = rows.astype(np.float64)
    moments: np.ndarray = wide.T @ wide / max(len(wide), 1)
    return moments
