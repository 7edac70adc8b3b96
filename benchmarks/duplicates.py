"""Duplicates: are resized, recompressed, cropped, trimmed ones found, and only those?

    python -m benchmarks.duplicates PICTURES [--sounds SOUNDS | --no-sounds]

PICTURES is what `python -m benchmarks.pictures PICTURES` makes, SOUNDS what
`python -m benchmarks.corpus SOUNDS` makes (or any folder of sounds); without it the sounds of the
sample library, and with `--no-sounds` none. Each source is changed in several ways; the true pairs
are a source and its changed version, the false ones all pairs of different sources that the search
for duplicates would compare (pictures), or all pairs there are (sounds). Counted apart are the hard
false pairs of pictures: drawings of one package that have the last word of their caption or the
first of their name in common (smileys, the hours of a clock, playing cards), each with those of
them that are most like it as tiny copies.

On every second source (of the hard pairs: every second set of drawings) a threshold is fitted, the
least that no more than one in 200 of the hard false pairs of pictures reach, of sounds one in 100
of the false ones; precision and recall are told of the others. Peers in the same run, fitted in
the same way: the cosine of the vectors and, for pictures, the agreement of the wholes without that
of the worst part, and the likeness of difference hashes of 64 bits (dHash).
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from PIL import Image, ImageEnhance

from analysis.alignment import Square, align_sounds, lay_pictures, spectrogram, worst_part
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
from store.files import save_preview
from store.samples import read_samples

Row = tuple[int, str, list[float]]
"""Of a pair: its (first) source, the kind of change (of a false one FALSE or HARD), a score a
method."""
FALSE, HARD = "", "hard"

RATE = 44_100
PASSING = {FALSE: 0.01, HARD: 0.005}  # of such pairs, with the threshold that is fitted on them
HARD_NEIGHBOURS, HARD_NEAR = 10, 0.8  # of tiny copies


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


def fit(rows: Sequence[Row], method: int, hard: str) -> float:
    """The least threshold, in thousandths, that no more of the false pairs reach than may pass."""
    scores = np.sort([row[2][method] for row in rows if row[1] == hard])[::-1]
    return float(np.floor(1000 * scores[int(PASSING[hard] * len(scores))]) + 1) / 1000


def tell(name: str, rows: list[Row], methods: Sequence[str], sources: int, used: float) -> None:
    hard = HARD if any(row[1] == HARD for row in rows) else FALSE
    first = [row for row in rows if row[0] % 2 == 0]
    second = [row for row in rows if row[0] % 2]
    limits = [fit(first, at, hard) for at in range(len(methods))]
    columns = [*enumerate(limits), (0, used)]
    true = [row for row in second if row[1] not in (FALSE, HARD)]
    wrong = {kind: [row for row in second if row[1] == kind] for kind in (FALSE, HARD)}

    def line(what: str, cells: Iterable[object]) -> None:
        print(f"| {what} | " + " | ".join(map(str, cells)) + " |")

    def reached(rows: Sequence[Row]) -> list[int]:
        return [sum(row[2][at] >= limit for row in rows) for at, limit in columns]

    print(
        f"\n{name}: {sources} sources, of which every second one is measured: {len(true):,} true,"
    )
    print(f"{len(wrong[FALSE]):,} false and {len(wrong[HARD]):,} hard false pairs")
    print(f"(chance of a pair to be true {len(true) / len(second):.3f})")
    print("threshold: " + ", ".join(f"{m} {x:.3f}" for m, x in zip(methods, limits, strict=True)))
    line("", [*methods, f"{methods[0]} at {used}"])
    print("|---|" + "---:|" * len(columns))
    for kind in dict.fromkeys(row[1] for row in true):
        mine = [row for row in true if row[1] == kind]
        line(f"found: {kind}", (f"{x / len(mine):.3f}" for x in reached(mine)))
    found, called = reached(true), reached(second)
    line("found: all", (f"{x / len(true):.3f}" for x in found))
    right = (f"{x / max(of, 1):.3f}" for x, of in zip(found, called, strict=True))
    line("right, of what is called a duplicate", right)
    line("different ones called duplicates", reached(wrong[FALSE]))
    if hard:
        line("the same, of the hard pairs", reached(wrong[HARD]))
    print("\nthe curve of the agreement, on the same half:")
    for limit in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.95):
        share = np.mean([row[2][0] >= limit for row in true])
        false, alike = (sum(row[2][0] >= limit for row in wrong[kind]) for kind in (FALSE, HARD))
        more = f", {alike} hard" if hard else ""
        print(f"  {limit:.2f}: {share:.3f} of the true pairs found, {false} false ones{more}")


def previewed(image: Image.Image) -> Square:
    """As it is compared in a library: its preview, a JPEG of 384 pixels."""
    small = image.copy()
    small.thumbnail((384, 384))
    stream = io.BytesIO()
    save_preview(small, stream)
    return Square(_reduced(Image.open(stream).convert("RGB")))


def tiny(square: Square) -> np.ndarray:
    row = np.asarray(square.grey.resize((TINY, TINY), Image.Resampling.BOX), np.float32).ravel()
    row = row - row.mean()
    return row / max(float(np.linalg.norm(row)), 1.0)


def difference_hash(square: Square) -> np.ndarray:
    small = np.asarray(square.grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    return (small[:, 1:] > small[:, :-1]).ravel()


def hard_pairs(folder: Path, rows: Sequence[dict[str, str]]) -> list[tuple[int, str, str]]:
    """Pairs of paths of different drawings of one thing, each with the number of its set."""
    drawings = {row["path"]: row for row in rows if row["kind"] == "drawing"}
    sets: dict[str, list[str]] = {path: [path] for path in drawings}
    firsts: dict[tuple[str, ...], str] = {}
    for path, row in sorted(drawings.items()):
        name = re.match("[a-z]*", Path(path).stem.partition("-")[2].casefold())
        keys = [(row["package"], "caption", row["text"].split()[-1])]
        if name and len(name[0]) > 2:
            keys.append((row["package"], "name", name[0]))
        for key in keys:
            one, other = sets[firsts.setdefault(key, path)], sets[path]
            if one is not other:
                one += other
                sets.update(dict.fromkeys(other, one))
    several = {id(paths): sorted(paths) for paths in sets.values() if len(paths) > 1}
    pairs = []
    # dealt out by size, so that both halves have as many
    for number, paths in enumerate(
        sorted(several.values(), key=lambda paths: (-len(paths), paths))
    ):
        small = np.stack([tiny(previewed(read(folder / path))) for path in paths])
        for a, b in sorted(near_pairs(small, HARD_NEAR, HARD_NEIGHBOURS)):
            pairs.append((number, paths[a], paths[b]))
    return pairs


def read(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def pictures(folder: Path, gallery: int, sources: int) -> None:
    with open(folder / "pictures.csv", encoding="utf-8", newline="") as file:
        captions = list(csv.DictReader(file))
    paths = list(dict.fromkeys(row["path"] for row in captions))
    random.Random(7).shuffle(paths)
    paths = paths[:gallery]
    images = [read(folder / path) for path in paths]
    changed: list[tuple[int, str, Image.Image]] = []
    for at, image in enumerate(images[:sources]):
        for kind, change in PICTURE_CHANGES.items():
            changed.append((at, kind, change(image, random.Random(at))))
    alike = hard_pairs(folder, captions)
    drawn = sorted({path for _, *pair in alike for path in pair})
    every = images + [image for _, _, image in changed]
    of_drawn = {path: len(every) + at for at, path in enumerate(drawn)}
    every += [read(folder / path) for path in drawn]
    space = load_space("embedded")
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
        laid = lay_pictures(squares[a], squares[b])
        whole, worst = (laid.whole, worst_part(laid.outer, laid.inner)) if laid else (0.0, 0.0)
        return [min(whole, worst), whole, float(vectors[a] @ vectors[b]), same]

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
    false: list[Row] = [(a, FALSE, score(a, b)) for a, b in sorted(different)]
    names = [(paths[a], paths[b]) for a, b in sorted(different)]
    false += [(number, HARD, score(of_drawn[a], of_drawn[b])) for number, a, b in alike]
    names += [(a, b) for _, a, b in alike]
    spent = time.perf_counter() - start
    tell(
        f"Pictures, among {len(images):,}",
        pairs + false,
        ["agreement", "whole alone", "cosine", "dHash"],
        sources,
        SAME["image"],
    )
    print(f"\n{1000 * spent / len(pairs + false):.1f} ms a pair")
    print("candidates (compared at all), by kind of change:")
    for kind, hits in candidate.items():
        print(f"  {kind}: {np.mean(hits):.3f}")
    print("different pictures called duplicates, to be looked at:")
    for (a, b), row in zip(names, false, strict=True):
        if row[2][0] >= SAME["image"]:
            half = ("fitted", "measured")[row[0] % 2]
            print(f"  {row[2][0]:.3f} {half} {row[1]} {a} {b}")


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
            pairs.append((a, FALSE, [agreement, float(vectors[a] @ vectors[b])]))
    spent = time.perf_counter() - start
    tell("Sounds", pairs, ["agreement", "cosine"], len(read), SAME["audio"])
    print(f"\n{1000 * spent / len(pairs):.1f} ms a pair, changes included")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--no-sounds", action="store_true")
    parser.add_argument("--gallery", type=int, default=1500)
    parser.add_argument("--sources", type=int, default=240)
    options = parser.parse_args()
    print(describe_machine())
    if not options.no_sounds:
        sounds(options.sounds)
    pictures(options.pictures, options.gallery, options.sources)


if __name__ == "__main__":
    main()
