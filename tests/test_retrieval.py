"""The metrics of benchmarks/retrieval.py against plain twins."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.retrieval import (
    leave_out,
    measure_pictures,
    measure_sounds,
    picture_sets,
    summarise,
)
from encoders.adapter import SoundCorpus

RANDOM = np.random.default_rng(7)


def ranking(scores):
    return sorted(range(len(scores)), key=lambda item: -scores[item])


def average_precision(scores, right):
    seen, total = 0, 0.0
    for place, item in enumerate(ranking(scores), start=1):
        if right[item]:
            seen += 1
            total += seen / place
    return total / seen


def test_pictures_are_measured_as_by_hand() -> None:
    scores = RANDOM.random((9, 30))
    right = RANDOM.random((9, 30)) < 0.1
    right[:, 4] = True
    found = measure_pictures(scores, right)
    for query in range(9):
        order = ranking(scores[query])
        for k in (1, 5, 10):
            assert found[f"R@{k}"][query] == any(right[query, item] for item in order[:k])
        assert found["mAP"][query] == pytest.approx(average_precision(scores[query], right[query]))


def test_sounds_are_measured_as_by_hand() -> None:
    labels = np.concatenate([np.arange(12), RANDOM.integers(12, size=25)])
    scores = RANDOM.random((12, len(labels)))
    found = measure_sounds(scores, labels)
    for caption in range(12):
        own = [sound for sound in range(len(labels)) if labels[sound] == caption]
        for k in (1, 5, 10):
            hits = [caption in ranking(scores[:, sound])[:k] for sound in own]
            assert found[f"R@{k}"][caption] == pytest.approx(sum(hits) / len(hits))
        precision = average_precision(scores[caption], labels == caption)
        assert found["mAP"][caption] == pytest.approx(precision)


def test_intervals_are_those_of_the_mean() -> None:
    values = RANDOM.random(400)
    mean, low, high = summarise({"mAP": values})["mAP"]
    assert mean == pytest.approx(values.mean())
    error = 1.96 * values.std() / 20  # of the mean, by the central limit theorem
    assert (low, high) == pytest.approx((mean - error, mean + error), abs=error / 5)
    assert summarise({"mAP": np.ones(5)})["mAP"] == (1, 1, 1)


def test_a_package_is_left_out_with_its_captions() -> None:
    corpus = SoundCorpus(
        features=np.arange(5 * 512, dtype=np.float32).reshape(5, 1, 512),
        labels=np.array([0, 1, 2, 1, 2]),
        captions=("a bell", "a cat", "a dog"),
        groups=np.array([0, 0, 1, 1, 0]),
        sources=("one", "two"),
    )
    others, features, labels, captions = leave_out(corpus, "one")
    assert captions == ["a bell", "a cat", "a dog"]
    assert labels.tolist() == [0, 1, 2]
    assert (features == corpus.features[[0, 1, 4], 0]).all()
    assert others.captions == ("a cat", "a dog")
    assert [others.captions[i] for i in others.labels] == ["a dog", "a cat"]


def test_small_packages_of_photographs_are_one_set(tmp_path: Path) -> None:
    rows = [(f"{n}.jpg", f"thing {n}", f"package {n % 3}", "photograph") for n in range(30)]
    rows += [("0.jpg", "another thing", "package 0", "photograph")]
    rows += [(f"{n}.png", f"thing {n}", "package 0", "drawing") for n in range(25)]
    rows += [("few.png", "thing", "package 1", "drawing")]
    rows += [(f"t{n}.jpg", f"{n}", "tuxpaint-stamps-default", "photograph") for n in range(20)]
    with (tmp_path / "pictures.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "text", "package", "kind"), *rows])
    sets = picture_sets(tmp_path)
    assert {name: len(pictures) for name, pictures in sets.items()} == {
        "everyday scenes, photographs": 30,
        "tuxpaint-stamps-default, photographs": 20,
        "package 0, drawings": 25,
    }
    assert sets["everyday scenes, photographs"]["0.jpg"] == ["thing 0", "another thing"]
