"""Sorting and teaching by the real command, on real networks and the samples."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.commands import run, run_here


@pytest.fixture(scope="module")
def data(samples, tmp_path_factory) -> Path:
    """A library with the samples."""
    return shutil.copytree(samples, tmp_path_factory.mktemp("data") / "samples")


def titles(row: dict) -> set[str]:
    return {item["title"] for item in row["items"]}


def test_the_samples_are_sorted(data, tmp_path):
    table = tmp_path / "sorted.csv"
    done = run(
        *("classify", "a cat", "a person", "--in", "image", "--top", "50", "--json"),
        *("--csv", table),
        data=data,
    )
    cats, people, none = json.loads(done.stdout)
    assert {"Chelsea the cat", "A Siamese cat", "A Persian kitten"} <= titles(cats)
    assert "Rear Admiral Grace Hopper in uniform" in titles(people)
    assert {"Gravel", "A brick wall"} <= titles(none)
    assert none["label"] is None
    assert all(0 < item["confidence"] <= 1 for row in (cats, people, none) for item in row["items"])
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == cats["count"] + people["count"] + none["count"] == 22
    assert {row["label"] for row in rows} == {"a cat", "a person", "None of these"}


def test_examples_are_learnt_from_kept_and_applied(data, tmp_path):
    answer = run_here("classify", "x", "--in", "image", "--top", "100", "--json", data=data).stdout
    items = [item for row in json.loads(answer) for item in row["items"]]
    by_title = {item["title"]: item for item in items}
    examples = tmp_path / "examples.csv"
    with examples.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "id", "label"])
        for title in ("Chelsea the cat", "A Siamese cat"):
            writer.writerow([by_title[title]["path"], "", "cat"])
        for title in ("Gravel", "A brick wall", "Grass and leaves"):
            writer.writerow(["", by_title[title]["id"], "texture"])
    done = run_here("teach", examples, "--name", "mine", "--json", data=data)
    report = json.loads(done.stdout)
    assert report["labels"] == ["cat", "texture"]
    assert report["accuracy"] >= 0.6  # of five
    assert sum(map(sum, report["confusion"])) == 5
    assert report["folds"] == 2
    assert run_here("probes", data=data).stdout == "mine\n"
    cats, *_ = json.loads(
        run_here("classify", "--probe", "mine", "--top", "3", "--json", data=data).stdout
    )
    assert {"Chelsea the cat", "A Siamese cat"} <= titles(cats)
    assert run_here("probes", "--remove", "mine", data=data).stdout == "1 removed.\n"
    said = run_here("classify", "--probe", "mine", data=data, code=1).stderr
    assert 'There is no probe "mine"' in said


def test_wrong_use_is_told(data, tmp_path):
    run_here("classify", data=data, code=2)
    run_here("classify", "a", "--in", "smell", data=data, code=2)
    bad = tmp_path / "bad.csv"
    bad.write_text("name,kind\na,b\n", "utf-8")
    assert "needs the columns" in run_here("teach", bad, "--name", "x", data=data, code=1).stderr
    bad.write_text("path,label\nnowhere.png,b\n", "utf-8")
    assert "cannot be read" in run_here("teach", bad, "--name", "x", data=data, code=1).stderr
