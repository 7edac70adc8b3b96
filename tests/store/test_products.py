"""Dot products, in one thread or in several."""

from __future__ import annotations

import numpy as np
import pytest

from store.products import products


@pytest.mark.parametrize("rows", [0, 1, 7, 5_000])
def test_products_equal_their_twin(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(rows)
    matrix = rng.standard_normal((rows, 128)).astype(np.float32)
    vector = rng.standard_normal(128).astype(np.float32)
    twin = [float(sum(row.astype(float) * vector.astype(float))) for row in matrix]
    alone = products(matrix, vector)
    monkeypatch.setattr("store.products._PART", 300)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    shared = products(matrix, vector)
    assert alone.dtype == shared.dtype == np.float32
    assert alone == pytest.approx(twin, abs=1e-4)
    np.testing.assert_array_equal(alone, shared)
