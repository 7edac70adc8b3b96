"""Web pages: what they show, whatever they hold."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.media.texts import SENTENCE, read, refused, words, write

pytestmark = pytest.mark.usefixtures("quiet")


PAGE = """<!DOCTYPE html>
<html><head><title>Fish &amp; Chips</title><style>p {color: red}</style>
<script>alert("never")</script></head>
<body><h1>Fish</h1>
<p>One<b>word</b> and&nbsp;more
of&#32;it.<p>Second<br>line &lt;tag&gt;
<svg><title>no</title><text>drawing</text></svg><noscript>turn it on</noscript>
<table><tr><td>a</td><td>b</td></tr></table>
<template>hidden</template><img src="http://nowhere.invalid/x.png" alt="x">
<?php echo "never"; ?><iframe src="file:///etc/passwd">frame</iframe>
<ul><li>first<li>second</ul><a href="javascript:alert(1)">a link</a>
"""


def test_web_page(tmp_path: Path) -> None:
    (segment,), details = read(write(tmp_path / "a.html", PAGE))
    assert segment.words.split("\n") == [
        "Fish",
        "Oneword and more of it.",
        "Second line <tag>",
        "a b",
        "first",
        "second",
        "a link",
    ]
    assert segment.place == {"line": 4}
    assert details["title"] == "Fish & Chips"
    assert details["encoding"] == "utf-8"


def test_lines_of_a_web_page(tmp_path: Path) -> None:
    page = "<html>\n" + "".join(f"<p>\n{SENTENCE * 4}\n</p>\n" for _ in range(3))
    segments, _ = read(write(tmp_path / "a.htm", page))
    assert [segment.place["line"] for segment in segments] == [3, 6, 9]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ('<meta charset="windows-1251">', "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8_r"),
        ('<?xml version="1.0" encoding="ISO-8859-5"?>', "iso8859_5"),
    ],
)
def test_declared_encoding(tmp_path: Path, declared: str, encoding: str) -> None:
    (passage,) = words(write(tmp_path / "a.html", f"{declared}<p>Привет", encoding))
    assert passage == "Привет"


@pytest.mark.parametrize("name", ["zip", "rot13", "utf-7", "utf-16", "idna", "no-such", "x" * 99])
def test_encodings_that_are_none(tmp_path: Path, name: str) -> None:
    page = f'<meta charset="{name}"><p>Größe und Länge der Straße in Köln'
    for encoding in ("utf-8", "cp1252"):
        assert words(write(tmp_path / "a.html", page, encoding))[0].startswith("Gr")


@pytest.mark.parametrize("page", ["<script>alert(1)</script>", "<title>only</title>", "<p></p>"])
def test_a_page_that_shows_nothing(tmp_path: Path, page: str) -> None:
    refused(write(tmp_path / "a.html", page), "holds no words")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mark", ["<!", "<!--", "<a ", "</", "&#", "<svg>", "<a b='", "<script>"])
def test_broken_pages_are_no_riddle(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path / "a.html", "<p>hello there</p>" + mark * (400_000 // len(mark)))
    start = time.perf_counter()
    assert words(path) == ["hello there"]
    assert time.perf_counter() - start < 10


def test_a_tag_without_end(tmp_path: Path) -> None:
    page = "<p>hello\n<!-- " + "never closed " * 200_000
    (segment,), details = read(write(tmp_path / "a.html", page))
    assert segment.words == "hello"
    assert details["note"] == "only used to line 2: what begins there has no end"


def test_a_picture_inside_a_page(tmp_path: Path) -> None:
    page = f'<p>before</p><img src="data:image/png;base64,{"iVBOR0+a/" * 500_000}"><p>after</p>'
    assert words(write(tmp_path / "a.html", page)) == ["before\nafter"]
