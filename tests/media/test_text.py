"""Plain text, what is refused under the name of a text, and what all texts have in common."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from media import SUFFIXES, open_media
from tests.media import makers
from tests.media.texts import SENTENCE, read, refused, words, write

pytestmark = pytest.mark.usefixtures("quiet")


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


def test_import_is_light() -> None:
    code = (
        "import media, sys; print(*{'pypdf','docx','charset_normalizer','lxml'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
