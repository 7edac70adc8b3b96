"""Duplicates: are resized, recompressed, cropped, trimmed ones found, and only those?

    python -m benchmarks.duplicates PICTURES [--sounds SOUNDS] [--gallery 1500] [--sources 240]

PICTURES is what `python -m benchmarks.pictures PICTURES` makes, SOUNDS what
`python -m benchmarks.corpus SOUNDS` makes (or any folder of sounds); without it the sounds of the
sample library. Each source is changed in several ways; the true pairs are a source and its changed
version, the false ones all pairs of different sources that the search for duplicates would compare
(pictures), or all pairs there are (sounds). On every second source the threshold is fitted that one
in a hundred of the false pairs reaches; precision and recall are told of the others. Peers in the
same run, fitted in the same way: the cosine of the vectors and, for pictures, the likeness of
difference hashes of 64 bits (dHash).
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from PIL import Image, ImageEnhance

from analysis.alignment import Square, align_pictures, align_sounds, spectrogram
from analysis.duplicates import (
    NEAR,
    NEIGHBOURS,
    SAME,
    TINY,
    TINY_NEAR,
    _reduced,
    _samples,
    near_pairs,
)
from benchmarks.machine import describe_machine
from encoders import load_space
from media import MediaError
from store.samples import read_samples

Row = tuple[int, str, list[float]]
"""Of a pair: its (first) source, the kind of change ("" for a false one), a score a method."""

RATE = 44_100
PASSING = 0.01  # of the pairs of different ones, with the threshold that is fitted


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


def fit(rows: Sequence[Row], method: int) -> float:
    """The threshold that one in a hundred of the pairs of different ones reaches."""
    return float(np.quantile([row[2][method] for row in rows if not row[1]], 1 - PASSING))


def tell(name: str, rows: list[Row], methods: Sequence[str], sources: int, used: float) -> None:
    first = [row for row in rows if row[0] % 2 == 0]
    second = [row for row in rows if row[0] % 2]
    limits = [fit(first, at) for at in range(len(methods))]
    true = sum(bool(row[1]) for row in second)
    print(f"\n{name}: {sources} sources, of which every second one is measured: {true:,} true and")
    print(
        f"{len(second) - true:,} false pairs (chance of a pair to be true {true / len(second):.3f})"
    )
    print("threshold: " + ", ".join(f"{m} {x:.3f}" for m, x in zip(methods, limits, strict=True)))
    print("| | " + " | ".join(methods) + f" | {methods[0]} at {used} |")
    print("|---|" + "---:|" * (len(methods) + 1))
    columns = [*enumerate(limits), (0, used)]
    for kind in dict.fromkeys(row[1] for row in rows if row[1]):
        mine = [row for row in second if row[1] == kind]
        shares = [np.mean([row[2][at] >= limit for row in mine]) for at, limit in columns]
        print(f"| found: {kind} | " + " | ".join(f"{x:.3f}" for x in shares) + " |")
    shares = [np.mean([r[2][at] >= limit for r in second if r[1]]) for at, limit in columns]
    print("| found: all | " + " | ".join(f"{x:.3f}" for x in shares) + " |")
    right = []
    for at, limit in columns:
        called = [row for row in second if row[2][at] >= limit]
        right.append(np.mean([bool(row[1]) for row in called]) if called else 0.0)
    print(
        "| right, of what is called a duplicate | " + " | ".join(f"{x:.3f}" for x in right) + " |"
    )
    wrong = [sum(not r[1] and r[2][at] >= limit for r in second) for at, limit in columns]
    print("| different ones called duplicates | " + " | ".join(map(str, wrong)) + " |")
    print("\nthe curve of the agreement, on the same half:")
    for limit in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.95):
        found = np.mean([row[2][0] >= limit for row in second if row[1]])
        false = sum(not row[1] and row[2][0] >= limit for row in second)
        print(f"  {limit:.2f}: {found:.3f} of the true pairs found, {false} false ones")


def previewed(image: Image.Image) -> Square:
    """As it is compared in a library: its preview, a WebP of 384 pixels."""
    small = image.copy()
    small.thumbnail((384, 384))
    return Square(_reduced(recompressed(small, 80, "WEBP")))


def tiny(square: Square) -> np.ndarray:
    row = np.asarray(square.grey.resize((TINY, TINY), Image.Resampling.BOX), np.float32).ravel()
    row = row - row.mean()
    return row / max(float(np.linalg.norm(row)), 1.0)


def difference_hash(square: Square) -> np.ndarray:
    small = np.asarray(square.grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    return (small[:, 1:] > small[:, :-1]).ravel()


def pictures(folder: Path, gallery: int, sources: int) -> None:
    with open(folder / "pictures.csv", encoding="utf-8", newline="") as file:
        paths = list(dict.fromkeys(row["path"] for row in csv.DictReader(file)))
    random.Random(7).shuffle(paths)
    images = [Image.open(folder / path).convert("RGB") for path in paths[:gallery]]
    changed: list[tuple[int, str, Image.Image]] = []
    for at, image in enumerate(images[:sources]):
        for kind, change in PICTURE_CHANGES.items():
            changed.append((at, kind, change(image, random.Random(at))))
    space = load_space("embedded")
    every = images + [image for _, _, image in changed]
    rows = [
        space.encode("image", [space.prepare("image", image) for image in every[at : at + 16]])
        for at in range(0, len(every), 16)
    ]
    vectors = np.concatenate(rows)
    squares = [previewed(image) for image in every]
    small = np.stack([tiny(square) for square in squares])
    hashes = [difference_hash(square) for square in squares]

    def score(a: int, b: int) -> list[float]:
        same = 1 - float((hashes[a] != hashes[b]).mean())
        return [align_pictures(squares[a], squares[b]), float(vectors[a] @ vectors[b]), same]

    start = time.perf_counter()
    pairs: list[Row] = []
    candidate: dict[str, list[bool]] = {}
    for at, (source, kind, _) in enumerate(changed, start=len(images)):
        pairs.append((source, kind, score(source, at)))
        # among the gallery, would the two be compared at all?
        found = False
        for space_rows, least in ((vectors, NEAR["image"]), (small, TINY_NEAR)):
            cosines = space_rows[: len(images)] @ space_rows[at]
            rank = int((cosines > cosines[source]).sum())
            found |= rank < NEIGHBOURS and cosines[source] >= least
        candidate.setdefault(kind, []).append(found)
    different = near_pairs(vectors[: len(images)], NEAR["image"])
    different |= near_pairs(small[: len(images)], TINY_NEAR)
    false = [(a, "", score(a, b)) for a, b in sorted(different)]
    spent = time.perf_counter() - start
    tell(
        f"Pictures, among {len(images):,}",
        pairs + false,
        ["agreement", "cosine", "dHash"],
        sources,
        SAME["image"],
    )
    print(f"\n{1000 * spent / len(pairs + false):.1f} ms a pair")
    print("candidates (compared at all), by kind of change:")
    for kind, found in candidate.items():
        print(f"  {kind}: {np.mean(found):.3f}")
    print("different pictures called duplicates, to be looked at:")
    for (a, b), row in zip(sorted(different), false, strict=True):
        if row[2][0] >= SAME["image"]:
            print(f"  {row[2][0]:.3f} {paths[a]} {paths[b]}")


def sounds(folder: Path | None) -> None:
    if folder is None:
        paths = [sample.path for sample in read_samples() if sample.path.suffix in (".wav", ".mp3")]
    else:
        kinds = {".wav", ".flac", ".ogg", ".mp3", ".oga"}
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
    read: list[np.ndarray] = []
    for path in paths:
        try:
            samples = _samples(path)
        except MediaError:
            continue
        if 0.5 * RATE < len(samples) < 60 * RATE:
            read.append(samples)
    space = load_space("embedded")

    def embed(samples: np.ndarray) -> np.ndarray:
        return space.encode("audio", [space.prepare("audio", samples[: 10 * RATE])])[0]

    courses, vectors = [spectrogram(x) for x in read], [embed(x) for x in read]
    pairs: list[Row] = []
    start = time.perf_counter()
    for at, samples in enumerate(read):
        for kind, change in SOUND_CHANGES.items():
            changed = change(samples)
            agreement = align_sounds(courses[at], spectrogram(changed))
            pairs.append((at, kind, [agreement, float(vectors[at] @ embed(changed))]))
    for a in range(len(read)):
        for b in range(a):
            agreement = align_sounds(courses[a], courses[b])
            pairs.append((a, "", [agreement, float(vectors[a] @ vectors[b])]))
    spent = time.perf_counter() - start
    tell("Sounds", pairs, ["agreement", "cosine"], len(read), SAME["audio"])
    print(f"\n{1000 * spent / len(pairs):.1f} ms a pair, changes included")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--gallery", type=int, default=1500)
    parser.add_argument("--sources", type=int, default=240)
    options = parser.parse_args()
    print(describe_machine())
    sounds(options.sounds)
    pictures(options.pictures, options.gallery, options.sources)


if __name__ == "__main__":
    main()
