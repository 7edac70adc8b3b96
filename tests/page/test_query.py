"""What the page makes of a query that a browser sent, and of a filter as it was typed."""

from __future__ import annotations

import time

import pytest

from store.library import Filter
from ui.network import lay_out
from ui.passage import excerpt, mark
from ui.query import Part, Query, QueryError, describe, read_filter, read_query


def test_a_query_comes_back_as_it_was() -> None:
    query = Query((Part("text", "a cat"), Part("item", "x", -0.5)), {"title": "b"}, exact=False)
    assert read_query(query.as_json()) == query


@pytest.mark.parametrize(
    "raw",
    [
        *(None, 7, "{", [], {"parts": 3}, {"parts": [{"by": "path", "what": "/etc/passwd"}]}),
        *({"parts": [{"by": "text", "what": "  "}]}, {"chosen": {"added": "ever", "x": "y"}}),
    ],
)
def test_what_makes_no_sense_is_left_out(raw: object) -> None:
    assert read_query(raw) == Query()


def test_odd_weights_and_half_characters_do_no_harm() -> None:
    raw = {"parts": [{"by": "text", "what": "a\udc00", "weight": 9e9}]}
    assert read_query(raw).parts == (Part("text", "a?"),)


def test_the_box_holds_the_first_words() -> None:
    item = Part("item", "x")
    query = Query((Part("text", "a cat", 2.0), item), {"title": "t"})
    assert query.retyped(" a dog ").parts == (Part("text", "a dog", 2.0), item)
    assert query.retyped("").parts == ()
    assert query.retyped("").chosen == {"title": "t"}
    assert Query((item,)).retyped("a dog").parts == (Part("text", "a dog"),)


def test_a_filter_is_read() -> None:
    typed = {"folder": "/a/../b", "longer": "1:30", "shorter": "1:00:00", "larger": "0,5"}
    assert read_filter(typed, paths=True) == Filter(
        folder="/b", longer=90, shorter=3600, larger=500_000
    )
    days = read_filter({"after": "2026-01-31", "before": "2026-01-31"}, paths=True)
    assert days is not None
    assert (days.added_before or 0) - (days.added_after or 0) == 86_400
    week = read_filter({"added": "week"}, paths=True)
    assert week is not None
    assert 7 <= (time.time() - (week.added_after or 0)) / 86_400 < 8.1
    assert read_filter({"before": "9999-12-31"}, paths=True) is not None
    assert read_filter({}, paths=True) is None


@pytest.mark.parametrize(
    "typed",
    [
        *({"longer": "soon"}, {"shorter": "1:2:3:4"}, {"larger": "-1"}, {"smaller": "nan"}),
        *({"after": "31.1."}, {"folder": "~nobody-of-this-name/x"}),
    ],
)
def test_what_cannot_be_read_is_said(typed: dict[str, str]) -> None:
    with pytest.raises(QueryError, match="“"):
        read_filter(typed, paths=True)


def test_folders_are_nobodys_business_elsewhere() -> None:
    with pytest.raises(QueryError, match="machine itself"):
        read_filter({"folder": "/b"}, paths=False)
    assert describe({"folder": "/b"}, paths=False) == []


def test_a_filter_is_told() -> None:
    typed = {"title": "x", "after": "2026-01-31", "longer": "5", "shorter": "9", "smaller": "3"}
    assert describe(typed, paths=True) == [
        (["title"], "title has “x”"),
        (["after"], "added from 2026-01-31"),
        (["longer", "shorter"], "length 5–9"),
        (["smaller"], "size up to 3 MB"),
    ]


def test_words_are_marked_in_their_forms() -> None:
    marked = [
        text
        for text, is_marked in mark("Churches and the cats. Rain, raids.", "a church cat the rain")
        if is_marked
    ]
    assert marked == ["Churches", "cats", "Rain"]
    assert mark("anything", "") == [("anything", False)]
    assert "".join(text for text, _ in mark("a <b> c", "b c")) == "a <b> c"
    far = excerpt(mark("word " * 60 + "goal", "goal"))
    assert far[0][0].startswith("…word")
    assert len(far[0][0]) < 70


def test_neighbours_that_are_tied_stand_beside_each_other() -> None:
    places = lay_out(6, [(0, 3)])
    apart = [sum((a - b) ** 2 for a, b in zip(places[0], place, strict=True)) for place in places]
    assert apart[3] == pytest.approx(min(apart[1:]))
    assert lay_out(0, []) == []
    assert len(set(lay_out(24, []))) == 24
