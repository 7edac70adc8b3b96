"""Opening: files are known by content, and what is refused is refused in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from media import SUFFIXES, MediaError, is_candidate, limits, open_media, quote
from tests.media import makers


def use(path: Path) -> str:
    """Everything the library does with a file; its modality."""
    with open_media(path) as media:
        assert list(media.segments())
        assert media.preview().mode == "RGB"
        return media.modality


@pytest.mark.parametrize("name", makers.GOOD)
def test_good_files(tmp_path: Path, name: str) -> None:
    makers.GOOD[name](tmp_path / name)
    assert use(tmp_path / name) in ("image", "audio", "film")


@pytest.mark.parametrize("name", makers.BROKEN)
def test_broken_files_give_one_sentence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    makers.BROKEN[name](path)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with pytest.raises(MediaError) as caught:
        use(path)
    sentence = str(caught.value)
    assert sentence == f"{quote(path)} {caught.value.reason}"
    assert caught.value.path == path
    assert all(c.isprintable() for c in sentence)
    assert len(sentence) < 250
    assert "Error" not in sentence
    assert "damaged" in sentence or not name.startswith("cut")
    assert capfd.readouterr() == ("", "")  # and nothing on the error stream
    del caught
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before  # no file is left open


def test_wrong_names(tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "a.wav")
    assert use(tmp_path / "a.wav") == "image"
    makers.make_tone(tmp_path / "b.flac")
    (tmp_path / "b.flac").replace(tmp_path / "b")
    assert use(tmp_path / "b") == "audio"


@pytest.mark.parametrize(
    "text",
    [
        makers.SVG,
        b"<svg/>",
        b"\xef\xbb\xbf  <SVG xmlns='http://www.w3.org/2000/svg'></SVG>",
        b"<!-- hello -->\n<!DOCTYPE svg>\n<svg></svg>",
        '<?xml version="1.0" encoding="UTF-16"?><svg></svg>'.encode("utf-16"),
    ],
)
def test_svg_is_refused(tmp_path: Path, text: bytes) -> None:
    for name in ("a.svg", "a.png", "a.mp3"):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(MediaError, match="is an SVG drawing"):
            open_media(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "is damaged, or not a PDF"),
        (b"PK\x03\x04\x14\0", "is a zip archive"),
        (b"\x1f\x8b\x08\0\0", "is compressed with gzip"),
        (b"8BPS\0\x01\0\0", "is a Photoshop file"),
        (b"MThd\0\0\0\x06", "is a MIDI file"),
        (b"<html><body></body></html>", "is a web page"),
        (b"\0\x01\x02\x03", "is not of a format that is known"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(MediaError, match=said):
        open_media(tmp_path / "a.bin")


def test_what_is_not_a_file(tmp_path: Path) -> None:
    makers.make_loop(tmp_path / "loop.jpg")
    makers.make_dangling(tmp_path / "dangling.jpg")
    (tmp_path / "folder.jpg").mkdir()
    makers.make_jpeg(tmp_path / "file.jpg")
    for path, said in (
        (tmp_path / "loop.jpg", "is a link that leads back to itself"),
        (tmp_path / "dangling.jpg", "is a link to a file that is not there"),
        (tmp_path / "folder.jpg", "is a folder"),
        (tmp_path / "none.jpg", "is not there"),
        (tmp_path / "file.jpg" / "a.jpg", "is not there"),
        (tmp_path / ("x" * 300 + ".jpg"), "has a name too long"),
        (tmp_path / "a\0b.jpg", "is not the name of a file"),
        (Path("/dev/zero"), "is a pipe or a device"),
    ):
        with pytest.raises(MediaError, match=said):
            open_media(path)


@pytest.mark.timeout(10)
def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    makers.make_fifo(tmp_path / "pipe.jpg")
    with pytest.raises(MediaError, match="is a pipe"):
        open_media(tmp_path / "pipe.jpg")


def test_a_link_to_a_good_file_works(tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "a.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert use(tmp_path / "link.jpg") == "image"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has other permissions")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(MediaError, match="may not be read"):
            open_media(tmp_path / "a.jpg")
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    "name",
    ["with space", 'it\'s "so"', "two\nlines", "😀👨‍👩‍👧", "日本語", "-rf", "a#t=1,2?x", "%00"],
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    makers.make_jpeg(tmp_path / (name + ".jpg"))
    assert use(tmp_path / (name + ".jpg")) == "image"
    makers.make_tone(tmp_path / (name + ".wav"))
    assert use(tmp_path / (name + ".wav")) == "audio"
    makers.make_tone(tmp_path / (name + ".mp3"))
    assert use(tmp_path / (name + ".mp3")) == "audio"


def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg"))
    path.write_bytes(b"")
    with pytest.raises(MediaError) as caught:
        open_media(path)
    assert str(caught.value).encode() == b'"\\udcff\\udcfe.jpg" is empty (0 bytes)'


def test_a_sound_whose_name_is_not_text(tmp_path: Path) -> None:
    for suffix in (".wav", ".mp3"):
        makers.make_tone(tmp_path / f"a{suffix}")
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff" + suffix.encode()))
        (tmp_path / f"a{suffix}").replace(path)
        assert use(path) == "audio"


def test_quote() -> None:
    assert quote(Path("/a/cat 1.jpg")) == '"cat 1.jpg"'
    assert quote(Path("two\nlines\t\u202ex.jpg")) == '"two\\nlines\\t\\u202ex.jpg"'
    assert quote(Path("👨‍👩‍👧.jpg")) == '"👨‍👩‍👧.jpg"'


def test_candidates() -> None:
    assert SUFFIXES[".jpg"] == SUFFIXES[".heic"] == "image"
    assert SUFFIXES[".flac"] == SUFFIXES[".m4a"] == "audio"
    assert is_candidate(Path("x/A.JPEG"))
    assert is_candidate(Path("a.b.Mp3"))
    for name in (".a.jpg", "._a.jpg", "a.exe", "a", "jpg", "a.svg", "a.py", ".jpg"):
        assert not is_candidate(Path("x") / name)


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYFIND_MAX_PIXELS", "2e9")
    assert limits.setting("MAX_PIXELS", 1) == 2e9
    monkeypatch.setenv("ANYFIND_MAX_PIXELS", "1_000")
    assert limits.setting("MAX_PIXELS", 1) == 1000
    for wrong in ("many", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("ANYFIND_MAX_PIXELS", wrong)
        with pytest.warns(UserWarning, match="ANYFIND_MAX_PIXELS"):
            assert limits.setting("MAX_PIXELS", 7) == 7
    monkeypatch.delenv("ANYFIND_MAX_PIXELS")
    assert limits.setting("MAX_PIXELS", 7) == 7
    assert limits.__doc__ is not None
    for name in vars(limits):
        assert not name.isupper() or name in limits.__doc__


def test_import_is_light() -> None:
    code = "import media, sys; print(*{'av','soundfile','soxr','torch','librosa'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
