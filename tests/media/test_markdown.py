"""Markdown: what is left when its marks are gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.media.texts import read, write

pytestmark = pytest.mark.usefixtures("quiet")


MARKDOWN = """---
title: "From the Front"
tags: [a, b]
---
<!-- a comment
of two lines -->
# A **Bold** Title #

Some *words* and __more__ of them, with [a link](http://x.y/z_(1) "t"), ![a picture](p.png),
`code`, snake_case_name, 2 * 3 * 4, <b>html</b>, a [reference][r], AT&amp;T and \\*stars\\*.[^1]

Second
------
> quoted words
> go on here

* one item
* [x] two items
1. three

| Name | Age |
|------|-----|
| Anna | 30  |

```python
def f(x): return x**2  # **kept**
```
***
[r]: http://nowhere
[^1]: A note.
"""


def test_markdown(tmp_path: Path) -> None:
    segments, details = read(write(tmp_path / "a.md", MARKDOWN))
    lines = "\n".join(segment.words for segment in segments).split("\n")
    assert details["title"] == "From the Front"
    assert lines == [
        "A Bold Title",
        "Some words and more of them, with a link, a picture, code, snake_case_name, 2 * 3 * 4, "
        "html, a reference, AT&T and *stars*.",
        "Second",
        "quoted words go on here",
        "one item",
        "two items",
        "three",
        "Name, Age",
        "Anna, 30",
        "def f(x): return x**2 # **kept**",
        "A note.",
    ]
    assert [dict(segment.place) for segment in segments] == [{"line": 7}, {"line": 12}]


def test_markdown_titles(tmp_path: Path) -> None:
    for text, title in (
        ("words first\n\n## Then *this*\n\n# Not this", "Then this"),
        ("Under\n=====\n\nwords", "Under"),
        ("---\nnot: closed\nso these are words, too\n\n# T\n", "T"),
    ):
        assert read(write(tmp_path / "a.md", text))[1]["title"] == title
    assert "title" not in read(write(tmp_path / "a.md", "no heading\n\n---\n\nhere"))[1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mark", ["*a ", "[x](", "`a``", "<!--", "<a ", "_a ", "![[", "- ", "# "])
def test_no_line_of_markdown_is_a_riddle(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path / "a.md", "hello there\n\n" + mark * (60_000 // len(mark)))
    start = time.perf_counter()
    read(path)
    assert time.perf_counter() - start < 10
