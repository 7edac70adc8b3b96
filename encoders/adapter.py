"""The separate audio adapter: the backbone's features become vectors of a text tower's space.

A sound is described by its likeness to the captions of a corpus of free sounds (a linear
classifier over the captions, each output in standard deviations above its mean), and becomes the
mean of those captions' text embeddings, weighted by that likeness (after ConSE, Norouzi et al.
2014). So nothing but the text tower is asked of a space: for any other tower the adapter is
fitted from the shipped corpus in seconds.

    python -m encoders.adapter MANIFEST.csv [--space NAME] [--out FILE]

fits one from your own sounds: a CSV file with the header `path,text`, one row a sound, paths
relative to the CSV file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from encoders.audio import FEATURES, SAMPLE_RATE, mel_blocks
from encoders.weights import cache_dir

if TYPE_CHECKING:
    from encoders.space import Space

__all__ = ["Adapter", "AdapterError", "SoundCorpus", "adapter_for", "extract", "fit_adapter"]

Array = np.ndarray[Any, Any]
EncodeTexts = Callable[[Sequence[str]], Array]

BACKBONE = "aisfx"
PROMPTS = ("{}", "the sound of {}", "{} sound")
"""A caption's embedding is the mean over these wordings."""
PENALTY = 0.4
"""Of the ridge regression, in variances of the standardised features."""
BALANCE = 0.7
"""A caption's sounds weigh together count ** (1 - BALANCE): 1 would be the same for every one."""
THRESHOLD = 0.5
"""Captions that a sound is like by less, in standard deviations, do not take part in the mean."""


class AdapterError(Exception):
    """No adapter can be loaded or fitted; the message says why, in one sentence."""


@dataclass(frozen=True)
class Adapter:
    """Features (n, 512) to unit vectors (n, dim), in NumPy alone. Immutable and thread-safe."""

    space: str
    """The space that it was fitted for."""
    mean: Array
    """(512,) of the features that it was fitted to."""
    weight: Array
    """(512, captions)."""
    bias: Array
    """(captions,)."""
    vectors: Array
    """(captions, dim): where sounds of each caption lie."""
    offset: Array
    """(dim,): the mean over the captions' sounds, subtracted from every sound."""
    probe: Array
    """(dim,): what the text tower made of `PROBE`; tells another tower of the same name."""
    origin: str = ""
    """Which corpus it was fitted to."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self.vectors.shape[1])

    def __call__(self, features: Array) -> Array:
        """Map the backbone's features, float32 (n, 512), to unit vectors, float32 (n, dim)."""
        likeness = (features - self.mean) @ self.weight + self.bias
        return _unit(_share(likeness) @ self.vectors - self.offset).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write it whole or not at all. float16, which changes no vector by more than 0.001."""
        tensors = {name: getattr(self, name).astype(np.float16) for name in _TENSORS}
        about = {"space": self.space, "dim": str(self.dim), "features": BACKBONE}
        _save(path, tensors, about | {"origin": self.origin})

    @classmethod
    def load(cls, path: Path) -> Adapter:
        """Read an adapter; AdapterError for a file that is none."""
        tensors, about = _load(path)
        shapes = {name: tensors[name].shape for name in _TENSORS if name in tensors}
        captions = shapes.get("bias", (0,))[0]
        fits = (
            len(shapes) == len(_TENSORS)
            and about.get("features") == BACKBONE
            and shapes["mean"] == (FEATURES,)
            and shapes["weight"] == (FEATURES, captions)
            and shapes["vectors"] == (captions, *shapes["probe"])
            and shapes["offset"] == shapes["probe"]
        )
        if not fits:
            raise AdapterError(
                f"{path} is not an audio adapter of this version for {BACKBONE} features: fit it "
                "again with `python -m encoders.adapter`."
            )
        wide = {name: tensors[name].astype(np.float32) for name in _TENSORS}
        return cls(space=about.get("space", ""), origin=about.get("origin", ""), **wide)


@dataclass(frozen=True)
class SoundCorpus:
    """Captioned sounds as features: what an adapter is fitted to."""

    features: Array
    """(sounds, variants, 512): each sound as it is, then in disturbed variants."""
    labels: Array
    """(sounds,): index into captions."""
    captions: tuple[str, ...]
    groups: Array
    """(sounds,): index into sources."""
    sources: tuple[str, ...]
    """Where the sounds come from; a source is left out as a whole when the fit is measured."""

    @property
    def digest(self) -> str:
        """Names its content, short."""
        codes, largest = _narrow(self.features)
        parts = [codes.tobytes(), largest.tobytes(), self.labels.astype(np.int64).tobytes()]
        return hashlib.sha256(b"".join([*parts, *(c.encode() for c in self.captions)])).hexdigest()[
            :12
        ]

    def rounded(self) -> SoundCorpus:
        """As it comes back from a file."""
        return replace(self, features=_widen(*_narrow(self.features)))

    def join(self, other: SoundCorpus) -> SoundCorpus:
        """The sounds of both; of the variants as many as both have."""
        captions = tuple(sorted({*self.captions, *other.captions}))
        sources = tuple(sorted({*self.sources, *other.sources}))
        variants = min(self.features.shape[1], other.features.shape[1])
        both = (self, other)
        return SoundCorpus(
            np.concatenate([c.features[:, :variants] for c in both]),
            np.array([captions.index(c.captions[i]) for c in both for i in c.labels]),
            captions,
            np.array([sources.index(c.sources[i]) for c in both for i in c.groups]),
            sources,
        )

    def subset(self, chosen: Array) -> SoundCorpus:
        """The chosen sounds (a mask or indices)."""
        return replace(
            self,
            features=self.features[chosen],
            labels=self.labels[chosen],
            groups=self.groups[chosen],
        )

    def save(self, path: Path) -> None:
        """Write it whole or not at all, features in eight bits each."""
        codes, largest = _narrow(self.features)
        tensors = {
            "features": codes,
            "largest": largest,
            "labels": self.labels.astype(np.int16),
            "groups": self.groups.astype(np.int16),
        }
        lists = {"captions": json.dumps(self.captions), "sources": json.dumps(self.sources)}
        _save(path, tensors, lists | {"features": BACKBONE})

    @classmethod
    def load(cls, path: Path) -> SoundCorpus:
        """Read a corpus; AdapterError for a file that is none."""
        tensors, about = _load(path)
        try:
            return cls(
                features=_widen(tensors["features"], tensors["largest"]),
                labels=tensors["labels"].astype(np.int64),
                captions=tuple(json.loads(about["captions"])),
                groups=tensors["groups"].astype(np.int64),
                sources=tuple(json.loads(about["sources"])),
            )
        except KeyError as error:
            raise AdapterError(f"{path} is not a corpus of sounds: {error} is missing.") from error


def adapter_for(space_name: str, dim: int, encode_texts: EncodeTexts) -> Adapter:
    """The adapter into a space: the shipped one, else a cached one, else fitted now and cached.

    Args:
        space_name: as in Space.name.
        dim: length of the space's vectors.
        encode_texts: the space's text tower: texts to float32 (n, dim), unit rows.
    """
    if space_name == "embedded":
        return Adapter.load(_shipped_adapter())
    corpus = shipped_corpus()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", space_name).strip("-")[-60:]
    kept = cache_dir() / "adapters" / f"{slug}-{zlib.crc32(space_name.encode()):08x}.safetensors"
    if kept.exists():
        try:
            adapter = Adapter.load(kept)
        except AdapterError:
            adapter = None  # an older layout: fitted again
        # A folder can hold other weights than last time: the same name, another space.
        if (
            adapter is not None
            and adapter.origin == corpus.digest
            and adapter.dim == dim
            and float(adapter.probe @ encode_texts([PROBE])[0]) > 0.99
        ):
            return adapter
    adapter = fit_adapter(corpus, space_name, encode_texts)
    adapter.save(kept)
    return adapter


def fit_adapter(
    corpus: SoundCorpus,
    space_name: str,
    encode_texts: EncodeTexts,
    place: EncodeTexts | None = None,
) -> Adapter:
    """Fit an adapter into a text tower's space. Seconds; the same corpus gives the same adapter.

    Args:
        corpus: captioned sounds.
        space_name: as in Space.name.
        encode_texts: the space's text tower: texts to float32 (n, dim), unit rows.
        place: where sounds with these captions lie, (n, dim); None: where the text tower puts
            the captions, less their mean.

    A ridge regression onto one axis a caption, in which rare captions weigh nearly as much as
    frequent ones. Its outputs are standardised, so that a caption of few sounds can win as well;
    without that, and without subtracting the captions' mean embedding, some texts would lie near
    every sound and some sounds near every text. Raises AdapterError for fewer than two captions.
    """
    present, labels = np.unique(corpus.labels, return_inverse=True)
    if len(present) < 2:
        raise AdapterError("An adapter needs sounds with at least two different texts.")
    captions = [corpus.captions[i] for i in present]
    variants = corpus.features.shape[1]
    x = corpus.features.reshape(-1, FEATURES).astype(np.float64)
    y = np.repeat(np.eye(len(present))[labels], variants, axis=0)
    counts = np.repeat(np.bincount(labels)[labels], variants)

    w = counts**-BALANCE / np.sum(counts**-BALANCE)
    mean = w @ x
    scale = np.sqrt(w @ (x - mean) ** 2) + 1e-3
    x = (x - mean) / scale
    centre = w @ y
    wx = x * w[:, None]
    weight = np.linalg.solve(wx.T @ x + PENALTY * np.eye(FEATURES), wx.T @ (y - centre))

    outputs = x @ weight
    w = 1 / (counts * variants * len(present))
    middle = w @ outputs
    spread = np.sqrt(w @ (outputs - middle) ** 2) + 1e-9
    if place is not None:
        vectors = place(captions)
    else:
        texts = embed_captions(captions, encode_texts)
        vectors = texts - texts.mean(axis=0)
    likeness = (outputs - middle) / spread
    return Adapter(
        space=space_name,
        mean=mean.astype(np.float32),
        weight=(weight / scale[:, None] / spread).astype(np.float32),
        bias=(-middle / spread).astype(np.float32),
        vectors=vectors.astype(np.float32),
        offset=(w @ _share(likeness) @ vectors).astype(np.float32),
        probe=encode_texts([PROBE])[0],
        origin=corpus.digest,
    )


def _share(likeness: Array) -> Array:
    """How much each caption takes part in a sound's vector: (n, captions), unit rows."""
    # Squares, not a softmax: each sound has a caption that it is like, and few dominate.
    most = likeness.max(axis=1, keepdims=True, initial=-np.inf)
    return _unit(np.maximum(likeness - np.minimum(THRESHOLD, most - 1), 0) ** 2)


def embed_captions(captions: Sequence[str], encode_texts: EncodeTexts) -> Array:
    """The captions in the text tower's space, mean over PROMPTS: (n, dim), unit rows."""
    wordings = [encode_texts([prompt.format(c) for c in captions]) for prompt in PROMPTS]
    return _unit(np.mean(wordings, axis=0))


# --- from sound files to a corpus -------------------------------------------------------------

VARIANTS = 3
"""How many disturbed variants of each sound are used beside the sound itself."""
SECONDS = 10.0
"""Of a longer file only the beginning is used: what a caption is about should be heard there."""


def extract(
    manifest: Path,
    space: Space,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SoundCorpus, list[tuple[str, str]]]:
    """Compute the features of a manifest's sounds.

    Args:
        manifest: CSV file with the columns path and text, and optionally package.
        space: any space; only its audio backbone is used.
        seed: of the disturbed variants.
        progress: called with (sounds done, sounds in all).

    Returns:
        The corpus, and (path, reason) of each file that could not be used.

    Raises AdapterError when the manifest cannot be read or nothing in it could be used.
    """
    rows = _read_manifest(manifest)
    captions = sorted({row["text"] for row in rows})
    sources = sorted({row.get("package") or "" for row in rows})
    features, used, bad = [], [], []
    for done, row in enumerate(rows):
        try:
            samples = read_sound(manifest.parent / row["path"])
        except (OSError, ValueError, RuntimeError) as error:
            bad.append((row["path"], str(error)))
            continue
        # Seeded by the sound, so that its variants depend neither on its neighbours nor its name.
        random = np.random.default_rng([seed, zlib.crc32(samples.tobytes())])
        heard = [samples, *(disturb(samples, random) for _ in range(VARIANTS))]
        features.append(space.audio_features([mel_blocks(h) for h in heard]))
        used.append(row)
        if progress is not None:
            progress(done + 1, len(rows))
    if not used:
        raise AdapterError(f"None of the {len(rows)} sounds in {manifest} could be read.")
    return SoundCorpus(
        features=np.stack(features),
        labels=np.array([captions.index(row["text"]) for row in used]),
        captions=tuple(captions),
        groups=np.array([sources.index(row.get("package") or "") for row in used]),
        sources=tuple(sources),
    ), bad


def read_sound(path: Path) -> Array:
    """The first ten seconds of a sound file, mono, 44.1 kHz, float32. ValueError when silent."""
    import soundfile
    import soxr

    with soundfile.SoundFile(path) as sound:
        rate = sound.samplerate
        samples = sound.read(int(SECONDS * rate), dtype="float32", always_2d=True).mean(axis=1)
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE)
    if not len(samples) or not np.isfinite(samples).all() or np.abs(samples).max() < _SILENT:
        raise ValueError("The sound is silent.")
    return np.asarray(samples, dtype=np.float32)


def disturb(samples: Array, random: np.random.Generator) -> Array:
    """A variant of a sound as another recording might have it.

    Played slower or faster, repeated when it is short, in a room, duller or brighter, somewhere
    in silence, over noise; each with some probability. Never near silence: mel blocks are scaled
    to their peak.
    """
    import soxr

    out = samples.astype(np.float64)
    if random.random() < 0.8:
        speed = np.exp(random.uniform(np.log(0.55), np.log(1.8)))
        out = soxr.resample(out, SAMPLE_RATE, SAMPLE_RATE / speed)
    if len(out) < 2 * SAMPLE_RATE and random.random() < 0.35:
        gap = np.zeros(int(random.uniform(0.05, 0.6) * SAMPLE_RATE))
        out = np.concatenate([out, gap] * int(random.integers(2, 5)))
    if random.random() < 0.4:
        out = _add_room(out, random)
    if random.random() < 0.6:
        out = _colour(out, random)
    if random.random() < 0.6:
        before, after = (np.zeros(int(random.uniform(0, 2) * SAMPLE_RATE)) for _ in range(2))
        out = np.concatenate([before, out, after])
    out = out[: int(SECONDS * SAMPLE_RATE)]
    peak = np.abs(out).max(initial=0.0)
    if peak < _SILENT:
        return samples
    if random.random() < 0.5:
        level = peak * 10 ** (random.uniform(-60, -28) / 20)
        out = out + level * _noise(len(out), random)
    return out.astype(np.float32)


def _add_room(samples: Array, random: np.random.Generator) -> Array:
    """With echoes that die away: noise of 0.2 to 1.2 s as the room's response."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = int(random.uniform(0.2, 1.2) * SAMPLE_RATE)
    response = random.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    size = next_fast_len(len(samples) + length, real=True)
    echoes = irfft(rfft(samples, size) * rfft(response, size), size)[: len(samples) + length]
    loudness = np.abs(samples).max() / max(np.abs(echoes).max(), 1e-12)
    out: Array = echoes * loudness * random.uniform(0.1, 0.6)
    out[: len(samples)] += samples
    return out


def _colour(samples: Array, random: np.random.Generator) -> Array:
    """Tilted by up to 4 dB an octave about 1 kHz, and cut off above 2 to 16 kHz."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    size = next_fast_len(len(samples), real=True)
    hertz = rfftfreq(size, 1 / SAMPLE_RATE)
    tilt = (np.maximum(hertz, 50) / 1_000) ** (random.uniform(-4, 4) / 6.02)
    cutoff = np.exp(random.uniform(np.log(2_000), np.log(16_000)))
    gain = tilt / (1 + (hertz / cutoff) ** 8)
    out: Array = irfft(rfft(samples, size) * gain, size)[: len(samples)]
    return out


def _noise(length: int, random: np.random.Generator) -> Array:
    """White or pink noise of standard deviation 1."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(max(length, 4), real=True)
    noise = random.standard_normal(size)
    if random.random() < 0.5:
        spectrum = rfft(noise)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        noise = irfft(spectrum, size)
    out: Array = noise[:length] / noise.std()
    return out


def _read_manifest(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AdapterError(f"The manifest {path} cannot be read: {error}.") from error
    if not rows or not {"path", "text"} <= rows[0].keys():
        raise AdapterError(f"The manifest {path} needs a header with path,text and rows below it.")
    return [row for row in rows if row["path"] and row["text"]]


# --- the files --------------------------------------------------------------------------------

_TENSORS = ("mean", "weight", "bias", "vectors", "offset", "probe")
PROBE = "a dog barking beside a piano in the rain"
_SILENT = 1e-3


def _narrow(features: Array) -> tuple[Array, Array]:
    """Features, never negative, in eight bits each: codes, and the largest of each, (512,).

    The codes follow the square root, so that small values, the most frequent, keep more digits.
    """
    largest = features.max(axis=(0, 1)).astype(np.float32)
    shares = np.maximum(features, 0) / np.maximum(largest, 1e-9)
    return np.round(255 * np.sqrt(shares)).astype(np.uint8), largest


def _widen(codes: Array, largest: Array) -> Array:
    return np.asarray((codes / np.float32(255)) ** 2 * largest, dtype=np.float32)


def _save(path: Path, tensors: dict[str, Array], about: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    narrow = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(save(narrow, metadata=about))
    os.replace(part, path)


def _load(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, (  # noqa: SIM118
                opened.metadata() or {}
            )
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{path} cannot be read: {error}.") from error


def _shipped_adapter() -> Path:
    return Path(str(files("assets").joinpath("audio_adapter.safetensors")))


@cache
def shipped_adapter_digest() -> str:
    """Names the content of the embedded space's adapter, short."""
    return f"{zlib.crc32(_shipped_adapter().read_bytes()):08x}"


@cache
def shipped_corpus() -> SoundCorpus:
    """The corpus that comes with the project, without its sounds."""
    return SoundCorpus.load(Path(str(files("assets").joinpath("sound_corpus.safetensors"))))


def _unit(x: Array) -> Array:
    out: Array = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return out


# --- the command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit an adapter from sound files. Returns the exit code."""
    import argparse

    from encoders.space import SpaceError, load_space
    from encoders.weights import WeightsError

    parser = argparse.ArgumentParser(
        prog="python -m encoders.adapter",
        description="Fit an audio adapter to your own sounds.",
    )
    parser.add_argument(
        "manifest",
        type=Path,
        nargs="?",
        help="CSV file with the header path,text; without one, the shipped corpus is fitted to",
    )
    parser.add_argument("--space", default="embedded", help="as in app.py (default: embedded)")
    parser.add_argument("--out", type=Path, default=Path("audio_adapter.safetensors"))
    parser.add_argument("--corpus", type=Path, help="write the sounds' features here as well")
    parser.add_argument(
        "--add", action="store_true", help="fit to the shipped corpus and your sounds together"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the disturbed variants")
    options = parser.parse_args(arguments)
    try:
        space = load_space(options.space)
        if options.manifest is None:
            corpus = shipped_corpus()
        else:
            corpus, bad = extract(options.manifest, space, options.seed, _show_progress)
            for path, reason in bad:
                print(f"Left out {path}: {reason}", file=sys.stderr)
            if options.corpus is not None:
                corpus.save(options.corpus)
            # What a saved corpus would give, so that refitting from the file changes nothing.
            corpus = corpus.rounded()
            if options.add:
                corpus = corpus.join(shipped_corpus())
        adapter = fit_adapter(corpus, space.name, space.encode_texts, space.place)
        adapter.save(options.out)
    except (AdapterError, SpaceError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{options.out}: fitted to {len(corpus.labels)} sounds with {len(adapter.bias)} captions "
        f"for the space {space.name}."
    )
    return 0


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done % 10 == 0 or done == total):
        print(f"\r{done} of {total} sounds", end="\n" if done == total else "", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
