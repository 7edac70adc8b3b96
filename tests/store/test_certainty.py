"""How sure a hit is, and when a query found nothing close."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from store import search as search_module
from store.certainty import FEATURES, LARGEST, Certainty, rate, read_certainty
from store.library import Library, Term

MODEL = Certainty(weights=(0.5, 0.25, -1.0), bias=2.0, floor=0.2)


def test_the_probability_is_the_logistic_of_the_features() -> None:
    expected = 1 / (1 + math.exp(-(2.0 + 0.5 * 3 + 0.25 * 4 - math.log(50))))
    assert MODEL(3.0, 4.0, 50) == pytest.approx(expected, abs=5e-4)
    assert MODEL(1e9, 0, 1) == pytest.approx(1)
    assert MODEL(-1e9, 0, 1) == pytest.approx(0, abs=1e-9)
    assert 0 < MODEL(0, 0, 0) < 1


def test_nothing_is_close_when_the_surest_hit_is_below_the_floor() -> None:
    assert MODEL.found_nothing([0.1, 0.19, 0.0])
    assert not MODEL.found_nothing([0.1, 0.2])
    assert not MODEL.found_nothing([])
    assert not MODEL.found_nothing([None, None]), "as for more like this: nothing is known"


def test_larger_libraries_than_were_simulated_count_as_the_largest() -> None:
    assert MODEL(3.0, 4.0, 100_000) == MODEL(3.0, 4.0, LARGEST)


def test_people_are_told_in_words() -> None:
    assert [rate(p)[1] for p in (1, 0.5, 0.499, 0.2, 0.1, 0)] == [
        *("likely", "likely", "maybe", "maybe", "a guess", "a guess")
    ]
    assert [rate(p)[0] for p in (0.9, 0.3, 0.01)] == [3, 2, 1]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_embedded_space_is_calibrated(modality: str) -> None:
    fitted = read_certainty("embedded", modality)
    assert fitted is not None
    assert len(fitted.weights) == len(FEATURES)
    assert 0 < fitted.floor < 0.5
    far, near = fitted(0.5, 0.5, 100), fitted(4, 5, 100)
    assert far < fitted.floor < near, "what stands out is surer"
    assert fitted(3, 3, 1000) < fitted(3, 3, 10), "much to choose from is no reason to be sure"


def test_of_a_space_that_nobody_measured_nothing_is_said(
    open_library: Callable[..., Library], folder: Path
) -> None:
    library = open_library()
    library.add([folder])
    answer = library.find([Term("red")])
    assert [hit.sure for hit in answer.hits] == [None] * 5
    assert not answer.far


def test_hits_of_a_measured_space_tell_how_sure_they_are(
    open_library: Callable[..., Library], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"image": Certainty((0.0, 1.0, 0.0), -2.0, 0.5), "audio": None}
    monkeypatch.setattr(search_module, "read_certainty", lambda kind, tower: models.get(tower))
    library = open_library()
    library.add([folder])
    pictures, sounds = library.search("red", "image"), library.search("red", "audio")
    assert [hit.sure for hit in pictures] == sorted((h.sure for h in pictures), reverse=True)
    assert pictures[0].title == "red"
    assert pictures[0].sure > 0.5 > pictures[-1].sure
    assert [hit.sure for hit in sounds] == [None, None]
    assert not library.find([Term("red")], "image").far
    assert library.find([Term("zebra")], "image").far == {"image"}
    assert library.find([Term("zebra")], "image", 1).far == {"image"}, "however many are shown"
    assert library.find([Term("zebra")]).far == {"image"}, "of sounds nothing is known"
    models["audio"] = Certainty((0.0, 0.0, 0.0), -9.0, 0.5)
    both = library.find([Term("zebra")])
    assert {hit.modality for hit in both.hits} == {"image", "audio"}
    assert both.far == {"image", "audio"}
