"""Dot products, whichever way is taken."""

from __future__ import annotations

import numpy as np
import pytest

from store import products as module
from store.products import products


@pytest.mark.parametrize("way", [np.vecdot, np.matmul])
@pytest.mark.parametrize("rows", [0, 1, 7, 5_000])
def test_products_equal_their_twin(
    rows: int, way: np.ufunc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_quicker", lambda: way)
    rng = np.random.default_rng(rows)
    matrix = rng.standard_normal((rows, 128)).astype(np.float32)
    vector = rng.standard_normal(128).astype(np.float32)
    twin = [float(sum(row.astype(float) * vector.astype(float))) for row in matrix]
    found = products(matrix, vector)
    assert found.dtype == np.float32
    assert found == pytest.approx(twin, abs=1e-4)


def test_the_quicker_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module._quicker.cache_clear()
    taken = {np.vecdot: 2.0, np.matmul: 1.0}
    monkeypatch.setattr(module, "_seconds", lambda way, *_: taken[way])
    assert module._quicker() is np.matmul
    module._quicker.cache_clear()
    taken[np.vecdot] = 0.5
    assert module._quicker() is np.vecdot
    module._quicker.cache_clear()
