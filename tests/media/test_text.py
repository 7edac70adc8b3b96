"""Texts: passages cut at the borders of paragraphs and sentences, where they lie, and what is
refused, in each format."""

from __future__ import annotations

import codecs
import itertools
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pytest
from PIL import Image, ImageFont
from pypdf import PdfReader, PdfWriter

from media import SUFFIXES, MediaError, Segment, limits, open_media
from media import text as text_module
from media.passages import (
    ENOUGH_WORDS,
    FEW_WORDS,
    MOST_CHARACTERS,
    MOST_WORDS,
    Paragraph,
    count_words,
    cut,
)
from tests.media import makers

SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank. "
GERMAN = "Der Bär läuft über die grüne Straße, und die Möwen schreien laut über den Dächern. "
RUSSIAN = "Сегодня утром мы долго гуляли по тихому лесу и слушали пение птиц над рекой. "
GREEK = "Η θάλασσα ήταν ήρεμη και ο ήλιος έλαμπε πάνω από το μικρό λευκό χωριό. "
JAPANESE = "今日は天気がとても良いので、友達と一緒に公園へ散歩に行きました。"
CHINESE = "今天天气很好，我们一起去公园散步，看见了许多漂亮的花和小鸟。"


def read(path: Path) -> tuple[list[Segment], dict[str, Any]]:
    """Everything the library does with a text."""
    with open_media(path) as media:
        assert media.modality == "text"
        segments = list(media.segments())
        for segment in segments:
            assert segment.tower == "text"
            assert segment.content == segment.words
            assert segment.words.strip() == segment.words != ""
            assert len(segment.words) <= MOST_CHARACTERS
            assert (segment.start, segment.end, segment.node) == (None, None, None)
        preview = media.preview()
        assert (preview.mode, preview.size) == ("RGB", (384, 512))
        assert media.details["passages"] == len(segments)
        return segments, media.details


def words(path: Path) -> list[str]:
    return [segment.words for segment in read(path)[0]]


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def refused(path: Path, said: str) -> None:
    with pytest.raises(MediaError, match=said) as caught:
        read(path)
    sentence = str(caught.value)
    assert sentence.startswith(f'"{path.name}" ')
    assert all(c.isprintable() for c in sentence)
    assert len(sentence) < 250


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> Any:
    """Nothing of this ever reaches the error stream."""
    yield
    assert capfd.readouterr() == ("", "")


# --- cutting


def paragraphs(*texts: str, **marked: Any) -> list[Paragraph]:
    return [Paragraph(text, "line", ((0, n),), **marked) for n, text in enumerate(texts, 1)]


def test_short_paragraphs_are_joined() -> None:
    short = SENTENCE.strip()  # 14 words
    cuts = list(cut(paragraphs(*[short] * 7)))
    assert [passage.words for passage in cuts] == [42, 42, 14]
    assert cuts[0].text == "\n".join([short] * 3)
    assert [passage.place for passage in cuts] == [{"line": 1}, {"line": 4}, {"line": 7}]


def test_a_long_paragraph_is_cut_into_like_parts_at_sentence_ends() -> None:
    cuts = list(cut(paragraphs(SENTENCE * 16)))  # 224 words
    assert len(cuts) == 3
    for passage in cuts:
        assert passage.text.endswith("bank.")
        assert passage.text.startswith("The quick")
        assert 56 <= passage.words <= 98


def test_a_heading_stays_with_what_follows() -> None:
    before = Paragraph(SENTENCE * 2, "line", ((0, 1),))  # 28 words: joined, were there no heading
    heading = Paragraph("Of Rivers", "line", ((0, 5),), opens=True)
    after = Paragraph(SENTENCE * 3, "line", ((0, 6),))
    first, second = cut([before, heading, after])
    assert second.text.startswith("Of Rivers\nThe quick")
    assert second.place == {"line": 5}
    assert first.text == (SENTENCE * 2).strip()
    # and where there are enough words before, they do not take the heading along
    held = Paragraph("word " * (ENOUGH_WORDS - 1), "line", ((0, 1),))
    assert [p.text[:9] for p in cut([held, heading, after])] == ["word word", "Of Rivers"]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones at No. 5 of St. James St. on a Monday",
        "It costs 3.5 pounds, e.g. in London, i.e. far too much vs. last year",
        "J. S. Bach wrote it. and so on",
        "Wait... what was that",
    ],
)
def test_abbreviations_do_not_end_sentences(text: str) -> None:
    from media.passages import _sentences

    assert len(list(_sentences(text))) == 1


def test_sentences_end() -> None:
    from media.passages import _sentences

    text = 'He said: "Go!" She went. Why? Nobody knew… Then it rained.'
    found = [text[a:b].strip() for a, b in _sentences(text)]
    assert found == ['He said: "Go!"', "She went.", "Why?", "Nobody knew…", "Then it rained."]


def test_no_word_is_cut_and_none_is_lost() -> None:
    random_ = random.Random(3)
    for _ in range(60):
        texts = []
        for _ in range(random_.randrange(1, 6)):
            count = random_.choice([1, 5, 30, 200, 600])
            tokens = [
                "".join(random_.choice("abcdéß字") for _ in range(random_.randrange(1, 30)))
                + random_.choice(["", "", "", ".", ",", "? ", ";", "。"])
                for _ in range(count)
            ]
            texts.append(" ".join(" ".join(tokens).split()))
        cuts = list(cut(paragraphs(*texts)))
        joined = " ".join(passage.text for passage in cuts)
        # spaces between ideographs may go, the ones between words may not
        assert [w for w in joined.split() if w.isascii()] == [
            w for w in " ".join(texts).split() if w.isascii()
        ]
        assert "".join(joined.split()) == "".join("".join(texts).split())
        for passage in cuts:
            assert len(passage.text) <= MOST_CHARACTERS + len(texts)
            assert passage.words <= MOST_WORDS
            assert passage.words == count_words(passage.text)


def test_a_sentence_without_end_is_cut_after_a_comma() -> None:
    sentence = ", ".join(["and then they went on and on"] * 40)
    cuts = list(cut(paragraphs(sentence)))
    assert len(cuts) > 2
    assert all(passage.text.endswith((",", "on")) for passage in cuts)


def test_what_has_no_spaces() -> None:
    cuts = list(cut(paragraphs("x" * 5000)))
    assert "".join("".join(p.text.split()) for p in cuts) == "x" * 5000
    assert max(len(p.text) for p in cuts) <= MOST_CHARACTERS
    cuts = list(cut(paragraphs(JAPANESE * 20)))
    assert "".join(p.text for p in cuts) == JAPANESE * 20
    assert all(p.text.endswith("。") for p in cuts)
    assert count_words("日本語 and English") == 5


def test_a_place_is_where_the_passage_begins() -> None:
    text = SENTENCE * 16
    marks = [(i * len(SENTENCE), 10 + i) for i in range(16)]
    for passage in cut([Paragraph(text, "line", marks)]):
        assert passage.place["line"] in range(10, 26)
    lines = [p.place["line"] for p in cut([Paragraph(text, "line", marks)])]
    assert lines == sorted(set(lines))
    assert lines[0] == 10


# --- plain text


def test_plain_text(tmp_path: Path) -> None:
    wrapped = (
        "It was a bright cold day in the month of April, and the\n"
        "clocks were striking thirteen all over the old grey town\n"
    )
    body = "Chapter One\n\n" + wrapped * 4 + "\n\nChapter Two\n\n" + wrapped * 4
    segments, details = read(write(tmp_path / "a.txt", body))
    assert [segment.words.partition("\n")[0] for segment in segments] == [
        "Chapter One",
        "Chapter Two",
    ]
    assert [dict(segment.place) for segment in segments] == [{"line": 1}, {"line": 13}]
    assert "and the clocks were striking" in segments[0].words
    assert details == {"encoding": "utf-8", "words": 188, "passages": 2}


@pytest.mark.parametrize("name", ["a.text", "a.log", "a.rst", "a.TXT", "a.markdown"])
def test_other_names_of_plain_text(tmp_path: Path, name: str) -> None:
    assert words(write(tmp_path / name, "some words")) == ["some words"]
    assert SUFFIXES[(tmp_path / name).suffix.lower()] == "text"


def test_line_ends(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        text = end.join(["one thing.", "", "Another thing.", ""])
        assert words(write(tmp_path / "a.txt", text)) == ["one thing.\nAnother thing."]


def test_a_log_keeps_its_lines(tmp_path: Path) -> None:
    line = "2024-01-01 12:00:00 \x1b[31merror\x1b[0m while the disk was being checked for faults"
    (first, *_) = words(write(tmp_path / "a.log", f"{line}\n" * 10))
    assert first.split("\n")[0].endswith("error while the disk was being checked for faults")
    assert first.count("\n") >= 2


def test_lists_keep_their_lines(tmp_path: Path) -> None:
    text = "Things that were bought for the journey to the coast:\n- a warm coat\n- a lamp\n"
    (passage,) = words(write(tmp_path / "a.txt", text))
    assert passage.split("\n")[1:] == ["- a warm coat", "- a lamp"]


def test_texts_that_begin_like_other_files(tmp_path: Path) -> None:
    for start in ("BMW makes cars", "caffeine wakes", "ID3 is a tag", "GIF89a is old", "fLaC is"):
        assert words(write(tmp_path / "a.txt", start)) == [start]


def test_one_line_of_many_megabytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "word " * 400_000)
    segments, details = read(path)
    assert details["words"] == 400_000
    assert set(" ".join(s.words for s in segments).split()) == {"word"}
    assert {s.place["line"] for s in segments} == {1}


@pytest.mark.parametrize("text", ["  \n\t \n", "\ufeff", "---\n***\n", "\n" * 5000, "\u200b"])
def test_no_words(tmp_path: Path, text: str) -> None:
    for name in ("a.txt", "a.md", "a.html", "a.csv"):
        refused(write(tmp_path / name, text), "holds no words|without rows")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.pdf", "a.docx", "a.rst"])
def test_binary_data_under_the_name_of_a_text(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / name, makers.NOISE), "is damaged, or not a text of a known format")
    refused(write(tmp_path / name, bytes(5000)), "is damaged, or not a text of a known format")
    refused(write(tmp_path / name, b""), "is empty")


def test_binary_data_behind_words(tmp_path: Path) -> None:
    data = SENTENCE.encode() * 200 + b"\n" + makers.NOISE
    for name in ("a.txt", "a.md", "a.csv", "a.html"):
        refused(write(tmp_path / name, data), "is not a text throughout|has a line")


def test_pictures_and_sounds_under_the_name_of_a_text(tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "a.txt")
    makers.make_tone(tmp_path / "b.wav")
    (tmp_path / "b.wav").replace(tmp_path / "b.md")
    with open_media(tmp_path / "a.txt") as a, open_media(tmp_path / "b.md") as b:
        assert (a.modality, b.modality) == ("image", "audio")


@pytest.mark.parametrize("name", ["a.json5", "a.py", "a.php", "a.js", "a", "a.xml"])
def test_other_texts_are_not_read(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / name, SENTENCE), "is a text of a kind that is not read")


def test_drawings_and_office_files(tmp_path: Path) -> None:
    for name in ("a.txt", "a.html", "a.md"):
        refused(write(tmp_path / name, makers.SVG), "is an SVG drawing")
        refused(write(tmp_path / name, b"<!-- a --><!-- b -->" * 90 + b"<svg>"), "is an SVG")
    for name in ("a.doc", "a.docx", "a.txt"):
        refused(write(tmp_path / name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)), "docx")
        refused(write(tmp_path / name, rb"{\rtf1\ansi Hello}"), "is an RTF document: .*docx")


@pytest.mark.timeout(20)
def test_endless_comments_are_not_a_riddle(tmp_path: Path) -> None:
    """A pattern that looks for a drawing behind comments must not try all ways to pair them."""
    assert words(write(tmp_path / "a.html", "<!-- --><!--" * 300 + "--><p>hello there"))


# --- encodings


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "utf-32", "utf-32"),
        (GERMAN, "cp1252", None),
        (RUSSIAN, "utf-16-le", "utf-16-le"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8_r", "koi8_r"),
        (GREEK, "cp1253", None),
        (JAPANESE, "cp932", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "utf-8", "utf-8"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str, named: str | None) -> None:
    segments, details = read(write(tmp_path / "a.txt", (text + "\n\n") * 8, encoding))
    assert segments[0].words.startswith(text.strip())
    assert named is None or details["encoding"] == named


def test_a_short_western_text(tmp_path: Path) -> None:
    assert words(write(tmp_path / "a.txt", "Café für zwei", "cp1252")) == ["Café für zwei"]


def test_western_letters_far_behind_english(tmp_path: Path) -> None:
    """Nothing in the first 64 KiB tells what comes; and one wrong byte spoils nothing else."""
    data = SENTENCE.encode() * 1500 + b"\n\n" + "Größe".encode("cp1252")
    assert words(write(tmp_path / "a.txt", data))[-1].endswith("Größe")
    data = (GERMAN * 3).encode() + b"\xfc" + (" " + GERMAN).encode()
    (passage,) = words(write(tmp_path / "a.txt", data))
    assert passage == (GERMAN * 3 + "ü " + GERMAN).strip()


def test_a_character_on_the_border_of_the_sample(tmp_path: Path) -> None:
    for shift in range(4):
        text = "a" * shift + " 字😀" * 12_000
        _, details = read(write(tmp_path / "a.txt", text))
        assert details["encoding"] == "utf-8"


# --- Markdown

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


# --- web pages

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


# --- tables


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


# --- PDF


def content(*lines: str) -> bytes:
    shown = b" ".join(b"(%s) Tj T*" % line.encode("latin-1") for line in lines)
    return b"BT /F1 11 Tf 14 TL 72 770 Td " + shown + b" ET"


def make_pdf(
    path: Path, pages: Sequence[bytes], extra: str = "", objects: Sequence[bytes] = ()
) -> Path:
    """A PDF by hand: a content stream a page; `objects` follow as numbers 4, 5, ..."""
    made = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    made += [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", *objects]
    kids = []
    for page in pages:
        data = zlib.compress(page)
        made.append(
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(data), data)
        )
        made.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> /XObject << /X 4 0 R >> >> >>" % len(made)
        )
        kids.append(b"%d 0 R" % len(made))
    made[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(made, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(made) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R %s >>\n" % (len(made) + 1, extra.encode())
    out += b"startxref\n%d\n%%%%EOF\n" % table
    path.write_bytes(out)
    return path


def rewrite_pdf(
    path: Path, password: str | None = None, owner: str = "o", algorithm: str = "AES-256"
) -> None:
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.add_metadata({"/Title": "The Title"})
    if password is not None:
        writer.encrypt(password, owner, algorithm=algorithm)
    with path.open("wb") as file:
        writer.write(file)


def test_pdf(tmp_path: Path) -> None:
    lines = [
        "The River",
        "The quick brown fox jumps over the lazy dog, and the riv-",
        "er flows on between the hills towards a small town where",
        "nobody lives any more.",
        "Another paragraph begins after a short line and it goes on",
        "until here.",
        "12",
    ]
    make_pdf(tmp_path / "a.pdf", [content(*lines), content("Page two says this.")])
    rewrite_pdf(tmp_path / "a.pdf")
    segments, details = read(tmp_path / "a.pdf")
    assert [dict(segment.place) for segment in segments] == [{"page": 1}, {"page": 2}]
    assert segments[0].words.split("\n") == [
        "The River",
        "The quick brown fox jumps over the lazy dog, and the river flows on between the hills "
        "towards a small town where nobody lives any more.",
        "Another paragraph begins after a short line and it goes on until here.",
    ]
    assert segments[1].words == "Page two says this."
    assert details == {"title": "The Title", "pages": 2, "words": 45, "passages": 2}


def test_pdf_under_another_name(tmp_path: Path) -> None:
    assert words(make_pdf(tmp_path / "a.bin", [content("hello there")])) == ["hello there"]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_encrypted_pdf(tmp_path: Path, algorithm: str) -> None:
    make_pdf(tmp_path / "a.pdf", [content("hello there")])
    rewrite_pdf(tmp_path / "a.pdf", "", algorithm=algorithm)  # may be read without a password
    assert words(tmp_path / "a.pdf") == ["hello there"]
    make_pdf(tmp_path / "b.pdf", [content("hello there")])
    rewrite_pdf(tmp_path / "b.pdf", "secret", algorithm=algorithm)
    refused(tmp_path / "b.pdf", "is encrypted: save it without its password")


def test_scanned_pdf(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 80), "white")
    image.save(tmp_path / "a.pdf", save_all=True, append_images=[image])
    refused(tmp_path / "a.pdf", r"has no text on its pages, as a scan has none: .*OCR")
    refused(make_pdf(tmp_path / "b.pdf", [b""]), "has no text on its pages")


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n%\xe2\xe3",
        b"%PDF-1.4\n" + makers.NOISE,
        b"%PDF-1.4\nstartxref\n9\n%%EOF",
        b"%PDF-1.4\ntrailer << /Root 1 0 R >>\n1 0 obj\n<< /Pages 1 0 R >>\nendobj\n%%EOF",
    ],
)
def test_damaged_pdf(tmp_path: Path, data: bytes) -> None:
    refused(write(tmp_path / "a.pdf", data), "is damaged|without pages|has no")


def test_cut_off_pdf(tmp_path: Path) -> None:
    whole = make_pdf(tmp_path / "a.pdf", [content(f"page {n} says this") for n in range(20)])
    data = whole.read_bytes()
    for length in (100, len(data) // 2, len(data) - 200):
        refused(write(tmp_path / "b.pdf", data[:length]), "is damaged")
    # where only its table of contents is wrong, it is searched for its pages
    start = data.index(b"startxref")
    lost = data[:start] + b"startxref\n7\n%%EOF\n"
    assert "page 3 says this" in " ".join(words(write(tmp_path / "c.pdf", lost)))


def test_a_damaged_page_does_not_spoil_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES", 1 << 16)
    pages = [content("first words"), b" " * (1 << 20), content("last words")]
    segments, details = read(make_pdf(tmp_path / "a.pdf", pages))
    assert [s.words for s in segments] == ["first words\nlast words"]
    assert details["note"] == "1 of its pages cannot be read"
    refused(make_pdf(tmp_path / "b.pdf", pages[1:2]), "has no page that can be read")


def test_pdf_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES", 1 << 20)
    blown = content("hello there") + b" " * (64 << 20)
    tracemalloc.start()
    try:
        refused(make_pdf(tmp_path / "a.pdf", [blown]), "has no page that can be read")
        del blown
        tracemalloc.clear_traces()
        # a form that draws itself, and one that draws another many times, and so on
        loop = b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 5 /Resources " + (
            b"<< /XObject << /X 4 0 R >> >> >>\nstream\n/X Do\nendstream"
        )
        path = make_pdf(tmp_path / "b.pdf", [content("hello there") + b" /X Do"], "", [loop])
        assert words(path) == ["hello there"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_unpacked_pages_are_let_go(tmp_path: Path) -> None:
    size = 2 << 20
    path = make_pdf(tmp_path / "a.pdf", [content(f"this is {n}") + b" " * size for n in range(10)])
    tracemalloc.start()
    try:
        assert "\n".join(words(path)) == "\n".join(f"this is {n}" for n in range(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * size


def test_a_page_tree_that_leads_back_to_itself(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [content("hello there")])
    data = path.read_bytes().replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")
    assert data != path.read_bytes()
    refused(write(path, data), "is damaged|without pages")


def test_pdf_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [content(f"this is page {n}") for n in range(30)])
    monkeypatch.setattr(limits, "MAX_PAGES", 3)
    segments, details = read(path)
    assert "page 2" in segments[-1].words
    assert details["pages"] == 30
    assert details["note"] == "only its first 3 pages are used (ANYFIND_MAX_PAGES)"
    monkeypatch.setattr(limits, "MAX_PDF_SECONDS", 1e-9)
    refused(path, "asks for more than a PDF should")
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1000)
    refused(path, "is larger .* than the limit for documents")


def test_the_time_bounds_the_pages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [content("hello there")] * 3)
    with open_media(path) as media:
        segments = media.segments()
        clock = itertools.count(0, 1000)
        monkeypatch.setattr(text_module.time, "monotonic", lambda: next(clock))
        with pytest.raises(MediaError, match="asks for more than a PDF should"):
            list(segments)


# --- Word


def make_docx(path: Path, title: str = "") -> Path:
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading("Of Rivers & Hills", 1)
    document.add_paragraph("").add_run("Run one, ").bold = True
    document.paragraphs[-1].add_run("run two.\tAfter a tab.")
    document.add_paragraph("")
    table = document.add_table(2, 2)
    for cell, words_ in zip(
        [c for row in table.rows for c in row.cells], ["Name", "Age", "Anna", "30"], strict=True
    ):
        cell.text = words_
    document.add_paragraph("After the table. " + SENTENCE * 5)
    document.save(str(path))
    return path


def repack(path: Path, **parts: bytes | None) -> Path:
    """Change parts of a Word file: document=b"..."; None leaves it out."""
    names = {
        "document": "word/document.xml",
        "core": "docProps/core.xml",
        "types": "[Content_Types].xml",
    }
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for key, data in parts.items():
        held[names[key]] = data  # type: ignore[assignment]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def body(inner: str, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="http://schemas.openxmlformats.org/'
        f'wordprocessingml/2006/main"><w:body>{inner}</w:body></w:document>'
    ).encode()


def test_docx(tmp_path: Path) -> None:
    segments, details = read(make_docx(tmp_path / "a.docx", "The Title"))
    lines = "\n".join(segment.words for segment in segments).split("\n")
    assert lines[:4] == [
        "Of Rivers & Hills",
        "Run one, run two. After a tab.",
        "Name; Age",
        "Anna; 30",
    ]
    assert lines[4].startswith("After the table. The quick")
    assert details["title"] == "The Title"
    assert segments[0].place == {"paragraph": 1}
    assert "pages" not in details


def test_docx_holds_what_python_docx_finds(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    document = docx.Document()
    random_ = random.Random(5)
    for _ in range(20):
        document.add_paragraph(" ".join(random_.choices(SENTENCE.split(), k=random_.randrange(60))))
    document.save(str(path))
    found = " ".join(" ".join(words(path)).split())
    assert found == " ".join(p.text for p in docx.Document(str(path)).paragraphs if p.text)


def test_docx_without_suffix(tmp_path: Path) -> None:
    make_docx(tmp_path / "a.docx").rename(tmp_path / "a")
    assert words(tmp_path / "a")[0].startswith("Of Rivers")


def test_docx_details_of_the_format(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "a.docx")
    inner = (
        "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t> inserted</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
        '<w:r><mc:A xmlns:mc="m"><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>'
        "</w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p>"
        "</mc:Fallback></mc:A></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r>"
        "<w:t>inner</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc><w:tc><w:p><w:r><w:t>b</w:t>"
        "</w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    repack(path, document=body(inner), core=None)
    assert words(path) == ["box\nkept inserted\na inner; b"]


@pytest.mark.parametrize(
    ("inner", "before"),
    [
        ("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", '<!DOCTYPE a [<!ENTITY x "words">]>'),
        (
            "<w:p><w:r><w:t>&x;</w:t></w:r></w:p>",
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ),
        ("<w:p><w:r><w:t>words", ""),
        ("<w:tbl><w:tr><w:tc>" * 5000, ""),
        ("<w:p><w:r><w:t>words</w:t></w:r></w:p><w:p " + "a" * (3 << 20), ""),
    ],
)
def test_docx_that_is_not_right(tmp_path: Path, inner: str, before: str) -> None:
    path = repack(make_docx(tmp_path / "a.docx"), document=body(inner, before))
    refused(path, "is damaged")


def test_damaged_docx(tmp_path: Path) -> None:
    data = make_docx(tmp_path / "a.docx").read_bytes()
    damaged = "is damaged, or not a Word document"
    refused(write(tmp_path / "b.docx", data[: len(data) // 2]), damaged)
    refused(write(tmp_path / "b.docx", b"PK\x03\x04" + makers.NOISE), damaged)
    spoilt = bytearray(data)
    place = data.index(b"word/document.xml") + 400
    spoilt[place : place + 200] = bytes(200)
    refused(write(tmp_path / "b.docx", bytes(spoilt)), "is damaged")
    refused(repack(make_docx(tmp_path / "b.docx"), document=None), damaged)
    refused(repack(make_docx(tmp_path / "b.docx"), types=b"<Types/>"), "is a zip archive, and not")
    with zipfile.ZipFile(tmp_path / "b.docx", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "b.docx", damaged)
    (tmp_path / "b.docx").rename(tmp_path / "b.zip")
    refused(tmp_path / "b.zip", "is a zip archive: unpack it")


def test_docx_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_docx(tmp_path / "a.docx")
    blown = body("<w:p><w:r><w:t>" + "words " * 100_000 + "</w:t></w:r></w:p>")
    repack(path, document=blown)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1 << 19)
    refused(path, "unpacks to .* bytes of text, more than the limit")
    # an endless paragraph is given in parts, an endless row too, and empty cells are nothing
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 1 << 24)
    _, details = read(path)
    assert details["words"] == 100_000
    cell = "<w:tc><w:p><w:r><w:t>words </w:t></w:r></w:p></w:tc>"
    repack(path, document=body(f"<w:tbl><w:tr>{cell * 12_000}{'<w:tc/>' * 100_000}</w:tr></w:tbl>"))
    _, details = read(path)
    assert details["words"] == 12_000
    # a table of contents of many entries is not read
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    data = data[: end + 12] + struct.pack("<I", 1 << 27) + data[end + 16 :]
    refused(write(path, data), "is damaged, or not a Word document")


def test_a_docx_that_lies_about_its_size(tmp_path: Path) -> None:
    path = repack(make_docx(tmp_path / "a.docx"), document=body("<w:p/>" + " " * 100_000))
    data = bytearray(path.read_bytes())
    size = struct.pack("<I", len(body("<w:p/>" + " " * 100_000)))
    for _ in range(2):  # in the entry and in the table of contents
        place = data.index(size)
        data[place : place + 4] = struct.pack("<I", 50)
    refused(write(path, bytes(data)), "is damaged")


# --- all of them


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("w") as file:
        for _ in range(20):
            file.write((SENTENCE * 10 + "\n\n") * 80)  # 1.1 MB
    read(write(tmp_path / "b.txt", SENTENCE))  # what is loaded once
    tracemalloc.start()
    try:
        with open_media(path) as media:
            assert sum(1 for _ in media.segments()) > 1500
            media.preview()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 19


def test_segments_can_be_read_once(tmp_path: Path) -> None:
    with open_media(write(tmp_path / "a.txt", "some words")) as media:
        with pytest.raises(RuntimeError, match="ready when"):
            media.preview()
        list(media.segments())
        with pytest.raises(RuntimeError, match="only once"):
            list(media.segments())
        media.close()
    media.close()


def test_few_words_are_kept_with_their_like() -> None:
    assert 0 < FEW_WORDS < ENOUGH_WORDS < MOST_WORDS


def test_previews(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md", "# A Title\n\n" + SENTENCE * 30)
    with open_media(path) as media:
        list(media.segments())
        ink = np.asarray(media.preview().convert("L")) < 200
    assert ink[:30].sum() == ink[:, :30].sum() == ink[:, -30:].sum() == 0  # margins
    assert ink[36:66].sum() > 200  # the title
    assert ink[90:400].sum() > 1500
    assert ink[-12:].sum() == 0  # faded out


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        RUSSIAN,
        JAPANESE * 3,
        "مرحبا بالعالم",
        "😀👨‍👩‍👧 \u202e\U0010ffff",
        "x" * 3000,
        "Größe",
        "ﷺ" * 50,
    ],
)
def test_previews_of_any_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, alone: bool
) -> None:
    """Also on a system without any font, where only Pillow's own is there."""
    if alone:
        monkeypatch.setattr(text_module, "_FONTS", ())
    text_module._fonts.cache_clear()
    try:
        picture = text_module.draw(text, text)
        assert (np.asarray(picture.convert("L")) < 235).sum() > 30
        if alone:
            assert len(text_module._fonts(28)) == 1
    finally:
        monkeypatch.undo()
        text_module._fonts.cache_clear()


def test_missing_letters_are_bars_and_not_boxes() -> None:
    font = ImageFont.load_default(28)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert text_module._has(font, "a")
    assert not text_module._has(font, "\uffff")


def test_import_is_light() -> None:
    code = (
        "import media, sys; print(*{'pypdf','docx','charset_normalizer','lxml'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_declared_names_are_known_to_python() -> None:
    for name in text_module._LEGACY:
        assert codecs.lookup(name)
