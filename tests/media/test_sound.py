"""Sounds: the right samples at the right places, whatever the format and the length."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image

from media import SAMPLE_RATE, MediaError, Segment, limits, open_media
from media.sound import windows
from media.waveform import Envelope
from tests.media import makers

Array = np.ndarray[Any, np.dtype[Any]]
WINDOW, HOP = 10 * SAMPLE_RATE, 5 * SAMPLE_RATE


def sound(path: Path) -> tuple[list[Segment], dict[str, int | float | str]]:
    with open_media(path) as media:
        assert media.modality == "audio"
        segments = list(media.segments())
        assert media.preview().size == (768, 192)
    for segment in segments:
        assert isinstance(segment.content, np.ndarray)
        assert segment.content.dtype == np.float32
        assert segment.content.ndim == 1
        assert segment.start is not None
        assert segment.end is not None
        assert segment.end - segment.start == pytest.approx(len(segment.content) / SAMPLE_RATE)
    return segments, media.details


def samples(segment: Segment) -> Array:
    assert isinstance(segment.content, np.ndarray)
    return segment.content


def pitch(heard: Array) -> float:
    """The loudest frequency, hertz."""
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    return float(np.argmax(power)) * SAMPLE_RATE / len(heard)


def loudness(heard: Array) -> float:
    return float(np.sqrt(np.mean(np.square(heard))))


SNDFILE = ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff", "a.au", "a.caf", "a.w64"]
FFMPEG = {"a.m4a": "aac", "a.aac": "aac", "a.mp4": "aac", "a.mka": "flac", "a.webm": "libopus"}
FFMPEG |= {"b.m4a": "alac", "a.wv": "wavpack", "a.wma": "wmav2"}


@pytest.mark.parametrize("name", SNDFILE)
def test_every_format(tmp_path: Path, name: str) -> None:
    makers.make_tone(tmp_path / name, 440, 2, 48_000)
    (segment,), details = sound(tmp_path / name)
    assert details["rate"] == 48_000
    assert details["channels"] == 1
    assert details["seconds"] == pytest.approx(2, abs=0.1)
    assert segment.start == 0
    assert pitch(samples(segment)) == pytest.approx(440, abs=1)
    assert loudness(samples(segment)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("name", FFMPEG)
def test_formats_through_ffmpeg(tmp_path: Path, name: str) -> None:
    makers.make_encoded_tone(tmp_path / name, 660, 12, codec=FFMPEG[name])
    segments, details = sound(tmp_path / name)
    assert details["rate"] == 48_000
    assert details["channels"] == 2
    assert details["seconds"] == pytest.approx(12, abs=0.1)
    assert len(segments) == 2
    for segment in segments:
        assert len(samples(segment)) == WINDOW
        assert pitch(samples(segment)) == pytest.approx(660, abs=1)
        assert loudness(samples(segment)[4410:-4410]) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_and_the_dumb_twin(tmp_path: Path, rate: int) -> None:
    """Streamed decoding, mixing, resampling and cutting equal the same on the whole file."""
    random = np.random.default_rng(rate)
    stereo = random.normal(0, 0.1, (round(13.7 * rate), 2)).astype(np.float32)
    makers.write_sound(tmp_path / "a.wav", stereo, rate, subtype="FLOAT")
    segments, details = sound(tmp_path / "a.wav")
    whole, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    mono = whole.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    end = len(mono)
    assert details == {"seconds": round(len(stereo) / rate, 6), "rate": rate, "channels": 2}
    assert end == pytest.approx(13.7 * SAMPLE_RATE, abs=SAMPLE_RATE / rate + 1)
    for segment, first in zip(segments, (0, end - WINDOW), strict=True):
        assert segment.start == pytest.approx(first / SAMPLE_RATE)
        np.testing.assert_allclose(samples(segment), mono[first : first + WINDOW], atol=1e-5)


@pytest.mark.parametrize("size", [1, 441, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + HOP - 1])
@pytest.mark.parametrize("block", [1 << 16, 777_777])
def test_windows_by_hand(size: int, block: int) -> None:
    check_windows(size, block)


@pytest.mark.parametrize("seconds", [15, 15.5, 20, 29.99, 61.234])
def test_windows_of_longer_sounds(seconds: float) -> None:
    for block in (4096, HOP, WINDOW, 3_000_000):
        check_windows(int(seconds * SAMPLE_RATE), block)


def check_windows(size: int, block: int) -> None:
    ramp = np.arange(size, dtype=np.float32)
    cut = list(windows(ramp[i : i + block] for i in range(0, size, block)))
    firsts = list(range(0, max(1, size - WINDOW + 1), HOP))
    if firsts[-1] + WINDOW < size:
        firsts.append(size - WINDOW)
    assert [first for first, _ in cut] == firsts
    for first, window in cut:
        np.testing.assert_array_equal(window, ramp[first : first + WINDOW])
    assert cut[-1][0] + len(cut[-1][1]) == size  # the tail is never lost


def test_no_windows_of_nothing() -> None:
    assert list(windows([])) == []
    assert list(windows([np.zeros(0, np.float32)])) == []


def test_window_times(tmp_path: Path) -> None:
    """A click at 17 s is in exactly the windows whose times say so, at the right sample."""
    clip = makers.tone(200, 23, level=0.1)
    clip[17 * SAMPLE_RATE] = 1
    makers.write_sound(tmp_path / "a.wav", clip, subtype="FLOAT")
    segments, _ = sound(tmp_path / "a.wav")
    assert [(s.start, s.end) for s in segments] == [(0, 10), (5, 15), (10, 20), (13, 23)]
    for segment in segments:
        assert segment.start is not None
        assert segment.end is not None
        if segment.start <= 17 < segment.end:
            place = int(np.argmax(samples(segment)))
            assert segment.start + place / SAMPLE_RATE == pytest.approx(17, abs=1e-6)
        else:
            assert samples(segment).max() < 0.2


def test_channels_are_averaged(tmp_path: Path) -> None:
    tones = [makers.tone(hertz, 1) for hertz in (300, 500, 700, 900, 1100, 1300)]
    makers.write_sound(tmp_path / "a.wav", np.stack(tones, 1), subtype="FLOAT")
    (segment,), details = sound(tmp_path / "a.wav")
    assert details["channels"] == 6
    np.testing.assert_allclose(samples(segment), np.mean(tones, axis=0), atol=1e-6)


@pytest.mark.parametrize(("layout", "count"), [("5.1", 6), ("6.1", 7), ("7.1", 8)])
def test_many_channels_through_ffmpeg(tmp_path: Path, layout: str, count: int) -> None:
    """Eight have a plane too many by PyAV's count: reading it ended the process."""
    waves = np.stack([makers.tone(300 + 200 * k, 12, 48_000) for k in range(count)], 1)
    with av.open(str(tmp_path / "a.mka"), "w") as container:
        stream = container.add_stream("libopus", rate=48_000, options={"mapping_family": "255"})
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.bit_rate = layout, 64_000 * count
        for start in range(0, len(waves), 960):
            packed = (waves[start : start + 960] * 30_000).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (segment, _), details = sound(tmp_path / "a.mka")
    assert details["channels"] == count
    power = np.abs(np.fft.rfft(samples(segment) * np.hanning(WINDOW)))
    peaks = [float(power[(300 + 200 * k) * 10]) for k in range(count)]
    np.testing.assert_allclose(peaks, np.mean(peaks), rtol=0.1)  # every channel, as loud
    assert max(peaks) > 100 * np.median(power)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_sample_kinds(tmp_path: Path, subtype: str) -> None:
    makers.make_tone(tmp_path / "a.wav", 440, 1, subtype=subtype)
    (segment,), _ = sound(tmp_path / "a.wav")
    np.testing.assert_allclose(samples(segment), makers.tone(440, 1), atol=0.01)


def test_8_bit_8_khz(tmp_path: Path) -> None:
    makers.make_8bit(tmp_path / "a.wav", 440, 2)
    (segment,), details = sound(tmp_path / "a.wav")
    assert details == {"seconds": 2, "rate": 8000, "channels": 1}
    assert len(samples(segment)) == 2 * SAMPLE_RATE
    assert pitch(samples(segment)) == pytest.approx(440, abs=1)


def test_ten_milliseconds(tmp_path: Path) -> None:
    makers.make_tone(tmp_path / "a.wav", 1000, 0.01)
    (segment,), details = sound(tmp_path / "a.wav")
    assert len(samples(segment)) == 441
    assert (segment.start, segment.end) == (0, 0.01)
    assert details["seconds"] == 0.01


def test_two_hours_in_constant_memory(tmp_path: Path) -> None:
    makers.make_long(tmp_path / "a.wav", 7200)
    tracemalloc.start()
    try:
        with open_media(tmp_path / "a.wav") as media:
            assert media.details["seconds"] == 7200
            found = [(s.start, s.end) for s in media.segments()]
            media.preview()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48 << 20  # the samples as one array: 1.2 GB
    assert (0, 10) in found
    assert (3600, 3610) in found
    assert len(found) < 10  # the windows without any sound are left out


def test_silent_windows_are_left_out(tmp_path: Path) -> None:
    clip = np.zeros(40 * SAMPLE_RATE, np.float32)
    clip[22 * SAMPLE_RATE : 23 * SAMPLE_RATE] = makers.tone(440, 1)
    makers.write_sound(tmp_path / "a.wav", clip)
    segments, details = sound(tmp_path / "a.wav")
    assert [(s.start, s.end) for s in segments] == [(15, 25), (20, 30)]
    assert details["seconds"] == 40


@pytest.mark.parametrize("seconds", [1, 25])
def test_silence_is_refused(tmp_path: Path, seconds: float) -> None:
    for name in ("a.wav", "a.flac", "a.mp3", "a.ogg"):
        makers.make_silence(tmp_path / name, seconds)
        with open_media(tmp_path / name) as media, pytest.raises(MediaError, match="is silent"):
            list(media.segments())
    # a constant is as silent as zeros, at another rate too
    makers.write_sound(tmp_path / "b.wav", np.full(22_050 * 12, 0.2, np.float32), 22_050)
    with open_media(tmp_path / "b.wav") as media, pytest.raises(MediaError, match="is silent"):
        list(media.segments())


@pytest.mark.parametrize("make", [makers.make_nan, makers.make_infinite])
def test_samples_that_are_not_numbers(tmp_path: Path, make: makers.Maker) -> None:
    make(tmp_path / "a.wav")
    with open_media(tmp_path / "a.wav") as media, pytest.raises(MediaError, match="not a number"):
        list(media.segments())


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.ogg", "a.aac", "a.webm"])
def test_cut_off_sound_gives_what_decodes(tmp_path: Path, name: str) -> None:
    if name in FFMPEG:
        makers.make_encoded_tone(tmp_path / name, 440, 30, codec=FFMPEG[name])
    else:
        makers.make_tone(tmp_path / name, 440, 30)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 6 // 10])
    segments, details = sound(tmp_path / name)
    assert isinstance(details["seconds"], float)
    assert 10 < details["seconds"] < 24  # what there was, not what the header says
    assert segments[-1].end == pytest.approx(details["seconds"], abs=1e-3)
    assert pitch(samples(segments[-1])) == pytest.approx(440, abs=1)


def test_mp3_with_junk_before_it(tmp_path: Path) -> None:
    makers.make_tone(tmp_path / "a.mp3", 440, 3)
    (tmp_path / "a.mp3").write_bytes(bytes(5000) + (tmp_path / "a.mp3").read_bytes())
    (segment,), _ = sound(tmp_path / "a.mp3")
    assert pitch(samples(segment)) == pytest.approx(440, abs=1)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers.make_tone(tmp_path / "a.wav", 440, 3)
    monkeypatch.setattr(limits, "MAX_SECONDS", 2.0)
    with pytest.raises(MediaError, match=r"longer \(3 s\) than the limit of 2 s"):
        open_media(tmp_path / "a.wav")
    makers.make_tone(tmp_path / "b.wav", rate=500)
    with pytest.raises(MediaError, match="500 samples a second"):
        open_media(tmp_path / "b.wav")
    makers.make_tone(tmp_path / "c.wav", channels=65)
    with pytest.raises(MediaError, match="65 channels"):
        open_media(tmp_path / "c.wav")


def test_segments_can_be_read_once(tmp_path: Path) -> None:
    makers.make_tone(tmp_path / "a.wav")
    with open_media(tmp_path / "a.wav") as media:
        with pytest.raises(RuntimeError, match="ready when"):
            media.preview()
        list(media.segments())
        with pytest.raises(RuntimeError, match="only once"):
            list(media.segments())
        media.close()
    media.close()


def test_waveform_picture(tmp_path: Path) -> None:
    """Loud in its first half, almost still in its second: and so is the picture."""
    clip = np.concatenate([makers.tone(440, 6, level=0.8), makers.tone(440, 6, level=0.02)])
    makers.write_sound(tmp_path / "a.wav", clip)
    with open_media(tmp_path / "a.wav") as media:
        list(media.segments())
        image = media.preview()
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (768, 192))
    ink = (np.asarray(image).astype(int).sum(axis=2) < 700).sum(axis=0)
    assert ink[40:380].mean() > 6 * ink[390:730].mean() > 0
    assert ink[:20].sum() == ink[-20:].sum() == 0


@pytest.mark.parametrize("size", [1, 3, 441, 5000, 1_000_003])
def test_envelope_equals_its_dumb_twin(size: int) -> None:
    random = np.random.default_rng(size)
    clip = (random.normal(0, 0.1, size) * np.linspace(0.2, 1, size)).astype(np.float32)
    envelope = Envelope()
    place = 0
    while place < size:
        step = int(random.integers(1, 100_000))
        envelope.add(clip[place : place + step])
        place += step
    peaks, means = envelope.bars(10)
    assert peaks.max() == np.abs(clip).max()
    if size > 1000:
        parts = np.array_split(clip, 10)
        # cells at the borders may belong to either side
        np.testing.assert_allclose(peaks, [np.abs(part).max() for part in parts], rtol=0.05)
        np.testing.assert_allclose(means, [np.sqrt((p**2).mean()) for p in parts], rtol=0.05)


def make_gap(path: Path, codec: str, shift: float) -> None:
    """Three seconds of 440 Hz, then of 3 kHz; those are `shift` seconds later on the clock."""
    samples = np.concatenate([makers.tone(440, 3, 48_000), makers.tone(3000, 3, 48_000)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"
        for packet in makers.encoded(stream, samples, 48_000):
            if packet.pts * packet.time_base >= 3:
                packet.pts += round(shift / packet.time_base)
                packet.dts = packet.pts
            container.mux(packet)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mka", "libopus"), ("a.m4a", "aac"), ("a.ts", "mp2")]
)
def test_a_gap_in_the_clock_is_silence(tmp_path: Path, name: str, codec: str) -> None:
    """A hit behind it is played at the right second: players go by the clock."""
    make_gap(tmp_path / name, codec, 20)
    segments, details = sound(tmp_path / name)
    assert details["seconds"] == pytest.approx(26, abs=0.1)
    assert [round(s.start or 0) for s in segments] == [0, 15, 16]  # what is silent is left out
    content = segments[-1].content
    assert isinstance(content, np.ndarray)
    loud = np.flatnonzero(np.abs(content) > 0.1)
    assert loud[0] / SAMPLE_RATE == pytest.approx(7, abs=0.1)
    assert loud[-1] / SAMPLE_RATE == pytest.approx(10, abs=0.1)


def test_a_small_gap_and_a_clock_that_goes_back_are_none(tmp_path: Path) -> None:
    make_gap(tmp_path / "a.ts", "mp2", 0.3)
    _, details = sound(tmp_path / "a.ts")
    assert details["seconds"] == pytest.approx(6, abs=0.1)
    data = (tmp_path / "a.ts").read_bytes()
    (tmp_path / "b.ts").write_bytes(data + data)  # two recordings, one behind the other
    _, details = sound(tmp_path / "b.ts")
    assert details["seconds"] == pytest.approx(12, abs=0.2)
