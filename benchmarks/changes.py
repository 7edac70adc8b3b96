"""How benchmarks/duplicates.py changes pictures, sounds, films and texts, and what it makes that is
merely similar to them."""

from __future__ import annotations

import html
import io
import random
import re
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from PIL import Image, ImageEnhance
from pypdf import PdfWriter
from pypdf.generic import ContentStream, DictionaryObject, NameObject, StreamObject

from analysis.duplicates import _samples

RATE = 44_100

# Pictures


def recompressed(image: Image.Image, quality: int, kind: str = "JPEG") -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return Image.open(stream).convert("RGB")


def resized(image: Image.Image, part: float) -> Image.Image:
    size = (max(8, round(image.width * part)), max(8, round(image.height * part)))
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, part: float, chance: random.Random) -> Image.Image:
    width, height = round(image.width * (1 - part)), round(image.height * (1 - part))
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def coloured(image: Image.Image) -> Image.Image:
    return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(1.12)).enhance(0.8)


PICTURE_CHANGES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "half the size": lambda image, _: resized(image, 0.5),
    "a quarter of the size": lambda image, _: resized(image, 0.25),
    "JPEG, quality 30": lambda image, _: recompressed(image, 30),
    "WebP, quality 50": lambda image, _: recompressed(image, 50, "WEBP"),
    "cropped by 5 %": lambda image, chance: cropped(image, 0.05, chance),
    "cropped by 10 %": lambda image, chance: cropped(image, 0.10, chance),
    "cropped by 20 %": lambda image, chance: cropped(image, 0.20, chance),
    "colours changed": lambda image, _: coloured(image),
    "cropped, resized, JPEG": lambda image, chance: recompressed(
        resized(cropped(image, 0.10, chance), 0.6), 60
    ),
}


# Sounds


def reencoded(samples: np.ndarray, rate: int, suffix: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sound{suffix}"
        lower = soxr.resample(samples, RATE, rate) if rate != RATE else samples
        with soundfile.SoundFile(path, "w", rate, 1) as sound:
            for first in range(0, len(lower), rate):
                sound.write(lower[first : first + rate])
        return _samples(path)


SOUND_CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "MP3": lambda x: reencoded(x, RATE, ".mp3"),
    "OGG Vorbis": lambda x: reencoded(x, RATE, ".ogg"),
    "16 kHz": lambda x: reencoded(x, 16_000, ".wav"),
    "half as loud": lambda x: 0.5 * x,
    "trimmed by 10 % at the beginning": lambda x: x[len(x) // 10 :],
    "trimmed by 20 % at the end": lambda x: x[: len(x) * 4 // 5],
    "half a second of silence before": lambda x: np.concatenate(
        [np.zeros(RATE // 2, np.float32), x]
    ),
    "trimmed, quieter, MP3": lambda x: reencoded(0.6 * x[len(x) // 12 :], RATE, ".mp3"),
}


# Films: slow pans and zooms over photographs

FRAMES, SIZE = 10, (320, 240)  # a second; pixels
BEFORE = SIZE[0] // 3, SIZE[1] * 2 // 5  # where the corner of what stands before a view lies
FILM_SOUND = 48_000  # samples a second
FASTEST = {
    "libx264": {"preset": "ultrafast"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}


@dataclass(frozen=True)
class View:
    """A shot: what of a photograph is seen first and last, as (left, top, side) in parts of the
    whole, and for how many seconds; and a photograph that stands before it."""

    photograph: Path
    first: tuple[float, float, float]
    last: tuple[float, float, float]
    seconds: float
    before: Path | None = None


@dataclass(frozen=True)
class Clip:
    """A film in memory: frames uint8 (n, height, width, 3), `rate` a second, and its sound,
    float32 (samples,), mono at 48 kHz."""

    frames: np.ndarray
    rate: int
    sound: np.ndarray | None


def view(photograph: Path, seconds: float, chance: random.Random, corner: float = 0.0) -> View:
    """A view of the part of a photograph towards a corner: 0 the first, 1 the one opposite."""

    def window() -> tuple[float, float, float]:
        side = chance.uniform(0.55, 0.7)
        places = [(1 - side) * abs(corner - chance.uniform(0, 0.25)) for _ in range(2)]
        return places[0], places[1], side

    return View(photograph, window(), window(), seconds)


def views(photographs: Sequence[Path], chance: random.Random) -> list[View]:
    return [view(path, chance.uniform(2, 5), chance) for path in photographs]


def partly(shots: Sequence[View], others: Sequence[Path], part: float, seed: int) -> list[View]:
    """The same film with so large a part of its shots, and other ones instead of the rest."""
    chance = random.Random(seed)
    count = max(1, round(len(shots) * (1 - part)))
    mixed = list(shots)
    for at, path in zip(
        chance.sample(range(len(shots)), count), chance.sample(others, count), strict=True
    ):
        mixed[at] = view(path, shots[at].seconds, chance)
    return mixed


def elsewhere(shots: Sequence[View], _: Sequence[Path], seed: int) -> list[View]:
    """The same things, of each what lies towards the opposite corner."""
    chance = random.Random(seed)
    return [view(shot.photograph, shot.seconds, chance, corner=1.0) for shot in shots]


def behind(shots: Sequence[View], others: Sequence[Path], seed: int) -> list[View]:
    """The same views, with other things before them."""
    before = random.Random(seed).sample(others, len(shots))
    return [replace(shot, before=path) for shot, path in zip(shots, before, strict=True)]


HARD_FILMS: dict[str, Callable[[Sequence[View], Sequence[Path], int], list[View]]] = {
    "a third of the shots shared": lambda shots, others, seed: partly(shots, others, 1 / 3, seed),
    "half of them shared": lambda shots, others, seed: partly(shots, others, 1 / 2, seed),
    "two thirds of them shared": lambda shots, others, seed: partly(shots, others, 2 / 3, seed),
    "all in reverse order": lambda shots, others, seed: list(reversed(shots)),
    "other views of the same": elsewhere,
    "other things before the same": behind,
}


def is_large(photograph: Path) -> bool:
    with Image.open(photograph) as image:
        return image.width >= SIZE[0] and image.height >= SIZE[1]


def read_photograph(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        opened.draft("RGB", (1024, 1024))
        return opened.convert("RGB")


def film(shots: Sequence[View], sound: bool, seed: int) -> Clip:
    chance = np.random.default_rng(seed)
    frames: list[np.ndarray] = []
    tones: list[np.ndarray] = []
    for shot in shots:
        image = read_photograph(shot.photograph)
        before = read_photograph(shot.before) if shot.before else None
        count = round(shot.seconds * FRAMES)
        for at in np.linspace(0, 1, count):
            left, top, side = (1 - at) * np.array(shot.first) + at * np.array(shot.last)
            box = np.array([left, top, left + side, top + side]).clip(0, 1)
            box *= (image.width, image.height) * 2
            frame = image.resize(SIZE, Image.Resampling.BILINEAR, tuple(box))
            if before:
                frame.paste(before.resize((SIZE[0] * 2 // 5, SIZE[1] * 3 // 5)), BEFORE)
            frames.append(np.asarray(frame))
        time = np.arange(round(count / FRAMES * FILM_SOUND)) / FILM_SOUND
        tones.append(0.2 * np.sin(2 * np.pi * chance.uniform(150, 2000) * time))
    return Clip(
        np.stack(frames), FRAMES, np.concatenate(tones, dtype=np.float32) if sound else None
    )


def write_film(
    clip: Clip, path: Path, codec: str = "libx264", bits: int = 600_000, sound: str = "aac"
) -> Path:
    """Writes it in the container that the name says, with so many bits a second of pictures."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream(codec, rate=clip.rate)
        pictures.height, pictures.width = clip.frames.shape[1:3]
        pictures.pix_fmt, pictures.bit_rate = "yuv420p", bits
        pictures.options = FASTEST.get(codec, {})
        heard: Any = (
            container.add_stream(sound, rate=FILM_SOUND) if clip.sound is not None else None
        )
        if heard is not None:
            heard.layout = "stereo"
        for at, pixels in enumerate(clip.frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, clip.rate)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        if heard is not None and clip.sound is not None:
            size = heard.frame_size or 1024
            resampler = av.AudioResampler(heard.format, heard.layout, FILM_SOUND, size)
            samples = av.AudioFrame.from_ndarray(clip.sound[None], format="flt", layout="mono")
            samples.sample_rate, samples.time_base = FILM_SOUND, Fraction(1, FILM_SOUND)
            samples.pts = 0
            for part in [*resampler.resample(samples), *resampler.resample(None), None]:
                container.mux(heard.encode(part))
    return path


def read_film(path: Path, sound: np.ndarray | None) -> Clip:
    """The pictures of a film as they were coded, with the sound that is known."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return Clip(np.stack(frames), FRAMES, sound)


def halved(clip: Clip) -> Clip:
    size = clip.frames.shape[2] // 2, clip.frames.shape[1] // 2
    images = [Image.fromarray(frame).resize(size) for frame in clip.frames]
    return replace(clip, frames=np.stack([np.asarray(image) for image in images]))


def at_rate(clip: Clip, rate: int) -> Clip:
    count = len(clip.frames) * rate // clip.rate
    return replace(clip, frames=clip.frames[np.arange(count) * clip.rate // rate], rate=rate)


def between(clip: Clip, first: float, last: float) -> Clip:
    """What lies between two parts of its length."""

    def cut(rows: np.ndarray) -> np.ndarray:
        return rows[round(first * len(rows)) : round(last * len(rows))]

    return replace(
        clip, frames=cut(clip.frames), sound=None if clip.sound is None else cut(clip.sound)
    )


def brighter(clip: Clip) -> Clip:
    levels = (np.arange(256) * 1.15 + 10).clip(0, 255).astype(np.uint8)
    return replace(clip, frames=levels[clip.frames])


def _mp4(clip: Clip, path: Path, bits: int = 600_000) -> Path:
    return write_film(clip, path.with_suffix(".mp4"), bits=bits)


SILENT = "without its sound"
FILM_CHANGES: dict[str, Callable[[Clip, Path], Path]] = {
    "H.264, 60 kbit/s": lambda clip, path: _mp4(clip, path, 60_000),
    "MPEG-4, AVI": lambda clip, path: write_film(
        clip, path.with_suffix(".avi"), "mpeg4", sound="libmp3lame"
    ),
    "VP8, WebM": lambda clip, path: write_film(
        clip, path.with_suffix(".webm"), "libvpx", sound="libopus"
    ),
    "half the size": lambda clip, path: _mp4(halved(clip), path),
    "6 frames a second": lambda clip, path: _mp4(at_rate(clip, 6), path),
    "trimmed by 10 % at the beginning": lambda clip, path: _mp4(between(clip, 0.1, 1), path),
    "trimmed by 20 % at the end": lambda clip, path: _mp4(between(clip, 0, 0.8), path),
    "brighter": lambda clip, path: _mp4(brighter(clip), path),
    SILENT: lambda clip, path: _mp4(replace(clip, sound=None), path),
    "trimmed, half the size, 60 kbit/s": lambda clip, path: _mp4(
        halved(between(clip, 0.07, 0.93)), path, 60_000
    ),
}


# Texts


def write_text(text: str, path: Path, coding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(coding))
    return path


def paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n\s*\n", text) if part.strip()]


def write_page(text: str, path: Path) -> Path:
    inside = "\n".join(f"<p>{html.escape(part)}</p>" for part in paragraphs(text))
    return write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{inside}</body>", path)


def write_word_file(text: str, path: Path) -> Path:
    import docx

    document = docx.Document()
    for part in paragraphs(text):
        document.add_paragraph(" ".join(part.split()))
    document.save(str(path))
    return path


def write_pdf(text: str, path: Path) -> Path:
    """Pages of 50 lines in Helvetica; what Latin-1 has not is a question mark."""
    lines = [
        line
        for part in paragraphs(text)
        for line in [*textwrap.wrap(" ".join(part.split()), 85), ""]
    ]
    writer = PdfWriter()
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    names = {NameObject(key): NameObject(value) for key, value in font.items()}
    names[NameObject("/Encoding")] = NameObject("/WinAnsiEncoding")
    fonts = DictionaryObject({NameObject("/F"): DictionaryObject(names)})
    for start in range(0, len(lines), 50):
        escaped = (re.sub(r"([()\\])", r"\\\1", line) for line in lines[start : start + 50])
        shown = "".join(f"({line}) Tj T*\n" for line in escaped)
        content = StreamObject()
        content.set_data(f"BT /F 10 Tf 14 TL 60 780 Td\n{shown}ET".encode("latin-1", "replace"))
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        page.replace_contents(ContentStream(content, writer))
    writer.write(path)
    return path


def part_of(text: str, first: float, last: float) -> str:
    """What lies between two parts of its words."""
    words = list(re.finditer(r"\S+", text))
    start, end = round(first * len(words)), round(last * len(words))
    return text[words[start].start() : words[end - 1].end()]


def with_paragraph(text: str, other: str, chance: random.Random) -> str:
    """With a paragraph of a sixth of its words from another text."""
    count = min(0.9, len(text.split()) / 6 / len(other.split()))
    parts = paragraphs(text)
    added = " ".join(part_of(other, 0, count).split())
    parts.insert(chance.randint(0, len(parts)), added)
    return "\n\n".join(parts)


def mistyped(text: str, chance: random.Random, one_of: int = 60) -> str:
    """With two letters of one of so many words the wrong way round."""
    words = re.split(r"(\s+)", text)
    long = [at for at, word in enumerate(words) if re.fullmatch(r"[A-Za-z]{4,}[.,]?", word)]
    for at in chance.sample(long, min(len(long), max(1, len(words) // 2 // one_of))):
        place = chance.randint(0, 2)
        word = words[at]
        words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return "".join(words)


TEXT_CHANGES: dict[str, Callable[[str, str, Path, random.Random], Path]] = {
    "wrapped anew": lambda text, _, path, __: write_text(
        "\n\n".join(textwrap.fill(" ".join(part.split()), 50) for part in paragraphs(text)),
        path.with_suffix(".txt"),
    ),
    "UTF-16, Windows line ends": lambda text, _, path, __: write_text(
        text.replace("\n", "\r\n"), path.with_suffix(".txt"), "utf-16"
    ),
    "web page": lambda text, _, path, __: write_page(text, path.with_suffix(".html")),
    "Word file": lambda text, _, path, __: write_word_file(text, path.with_suffix(".docx")),
    "PDF": lambda text, _, path, __: write_pdf(text, path.with_suffix(".pdf")),
    "a paragraph added": lambda text, other, path, chance: write_text(
        with_paragraph(text, other, chance), path.with_suffix(".txt")
    ),
    "trimmed by 10 % at the beginning": lambda text, _, path, __: write_text(
        part_of(text, 0.1, 1), path.with_suffix(".txt")
    ),
    "trimmed by 20 % at the end": lambda text, _, path, __: write_text(
        part_of(text, 0, 0.8), path.with_suffix(".txt")
    ),
    "a typing error in one of 60 words": lambda text, _, path, chance: write_text(
        mistyped(text, chance), path.with_suffix(".txt")
    ),
    "in capitals": lambda text, _, path, __: write_text(text.upper(), path.with_suffix(".txt")),
    "trimmed, typing errors, Word file": lambda text, _, path, chance: write_word_file(
        mistyped(part_of(text, 0.05, 0.9), chance), path.with_suffix(".docx")
    ),
}


def filled_in(text: str, other: str, one_of: int, length: int, chance: random.Random) -> str:
    """A form filled in otherwise: one of so many words from another text, in fields of so many."""
    words, foreign = text.split(), other.split()
    fields = len(words) // length
    for field in chance.sample(range(fields), max(1, round(fields / one_of))):
        start = chance.randint(0, len(foreign) - length)
        words[length * field : length * (field + 1)] = foreign[start : start + length]
    return " ".join(words)


def numbered(text: str, chance: random.Random, one_of: int = 20) -> str:
    """A form with a date, an amount or a number after one of so many words."""

    def number() -> str:
        day, month = chance.randint(1, 28), chance.randint(1, 12)
        kinds = (
            f"{day}.{month}.2024",
            f"{chance.uniform(5, 2000):.2f}",
            str(chance.randint(100, 99_999)),
        )
        return chance.choice(kinds)

    words = text.split()
    for at in range(len(words) // one_of * one_of, 0, -one_of):
        words.insert(at, number())
    return " ".join(words)


def new_version(text: str, other: str, chance: random.Random) -> str:
    """With other sentences instead of a third of its own."""
    own, foreign = (re.split(r"(?<=[.:])\s+", words.strip()) for words in (text, other))
    for at in chance.sample(range(len(own)), max(1, round(len(own) / 3))):
        own[at] = chance.choice(foreign)
    return " ".join(own)


HARD_TEXTS: dict[str, Callable[[str, str, random.Random], tuple[str, str]]] = {
    "one word in seven replaced": lambda text, other, chance: (
        text,
        filled_in(text, other, 7, 1, chance),
    ),
    "one word in ten replaced": lambda text, other, chance: (
        text,
        filled_in(text, other, 10, 1, chance),
    ),
    "one in ten, in fields of three": lambda text, other, chance: (
        text,
        filled_in(text, other, 10, 3, chance),
    ),
    "other numbers, one to 20 words": lambda text, _, chance: (
        numbered(text, chance),
        numbered(text, chance),
    ),
    "a third of the sentences replaced": lambda text, other, chance: (
        text,
        new_version(text, other, chance),
    ),
}
"""Of a text and another one: two texts that are merely similar."""
