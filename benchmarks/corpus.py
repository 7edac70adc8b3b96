"""Make a corpus of short captioned sounds from free Debian packages.

    python benchmarks/corpus.py WORK

Package by package: look up the size, download (`apt-get download`, nothing is installed), unpack,
keep the sounds that `corpus.toml` has a caption for (mono FLAC, the first ten seconds), delete the
rest. Then general-MIDI instruments are rendered with two free soundfonts, sentences are
spoken by espeak-ng, and tones, noises and a few everyday sounds are made. The result, in WORK:

    manifest.csv    path,text,package,version,licence,source: one row a sound
    corpus/         the sounds; nothing of it belongs into the repository

Needs Debian or a derivative with `fluidsynth` and `espeak-ng` installed and package lists up to
date (`apt-get update`). Stopped runs continue where they were. `encoders/adapter.py` takes over.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.random import Generator
from rich.console import Console
from rich.progress import track

RECIPE = Path(__file__).with_suffix(".toml")
COLUMNS = ["path", "text", "package", "version", "licence", "source"]
SECONDS = 10.0
SUFFIXES = {".wav", ".ogg", ".oga", ".flac", ".opus", ".mp3", ".aif", ".aiff"}
RATE = 44_100
SPAN = 5 * RATE  # samples of an everyday sound that is made
Array = np.ndarray[Any, Any]
Row = dict[str, str]


# --- packages ---------------------------------------------------------------------------------


def package_size(name: str) -> int | None:
    """Bytes to download for a package's newest version, or None where apt does not know it."""
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", name],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"^Size: (\d+)", shown, re.MULTILINE)
    return int(found[1]) if found else None


def unpack(name: str, folder: Path) -> str:
    """Download a package and unpack it into `folder`; the package file is deleted. Its version."""
    folder.mkdir(parents=True)
    command = ["apt-get", "download", "-o", "APT::Sandbox::User=root", name]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (deb,) = folder.glob("*.deb")
    shown = subprocess.run(
        ["dpkg-deb", "-f", deb, "Version"], capture_output=True, text=True, check=True
    )
    subprocess.run(["dpkg-deb", "-x", deb, folder / "tree"], check=True)
    deb.unlink()
    return shown.stdout.strip()


def members(tree: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Every sound below a folder, also those in games' archives: (path, read), in path order."""
    for path in sorted(p for p in tree.rglob("*") if p.is_file() and not p.is_symlink()):
        name = str(path.relative_to(tree)).removeprefix("usr/share/")
        read = ARCHIVES.get(path.suffix.lower())
        if path.suffix.lower() in SUFFIXES:
            yield name, path.read_bytes
        elif read is not None:
            for inner, content in read(path.read_bytes()):
                if Path(inner).suffix.lower() in SUFFIXES or path.suffix == ".cat":
                    yield f"{name}/{inner}", lambda content=content: content  # type: ignore[misc]


def read_rcc(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Qt's compiled resources: a tree of 14 or 22 byte nodes, a table of names, the contents."""
    version, tree, contents, names = struct.unpack(">4I", data[4:20])
    node = 14 if version < 2 else 22

    def name(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        return data[names + offset + 6 : names + offset + 6 + 2 * length].decode("utf-16-be")

    def walk(index: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        at = tree + index * node
        name_offset, flags = struct.unpack_from(">IH", data, at)
        path = f"{prefix}/{name(name_offset)}" if index else ""
        if flags & 2:  # a folder
            count, first = struct.unpack_from(">II", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (length,) = struct.unpack_from(">I", data, contents + offset)
        content = data[contents + offset + 4 : contents + offset + 4 + length]
        if not flags & 4:  # Zstandard is not needed so far
            yield path.strip("/"), zlib.decompress(content[4:]) if flags & 1 else content

    yield from walk(0, "")


def read_cat(data: bytes) -> Iterator[tuple[str, bytes]]:
    """OpenTTD's sound container: offsets and lengths, then a name and a WAV file each."""
    (first,) = struct.unpack_from("<I", data)
    for index in range((first & 0x7FFFFFFF) // 8):
        offset, length = struct.unpack_from("<II", data, 8 * index)
        offset &= 0x7FFFFFFF
        start = offset + 1 + data[offset]
        yield data[offset + 1 : start].rstrip(b"\0").decode("latin-1"), data[start : start + length]


def read_group(data: bytes) -> Iterator[tuple[str, bytes]]:
    """OpenClonk's groups: gzip with another magic number, a scrambled header, 316 byte entries."""
    if data[:2] in (b"\x1e\x8c", b"\x1f\x8b"):
        data = zlib.decompressobj(31).decompress(b"\x1f\x8b" + data[2:])
    header = bytearray(x ^ 237 for x in data[:204])
    for i in range(0, 202, 3):
        header[i], header[i + 2] = header[i + 2], header[i]
    (count,) = struct.unpack_from("<I", header, 36)
    for index in range(count):
        entry = data[204 + 316 * index : 204 + 316 * (index + 1)]
        name = entry[:260].split(b"\0")[0].decode("latin-1")
        _, is_group, size, _, offset = struct.unpack_from("<5i", entry, 260)
        content = data[204 + 316 * count + offset :][:size]
        if is_group:
            yield from ((f"{name}/{inner}", blob) for inner, blob in read_group(content))
        else:
            yield name, content


def read_zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(archive.namelist()):
            if Path(name).suffix.lower() in SUFFIXES:
                yield name, archive.read(name)


ARCHIVES: dict[str, Callable[[bytes], Iterator[tuple[str, bytes]]]] = {
    ".rcc": read_rcc,
    ".cat": read_cat,
    ".pk3": read_zip,
    ".zip": read_zip,
    **dict.fromkeys([".ocg", ".ocd", ".ocs", ".ocf"], read_group),
}


# --- captions ---------------------------------------------------------------------------------


def caption(path: str, rules: list[list[str]]) -> str:
    """The caption of the first rule that matches; "" where none does or the name says nothing."""
    for pattern, text in rules:
        if re.search(pattern, path.lower()):
            return (
                text.replace("{name}", spoken_name(path))
                if spoken_name(path)
                else ("" if "{name}" in text else text)
            )
    return ""


def spoken_name(path: str) -> str:
    """A file's name as words ("dog_bark1.ogg" -> "dog bark"), or "" where it is not made of any."""
    stem = re.sub(r"([a-z])([A-Z])", r"\1 \2", Path(path).stem)
    words = [w for w in re.split(r"[^a-z]+", stem.lower()) if w]
    ordinary = all(len(w) > 2 and re.search("[aeiouy]", w) for w in words)
    return " ".join(words) if ordinary else ""


# --- sounds that are made ---------------------------------------------------------------------

# General MIDI's 128 programs, what one hears; "" is left out.
INSTRUMENTS = """a piano;a piano;a piano;a honky-tonk piano;an electric piano;an electric piano;
a harpsichord;a clavinet;a celesta;a glockenspiel;a music box;a vibraphone;a marimba;a xylophone;
tubular bells;a dulcimer;an electric organ;an electric organ;a rock organ;a church organ;
a reed organ;an accordion;a harmonica;an accordion;a classical guitar;an acoustic guitar;
a jazz guitar;an electric guitar;a muted electric guitar;an overdriven electric guitar;
a distorted electric guitar;guitar harmonics;a double bass;a bass guitar;a bass guitar;
a fretless bass guitar;a slapped bass guitar;a slapped bass guitar;a synthesizer bass;
a synthesizer bass;a violin;a viola;a cello;a double bass played with a bow;
tremolo strings;plucked strings;a harp;a timpani drum;a string orchestra;a string orchestra;
synthesizer strings;synthesizer strings;a choir;a choir;a synthesizer voice;an orchestra hit;
a trumpet;a trombone;a tuba;a muted trumpet;a french horn;a brass section;synthesizer brass;
synthesizer brass;a soprano saxophone;an alto saxophone;a tenor saxophone;a baritone saxophone;
an oboe;an english horn;a bassoon;a clarinet;a piccolo;a flute;a recorder;a pan flute;
blowing into a bottle;a shakuhachi flute;a person whistling;an ocarina;a synthesizer;a synthesizer;
a synthesizer;a synthesizer;a synthesizer;a synthesizer voice;a synthesizer;a synthesizer;
a synthesizer pad;a synthesizer pad;a synthesizer pad;a synthesizer voice;a synthesizer pad;
a synthesizer pad;a synthesizer pad;a synthesizer pad;;;;;;;;;a sitar;a banjo;a shamisen;a koto;
a kalimba;bagpipes;a fiddle;a shehnai;a small bell;an agogo bell;a steel drum;a wood block;
a taiko drum;a tom drum;a synth drum;a reversed cymbal;guitar fret noise;a person breathing;
waves on the shore;a bird tweeting;a telephone ringing;a helicopter;applause;a gunshot"""
DRUMS = {
    36: "a bass drum", 37: "a rim shot", 38: "a snare drum", 39: "hands clapping",
    41: "a tom drum", 42: "a closed hi-hat", 46: "an open hi-hat", 48: "a tom drum",
    49: "a crash cymbal", 51: "a ride cymbal", 54: "a tambourine", 56: "a cowbell",
    60: "bongo drums", 62: "a conga drum", 65: "a timbale", 67: "an agogo bell", 69: "a shaker",
    70: "maracas", 71: "a whistle", 73: "a guiro", 75: "claves", 76: "a wood block",
    78: "a cuica", 81: "a triangle",
}  # fmt: skip
SOUNDFONTS = {  # package: (file, licence)
    "fluid-soundfont-gm": ("usr/share/sounds/sf2/FluidR3_GM.sf2", "MIT"),
    "timgm6mb-soundfont": ("usr/share/sounds/sf2/TimGM6mb.sf2", "GPL-2+"),
}
# What people look for most gets more phrases.
FAMILIAR = {
    0: "a piano", 1: "a piano", 2: "a piano", 19: "a church organ", 24: "a classical guitar",
    25: "an acoustic guitar", 40: "a violin", 42: "a cello", 56: "a trumpet", 73: "a flute",
}  # fmt: skip
SLOT = 5.0  # seconds from one phrase to the next
LOW = {*range(32, 40), 43, 47, 58, 67, 70}
HIGH = {8, 9, 10, 72, 74, 78, 79, 112}


class Score:
    """Phrases one after the other, each in a slot of five seconds."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.events: list[tuple[float, bytes]] = []
        self.slots: list[tuple[str, str]] = []
        """(caption, name) of each phrase."""

    def note(self, channel: int, at: float, length: float, pitch: int) -> None:
        """Play a note in the present slot, `at` seconds from its start."""
        start = SLOT * len(self.slots) + at
        velocity = int(self.random.integers(70, 115))
        self.events.append((start, bytes([0x90 | channel, pitch, velocity])))
        self.events.append((start + length, bytes([0x80 | channel, pitch, 0])))

    def play_instrument(self, program: int, text: str) -> None:
        """A slow line, chords, and a quick line, where the instrument is at home."""
        middle = 40 if program in LOW else 76 if program in HIGH else 62
        scale = middle + np.array([-12, -8, -5, -3, 0, 2, 4, 5, 7, 9, 12])
        for phrase in range(3):
            self.events.append((SLOT * len(self.slots), bytes([0xC0, program])))
            if phrase == 0:
                for beat in range(4):
                    self.note(0, 0.9 * beat, 0.85, int(self.random.choice(scale)))
            elif phrase == 1:
                for beat in range(3):
                    root = middle + int(self.random.choice([-5, -3, 0, 2, 5]))
                    for step in (0, 4, 7):
                        self.note(0, 1.25 * beat, 1.15, root + step)
            else:
                for beat in range(14):
                    self.note(0, 0.26 * beat, 0.25, int(self.random.choice(scale)))
            self.slots.append((text, f"program-{program}-{phrase}"))

    def play_more(self, program: int, text: str) -> None:
        """Low notes, high notes, arpeggios, a tune over a bass, single notes."""
        middle = 50 if program == 42 else 62
        major = [0, 4, 7, 12, 16]
        for phrase in range(5):
            self.events.append((SLOT * len(self.slots), bytes([0xC0, program])))
            root = middle + int(self.random.integers(-4, 5))
            if phrase < 2:
                shift = 14 if phrase else -12
                for beat in range(8):
                    step = int(self.random.choice([0, 2, 4, 5, 7]))
                    self.note(0, 0.5 * beat, 0.48, root + shift + step)
            elif phrase == 2:
                for beat in range(20):
                    chord = root + [0, 5, 7, 0][beat // 5]
                    self.note(0, 0.21 * beat, 0.6, chord + major[beat % 5] - 12)
            elif phrase == 3:
                for beat in range(8):
                    step = int(self.random.choice([0, 2, 4, 7, 9, 12]))
                    self.note(0, 0.5 * beat, 0.45, root + 5 + step)
                    if beat % 2 == 0:
                        self.note(0, 0.5 * beat, 0.95, root - 14 + [0, 5, 7, 0][beat // 2])
            else:
                for beat in range(2):
                    self.note(0, 2.2 * beat, 1.9, root + 5 * beat)
            self.slots.append((text, f"more-{program}-{phrase}"))

    def play_drums(self) -> None:
        """Each drum alone, then four beats of a kit."""
        for drum, text in DRUMS.items():
            for beat in range(6):
                self.note(9, 0.6 * beat, 0.5, drum)
            self.slots.append((text, f"drum-{drum}"))
        for take in range(4):
            for beat in range(16):
                self.note(9, 0.25 * beat, 0.2, 42)
                if beat % 4 == 0 or self.random.random() < 0.2:
                    self.note(9, 0.25 * beat, 0.2, 36)
                if beat % 8 == 4 or (take and self.random.random() < 0.1):
                    self.note(9, 0.25 * beat, 0.2, 38)
            self.slots.append(("a drum kit", f"kit-{take}"))


def midi_file(events: list[tuple[float, bytes]]) -> bytes:
    """Format 0, 500 ticks a second."""

    def variable(number: int) -> bytes:
        out = [number & 0x7F]
        while number := number >> 7:
            out.append(0x80 | number & 0x7F)
        return bytes(reversed(out))

    track, now = b"\0\xff\x51\x03" + (1_000_000).to_bytes(3, "big"), 0
    for seconds, message in events:
        tick = round(500 * seconds)
        track += variable(tick - now) + message
        now = tick
    track += variable(2500) + b"\xff\x2f\0"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, 500)
    return head + struct.pack(">4sI", b"MTrk", len(track)) + track


def render_instruments(soundfont: Path, seed: int) -> Iterator[tuple[str, str, Array]]:
    """(caption, name, mono samples at 44.1 kHz) of every phrase, played by fluidsynth."""
    score = Score(seed)
    for program, text in enumerate(re.split(r";\n?", INSTRUMENTS)):
        if text:
            score.play_instrument(program, text)
    score.play_drums()
    for program, text in FAMILIAR.items():
        score.play_more(program, text)
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder, "score.mid"), Path(folder, "score.wav")
        # by time alone: a program change stays before the notes of the same moment
        midi.write_bytes(midi_file(sorted(score.events, key=lambda event: event[0])))
        command = ["fluidsynth", "-n", "-i", "-q", "-r", str(RATE), "-F", wave, soundfont, midi]
        subprocess.run(command, check=True, capture_output=True)
        with soundfile.SoundFile(wave) as sound:
            for text, name in score.slots:
                samples = sound.read(int(SLOT * RATE), dtype="float32", always_2d=True)
                yield text, name, samples.mean(axis=1)[: int((SLOT - 0.5) * RATE)]


SENTENCES = [
    "Good morning. The train to the coast leaves from platform four in ten minutes.",
    "I went to the market and bought apples, bread and a little cheese.",
    "Could you please close the window? It is getting cold in here.",
    "Yes, of course, I will call you back tomorrow afternoon.",
]


def speak() -> Iterator[tuple[str, str, Array]]:
    """Sentences spoken by espeak-ng in several voices."""
    kinds = {
        "a man speaking": ["m1", "m2", "m3", "m4", "m5", "m7"],
        "a woman speaking": ["f1", "f2", "f3", "f4", "f5"],
        "a person whispering": ["whisper", "whisperf"],
    }
    for text, variants in kinds.items():
        for place, variant in enumerate(variants):
            for number in range(2):
                sentence = SENTENCES[(place + number) % len(SENTENCES)]
                command = ["espeak-ng", "-v", f"en-us+{variant}", "--stdout", sentence]
                spoken = subprocess.run(command, check=True, capture_output=True).stdout
                # Piped WAV headers carry no length; a minute is more than any sentence takes.
                head = spoken.index(b"data") + 8
                samples = np.frombuffer(spoken[head : head + len(spoken[head:]) // 2 * 2], "<i2")
                rate = struct.unpack_from("<I", spoken, 24)[0]
                samples = resample(samples.astype(np.float32) / 32768, rate)
                yield text, f"{variant}-{number}", samples


def synthesise(seed: int) -> Iterator[tuple[str, str, Array]]:
    """Plain tones, beeps and noises."""
    random = np.random.default_rng(seed)
    time = np.arange(4 * RATE) / RATE

    def noise(slope: float) -> Array:
        spectrum = np.fft.rfft(random.standard_normal(len(time)))
        spectrum[1:] *= np.fft.rfftfreq(len(time), 1 / RATE)[1:] ** (-slope / 2)
        spectrum[0] = 0
        out: Array = np.fft.irfft(spectrum)
        return out / np.abs(out).max()

    def harmonics(turns: Array, count: int) -> Array:
        parts = [np.sin(2 * np.pi * k * turns) / k for k in range(1, count + 1)]
        out: Array = np.sum(parts, axis=0) / 2
        return out

    for hertz in (220, 440, 1000, 3000):
        yield "a steady tone", f"sine-{hertz}", np.sin(2 * np.pi * hertz * time)
    for hertz, length in ((800, 0.5), (1000, 0.2), (2000, 0.1), (1500, 1.0)):
        gate = (time % (2 * length)) < length
        yield "beeping", f"beeps-{hertz}", gate * np.sin(2 * np.pi * hertz * time)
    for hertz in (110, 300):
        wave = np.sign(np.sin(2 * np.pi * hertz * time))
        yield "a harsh buzzing tone", f"square-{hertz}", wave
    for slope, text in ((0, "white noise"), (1, "static noise"), (2, "a low rumbling noise")):
        for take in range(2):
            yield text, f"noise-{slope}-{take}", noise(slope)
    for name, span in (("up", (200, 4000)), ("down", (4000, 200))):
        turns = np.cumsum(np.geomspace(*span, len(time))) / RATE
        text = "a rising tone" if name == "up" else "a falling tone"
        yield text, f"sweep-{name}", np.sin(2 * np.pi * turns)
    for hertz in (50, 60):
        hum = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3, 5))
        yield "an electric hum", f"hum-{hertz}", np.asarray(hum) / 3
    keys = [(697, 1209), (770, 1336), (852, 1477), (941, 1336), (697, 1477), (770, 1209)]
    dial = np.zeros_like(time)
    for place, (low, high) in enumerate(keys):
        part = (time > 0.5 * place) & (time < 0.5 * place + 0.25)
        dial += part * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)) / 2
    yield "dialling a telephone", "keypad", dial
    for name, low, high, period, vowel in (
        ("wail", 500, 1500, 4.0, 3), ("yelp", 600, 1400, 0.4, 3), ("slow", 350, 800, 8.0, 1),
        ("thin", 700, 1700, 3.0, 1), ("quick", 800, 1600, 0.2, 5),
    ):  # fmt: skip
        sweep = low + (high - low) * (0.5 - 0.5 * np.cos(2 * np.pi * time / period))
        yield "a siren", f"siren-{name}", harmonics(np.cumsum(sweep) / RATE, vowel)
    for low, high, period in ((450, 600, 1.2), (660, 880, 1.0)):
        pitch = np.where(time % period < period / 2, low, high)
        yield "a police siren", f"two-tone-{low}", harmonics(np.cumsum(pitch) / RATE, 3)
    for rate in (1.0, 2.0):
        click = np.exp(-(time % (1 / rate)) * 400) * np.sin(2 * np.pi * 2500 * time)
        yield "a ticking clock", f"ticks-{rate:.0f}", click


# Everyday sounds out of noise, pulses and decaying tones, of which packages have few recordings:
# several takes of each kind in EVERYDAY, with other parameters. Kinds were kept when the audio
# backbone put them near recordings of a like kind; footsteps, engines, bells and voices made in
# this way lay near musical instruments, motors near the sea.


def band(random: Generator, low: float, high: float, length: int = SPAN) -> Array:
    """Pink noise between two frequencies in hertz, of unit power."""
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    shape = np.clip(hertz, 1, None) ** -0.5
    shape /= np.sqrt((1 + (low / np.clip(hertz, 1, None)) ** 4) * (1 + (hertz / high) ** 4))
    phases = np.exp(2j * np.pi * random.random(len(hertz)))
    out: Array = np.fft.irfft(shape * phases, length)
    return out / out.std()


def drift(random: Generator, rate: float, low: float, high: float, length: int = SPAN) -> Array:
    """A curve that wanders between two values, `rate` turns a second."""
    count = max(4, int(rate * length / RATE) + 3)
    at = np.linspace(0, count - 1, length)
    left = at.astype(int).clip(0, count - 2)
    ease = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    points = random.uniform(low, high, count)
    out: Array = points[left] * (1 - ease) + points[left + 1] * ease
    return out


def strike(partials: list[tuple[float, float, float]], seconds: float) -> Array:
    """Decaying sines: (hertz, loudness, decay a second)."""
    time = np.arange(int(seconds * RATE)) / RATE
    out: Array = np.sum(
        [a * np.exp(-d * time) * np.sin(2 * np.pi * f * time) for f, a, d in partials], axis=0
    )
    return out


def burst(random: Generator, low: float, high: float, seconds: float, attack: float = 0.1) -> Array:
    """A short noise: `attack` is the part of it that it rises for."""
    length = int(seconds * RATE)
    time = np.linspace(0, 1, length)
    shape = np.minimum(time / attack, np.exp(-5 * (time - attack)))
    return band(random, low, high, length) * shape


def place(events: Iterable[tuple[float, Array]], length: int = SPAN) -> Array:
    """Sounds at their times in seconds, added up."""
    out = np.zeros(length)
    for at, sound in events:
        start = int(at * RATE)
        if 0 <= start < length:
            part = sound[: length - start]
            out[start : start + len(part)] += part
    return out


def beats(random: Generator, rate: float, jitter: float = 0.1, until: float = 5) -> list[float]:
    """Times in seconds of something regular, `rate` a second."""
    steps = random.normal(1, jitter, int(until * rate) + 1).clip(0.3, 3) / rate
    return [float(t) for t in np.cumsum(steps) - steps[0] * random.random()]


def hum(random: Generator, hertz: Array, count: int, tilt: float = 1.0) -> Array:
    """Harmonics of a pitch curve with uneven loudness."""
    turns = np.cumsum(hertz) / RATE
    out = np.zeros(len(hertz))
    for k in range(1, count + 1):
        out += random.uniform(0.4, 1) / k**tilt * np.sin(2 * np.pi * (k * turns + random.random()))
    return out


def specks(random: Generator, rate: float, low: float, high: float, seconds: float) -> Array:
    """Very many tiny clicks of very different loudness."""
    hits = np.zeros(SPAN)
    count = int(rate * SPAN / RATE)
    hits[random.integers(0, SPAN, count)] = random.lognormal(0, 1, count)
    click = burst(random, low, high, seconds, 0.05)
    out: Array = np.fft.irfft(np.fft.rfft(hits) * np.fft.rfft(click, SPAN), SPAN)
    return out / out.std()


def bubbles(random: Generator, rate: float, low: Array, high: float) -> Array:
    """Chirps of bubbles, `rate` a second; `low` is the curve of the lowest pitch."""
    events = []
    for at in random.uniform(0, SPAN / RATE, int(rate * SPAN / RATE)):
        start = low[int(at * RATE)] * (high / low[0]) ** random.random()
        time = np.arange(int(0.06 * RATE)) / RATE
        turns = start * (time + random.uniform(0, 3) * time**2)
        loud = random.lognormal(-1, 0.8)
        events.append((at, loud * np.exp(-time * start / 15) * np.sin(2 * np.pi * turns)))
    out = place(events)
    return out / out.std()


def rain(r: Generator) -> Array:
    return r.uniform(0.3, 1) * band(r, 800, 9000) + specks(r, r.uniform(80, 600), 1500, 9000, 0.01)


def wind(r: Generator) -> Array:
    parts = [
        drift(r, 0.7, 0, 1) ** 2 * band(r, f * 0.9, f * 1.1) * (300 / f) ** 0.5
        for f in np.geomspace(150, 1200, 7) * r.uniform(0.8, 1.3)
    ]
    return np.sum(parts, axis=0) + 0.3 * band(r, 60, 500) * drift(r, 0.7, 0.3, 1)


def waves(r: Generator) -> Array:
    time = np.arange(SPAN) / RATE
    swell = (0.5 - 0.5 * np.cos(2 * np.pi * (time / r.uniform(3.5, 6) + r.random()))) ** 2
    return band(r, 80, 900) * (0.2 + swell) + band(r, 1500, 8000) * swell**2 * r.uniform(0.3, 0.8)


def fire(r: Generator) -> Array:
    crackle = specks(r, r.uniform(8, 40), 1500, 9000, r.uniform(0.004, 0.015))
    return crackle + r.uniform(0.1, 0.4) * band(r, 50, 500) * drift(r, 3, 0.5, 1)


def thunder(r: Generator) -> Array:
    time = np.arange(SPAN) / RATE
    roll = np.exp(-time * r.uniform(0.5, 1.2)) * drift(r, 5, 0.1, 1)
    crack = place([(0.05, burst(r, 200, 6000, r.uniform(0.2, 0.8), 0.03))])
    return band(r, 25, r.uniform(120, 300)) * roll + r.uniform(0, 0.7) * crack


def stream(r: Generator) -> Array:
    low = np.full(SPAN, r.uniform(300, 600))
    return bubbles(r, r.uniform(100, 250), low, 3500) + r.uniform(0.1, 0.4) * band(r, 800, 8000)


def pouring(r: Generator) -> Array:
    low = np.geomspace(r.uniform(250, 400), r.uniform(700, 1200), SPAN)
    return bubbles(r, r.uniform(60, 120), low, 1500) + 0.15 * band(r, 1500, 9000)


def crickets(r: Generator) -> Array:
    events = []
    for _ in range(int(r.integers(1, 4))):
        f, loud, count = r.uniform(3800, 5200), r.uniform(0.3, 1), int(r.integers(3, 6))
        pulse = np.hanning(int(0.016 * RATE))
        pulse = loud * pulse * np.sin(2 * np.pi * f * np.arange(len(pulse)) / RATE)
        for at in beats(r, r.uniform(1.8, 3.5), 0.04):
            events += [(at + 0.024 * k, pulse) for k in range(count)]
    return place(events) + 0.003 * band(r, 500, 6000)


def bird(r: Generator) -> Array:
    shapes = []
    for _ in range(int(r.integers(1, 4))):
        length = int(r.uniform(0.05, 0.2) * RATE)
        pitch = r.uniform(2200, 4500) * np.exp(drift(r, 12, -0.35, 0.35, length))
        shapes.append(np.hanning(length) * np.sin(2 * np.pi * np.cumsum(pitch) / RATE))
    events = []
    for at in beats(r, r.uniform(0.7, 1.4), 0.2):
        for k in range(int(r.integers(2, 6))):
            events.append((at + k * 0.13, shapes[k % len(shapes)]))
    return place(events) + 0.01 * band(r, 200, 6000)


def heartbeat(r: Generator) -> Array:
    low = r.uniform(40, 65)
    lub, dub = strike([(low, 1, 18), (low * 2, 0.4, 25)], 0.3), strike([(low * 1.3, 0.7, 25)], 0.2)
    return place(
        e for at in beats(r, r.uniform(1, 1.8), 0.03) for e in ((at, lub), (at + 0.28, dub))
    )


def applause(r: Generator) -> Array:
    events = []
    for _ in range(int(r.integers(30, 150))):
        low = r.uniform(500, 1300)
        clap = r.uniform(0.3, 1) * burst(r, low, low * 3, r.uniform(0.04, 0.12), 0.03)
        events += [(at, clap) for at in beats(r, r.uniform(2.2, 4.5), 0.05)]
    return place(events)


def brushing(r: Generator) -> Array:
    time = np.arange(SPAN) / RATE
    strokes = np.abs(np.sin(np.pi * np.cumsum(drift(r, 1, 5, 9)) / RATE)) ** 0.7
    pauses = (drift(r, 1, 0, 1) > 0.2) * np.minimum(1, 20 * time)
    return band(r, 2000, 9000) * strokes * pauses


def alarm_clock(r: Generator) -> Array:
    time, pitch = np.arange(SPAN) / RATE, r.uniform(1500, 3200)
    beep, count = r.uniform(0.06, 0.12), int(r.integers(1, 5))
    place_in = time % max(1.0, 2 * beep * count + 0.3)
    gate = (place_in % (2 * beep) < beep) & (place_in < 2 * beep * count)
    return gate * np.sign(np.sin(2 * np.pi * pitch * time)) * 0.6


def chainsaw(r: Generator) -> Array:
    pitch = drift(r, r.uniform(0.6, 1.5), 70, r.uniform(120, 180))
    rasp = band(r, 800, 7000) * (0.6 + 0.4 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE))
    return hum(r, pitch * np.exp(drift(r, 30, -0.02, 0.02)), 40, 0.3) + r.uniform(0.5, 1.2) * rasp


def fireworks(r: Generator) -> Array:
    events: list[tuple[float, Array]] = []
    for at in beats(r, r.uniform(0.6, 1.6), 0.4):
        events.append((at, r.uniform(0.5, 1.5) * burst(r, 40, r.uniform(300, 1500), 0.9, 0.01)))
        crackle = 0.2 * specks(r, 200, 2000, 9000, 0.006)[: int(0.8 * RATE)]
        events.append((at + 0.25, crackle * np.linspace(1, 0, len(crackle))))
        if r.random() < 0.5:
            pitch = np.linspace(1200, r.uniform(2500, 4500), int(0.7 * RATE))
            events.append((at - 0.7, 0.15 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)))
    return place(events)


EVERYDAY: list[tuple[str, Callable[[Generator], Array]]] = [
    ("rain falling", rain), ("wind howling", wind), ("waves on the shore", waves),
    ("a crackling fire", fire), ("thunder", thunder), ("a flowing stream", stream),
    ("pouring water into a glass", pouring), ("crickets chirping", crickets),
    ("a bird chirping", bird), ("a heartbeat", heartbeat), ("applause", applause),
    ("brushing teeth", brushing), ("an alarm clock", alarm_clock), ("a chainsaw", chainsaw),
    ("fireworks", fireworks),
]  # fmt: skip
TAKES = 6


def everyday(seed: int) -> Iterator[tuple[str, str, Array]]:
    """(caption, name, mono samples at 44.1 kHz) of every take, faded in and out."""
    fade = np.minimum(1, 20 * np.minimum(np.linspace(0, 5, SPAN), np.linspace(5, 0, SPAN)))
    for number, (text, how) in enumerate(EVERYDAY):
        for take in range(TAKES):
            samples = how(np.random.default_rng((seed, number, take)))
            name = re.sub(r"\W+", "-", text) + f"-{take}"
            yield text, name, fade * 0.7 * samples / np.abs(samples).max()


# --- writing ----------------------------------------------------------------------------------


def resample(samples: Array, rate: int) -> Array:
    import soxr

    out: Array = soxr.resample(samples, rate, RATE)
    return out


def first_seconds(content: bytes) -> tuple[Array, int] | None:
    """The first ten seconds, mono; None for what cannot be read or is silent."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            samples = sound.read(int(SECONDS * sound.samplerate), dtype="float32", always_2d=True)
            rate = sound.samplerate
    except (soundfile.LibsndfileError, RuntimeError):
        return None
    mono = samples.mean(axis=1)
    if len(mono) < 0.02 * rate or not np.isfinite(mono).all() or np.abs(mono).max() < 1e-3:
        return None
    return mono, rate


class Corpus:
    """The work folder. A source's rows are written when all of it is there."""

    def __init__(self, work: Path) -> None:
        self.work = work
        (work / "rows").mkdir(parents=True, exist_ok=True)

    def add(
        self, package: str, version: str, sounds: Iterator[tuple[str, str, str, Array, int]]
    ) -> None:
        """sounds: (caption, source, licence, mono samples, rate)."""
        folder = self.work / "corpus" / package
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows: list[Row] = []
        for text, source, licence, samples, rate in sounds:
            name = re.sub(r"[^A-Za-z0-9]+", "-", Path(source).stem)[-60:].strip("-")
            path = folder / f"{len(rows):04d}-{name}.flac"
            scaled = samples / max(1.0, float(np.abs(samples).max()))
            soundfile.write(path, scaled, rate, subtype="PCM_16")
            values = [str(path.relative_to(self.work)), text, package, version, licence, source]
            rows.append(dict(zip(COLUMNS, values, strict=True)))
        write_rows(self.rows_file(package), rows)

    def rows_file(self, package: str) -> Path:
        return self.work / "rows" / f"{package}.csv"

    def has(self, package: str) -> bool:
        return self.rows_file(package).exists()

    def write_manifest(self) -> list[Row]:
        """Join the sources' rows; a sound that comes up again, byte for byte, is left out."""
        kept, seen = [], set()
        for file in sorted((self.work / "rows").glob("*.csv")):
            with file.open(newline="", encoding="utf-8") as lines:
                for row in csv.DictReader(lines):
                    samples, _ = soundfile.read(self.work / row["path"], dtype="int16")
                    key = hashlib.sha256(samples.tobytes()).digest()
                    if key not in seen:
                        seen.add(key)
                        kept.append(row)
        write_rows(self.work / "manifest.csv", kept)
        return kept


def write_rows(path: Path, rows: list[Row]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def package_sounds(
    package: dict[str, Any], tree: Path
) -> Iterator[tuple[str, str, str, Array, int]]:
    """The captioned sounds of an unpacked package."""
    captioned = [
        (text, path, read)
        for path, read in members(tree)
        if (text := caption(path, package["rules"]))
    ]
    if limit := package.get("sample"):  # many sounds alike: some, evenly spaced
        captioned = captioned[:: max(1, len(captioned) // limit)][:limit]
    for text, path, read in captioned:
        sound = first_seconds(read())
        if sound is not None:
            licence = next(
                (
                    new
                    for pattern, new in package.get("licences", ())
                    if re.search(pattern, path.lower())
                ),
                package["licence"],
            )
            yield text, path, licence, *sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path, help="folder for the corpus")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for program in ("apt-get", "dpkg-deb", "fluidsynth", "espeak-ng"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: install it (Debian: apt-get install {program}).")

    corpus = Corpus(options.work)
    packages = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["package"]
    wanted = [p["name"] for p in packages] + list(SOUNDFONTS)
    sizes = {name: package_size(name) for name in wanted if not corpus.has(name)}
    for name in [n for n, size in sizes.items() if size is None]:
        print(f"{name}: not known to apt here, left out", file=sys.stderr)
    total = sum(size or 0 for size in sizes.values())
    print(f"{len(sizes)} packages to download, {total / 1e6:.0f} MB", file=sys.stderr)

    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        for package in track(packages, "packages", console=Console(stderr=True)):
            name = package["name"]
            if sizes.get(name):
                version = unpack(name, Path(scratch, name))
                corpus.add(name, version, package_sounds(package, Path(scratch, name, "tree")))
                shutil.rmtree(Path(scratch, name))
        for seed, (name, (file, licence)) in enumerate(SOUNDFONTS.items(), options.seed):
            if sizes.get(name):
                version = unpack(name, Path(scratch, name))
                rendered = render_instruments(Path(scratch, name, "tree", file), seed)
                played = (
                    (text, source, licence, samples, RATE) for text, source, samples in rendered
                )
                corpus.add(name, version, played)
                shutil.rmtree(Path(scratch, name))
    made = {
        "espeak-ng": speak(),
        "synthesised": chain(synthesise(options.seed), everyday(options.seed)),
    }
    for name, sounds in made.items():
        if not corpus.has(name):
            corpus.add(name, "", ((t, s, "own work", samples, RATE) for t, s, samples in sounds))

    rows = corpus.write_manifest()
    for name, count in sorted(Counter(row["package"] for row in rows).items()):
        captions = len({row["text"] for row in rows if row["package"] == name})
        print(f"{name:28} {count:5} sounds {captions:4} captions")
    print(f"{len(rows)} sounds, {len({row['text'] for row in rows})} captions")


if __name__ == "__main__":
    main()
