"""A space that reads no words: what shows pictures beside each other works all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.atlas import draw_atlas
from analysis.comparison import usual_gallery
from analysis.inside import Concepts, look_inside, read_item
from analysis.outliers import outlier_factors
from store.library import Library
from tests.media import makers
from tests.store.spaces import PictureSpace


class Wordless(PictureSpace):
    """Sees, and reads nothing."""

    reads_text = False

    def encode_texts(self, texts: object) -> np.ndarray:
        raise AssertionError("asked for words")


@pytest.fixture
def library(tmp_path: Path):
    for number in range(24):
        colour = (40 * (number % 3) + 100, 5 * number, 200 - 60 * (number % 3))
        makers.make_picture(tmp_path / f"{number}.png", colour, (48, 48))
    with Library(tmp_path / "data", Wordless()) as opened:
        opened.add(sorted(tmp_path.glob("*.png")))
        yield opened


def test_it_can_be_mapped_and_looked_into(library):
    atlas = draw_atlas(library)
    assert atlas.places.shape == (24, 2)
    assert all(name.startswith("Cluster ") for name in atlas.names)
    assert usual_gallery(library)
    item = library.items()[0]
    found = look_inside(library, read_item(library, item.id), Concepts(library))
    assert found.concepts == ()
    assert found.vector.shape == (library.space.dim,)


def test_doubles_do_not_put_others_far_apart():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((12, 8)).astype(np.float32)
    rows[5:10] = rows[5]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    factors = outlier_factors(rows)
    assert len(factors) == 12
    assert factors.max() < 10
    assert np.ptp(factors[5:10]) == 0
