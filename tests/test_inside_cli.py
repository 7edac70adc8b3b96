"""What is inside a vector and the older ways, on the command line and on the real networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from encoders.anchors import DIM
from store.samples import read_samples
from tests.commands import run, run_here

TITLES = {sample.slug: sample.title for sample in read_samples()}


@pytest.fixture(scope="module")
def data(samples, tmp_path_factory) -> Path:
    """A library with the samples."""
    return shutil.copytree(samples, tmp_path_factory.mktemp("data") / "samples")


@pytest.fixture(scope="module")
def cat(data) -> dict:
    """The picture of a sleeping cat."""
    found = run("search", "a tabby cat asleep", "--in", "image", "--json", data=data).stdout
    return json.loads(found)[0]


def test_inside_words(data):
    found = json.loads(run_here("inside", "a man bites a dog", "--json", data=data).stdout)
    assert found["dim"] == len(found["vector"]) == DIM
    assert [block["name"] for block in found["blocks"]] == ["Things seen", "Sounds heard", "Words"]
    assert sum(block["share"] for block in found["blocks"]) == pytest.approx(1, abs=1e-3)
    assert any("dog" in concept["text"] for concept in found["concepts"][:3])
    changes = {change["what"]: change["cosine"] for change in found["changes"]}
    assert changes["in capitals"] == pytest.approx(1, abs=1e-3)
    assert changes["its first and last word change places"] > 0.9  # the order is nearly lost


def test_inside_an_item(data, cat):
    said = run_here("inside", cat["id"], "--top", "3", data=data).stdout
    assert cat["title"] in said
    assert "cat" in said.partition("nearest concepts")[2].partition("changed")[0]
    assert "mirrored" in said


def test_the_network_finds_what_no_word_does(data):
    rows = json.loads(run_here("methods", "vehicle repair", "--json", data=data).stdout)
    near = {row["method"]: row["near"] for row in rows}
    assert near["tfidf"] == []
    assert "mechanic" in near["network"][0]["text"]


def test_methods_for_a_picture(data, cat):
    rows = json.loads(run_here("methods", cat["path"], "--json", "--top", "4", data=data).stdout)
    assert [row["method"] for row in rows] == ["colours", "corners", "network"]
    cats = {TITLES[slug] for slug in ("cat", "sleeping_cat", "persian_cat", "siamese_cat")}
    assert {near["title"] for near in rows[-1]["near"]} <= cats
    assert rows[0]["near"][0]["id"] == cat["id"]  # a file is not the item: the same is nearest


def test_wrong_use_is_one_sentence(data, tmp_path):
    wrong = tmp_path / "vectors.txt"
    wrong.write_text("nothing of the sort\n")
    said = run_here("methods", "dog", "--vectors", wrong, data=data, code=1).stderr
    assert '"vectors.txt" holds no vectors of words' in said
    assert "--in" in run_here("methods", "dog", "--in", "sounds", data=data, code=2).stderr
