"""What stands apart in a library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import outliers
from analysis.outliers import FEWEST, find_outliers, outlier_factors
from store.library import Library, LibraryError
from tests.fakes import FakeSpace
from tests.media import makers


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cloud(count: int, seed: int = 0) -> np.ndarray:
    """Unit rows about one direction; the first points elsewhere."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 0.1, (count, 16))
    rows[:, 0] += 1
    rows[0] = 0
    rows[0, 1] = 1
    return unit(rows)


def plain(rows: np.ndarray, k: int) -> list[float]:
    """The local outlier factor as the paper defines it, in plain Python."""
    count = len(rows)
    far = [[float(np.linalg.norm(a - b)) for b in rows.astype(float)] for a in rows.astype(float)]
    near = [
        sorted((j for j in range(count) if j != i), key=far[i].__getitem__)[:k]
        for i in range(count)
    ]
    reach = [far[i][near[i][-1]] for i in range(count)]
    dense = [1 / (sum(max(reach[j], far[i][j]) for j in near[i]) / k) for i in range(count)]
    return [sum(dense[j] for j in near[i]) / k / dense[i] for i in range(count)]


def test_factors_are_those_of_the_paper() -> None:
    rows = cloud(30)
    np.testing.assert_allclose(outlier_factors(rows), plain(rows, 10), rtol=1e-3)
    assert outlier_factors(rows).argmax() == 0


def test_a_large_library_is_compared_with_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = cloud(400)
    rows[[0, 138]] = rows[[138, 0]]  # the odd one is not in the sample
    whole = outlier_factors(rows)
    monkeypatch.setattr(outliers, "REFERENCE", 100)
    monkeypatch.setattr(outliers, "AT_ONCE", 64)
    assert 138 not in np.linspace(0, 399, 100).astype(int)
    told: list[tuple[int, int]] = []
    sampled = outlier_factors(rows, lambda _, done, total: told.append((done, total)))
    assert sampled.argmax() == whole.argmax() == 138
    assert told[-1] == (300, 300)
    assert len(told) == 5


def test_few_items_and_equal_ones_do_no_harm() -> None:
    assert outlier_factors(cloud(FEWEST - 1)).shape == (0,)
    same = outlier_factors(np.repeat(cloud(1), 50, axis=0))
    assert np.isfinite(same).all()


def test_the_picture_that_is_unlike_the_others_comes_first(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for width in range(60, 80, 2):
        makers.make_picture(media / f"red {width}.png", "red", (width, 64))
    makers.make_picture(media / "blue.png", "blue", (64, 64))
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([media])
        found = find_outliers(library, "image", 3)
        assert found[0].item.title == "blue"
        assert found[0].factor > 2 * found[1].factor
        assert len(found) == 3
        assert find_outliers(library, "audio") == []
        with pytest.raises(LibraryError, match="holds no smell"):
            find_outliers(library, "smell")
