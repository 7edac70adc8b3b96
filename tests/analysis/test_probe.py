"""Labels learnt from examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.classification import NONE, NONE_TITLE
from analysis.probe import (
    Probe,
    apply,
    fit,
    load_probe,
    probe_names,
    probe_path,
    remove_probe,
    save_probe,
    teach,
)
from analysis.table import as_dicts
from store.library import Library, LibraryError
from tests.fakes import FakeSpace
from tests.page.conftest import make_media


def rows_of(rng, centres, each, spread):
    """Unit rows around some centres, and which centre each is of."""
    marks = np.repeat(np.arange(len(centres)), each)
    rows = centres[marks] + spread * rng.standard_normal((len(marks), centres.shape[1]))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), marks


@pytest.fixture
def library(tmp_path, space):
    with Library(tmp_path / "data", space) as opened:
        opened.add([make_media(tmp_path / "media")])
        yield opened


def ids(library, *titles):
    by_title = {item.title: item.id for item in library.items()}
    return [by_title[title] for title in titles]


COLOURS = {"warm": ["red", "half red"], "cold": ["blue", "half blue"]}


def examples(library):
    return {label: ids(library, *titles) for label, titles in COLOURS.items()}


def test_what_can_be_told_apart_is_learnt():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 20, dtype=np.float32)
    rows, marks = rows_of(rng, centres, 12, 0.1)
    weight, bias, left_out, folds = fit(rows, marks, np.eye(3, 20, k=5, dtype=np.float32))
    assert folds == 5
    assert (left_out == marks).all()
    fresh, right = rows_of(rng, centres, 50, 0.1)
    assert ((fresh @ weight.T + bias).argmax(axis=1) == right).mean() > 0.97


def test_what_is_noise_is_told_to_be():
    rng = np.random.default_rng(1)
    rows, marks = rows_of(rng, np.zeros((2, 30), np.float32), 40, 1.0)
    _, _, left_out, _ = fit(rows, marks, np.zeros((2, 30), np.float32))
    assert (left_out == marks).mean() < 0.7  # chance is 0.5


def test_with_one_example_the_words_count():
    rng = np.random.default_rng(2)
    centres = np.eye(4, 40, dtype=np.float32)
    rows, marks = rows_of(rng, centres, 1, 0.35)
    weight, bias, left_out, folds = fit(rows, marks, centres)
    assert left_out is None
    assert folds == 0
    fresh, right = rows_of(rng, centres, 50, 0.15)
    share = ((fresh @ weight.T + bias).argmax(axis=1) == right).mean()
    blind = fit(rows, marks, np.zeros_like(centres))
    assert share > ((fresh @ blind[0].T + blind[1]).argmax(axis=1) == right).mean()


def test_the_words_of_two_labels_are_not_swapped():
    rng = np.random.default_rng(3)
    rows, marks = rows_of(rng, np.eye(2, 8, dtype=np.float32), 6, 0.05)
    weight, bias, _, _ = fit(rows, marks, np.eye(2, 8, dtype=np.float32))
    np.testing.assert_array_equal((rows @ weight.T + bias).argmax(axis=1), marks)


def test_a_probe_is_taught_kept_and_applied(library):
    probe, report = teach(library, examples(library))
    assert probe.labels == ("warm", "cold")
    assert report.counts == (2, 2)
    assert report.folds == 2
    assert report.confusion.sum() == 4
    assert report.accuracy == np.trace(report.confusion) / 4
    found = apply(library, probe, library.streams)
    assert [part.stream for part in found.parts] == ["image", "film"]  # not of sounds
    titles = {
        item["title"]: row["label"] for row in as_dicts(library, found, 9) for item in row["items"]
    }
    assert (titles["red"], titles["blue"]) == ("warm", "cold")
    name = save_probe(library, probe, "../my: probe")
    assert probe_path(library, name).parent == library.data / "probes"
    assert probe_names(library) == [name]
    again = load_probe(library, name)
    np.testing.assert_array_equal(again.weight, probe.weight)
    assert (again.labels, again.tower, again.folds) == (probe.labels, "image", 2)
    remove_probe(library, name)
    assert probe_names(library) == []
    with pytest.raises(LibraryError, match="no probe"):
        load_probe(library, name)
    with pytest.raises(LibraryError, match="no probe"):
        remove_probe(library, name)


def test_none_of_these_can_be_taught(library):
    marked = {**examples(library), "none of these": ids(library, "green", "half green")}
    probe, report = teach(library, marked)
    assert probe.labels[-1] == NONE_TITLE
    assert report.words <= 4 / 6  # words alone never say so in a space that nobody measured
    found = apply(library, probe, ["image"])
    assert found.labels == ("warm", "cold")
    under_none = {library.numbered([n])[n].title for n, _, _ in found.members(NONE)}
    assert "green" in under_none
    assert not under_none & {"red", "blue", "half red", "half blue"}
    assert found.count(0) + found.count(1) + found.count(NONE) == 6


def test_labels_after_none_keep_their_places(library):
    probe, _ = teach(library, {NONE_TITLE: ids(library, "green"), **examples(library)})
    found = apply(library, probe, ["image"])
    assert found.labels == ("warm", "cold")
    assert {library.numbered([n])[n].title for n, _, _ in found.members(1)} >= {"blue"}


def test_one_example_each_is_learnt_without_a_figure(library):
    probe, report = teach(
        library, {"red": ids(library, "red"), "blue": ids(library, "blue", "half blue")}
    )
    assert report.accuracy is None
    assert report.confusion is None
    assert not any(part.sure for part in apply(library, probe, ["image"]).parts)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ({}, "two labels"),
        ({"a": ["red"]}, "two labels"),
        ({"a": ["red"], "b": []}, "two labels"),
        ({"a": ["red"], "b": ["red"]}, '"red" is marked under two'),
        ({"a": ["red"], "b": ["hum"]}, "learnt together"),
        ({"a": ["red"], " ": ["blue"]}, "no labels"),
    ],
)
def test_examples_that_cannot_be_learnt_from_are_told(library, marked, said):
    with pytest.raises(LibraryError, match=said):
        teach(library, {label: ids(library, *titles) for label, titles in marked.items()})


def test_how_sure_it_is_is_told_from_four_examples_on(library):
    probe, _ = teach(library, examples(library))
    assert probe.folds == 2
    for folds, sure in ((3, False), (4, True)):
        tried = replace(probe, folds=folds)
        assert [part.sure for part in apply(library, tried, ["image"]).parts] == [sure]


def test_an_unknown_item_is_told(library):
    with pytest.raises(LibraryError, match="no item"):
        teach(library, {"a": ids(library, "red"), "b": ["0" * 32]})


class OtherSpace(FakeSpace):
    name = "other"


def test_another_space_and_another_medium_are_refused(library, tmp_path):
    probe, _ = teach(library, examples(library))
    with pytest.raises(LibraryError, match="pictures or films"):
        apply(library, probe, ["audio"])
    probe.save(tmp_path / "probe.safetensors")
    with (
        Library(tmp_path / "second", OtherSpace()) as second,
        pytest.raises(LibraryError, match="learnt in the space fake"),
    ):
        apply(second, Probe.load(tmp_path / "probe.safetensors"), ["image"])


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a probe at all"])
def test_a_broken_file_is_told(library, content):
    path = probe_path(library, "broken")
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LibraryError, match="not a saved probe"):
        load_probe(library, "broken")
    remove_probe(library, "broken")


@pytest.mark.parametrize("name", ["", "..", "///", " - "])
def test_a_probe_needs_a_name(library, name):
    with pytest.raises(LibraryError, match="needs a name"):
        probe_path(library, name)
