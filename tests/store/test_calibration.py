"""What `benchmarks/calibration.py` fits to is what the library tells; statistics have twins."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.calibration import (
    HITS,
    Answers,
    Gallery,
    Trials,
    ask,
    calibrate,
    content_words,
    draw,
    fit,
    halves,
    occurrence,
    predict,
)
from store import search as search_module
from store.certainty import Certainty
from store.library import Library
from tests.fakes import FakeSpace
from tests.store.test_search import entry, unit

TEXTS = ["red", "green fields", "a blue sky", "white noise", "low hum", "high whistle", "middle"]


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Two hundred sounds near their texts, of ten packages."""
    random = np.random.default_rng(4)
    space = FakeSpace()
    texts = [[TEXTS[n % len(TEXTS)]] for n in range(200)]
    near = space.encode_texts([text for (text,) in texts])
    vectors = unit(near + 0.3 * random.standard_normal(near.shape))
    return Answers(
        space, Gallery("audio", vectors, texts, np.array([f"p{n % 10}" for n in range(200)]))
    )


def test_the_features_are_those_of_the_library(
    answers: Answers, open_library: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, float, int]] = []

    class Telling(Certainty):
        def __call__(self, score: float, above: float, size: int) -> float:
            told.append((score, above, size))
            return 0.5

    model = Telling((0.0, 0.0, 0.0), 0.0, 0.0)
    monkeypatch.setattr(search_module, "read_certainty", lambda kind, tower: model)
    library = open_library()
    items = np.arange(3, 63)
    entries = [entry(int(number), 1) for number in items]
    for e, vector in zip(entries, answers.gallery.vectors[items], strict=True):
        e.vectors[:] = vector
    library._catalogue.commit(entries)
    library._follow([])
    for query, text in enumerate(answers.queries):
        told.clear()
        hits = library.search(text, "audio", HITS)
        features, right, related = ask(answers, query, items)
        expected = [(score, above, math.log(size)) for score, above, size in told[:HITS]]
        assert features == pytest.approx(np.array(expected), rel=1e-3, abs=1e-3)
        found = [int(hit.id, 16) for hit in hits]
        assert right.tolist() == [answers.gallery.texts[n] == [text] for n in found]
        assert (right <= related).all()


def test_right_and_related_go_by_words() -> None:
    assert content_words("the sound of some Dogs barking") == {"dog", "barking"}
    texts = [["dog"], ["a dog barking"], ["a dog running"], ["gas"], ["the"]]
    gallery = Gallery("image", unit(np.eye(5, 16) + 0.1), texts, np.array(list("abcde")))
    answers = Answers(FakeSpace(), gallery)
    barking = answers.queries.index("a dog barking")
    assert answers.right[barking].tolist() == [True, True, False, False, False]
    assert answers.related[barking].tolist() == [True, True, True, False, False]
    empty = answers.queries.index("the")
    assert answers.right[empty].tolist() == [False, False, False, False, True]


def test_absent_means_that_nothing_related_is_left(answers: Answers) -> None:
    trials = draw(answers, np.arange(200), np.random.default_rng(0))
    assert set(trials.size) == {10, 20, 50, 100, 200}
    assert trials.present.mean() == 0.5
    assert not trials.right[~trials.present].any()
    assert not trials.related[~trials.present].any()
    assert trials.right[trials.present].any(axis=1).mean() > 0.9


def test_the_fit_finds_the_weights_that_made_the_answers() -> None:
    random = np.random.default_rng(6)
    true = np.array([0.8, -0.3, -0.5, 0.4])
    features = random.standard_normal((20_000, 5, 3)) * [1, 3, 2] + [0, 2, 4]
    right = random.random((20_000, 5)) < predict(true, features)
    related = random.random((20_000, 5)) < 0.3
    teaching = Trials(np.zeros(20_000), np.ones(20_000, bool), features, right, related)
    # what is related but not right is left out, so the odds rise by 1 / 0.7
    assert fit(teaching) == pytest.approx(true - [0, 0, 0, math.log(0.7)], abs=0.06)


def test_occurrence_equals_its_twin() -> None:
    scores = np.random.default_rng(1).standard_normal((40, 30))
    scores[:, 7] += 2
    counts = [0] * 30
    for row in scores.tolist():
        for item in sorted(range(30), key=lambda n: -row[n])[:10]:
            counts[item] += 1
    mean = sum(counts) / 30
    sd = (sum((c - mean) ** 2 for c in counts) / 30) ** 0.5
    skewness = sum((c - mean) ** 3 for c in counts) / 30 / sd**3
    assert occurrence(scores) == pytest.approx((skewness, max(counts) / 40))


def test_packages_are_dealt_whole() -> None:
    packages = np.array(["a"] * 50 + ["b"] * 30 + ["c"] * 15 + ["d"] * 4)
    one, other = halves(packages)
    assert set(packages[one]).isdisjoint(packages[other])
    assert sorted([*one, *other]) == list(range(99))
    assert abs(len(one) - len(other)) <= 3


def test_a_calibration_is_told_and_flags_what_is_absent(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    model, floor = calibrate(answers, 0.1)
    assert model.shape == (4,)
    assert 0 < floor < 1
    total = next(line for line in capsys.readouterr().out.splitlines() if " all " in line)
    _, _, absent, present, wrongly, *_ = total.split()
    assert float(absent) > 2 * float(present)
    assert 0 < float(wrongly) <= 0.11
