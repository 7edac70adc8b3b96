"""`odd`, `compare` and `outliers` as processes of their own, on real networks and the samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store.samples import read_samples
from tests.commands import ROOT, run, run_here

SAMPLES = {sample.slug: sample for sample in read_samples()}
PICTURES = ("cat", "persian_cat", "siamese_cat", "rocket", "coffee", "temple", "dahlia", "coins")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with some of the samples."""
    folder = tmp_path_factory.mktemp("data")
    paths = [SAMPLES[slug].path for slug in (*PICTURES, "cat_meow")]
    if not all(path.exists() for path in paths):  # the cache is new
        run("samples", data=tmp_path_factory.mktemp("samples"))
    assert run_here("index", *map(str, paths), data=folder).stdout.startswith("9 added")
    return folder


def test_the_classic_one(data: Path) -> None:
    said = run_here("odd", "breakfast", "cereal", "dinner", "lunch", data=data)
    assert said.stdout.startswith("cereal  (")
    assert "the others share: " in said.stdout
    assert "meals" in said.stdout


def test_outliers_are_listed_and_things_are_judged(data: Path) -> None:
    apart = json.loads(
        run_here("outliers", "--in", "image", "--top", "8", "--json", data=data).stdout
    )
    assert [one["modality"] for one in apart] == ["image"] * 8
    factors = [one["factor"] for one in apart]
    assert factors == sorted(factors, reverse=True)
    assert set(apart[0]) == {"id", "factor", "modality", "title", "path"}

    # an item, files and words
    (cat,) = (one["id"] for one in apart if one["path"] == str(SAMPLES["cat"].path))
    kitten, meow, rocket = (
        str(SAMPLES[slug].path) for slug in ("persian_cat", "cat_meow", "rocket")
    )
    done = run_here("odd", cat, kitten, "a kitten", meow, rocket, "--json", data=data)
    told = json.loads(done.stdout)
    assert told["place"] == 4
    assert told["odd"] == Path(rocket).name
    assert [one["medium"] for one in told["things"]] == [
        *("image", "image", "words", "audio", "image")
    ]
    assert sum(one["chance"] for one in told["things"]) == pytest.approx(1, abs=1e-3)
    assert 0.5 < told["sure"] <= 1
    assert 0 <= told["together"] <= 1
    assert {"concept", "strength"} == set(told["shared"][0])


def test_two_things_beside_each_other(data: Path) -> None:
    cat, rocket = (str(SAMPLES[slug].path) for slug in ("cat", "rocket"))
    far = json.loads(run_here("compare", cat, rocket, "--json", data=data).stdout)
    assert 0 <= far["nearer"] < 0.9
    assert far["pairs"] == 8 * 7
    assert "cats" in [one["concept"] for one in far["only_left"]]
    assert "spacecraft" in [one["concept"] for one in far["only_right"]]
    said = run_here("compare", "a bank", "a river", data=data).stdout
    assert said.startswith("nearer to each other than ")
    assert "only a bank: banking" in said


def test_wrong_use_is_one_sentence(data: Path, tmp_path: Path) -> None:
    for arguments, code in [
        (("odd", "a", "b", "0" * 32), 1),
        (("compare", "a", str(ROOT / "pyproject.toml")), 1),
    ]:
        assert run_here(*arguments, data=data, code=code).stdout == ""
    assert "empty" in run_here("outliers", data=tmp_path).stderr
