"""Dot products of many rows with one vector, on all of the processor's cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

_PART = 1 << 22  # numbers that are worth a thread of their own


def products(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Dot products of rows (n, dim) with a vector (dim,), both float32: float32 (n,).

    `rows @ vector` takes as long or three times as long, by the processor, and its threads wait
    for each other where the cores are busy, as they are while media are being added (measured).
    """
    result = np.empty(len(rows), dtype=np.float32)
    parts = min(os.cpu_count() or 1, rows.size // _PART)
    if parts < 2:
        np.vecdot(rows, vector, out=result)
        return result
    borders = np.linspace(0, len(rows), parts + 1).astype(int)

    def multiply(start: int, end: int) -> None:
        np.vecdot(rows[start:end], vector, out=result[start:end])

    for _ in _threads().map(multiply, borders[:-1], borders[1:]):
        pass
    return result


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="products")
