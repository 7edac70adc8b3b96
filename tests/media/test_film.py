"""Films: the right pictures at the right times, whatever the container, and the sound with them."""

from __future__ import annotations

import gc
import os
import struct
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from media import (
    SAMPLE_RATE,
    SUFFIXES,
    MediaError,
    Segment,
    film,
    limits,
    open_media,
)
from media import picture_at as decode_picture
from tests.media import makers

SHOTS = (("red", 2.0), ("blue", 3.0), ("#00a000", 2.0))


def read(path: Path) -> tuple[list[Segment], list[Segment], dict[str, int | float | str]]:
    """The pictures, the windows of sound, and the details."""
    with open_media(path) as media:
        assert media.modality == "film"
        segments = list(media.segments())
        assert media.preview().mode == "RGB"
    pictures = [segment for segment in segments if segment.tower == "image"]
    sounds = [segment for segment in segments if segment.tower == "audio"]
    assert segments == pictures + sounds
    for segment in segments:
        assert segment.start is not None
        assert segment.end is not None
        assert 0 <= segment.start < segment.end
    for segment in pictures:
        assert isinstance(segment.content, Image.Image)
        assert segment.content.mode == "RGB"
        assert max(segment.content.size) <= 1024
    for segment in sounds:
        assert isinstance(segment.content, np.ndarray)
        assert segment.content.dtype == np.float32
    return pictures, sounds, media.details


def colour(segment: Segment, place: tuple[float, float] = (0.6, 0.6)) -> str:
    """Which colour is strongest there, or white."""
    assert isinstance(segment.content, Image.Image)
    image = segment.content
    pixel = image.getpixel((int(place[0] * image.width), int(place[1] * image.height)))
    assert isinstance(pixel, tuple)
    if min(pixel) > 180:
        return "white"
    return ("red", "green", "blue")[int(np.argmax(pixel))]


def picture_at(path: Path, seconds: float) -> Segment:
    picture = decode_picture(path, seconds)
    assert picture is not None
    assert picture.width <= film.POSTER_SIZE[0]
    assert picture.height <= film.POSTER_SIZE[1]
    return Segment(seconds, None, picture)


def spans(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    return [(segment.start or 0.0, segment.end or 0.0) for segment in segments]


@pytest.mark.parametrize("suffix", makers.FILM_CODECS)
def test_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    makers.make_film(path, SHOTS)
    pictures, sounds, details = read(path)
    assert [colour(picture) for picture in pictures] == ["red", "blue", "green"]
    assert [colour(picture, (0.1, 0.1)) for picture in pictures] == ["white"] * 3
    again = [picture_at(path, picture.start or 0.0) for picture in pictures]
    assert [colour(picture) for picture in again] == ["red", "blue", "green"]
    starts = [start for start, _ in spans(pictures)]
    assert starts == pytest.approx([0, 2, 5], abs=0.6)
    assert all(starts[i] >= (0, 2, 5)[i] - 0.15 for i in range(3))  # never in the shot before
    assert pictures[-1].end == pytest.approx(7, abs=0.2)
    assert all(a.end == b.start for a, b in pairwise(pictures))
    assert details["seconds"] == pytest.approx(7, abs=0.2)
    assert (details["width"], details["height"], details["sound"]) == (128, 96, 1)
    assert details["fps"] == (25 if suffix == ".mpg" else 10)
    (window,) = sounds
    assert isinstance(window.content, np.ndarray)
    power = np.abs(np.fft.rfft(window.content))
    assert np.argmax(power) * SAMPLE_RATE / len(window.content) == pytest.approx(440, abs=1)
    assert spans(sounds)[0] == pytest.approx((0, 7), abs=0.15)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "libvpx-vp9", "libx265", "mpeg2video"])
@pytest.mark.parametrize("gop", [1, 3, 300])
def test_shots_are_found_wherever_the_keyframes_are(tmp_path: Path, codec: str, gop: int) -> None:
    if codec == "libx265":
        options = {"x265-params": "log-level=none:scenecut=0", "preset": "ultrafast"}
    else:
        options = {"libx264": {"sc_threshold": "0"}, "mpeg4": {"sc_threshold": "1000000000"}}.get(
            codec, {}
        )
    path = tmp_path / "a.mkv"
    makers.make_film(path, SHOTS, codec=codec, gop=gop, sound=None, **options)
    pictures, _, _ = read(path)
    assert [colour(picture) for picture in pictures] == ["red", "blue", "green"]
    assert [start for start, _ in spans(pictures)] == pytest.approx([0, 2, 5], abs=0.6)
    again = [picture_at(path, picture.start or 0.0) for picture in pictures]
    assert [colour(picture) for picture in again] == ["red", "blue", "green"]


@pytest.mark.parametrize("suffix", [".m2ts", ".mpg", ".mp4", ".webm"])
def test_the_picture_of_a_moment_lies_between_keyframes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    colours = ["red", "green", "blue"] * 4
    makers.make_film(path, [(colour, 1.4) for colour in colours], gop=40, sound=None)
    for moment in np.arange(0.4, 1.4 * len(colours), 0.7):
        if np.modf(moment / 1.4)[0] < 0.1:  # on a cut
            continue
        seen = decode_picture(path, float(moment))
        assert seen is not None
        assert colour(Segment(0, None, seen)) == colours[int(moment / 1.4)]


def test_no_picture_of_a_moment_where_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers.make_film(tmp_path / "a.mp4", SHOTS, gop=1000, sound=None)
    monkeypatch.setattr(film, "_AT_ONCE", 128 * 96 * 20)
    assert decode_picture(tmp_path / "a.mp4", 0.5) is not None
    assert decode_picture(tmp_path / "a.mp4", 6.0) is None
    (tmp_path / "b.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(MediaError, match="damaged"):
        decode_picture(tmp_path / "b.mp4", 0.5)


@pytest.mark.parametrize("gop", [10, 20, 39, 1000])
def test_a_still_film_is_looked_at_every_four_seconds(tmp_path: Path, gop: int) -> None:
    makers.make_film(tmp_path / "a.mkv", (("red", 31.0),), codec="mpeg4", gop=gop, sound=None)
    pictures, _, _ = read(tmp_path / "a.mkv")
    lengths = [end - start for start, end in spans(pictures)]
    assert max(lengths) <= film.FARTHEST
    assert min(lengths[:-1]) > 2
    assert spans(pictures)[0][0] == 0
    assert spans(pictures)[-1][1] == pytest.approx(31, abs=0.1)


def test_variable_frame_rate(tmp_path: Path) -> None:
    """Times come from the film's clock, not from counting pictures."""
    times = [0.0, 0.04, 0.08, 3.0, 3.1, 3.5, 9.0, 9.033, 9.066, 9.1]
    for suffix in (".mkv", ".mp4", ".webm"):
        path = tmp_path / f"a{suffix}"
        shots = (("red", 2.9), ("blue", 6.0), ("#00a000", 1.0))
        makers.make_film(path, shots, times=times, sound=None, gop=100)
        pictures, _, details = read(path)
        assert [colour(picture) for picture in pictures] == ["red", "blue", "green"]
        starts = [start for start, _ in spans(pictures)]
        assert starts == pytest.approx([0, 3, 9], abs=0.05)  # some frames need not be decoded
        assert isinstance(details["seconds"], float)
        assert details["seconds"] >= 9.1


def turn(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write a matrix into the header of the first track of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    one = 1 << 16
    data[place : place + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "size", "corner"),  # where the white top left corner is to be seen
    [
        ((1, 0, 0, 1), (128, 96), (0.1, 0.1)),
        ((0, 1, -1, 0), (96, 128), (0.9, 0.1)),  # a quarter clockwise
        ((-1, 0, 0, -1), (128, 96), (0.9, 0.9)),
        ((0, -1, 1, 0), (96, 128), (0.1, 0.9)),
        ((-1, 0, 0, 1), (128, 96), (0.9, 0.1)),  # a mirror
        ((1, 0, 0, -1), (128, 96), (0.1, 0.9)),
    ],
)
def test_rotation(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    size: tuple[int, int],
    corner: tuple[float, float],
) -> None:
    makers.make_film(tmp_path / "a.mp4", (("red", 1.0),), sound=None)
    turn(tmp_path / "a.mp4", *matrix)
    (picture,), _, details = read(tmp_path / "a.mp4")
    assert isinstance(picture.content, Image.Image)
    assert picture.content.size == (details["width"], details["height"]) == size
    places = [(x, y) for x in (0.1, 0.9) for y in (0.1, 0.85)]
    white = [place for place in places if colour(picture, place) == "white"]
    assert white == [(corner[0], 0.85 if corner[1] > 0.5 else 0.1)]


BT2020 = "log-level=none:colorprim=bt2020:colormatrix=bt2020nc:transfer="


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.mpg", {"codec": "mpeg2video", "flags": "+ildct+ilme"}),
        ("a.mp4", {"codec": "libx264", "x264-params": "interlaced=1:tff=1"}),
        *(
            (name, {"codec": "libx265", "pixels": "yuv420p10le", "x265-params": BT2020 + curve})
            for name, curve in (("a.mov", "smpte2084"), ("a.mp4", "arib-std-b67"))
        ),
    ],
    ids=["MPEG-2, interlaced", "H.264, interlaced", "HDR10", "HLG"],
)
def test_interlaced_and_hdr_films(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, made: dict[str, str]
) -> None:
    makers.make_film(tmp_path / name, SHOTS, sound=None, **made)  # type: ignore[arg-type]
    capfd.readouterr()
    pictures, _, _ = read(tmp_path / name)
    assert [colour(picture) for picture in pictures] == ["red", "blue", "green"]
    assert [start for start, _ in spans(pictures)] == pytest.approx([0, 2, 5], abs=0.6)
    assert capfd.readouterr() == ("", "")


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for index in range(10):
            frame = av.VideoFrame.from_image(Image.new("RGB", (128, 96), "red"))
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    (picture,), _, details = read(tmp_path / "a.mkv")
    assert isinstance(picture.content, Image.Image)
    assert picture.content.size == (details["width"], details["height"]) == (256, 96)


def test_large_films_are_scaled_down(tmp_path: Path) -> None:
    makers.make_film(tmp_path / "a.mp4", (("red", 0.3),), size=(1920, 1080), sound=None)
    with open_media(tmp_path / "a.mp4") as media:
        (picture,) = media.segments()
        assert isinstance(picture.content, Image.Image)
        assert picture.content.size == (1024, 576)
        assert media.preview().size == (768, 432)
        assert (media.details["width"], media.details["height"]) == (1920, 1080)


def test_no_sound_and_silence(tmp_path: Path) -> None:
    makers.make_film(tmp_path / "a.mp4", SHOTS, sound=None)
    pictures, sounds, details = read(tmp_path / "a.mp4")
    assert (len(pictures), sounds, details["sound"]) == (3, [], 0)
    makers.make_film(tmp_path / "b.mp4", SHOTS, sound=np.zeros(7 * 48_000, np.float32))
    pictures, sounds, details = read(tmp_path / "b.mp4")
    assert (len(pictures), sounds, details["sound"]) == (3, [], 0)


def test_windows_of_the_sound(tmp_path: Path) -> None:
    """As of any sound: ten seconds every five, silence left out."""
    tone = np.zeros(30 * 48_000, np.float32)
    tone[: 12 * 48_000] = makers.tone(440, 12, 48_000)
    makers.make_film(tmp_path / "a.mkv", (("red", 30.0),), rate=2, sound=tone)
    _, sounds, details = read(tmp_path / "a.mkv")
    assert spans(sounds) == [(0, 10), (5, 15), (10, 20)]
    assert details["sound"] == 1
    assert details["seconds"] == pytest.approx(30, abs=0.1)


def test_sound_that_begins_later(tmp_path: Path) -> None:
    """Its windows lie where they are heard while the film plays."""
    rate = 48_000
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=10)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=rate)
        assert isinstance(audio, av.AudioStream)
        audio.layout = "mono"
        for index in range(80):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), "red"))
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame))
        samples = (makers.tone(440, 4, rate) * 30_000).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = rate, 3 * rate, Fraction(1, rate)
        container.mux(audio.encode(heard))
    _, sounds, _ = read(tmp_path / "a.mkv")
    assert spans(sounds) == [pytest.approx((3, 7), abs=0.01)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.m4v", "a.mov", "a.wma", "a.3gp"])
def test_containers_with_sound_only_are_sounds(tmp_path: Path, name: str) -> None:
    codec = {".webm": "libopus", ".mkv": "flac", ".wma": "wmav2"}.get(name[-4:], "aac")
    codec = "libopus" if name == "a.webm" else codec
    makers.make_encoded_tone(tmp_path / name, 440, 12, codec=codec)
    with open_media(tmp_path / name) as media:
        assert media.modality == "audio"
        segments = list(media.segments())
        assert media.details["rate"] == 48_000
        assert media.preview().size == (768, 192)
    assert [segment.tower for segment in segments] == ["", ""]


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=48_000)
        assert isinstance(audio, av.AudioStream)
        audio.layout = "stereo"
        cover = container.add_stream("mjpeg", rate=1)
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64), "red"))
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        container.mux(makers.encoded(audio, makers.tone(440, 3, 48_000), 48_000))
    with open_media(tmp_path / "a.m4a") as media:
        assert media.modality == "audio"
        assert len(list(media.segments())) == 1


def test_moving_pictures_stay_pictures(tmp_path: Path) -> None:
    makers.make_animation(tmp_path / "a.gif")
    with open_media(tmp_path / "a.gif") as media:
        assert media.modality == "image"


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".avi", ".mpg", ".m2ts", ".flv", ".ogv"])
def test_of_a_broken_tail_the_first_part_is_used(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shots = (("red", 2.0), ("blue", 2.0), ("#00a000", 8.0))
    path = tmp_path / f"a{suffix}"
    makers.make_film(path, shots)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    pictures, sounds, details = read(path)
    assert [colour(picture) for picture in pictures][:3] == ["red", "blue", "green"]
    assert sounds
    assert isinstance(details["seconds"], float)
    assert 4 < details["seconds"] < 10.5
    assert spans(pictures)[-1][1] <= details["seconds"]
    assert capfd.readouterr() == ("", "")


def test_damage_in_the_middle(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for suffix in (".mp4", ".mkv", ".avi", ".webm"):
        path = tmp_path / f"a{suffix}"
        makers.make_film(path, (("red", 3.0), ("blue", 3.0), ("#00a000", 3.0)))
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 3000] = makers.NOISE[:3000]
        path.write_bytes(data)
        pictures, _, _ = read(path)
        assert colour(pictures[0]) == "red"
    assert capfd.readouterr() == ("", "")


def test_an_mp4_without_its_table_of_contents(tmp_path: Path) -> None:
    makers.make_film(tmp_path / "a.mp4", SHOTS)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(MediaError, match="is damaged, or not a film of a known format"):
        open_media(tmp_path / "a.mp4")
    for suffix in (".mkv", ".avi", ".webm", ".flv", ".wmv", ".mpg"):
        makers.make_film(tmp_path / f"b{suffix}", SHOTS)
        data = (tmp_path / f"b{suffix}").read_bytes()
        for size in (16, 60, 200):
            (tmp_path / f"b{suffix}").write_bytes(data[:size])
            with pytest.raises(MediaError, match=r"is damaged|holds n"):
                list(open_media(tmp_path / f"b{suffix}").segments())


def test_no_pictures_in_it(tmp_path: Path) -> None:
    """A header that promises pictures, and none that decodes."""
    path = tmp_path / "a.avi"
    makers.make_film(path, (("red", 1.0),), sound=None)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises(MediaError, match=r"holds no picture that can be decoded"):
        open_media(path)
    start, end = data.index(b"movi") + 4, data.rindex(b"idx1")
    broken = bytearray(data)
    for place in range(start, end):  # the pictures' bytes, not their places
        if data[place : place + 4] == b"00dc":
            size = int.from_bytes(data[place + 4 : place + 8], "little")
            broken[place + 8 : place + 8 + size] = bytes(size)
    path.write_bytes(broken)
    with pytest.raises(MediaError, match=r"holds no picture that can be decoded"):
        open_media(path)


def test_too_large_and_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers.make_film(tmp_path / "a.mkv", SHOTS)
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 128 * 96 - 1)
    with pytest.raises(MediaError, match=r"more than 12,287 pixels \(ANYFIND_MAX_FRAME"):
        open_media(tmp_path / "a.mkv")
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 128 * 96)
    monkeypatch.setattr(limits, "MAX_SECONDS", 6.0)
    with pytest.raises(MediaError, match=r"is longer \(7 s\) than the limit of 6 s"):
        open_media(tmp_path / "a.mkv")


def test_a_header_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container says 128 x 96, the pictures are larger than the limit: none is decoded."""
    path = tmp_path / "a.avi"
    makers.make_film(path, (("red", 1.0),), size=(640, 480), sound=None)
    data = path.read_bytes()
    small = data.replace(struct.pack("<II", 640, 480), struct.pack("<II", 128, 96))
    assert small != data
    path.write_bytes(small)
    monkeypatch.setattr(limits, "MAX_FRAME_PIXELS", 200 * 200)
    with pytest.raises(MediaError, match=r"no picture that can be decoded|damaged"):
        list(open_media(path).segments())


def test_a_recording_whose_header_was_never_completed(tmp_path: Path) -> None:
    """As browsers record: no length in the header, no table of contents."""
    path = tmp_path / "a.webm"
    makers.make_film(path, SHOTS, live="1")
    with open_media(path) as media:
        assert media.details["seconds"] == pytest.approx(7, abs=0.3)
        pictures = [segment for segment in media.segments() if segment.tower == "image"]
    assert [colour(picture) for picture in pictures] == ["red", "blue", "green"]


def test_long_films_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty minutes of many shots, with a limit of 30 pictures: memory and number are bounded."""
    colours = [("red", 20.0), ("blue", 20.0), ("#00a000", 20.0)] * 20
    path = tmp_path / "a.mkv"
    makers.make_film(path, colours, rate=1, size=(32, 32), codec="mpeg4", gop=5, sound=None)
    monkeypatch.setattr(limits, "MAX_FRAMES", 30)
    tracemalloc.start()
    try:
        with open_media(path) as media:
            found = [(s.start, s.end) for s in media.segments()]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 15 <= len(found) <= 31
    assert found[-1][1] == pytest.approx(1200, abs=1)
    assert peak < 4 << 20  # one picture and the poster
    monkeypatch.setattr(limits, "MAX_FRAMES", 1200)
    with open_media(path) as media:
        assert 300 <= len(list(media.segments())) <= 1201  # every four seconds


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no such count of memory here")
def test_no_decoded_picture_is_kept(tmp_path: Path) -> None:
    """What a decoder holds lies outside of Python, where tracemalloc does not see it."""
    path = tmp_path / "a.mkv"
    colours = [("red", 1.0), ("blue", 1.0)] * 75
    makers.make_film(path, colours, rate=2, size=(640, 480), codec="mjpeg", gop=1, sound=None)
    held: list[int] = []
    gc.disable()
    try:
        with open_media(path) as media:
            for place, _ in enumerate(media.segments()):
                if place in (20, 149):
                    held.append(resident())
    finally:
        gc.enable()
    assert held[1] - held[0] < 24 << 20  # 130 pictures of 0.9 MB in RGB, as many undecoded


def resident() -> int:
    """Bytes of memory that this process has."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def test_the_poster_shows_something(tmp_path: Path) -> None:
    """Not the black that a film begins with, nor a plain colour where there is more to see."""
    random = np.random.default_rng(1)
    scene = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=2)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        images = [Image.new("RGB", (160, 120), "black")] * 4
        images += [Image.new("RGB", (160, 120), "#3040a0")] * 4
        images += [scene.resize((160, 120))] * 4 + [Image.new("RGB", (160, 120), "white")] * 4
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_image(image)
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    with open_media(tmp_path / "a.mkv") as media:
        with pytest.raises(RuntimeError, match="ready when"):
            media.preview()
        segments = list(media.segments())
        poster = np.asarray(media.preview().resize((16, 12), Image.Resampling.BOX)).astype(int)
        with pytest.raises(RuntimeError, match="only once"):
            list(media.segments())
    assert spans(segments) == [(2, 4), (4, 6)]  # black and white are no shots
    assert np.abs(poster - np.asarray(scene)).mean() < 60
    assert poster.std() > 30


def test_a_black_film_is_still_a_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=2)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for index in range(8):
            frame = av.VideoFrame.from_image(Image.new("RGB", (160, 120), "black"))
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    pictures, _, _ = read(tmp_path / "a.mkv")
    assert spans(pictures) == [(0, 4)]


HOSTILE = {
    "a.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "b.mp4": b"ffconcat version 1.0\nfile '{path}'\n",
    "b.mkv": b"ffconcat version 1.0\nfile 'other.mkv'\n",
    "c.mkv": b"\n\n#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "d.avi": b"[playlist]\nFile1={path}\n",
    "e.mpg": b"# Vobsub index file, v7\n{path}\n",
    "f.mp4": b"\0\0\0\1#EXTM3U\n#EXTINF:10,\n{path}\n",
    "g.mov": b"RTSPtext\nrtsp://127.0.0.1:9/{path}\n",
    "h.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{path}'
    b"</BaseURL></MPD>",
    "i.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_other_file_is_ever_opened(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.mkv"
    makers.make_film(other, (("red", 1.0),))
    (tmp_path / name).write_bytes(HOSTILE[name].replace(b"{path}", os.fsencode(other)))
    monkeypatch.chdir(tmp_path)  # some are opened by their bare name only
    with pytest.raises(MediaError):
        list(open_media(tmp_path / name).segments())
    with open(tmp_path / name, "rb") as file, pytest.raises(MediaError):
        film.open_film(tmp_path / name, file, b"")  # nor when it gets past the first look


def test_a_film_that_names_its_data_elsewhere(tmp_path: Path) -> None:
    """QuickTime films may keep their pictures in another file: that one is not opened."""
    makers.make_film(tmp_path / "a.mov", (("red", 1.0),), sound=None)
    data = (tmp_path / "a.mov").read_bytes()
    place = data.index(b"dref")
    assert data[place + 16 : place + 20] == b"url "
    alias = data[:place] + data[place:].replace(b"url \0\0\0\1", b"alis\0\0\0\0", 1)
    (tmp_path / "b.mov").write_bytes(alias)
    pictures, _, _ = read(tmp_path / "b.mov")  # read from the film itself, as if it said nothing
    assert colour(pictures[0]) == "red"


def test_closing_lets_go_of_the_file(tmp_path: Path) -> None:
    makers.make_film(tmp_path / "a.mp4", SHOTS)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with open_media(tmp_path / "a.mp4") as media:
        next(iter(media.segments()))
    media.close()
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before


def test_suffixes() -> None:
    for suffix in (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ogv", ".mpg", ".flv", ".wmv"):
        assert SUFFIXES[suffix] == "film"
    assert SUFFIXES[".m4a"] == SUFFIXES[".ogg"] == SUFFIXES[".mka"] == "audio"
