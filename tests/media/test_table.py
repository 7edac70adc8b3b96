"""Tables: a passage a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from media import limits, open_media
from tests.media.texts import SENTENCE, read, refused, words, write

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_table(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "city", "born"], ["Anna", "Köln", "1990"], ["Bo", "", "2001"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    segments, details = read(write(tmp_path / "a.csv", text))
    assert [segment.words for segment in segments] == [
        "name: Anna; city: Köln; born: 1990",
        "name: Bo; born: 2001",
    ]
    assert [dict(segment.place) for segment in segments] == [{"line": 2}, {"line": 3}]
    assert details["words"] == 10


def test_tables_of_other_shapes(tmp_path: Path) -> None:
    assert words(write(tmp_path / "a.tsv", "a\tb, c\n1\t2\n")) == ["a: 1; b, c: 2"]
    assert words(write(tmp_path / "a.csv", "1,2\n3,4\n")) == ["1; 2", "3; 4"]  # no header
    assert words(write(tmp_path / "a.csv", "word\nsun\nmoon\n")) == ["word: sun", "word: moon"]
    text = 'who,said\nAnna,"one, ""two""\nthree"\n\nBo,x,extra\n'
    segments, _ = read(write(tmp_path / "a.csv", text))
    assert [s.words for s in segments] == [
        'who: Anna; said: one, "two" three',
        "who: Bo; said: x; extra",
    ]
    assert [s.place["line"] for s in segments] == [2, 4]  # as a spreadsheet counts rows
    long = write(tmp_path / "b.csv", "id,note\n7," + SENTENCE * 20 + "\n")
    segments, _ = read(long)
    assert len(segments) > 2
    assert {s.place["line"] for s in segments} == {2}


def test_broken_tables(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.csv", "only,a,header\n"), "is a table without rows")
    open_quote = 'a,b\n1,2\n"' + "never closed,\n" * 20_000
    refused(write(tmp_path / "a.csv", open_quote), "is damaged after row 2")
    refused(write(tmp_path / "a.csv", "a,b\n" + "1," * 600_000), "has a line of over 1,048,576")


def test_a_long_table_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PASSAGES", 10)
    path = write(tmp_path / "a.csv", "a,b\n" + "1,x\n" * 50)
    segments, details = read(path)
    assert len(segments) == details["passages"] == 10
    assert details["note"] == "only its first 10 passages are used (ANYFIND_MAX_PASSAGES)"
    _, details = read(write(tmp_path / "b.csv", "a,b\n" + "1,x\n" * 10))
    assert "note" not in details


def test_a_list_of_edges_is_a_graph(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "source,target\na,b\nb,c\n")
    with open_media(tmp_path / "a.csv") as media:
        assert media.modality == "graph"
