"""Sounds: mono 44.1 kHz windows, decoded, mixed and resampled as they stream by."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from . import limits
from .medium import Media, MediaError, Medium, Segment, too_long
from .waveform import Envelope, Samples

SAMPLE_RATE = 44_100  # hertz, of the content
WINDOW_SECONDS, HOP_SECONDS = 10, 5

_SUFFIXES = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".m4a"),
    *(".m4b", ".aac", ".wma", ".weba", ".mka", ".au", ".snd", ".caf", ".w64", ".amr", ".wv"),
)

_SIGNATURES = (
    (8, b"WAVE"),  # RIFF, RF64 and RIFX
    (0, b"riff\x2e\x91\xcf\x11"),  # Wave64
    (0, b"fLaC"),
    (0, b"OggS"),
    (0, b"ID3"),
    (8, b"AIFF"),
    (8, b"AIFC"),
    (0, b".snd"),
    (0, b"caff"),
    (0, b"#!AMR"),
    (0, b"wvpk"),
)
# What libsndfile reads well. Not MP3: there it believes the header of a file that was cut off, and
# writes to the error stream.
_SNDFILE = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG"}
# FFmpeg also reads playlists and scripts that name other files: only containers are let in.
_FFMPEG = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,asf,aac,mp3,wav,w64,aiff,au,caf,flac,amr,wv"
_DAMAGED = "is damaged, or not a sound of a known format"
_FAILURES = 20  # packets: what was cut out of a recording begins in the middle of one
_GAP = 0.5  # seconds that a file's clock must run ahead of its sound for some to be missing
_BLOCK = 1 << 18  # numbers decoded at a time
_LOUDEST = 2.0**31  # some files hold integers as floats; beyond this there is no sense in them


@dataclass
class _Stream:
    """Decoded sound: `blocks` are float32 (n, channels), full scale 1.0; `frames` 0: unknown."""

    rate: int
    channels: int
    frames: int
    blocks: Iterator[Samples]
    close: Callable[[], None]
    start: float = 0.0
    """Seconds on the file's own clock at which its first sample is heard."""


class Sound(Media):
    """An open sound; see Media. Memory stays the same whatever its length."""

    modality = "audio"

    def __init__(self, path: Path, stream: _Stream) -> None:
        self._path, self._stream = path, stream
        self.start = stream.start
        seconds = round(stream.frames / stream.rate, 6)
        self.details = {
            "seconds": seconds,
            "rate": stream.rate,
            "channels": stream.channels,
        }
        self._envelope = Envelope()
        self._swing = _Swing()
        self._state = "new"

    def segments(self) -> Iterator[Segment]:
        if self._state != "new":
            raise RuntimeError("the segments of a sound can be read only once")
        self._state = "reading"
        held: Segment | None = None  # the first silent window, used if there is no other
        found = False
        for first, samples in windows(self._samples()):
            end = first + len(samples)
            segment = Segment(first / SAMPLE_RATE, end / SAMPLE_RATE, samples)
            if self._swing.mixed < limits.SILENCE or _swing(samples) < limits.SILENCE:
                held = held or segment
            else:
                found = True
                yield segment
        if self._swing.mixed < limits.SILENCE:
            raise MediaError(
                self._path,
                "is silent"
                if self._swing.channels < limits.SILENCE
                else "is silent once its channels are mixed, because they cancel each other out",
            )
        self._state = "read"
        if not found:
            if held is None:
                raise MediaError(self._path, "is too short to hold a sound")
            yield held

    def preview(self) -> Image.Image:
        if self._state != "read":
            raise RuntimeError("a sound's preview is ready when all its segments have been read")
        return self._envelope.draw()

    def close(self) -> None:
        self._stream.close()

    def _samples(self) -> Iterator[Samples]:
        """Mono float32 at 44.1 kHz; on the way everything is measured that is told later."""
        rate, frames = self._stream.rate, 0
        resample = _resampler(rate)
        for block in self._blocks():
            if not float(np.abs(block).max()) < _LOUDEST:  # also False for what is not a number
                raise MediaError(
                    self._path, "holds samples that are not sound (not a number, or infinite)"
                )
            frames += len(block)
            if frames > limits.MAX_SECONDS * rate:
                raise too_long(self._path, frames / rate)
            mono = block.mean(axis=1, dtype=np.float32)
            self._swing.add(block, mono)
            yield self._heard(resample(mono, False))
        if not frames:
            raise MediaError(self._path, "holds no sound (0 samples)")
        yield self._heard(resample(np.zeros(0, np.float32), True))
        self.details["seconds"] = round(frames / rate, 6)

    def _heard(self, samples: Samples) -> Samples:
        self._envelope.add(samples)
        return samples

    def _blocks(self) -> Iterator[Samples]:
        """What decodes: where a file is cut off or damaged half-way, its first part is used."""
        any_block = False
        try:
            for block in self._stream.blocks:
                if len(block):
                    any_block = True
                    yield block
        except MediaError:
            raise
        except Exception as error:  # decoders raise many things on damaged files
            if not any_block:
                raise MediaError(self._path, _DAMAGED) from error
        finally:
            self.close()


class _Swing:
    """How far a sound swings from its middle: of each channel by itself, and of their mix."""

    def __init__(self) -> None:
        self._low = self._high = np.zeros(0, np.float32)

    def add(self, block: Samples, mono: Samples) -> None:
        low = np.append(block.min(axis=0), mono.min())
        high = np.append(block.max(axis=0), mono.max())
        if len(self._low) == len(low):
            low, high = np.minimum(low, self._low), np.maximum(high, self._high)
        self._low, self._high = low, high

    @property
    def mixed(self) -> float:
        return float(self._high[-1] - self._low[-1]) / 2

    @property
    def channels(self) -> float:
        return float((self._high - self._low)[:-1].max()) / 2


def _swing(samples: Samples) -> float:
    return float(samples.max() - samples.min()) / 2


def windows(blocks: Iterable[Samples]) -> Iterator[tuple[int, Samples]]:
    """Cut a stream of mono samples into windows: (index of the first sample, samples).

    Up to 10 s are one window. Longer ones give windows of 10 s, hop 5 s, the last aligned to the
    end, so that every sample is in one.
    """
    size, hop = WINDOW_SECONDS * SAMPLE_RATE, HOP_SECONDS * SAMPLE_RATE
    held = np.zeros(0, np.float32)
    origin = start = 0  # index of held[0]; of the next window
    for block in blocks:
        held = np.concatenate([held, block])
        while origin + len(held) >= start + size:
            yield start, held[start - origin : start - origin + size].copy()
            start += hop
            # The last window may begin anywhere after the one just given: hold on to that.
            drop = start - hop - origin
            held, origin = held[drop:], origin + drop
    end = origin + len(held)
    covered = start - hop + size if start else 0
    if end > covered:
        first = max(0, end - size)
        yield first, held[first - origin :].copy()


def _resampler(rate: int) -> Callable[[Samples, bool], Samples]:
    """A function from the next mono samples, and are they the last, to samples at 44.1 kHz."""
    if rate == SAMPLE_RATE:
        return lambda samples, last: samples
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def resample(samples: Samples, last: bool) -> Samples:
        resampled: Samples = stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return resampled

    return resample


def open_sound(path: Path, file: BinaryIO, head: bytes) -> Sound:
    """Open a sound for streaming.

    Raises MediaError when it is empty, damaged or too long.
    """
    stream = None if _is_mpeg(head) else _open_sndfile(file)
    return _checked(path, stream or _open_ffmpeg(path, file, _FFMPEG))


def open_track(path: Path, file: BinaryIO, formats: str) -> Sound:
    """Open the sound track of a file in one of these containers, by FFmpeg's names.

    Raises MediaError as open_sound does, and when there is none.
    """
    return _checked(path, _open_ffmpeg(path, file, formats))


def _checked(path: Path, stream: _Stream) -> Sound:
    try:
        _check(path, stream)
    except MediaError:
        stream.close()
        raise
    return Sound(path, stream)


def _check(path: Path, stream: _Stream) -> None:
    if not limits.MIN_RATE <= stream.rate <= limits.MAX_RATE:
        raise MediaError(
            path,
            f"has {stream.rate:,} samples a second, outside the limits of {limits.MIN_RATE:,.0f} "
            f"to {limits.MAX_RATE:,.0f} (ANYFIND_MIN_RATE, ANYFIND_MAX_RATE)",
        )
    if stream.channels > limits.MAX_CHANNELS:
        raise MediaError(
            path,
            f"has {stream.channels} channels, more than the limit of {limits.MAX_CHANNELS} "
            "(ANYFIND_MAX_CHANNELS)",
        )
    if stream.frames > limits.MAX_SECONDS * stream.rate:
        raise too_long(path, stream.frames / stream.rate)


def _recognise(head: bytes, suffix: str) -> bool:
    return _is_mpeg(head) or any(head.startswith(magic, offset) for offset, magic in _SIGNATURES)


def _is_mpeg(head: bytes) -> bool:
    """MP3 or AAC frames, or the tag before them."""
    return head.startswith(b"ID3") or (
        len(head) > 2 and head[0] == 0xFF and 0xE0 <= head[1] != 0xFE
    )


def _open_sndfile(file: BinaryIO) -> _Stream | None:
    """The sound through libsndfile; None if that cannot read it."""
    import soundfile

    file.seek(0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    own = os.dup(file.fileno())
    try:
        sound = soundfile.SoundFile(own, closefd=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError):
        _close_quietly(own)
        return None
    if sound.format not in _SNDFILE:
        sound.close()
        return None
    size = max(1, min(_BLOCK // sound.channels, HOP_SECONDS * sound.samplerate))

    def blocks() -> Iterator[Samples]:
        while len(block := sound.read(size, dtype="float32", always_2d=True)):
            yield block

    def close() -> None:
        sound.close()
        file.close()

    frames = sound.frames if sound.frames < 1 << 60 else 0
    return _Stream(sound.samplerate, sound.channels, frames, blocks(), close)


def _close_quietly(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:  # libsndfile closed it already
        return


class _Reader:
    """A file as FFmpeg is to see it: without its name, and a senseless seek is no exception.

    PyAV writes what such callbacks raise to the error stream.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.tell = file.read, file.tell
        self._file = file

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL


def open_container(file: BinaryIO, formats: str, **options: str) -> Any:
    """A file as FFmpeg's container, if it is one of `formats`; no other file is ever opened.

    Raises whatever FFmpeg raises of damaged files.
    """
    import av

    file.seek(0)
    return av.open(
        _Reader(file),
        mode="r",
        metadata_errors="replace",
        options=options,
        container_options={"format_whitelist": formats, "protocol_whitelist": ""},
    )


def _open_ffmpeg(path: Path, file: BinaryIO, formats: str) -> _Stream:
    import av

    try:
        container = open_container(file, formats)
    except Exception as error:
        raise MediaError(path, _DAMAGED) from error

    def close() -> None:
        container.close()
        file.close()

    try:
        if not container.streams.audio:
            raise MediaError(path, "holds no sound")
        stream = container.streams.audio[0]
        frames = _frames(container, stream)
        first = next(frames, None)
        if first is None:
            raise MediaError(path, "holds no sound (0 samples)")
        rate, channels = first.sample_rate, first.layout.nb_channels
        seconds = (container.duration or 0) / av.time_base
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        counted = _counted(chain([first], frames))
        end = max(seconds, (container.duration or 0) / av.time_base)
        blocks = _joined(_filled(path, counted, rate, end))
        start = float(first.time or 0)
        return _Stream(rate, channels, max(0, int(seconds * rate)), blocks, close, start)
    except MediaError:
        close()
        raise
    except Exception as error:
        close()
        raise MediaError(path, _DAMAGED) from error


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames. Packets that do not decode are passed over, but for too many at the start."""
    import av

    started, failures = False, 0
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                if frame.samples:
                    started = True
                    yield frame
        except av.error.InvalidDataError:
            failures += 1
            if not started and failures > _FAILURES:
                raise


def _counted(frames: Iterable[Any]) -> Iterator[Any]:
    """The same frames, those of eight channels or more with their samples side by side.

    PyAV looks for the planes of a frame up to a null pointer, which comes after the seventh at the
    latest; beyond there it reads memory that is not theirs and takes the process down.
    """
    import av

    kind, resampler = None, None
    for frame in frames:
        if not frame.format.is_planar or frame.layout.nb_channels < 8:
            yield frame
            continue
        if resampler is None or kind != (frame.format.name, frame.layout.name, frame.sample_rate):
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            resampler = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
        yield from resampler.resample(frame)


def _filled(path: Path, frames: Iterable[Any], rate: int, end: float) -> Iterator[Samples]:
    """The samples of frames, with silence where none were recorded or some are lost.

    So a second of the sound is a second of the file's clock. What lies beyond the `end` of the
    file, in seconds, is no gap but a broken clock.
    """
    clock: float | None = None  # seconds at which the next sample is due
    for frame in frames:
        samples = _rate_kept(path, frame, rate)
        if frame.time is not None:
            clock = float(frame.time) if clock is None else clock
            if clock + _GAP < frame.time < end:
                missing, width = round((frame.time - clock) * rate), samples.shape[1]
                clock = float(frame.time)
                for left in range(missing, 0, -_BLOCK // width):
                    yield np.zeros((min(left, _BLOCK // width), width), np.float32)
        yield samples
        clock = None if clock is None else clock + len(samples) / rate


def _rate_kept(path: Path, frame: Any, rate: int) -> Samples:
    if frame.sample_rate != rate:
        raise MediaError(path, "changes its sample rate half-way: convert it to one rate")
    return _floats(frame)


def _floats(frame: Any) -> Samples:
    """An FFmpeg frame's samples, float32 (frames, channels), full scale 1.0."""
    values: np.ndarray[Any, np.dtype[Any]] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    floats: Samples = values.astype(np.float32)
    if values.dtype == np.uint8:
        floats -= 128
        floats /= 128
    elif values.dtype.kind == "i":
        floats /= -float(np.iinfo(values.dtype).min)
    return floats


def _joined(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """The same frames in larger blocks: a codec's own are a fortieth of a second."""
    held: list[Samples] = []
    size = 0
    try:
        for block in blocks:
            if held and (size >= _BLOCK or held[0].shape[1] != block.shape[1]):
                yield np.concatenate(held)
                held, size = [], 0
            held.append(block)
            size += block.size
    except MediaError:
        raise
    except Exception:  # cut off: what came before it is good
        if not held:
            raise
    if held:
        yield np.concatenate(held)


MEDIUM = Medium("audio", _SUFFIXES, _recognise, open_sound)
