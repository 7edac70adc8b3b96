"""The encodings of texts."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from media import encoding as encoding_module
from tests.media.texts import (
    CHINESE,
    GERMAN,
    GREEK,
    JAPANESE,
    RUSSIAN,
    SENTENCE,
    read,
    words,
    write,
)

pytestmark = pytest.mark.usefixtures("quiet")


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


def test_declared_names_are_known_to_python() -> None:
    for name in encoding_module._LEGACY:
        assert codecs.lookup(name)
