"""Sorting under labels, against a plain twin, item by item."""

from __future__ import annotations

import csv
import io
from functools import partial

import numpy as np
import pytest

from analysis import classification
from analysis.classification import (
    NONE,
    NONE_TITLE,
    Certainty,
    choose_streams,
    classify,
    clean_labels,
    label_wordings,
    read_certainty,
    read_sets,
)
from analysis.table import as_dicts, write_table
from store.background import MEAN, NEAR, SD, Background
from store.library import Library, LibraryError
from store.streams import STREAMS
from store.wordings import encode_queries
from tests.media import makers
from tests.page.conftest import make_media


@pytest.fixture
def library(tmp_path, space):
    with Library(tmp_path / "data", space) as opened:
        opened.add([make_media(tmp_path / "media")])
        yield opened


def told(library, found):
    """Each item's title with its label."""
    return {
        item["title"]: row["label"]
        for row in as_dicts(library, found, 100)
        for item in row["items"]
    }


def twin(library, labels, certainty):
    """Titles with their label, or none, and how sure: one item after the other."""
    found = {}
    bank = Background(library.space)
    for item in library.items():
        for stream, rows in library.item_vectors(item.id).items():
            tower = STREAMS[stream].tower
            words = encode_queries(
                library.space, labels, {tower: label_wordings("open_clip", tower)}
            )
            scores = []
            for row, standing in zip(rows, bank.standing(tower, rows), strict=True):
                cosines = [*(words[tower] @ row), standing[NEAR]]
                scores.append((np.array(cosines) - standing[MEAN]) / standing[SD])
            mean = np.mean(scores, axis=0)
            logits = [certainty.slope * one for one in mean[:-1]]
            logits.append(certainty.none + certainty.near * mean[-1])
            powers = np.exp(logits)
            best = int(np.argmax(logits))
            found[item.title] = (best if best < len(labels) else None, powers[best] / powers.sum())
    return found


def test_each_item_is_under_the_label_that_suits_it(library):
    found = classify(library, ["red", "blue", "low"], choose_streams(library, None))
    labels = told(library, found)
    assert (labels["red"], labels["blue"], labels["hum"]) == ("red", "blue", "low")
    assert len(found) == 9
    assert sum(found.count(label) for label in (0, 1, 2)) == 9
    assert found.count(NONE) == 0  # nobody measured this space: nothing is said of none
    assert not any(part.sure for part in found.parts)
    assert as_dicts(library, found, 1)[0]["items"][0]["confidence"] is None


@pytest.mark.parametrize("at_once", [1, 2, 4096])
def test_probabilities_are_those_of_the_twin(library, monkeypatch, at_once):
    certainty = Certainty(slope=0.8, none=1.0, near=0.4)
    monkeypatch.setattr(classification, "read_certainty", lambda kind, tower: certainty)
    for matrix in library._matrices.values():  # an item may be cut by portions
        monkeypatch.setattr(matrix, "portions", partial(matrix.portions, at_once))
    labels = ["red", "green", "high"]
    found = classify(library, labels, choose_streams(library, None))
    right = twin(library, labels, certainty)
    for part in found.parts:
        assert part.sure
        items = library.numbered(part.numbers)
        for number, first, belief in zip(part.numbers, part.first, part.belief, strict=True):
            label, sure = right[items[int(number)].title]
            assert first == (NONE if label is None else label)
            assert belief == pytest.approx(sure, abs=1e-4)
    assert found.count(NONE) > 0


def test_members_come_surest_first_or_most_doubtful_first(library, monkeypatch):
    monkeypatch.setattr(
        classification, "read_certainty", lambda kind, tower: Certainty(0.5, -9.0, 0.0)
    )
    found = classify(library, ["red", "blue"], ["image"])
    for label in (0, 1):
        beliefs = [part.belief[at] for _, part, at in found.members(label)]
        assert beliefs == sorted(beliefs, reverse=True)
        doubtful = [number for number, _, _ in found.members(label, doubtful=True)]
        assert sorted(doubtful) == sorted(number for number, _, _ in found.members(label))
        assert found.members(label, doubtful=True)[0][0] == found.members(label)[-1][0]


def test_templates_word_the_labels(library):
    with pytest.raises(LibraryError, match="where the label goes"):
        classify(library, ["a"], ["image"], ["no place"])
    by_word = classify(library, ["re", "bl"], ["image"], ["{}d", "{}ue"])
    assert told(library, by_word)["red"] == "re"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "no labels"),
        ([" ", "\n"], "no labels"),
        ([str(n) for n in range(201)], "at most 200"),
        (["x" * 301], "too long"),
        (["none of THESE"], "there already"),
    ],
)
def test_labels_that_cannot_be_used_are_told(labels, said):
    with pytest.raises(LibraryError, match=said):
        clean_labels(labels)


def test_labels_lose_blanks_and_doubles():
    assert clean_labels([" a  cat ", "", "dog", "a cat", "\ud800"]) == ("a cat", "dog", "?")


def test_an_empty_library_and_a_medium_that_is_not_there(tmp_path, space):
    with Library(tmp_path / "empty", space) as library:
        found = classify(library, ["red"], choose_streams(library, None))
        assert len(found) == 0
        assert [row["count"] for row in as_dicts(library, found, 5)] == [0, 0]
        with pytest.raises(LibraryError, match="cannot be sorted"):
            choose_streams(library, "smell")


def test_the_table_holds_no_formula(library, tmp_path):
    makers.make_picture(tmp_path / "=1+1.png", "red", (200, 100))
    library.add([tmp_path / "=1+1.png"])
    found = classify(library, ["@red", "blue"], ["image"])
    lines = io.StringIO()
    write_table(library, found, lines)
    rows = list(csv.DictReader(io.StringIO(lines.getvalue())))
    assert len(rows) == 7
    assert list(rows[0]) == ["path", "title", "label", "confidence"]
    for row in rows:
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())
    assert "'=1+1" in {row["title"] for row in rows}
    assert {row["label"] for row in rows} <= {"'@red", "blue"}
    write_table(library, found, hidden := io.StringIO(), paths=False)
    assert {row["path"] for row in csv.DictReader(io.StringIO(hidden.getvalue()))} == {""}


def test_removed_items_are_left_out(library):
    found = classify(library, ["red", "blue"], ["image"])
    library.remove([item.id for item in library.items("image")[:2]])
    rows = as_dicts(library, found, 100)
    assert sum(len(row["items"]) for row in rows) == 4


def test_the_shipped_data_is_whole():
    for tower in ("image", "audio", "text"):
        certainty = read_certainty("embedded", tower)
        assert certainty is not None
        shares = certainty(np.array([[2.0, 0.0, 2.0], [-3.0, -3.0, 2.0]]))
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert shares[0, 0] > shares[0, 1]
        assert shares[1].argmax() == 2  # none of these
    assert read_certainty("open_clip", "image") is None
    for one in read_sets():
        assert clean_labels(one.labels) == one.labels
        assert set(one.media) <= set(STREAMS)
        assert NONE_TITLE not in one.labels
        assert not any("," in label for label in one.labels)
