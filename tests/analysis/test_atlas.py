"""The map: what is alike lies together, also across the media, and new items find their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analysis import atlas as module
from analysis.atlas import (
    LOOSE,
    Points,
    centre,
    choose_labels,
    described,
    draw_atlas,
    find_clusters,
    name_clusters,
    read_points,
    stream_means,
)
from analysis.layout import Stopped, lay_out, main_axes
from store.library import Library
from tests.fakes import FakeSpace
from tests.media import makers

COLOURS = ("red", "#00ff00", "blue")


def fill(folder: Path, each: int, first: int = 0) -> None:
    for colour in COLOURS:
        for number in range(first, first + each):
            name = f"{colour.strip('#')} {number}.png"
            makers.make_picture(folder / name, colour, (64 + number, 48))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    (tmp_path / "media").mkdir()
    fill(tmp_path / "media", 6)
    makers.make_tone(tmp_path / "media" / "low.wav", 110)
    makers.make_tone(tmp_path / "media" / "high.wav", 3000)
    with Library(tmp_path / "data", FakeSpace()) as library:
        library.add([tmp_path / "media"])
        yield library


def test_a_small_library_lies_along_its_main_axes(library: Library) -> None:
    atlas = draw_atlas(library)
    assert len(atlas.numbers) == library.count() == 20
    assert np.abs(atlas.places).max() <= 1.2
    items = library.numbered(atlas.numbers)
    kinds = np.array([items[int(n)].title.split()[0] for n in atlas.numbers])
    for kind in ("red", "00ff00", "blue"):
        mine, others = atlas.places[kinds == kind], atlas.places[(kinds != kind)]
        centre_of = mine.mean(axis=0)
        assert np.linalg.norm(mine - centre_of, axis=1).max() < 0.3
        pictures = others[np.isin(kinds[kinds != kind], ["red", "00ff00", "blue"])]
        assert np.linalg.norm(pictures - centre_of, axis=1).min() > 0.3
    told = described(atlas, items)
    assert {point["modality"] for point in told} == {"image", "audio"}
    assert set(told[0]) == {"id", "modality", "title", "x", "y", "cluster"}


def test_the_map_is_kept_until_much_is_new(library: Library, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("analysis.layout.FEW", 1000)  # no process of its own
    first = draw_atlas(library)
    calls = []
    plain = module.lay_out
    monkeypatch.setattr(module, "lay_out", lambda *a: calls.append(1) or plain(*a))
    again = draw_atlas(library)
    assert np.array_equal(first.places, again.places)
    assert again.placed == 0
    fill(tmp_path / "media", 1, first=30)
    library.add([tmp_path / "media"])
    more = draw_atlas(library)
    assert not calls
    assert more.placed == 3
    items = library.numbered(more.numbers)
    titles = [items[int(n)].title for n in more.numbers]
    for colour in ("red", "00ff00", "blue"):
        new = more.places[titles.index(f"{colour} 30")]
        old = np.array([p for p, t in zip(more.places, titles, strict=True) if t[:3] == colour[:3]])
        assert np.linalg.norm(new - np.median(old, axis=0)) < 0.2
    fill(tmp_path / "media", 4, first=50)
    library.add([tmp_path / "media"])
    assert draw_atlas(library).placed == 0
    assert calls
    (library.data / "map.npz").write_bytes(b"not a map")
    assert len(draw_atlas(library).numbers) == library.count()
    library.remove([item.id for item in library.items(limit=1000)])
    assert len(draw_atlas(library).numbers) == 0


def test_the_media_come_together_once_their_means_are_off() -> None:
    chance = np.random.default_rng(1)
    meaning = chance.standard_normal((40, 32))
    cones = 4 * chance.standard_normal((2, 32))
    rows = np.concatenate([meaning + cone for cone in cones])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    points = Points(np.arange(80), np.repeat([0, 1], 40), ["image", "audio"], rows)

    def crossing(rows: np.ndarray) -> float:
        """How often the nearest of the other medium is of the same meaning."""
        return float(np.mean((rows[:40] @ rows[40:].T).argmax(axis=1) == np.arange(40)))

    def nearer(rows: np.ndarray) -> float:
        """How often it is nearer than the nearest of the own medium."""
        within = rows[:40] @ rows[:40].T - 2 * np.eye(40)
        return float(np.mean((rows[:40] @ rows[40:].T).max(axis=1) > within.max(axis=1)))

    centred = centre(points, stream_means(points))
    assert nearer(rows) < 0.1
    assert nearer(centred) > 0.9
    assert crossing(centred) > 0.9


def test_main_axes_are_those_of_the_singular_values() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 6)) * [9, 5, 3, 1, 1, 1]
    mean, axes = main_axes(rows.astype(np.float32), 2)
    _, _, right = np.linalg.svd(rows - rows.mean(axis=0))
    assert np.allclose(mean, rows.mean(axis=0), atol=1e-5)
    assert np.allclose(np.abs(axes @ right[:2].T), np.eye(2), atol=1e-3)


@pytest.mark.parametrize("many", [24, 25], ids=["UMAP", "t-SNE"])
def test_a_layout_keeps_groups_apart_and_can_be_stopped(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # of so few points to compile takes many times as long as to lay them out
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setattr("analysis.layout.FEW", 24)
    monkeypatch.setattr("analysis.layout.MANY", many)
    chance = np.random.default_rng(2)
    groups = np.repeat(np.arange(3), 8)
    rows = (chance.standard_normal((3, 10))[groups] * 6 + chance.standard_normal((24, 10))) / 5
    told: list[tuple[str, int, int]] = []
    places = lay_out(rows.astype(np.float32), lambda *now: told.append(now))
    if len(rows) < many:  # of both it is the same
        assert np.array_equal(lay_out(rows.astype(np.float32), lambda *now: None), places)
    middles = np.array([places[groups == one].mean(axis=0) for one in range(3)])
    own = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
    assert (own == groups).all()
    clusters = find_clusters(places)
    for one in range(3):
        found = clusters[groups == one]
        assert (found == np.bincount(found[found >= 0]).argmax()).mean() > 0.8
    gone = threading.Event()
    gone.set()
    with pytest.raises(Stopped):
        lay_out(rows.astype(np.float32), lambda *now: None, gone.is_set)


def test_points_that_nothing_tells_apart() -> None:
    for rows in (np.zeros((30, 10)), np.ones((30, 10))):
        assert np.array_equal(lay_out(rows.astype(np.float32), lambda *now: None)[0], [0, 0])


def test_the_order_of_addition_does_not_count(library: Library) -> None:
    points = read_points(library).in_order()
    order = np.argsort(points.numbers)
    assert not np.array_equal(order, np.arange(len(order))), "they come in another order"
    assert np.array_equal(np.lexsort((points.stamps(), points.of)), np.arange(len(order)))


def test_clusters_are_named_by_what_the_others_have_less_of(library: Library, monkeypatch) -> None:
    words = ("something", "red", "green", "blue", "low tone")
    for name in ("analysis.atlas", "store.background"):
        monkeypatch.setattr(f"{name}.read_background", lambda: words)
    points = read_points(library)
    items = library.numbered(points.numbers)
    of = {"red": 0, "00ff00": 1, "blue": 2}
    clusters = np.array(
        [of.get(items[int(n)].title.split()[0], LOOSE) for n in points.numbers.tolist()]
    )
    names = name_clusters(library, points, clusters)
    assert [name.split(",")[0] for name in names] == ["red", "green", "blue"]
    assert name_clusters(library, points, np.full(len(clusters), LOOSE)) == []


def test_labels_are_chosen_by_what_fits_best(library: Library) -> None:
    points = read_points(library)
    items = library.numbered(points.numbers)
    chosen = choose_labels(library, points, ["blue", "red", "high"])
    for number, label in zip(points.numbers.tolist(), chosen.tolist(), strict=True):
        kind = items[number].title.split()[0]
        if kind in ("blue", "red", "high"):
            assert ["blue", "red", "high"][label] == kind


def test_few_or_scattered_points_have_no_clusters() -> None:
    assert (find_clusters(np.random.default_rng(0).random((5, 2))) == LOOSE).all()
    assert len(lay_out(np.ones((1, 1), np.float32), lambda *now: None)) == 1
