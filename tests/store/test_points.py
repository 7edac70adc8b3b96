"""What analysis reads of a library: segments some at a time, and each item as one point."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from store.library import LibraryError
from tests.store.spaces import HashSpace


def test_an_item_is_the_mean_direction_of_its_segments(open_library, folder, monkeypatch):
    library = open_library(HashSpace())
    library.add([folder])
    (long,) = (item for item in library.items("audio") if item.title == "high")
    matrix = library._matrices["audio"]
    whole = matrix.portions
    for at_once in (1, 2, 4096):  # an item may begin in one portion and end in another
        monkeypatch.setattr(matrix, "portions", partial(whole, at_once))
        numbers, rows = library.points("audio")
        items = library.numbered(numbers)
        assert sorted(item.title for item in items.values()) == ["high", "low"]
        for number, row in zip(numbers, rows, strict=True):
            own = library.item_vectors(items[number].id)["audio"]
            mean = own.mean(axis=0)
            np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)
    assert len(library.item_vectors(long.id)["audio"]) > 2


def test_what_was_removed_is_no_point(open_library, folder):
    library = open_library(HashSpace())
    library.add([folder])
    first, *rest = library.items("image")
    library.remove([first.id])
    numbers, rows = library.points("image")
    assert {item.id for item in library.numbered(numbers).values()} == {item.id for item in rest}
    assert rows.shape == (2, HashSpace().dim)
    with pytest.raises(LibraryError, match="no item"):
        library.item_vectors(first.id)


def test_an_empty_stream_has_no_points(open_library):
    numbers, rows = open_library(HashSpace()).points("film")
    assert numbers.shape == (0,)
    assert rows.shape == (0, HashSpace().dim)
