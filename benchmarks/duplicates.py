"""Duplicates: are resized, recompressed, cropped, trimmed ones found, and only those?

    python -m benchmarks.duplicates PICTURES [--only films,texts] [--sounds SOUNDS]

PICTURES is what `python -m benchmarks.pictures PICTURES` makes, SOUNDS what
`python -m benchmarks.corpus SOUNDS` makes (or any folder of sounds); without it the sounds of the
sample library. Films are made of the photographs, slow pans over 4 to 9 of them, no photograph in
two films; texts are topics of Python's own help. Each source is changed in several ways
(benchmarks/changes.py) and written to a file that is read as any other; the true pairs are a source
and its changed version, the false ones all pairs of different sources that the search for
duplicates would compare (pictures, films), or all pairs there are (sounds, texts).

Counted apart are the hard false pairs. Of pictures: drawings of one package that have the last word
of their caption or the first of their name in common (smileys, the hours of a clock, playing
cards), each with those of them that are most like it as tiny copies. Of films: a source and one
that has a part of its shots, or all of them in reverse order, or other views of the same things, or
the same views with something before them. Of texts: forms filled in otherwise, and an old and a new
version.

On every second source (of the hard pairs: every second set of drawings) a threshold is fitted, the
least that no more than one in 200 of the hard false pairs reach, of sounds one in 100 of the false
ones; precision and recall are told of the others. Peers in the same run, fitted in the same way:
the cosine of the vectors and, for pictures, the agreement of the wholes without that of the worst
part, and the likeness of difference hashes of 64 bits (dHash); for films the median picture's
agreement with the best of the other film, at whatever time; for texts the part of the longer one's
runs of words that both have, and the Jaccard index of the sets of words.
"""

from __future__ import annotations

import argparse
import csv
import io
import pydoc_data.topics
import random
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import combinations, islice
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.alignment import (
    Shot,
    Square,
    agree,
    align_sounds,
    align_texts,
    lay_pictures,
    lay_shots,
    shingles,
    spectrogram,
    worst_part,
)
from analysis.duplicates import (
    NEAR,
    NEIGHBOURS,
    SAME,
    SHOTS,
    TINY,
    TINY_NEAR,
    _reduced,
    _samples,
    near_pairs,
)
from benchmarks.changes import (
    FILM_CHANGES,
    HARD_FILMS,
    HARD_TEXTS,
    PICTURE_CHANGES,
    RATE,
    SILENT,
    SOUND_CHANGES,
    TEXT_CHANGES,
    film,
    is_large,
    part_of,
    read_film,
    views,
    write_film,
    write_text,
)
from benchmarks.machine import describe_machine
from encoders import load_space
from encoders.film import merge_shots
from encoders.space import Space
from media import MediaError, open_media
from store.files import save_preview
from store.samples import read_samples

Row = tuple[int, str, list[float]]
"""Of a pair: its (first) source, the kind of change (of a false one FALSE, of a hard one HARD and
what it is), a score a method."""
FALSE, HARD = "", "hard"
Read = tuple[frozenset[tuple[str, ...]], set[str], np.ndarray]
"""Of a text: its shingles, its words, and its vector, (dim,)."""
Seen = tuple[list[Shot], np.ndarray]
"""Of a film: its shots, and its vector as a library makes it, (dim,)."""
PARTS = ("sounds", "pictures", "films", "texts")

PASSING = {FALSE: 0.01, HARD: 0.005}  # of such pairs, with the threshold that is fitted on them
HARD_NEIGHBOURS, HARD_NEAR = 10, 0.8  # of tiny copies
FILM_SPARE = 60  # photographs that are in no source
WORDS = 100, 400  # of a text, at least and at most


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """Those of a kind of change; of HARD all hard ones."""
    return [row for row in rows if row[1] == kind or (kind == HARD and row[1].startswith(HARD))]


def fit(rows: Sequence[Row], method: int, hard: str) -> float:
    """The least threshold, in thousandths, that no more of the false pairs reach than may pass."""
    scores = np.sort([row[2][method] for row in of_kind(rows, hard)])[::-1]
    return float(np.floor(1000 * scores[int(PASSING[hard] * len(scores))]) + 1) / 1000


def tell(name: str, rows: list[Row], methods: Sequence[str], sources: int, used: float) -> None:
    hard = HARD if of_kind(rows, HARD) else FALSE
    first = [row for row in rows if row[0] % 2 == 0]
    second = [row for row in rows if row[0] % 2]
    limits = [fit(first, at, hard) for at in range(len(methods))]
    columns = [*enumerate(limits), (0, used)]
    wrong = {kind: of_kind(second, kind) for kind in (FALSE, HARD)}
    true = [row for row in second if row[1] != FALSE and not row[1].startswith(HARD)]

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
    for kind in sorted({row[1] for row in wrong[HARD]} - {HARD}):
        mine = of_kind(second, kind)
        line(f"{kind}, of {len(mine)}", reached(mine))
    print("\nthe curve of the agreement, on the same half:")
    for limit in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.95, 0.98):
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


def seen(path: Path, space: Space) -> Seen:
    with open_media(path) as opened:
        parts = [part for part in opened.segments() if isinstance(part.content, Image.Image)]
    shots = []
    for part in parts[:SHOTS]:
        start = part.start or 0.0
        shots.append(Shot(Square(_reduced(part.content)), start, part.end or start))
    rows = space.encode("image", [space.prepare("image", part.content) for part in parts])
    return shots, mean(merge_shots(parts, rows)[1])


def mean(rows: np.ndarray) -> np.ndarray:
    """The mean direction (dim,) of unit rows (n, dim)."""
    total: np.ndarray = rows.sum(axis=0)
    return total / max(float(np.linalg.norm(total)), 1e-6)


def films(folder: Path, sources: int) -> None:
    with open(folder / "pictures.csv", encoding="utf-8", newline="") as file:
        kinds = {row["path"]: row["kind"] for row in csv.DictReader(file)}
    every = sorted(path for path, kind in kinds.items() if kind == "photograph")
    photographs = [folder / path for path in every if is_large(folder / path)]
    random.Random(7).shuffle(photographs)
    spare, fresh = photographs[:FILM_SPARE], iter(photographs[FILM_SPARE:])
    space = load_space("embedded")
    originals: list[Seen] = []
    pairs: list[Row] = []
    spent = 0.0

    def score(one: Seen, other: Seen) -> list[float]:
        nonlocal spent
        start = time.perf_counter()
        wholes = lay_shots(one[0], other[0])
        agreement = agree(wholes, one[0], other[0])
        spent += time.perf_counter() - start
        # a peer that knows no time: the median picture with its best, from either side
        median = min(float(np.median(wholes.max(axis=side))) for side in (0, 1))
        return [agreement, median, float(one[1] @ other[1])]

    with tempfile.TemporaryDirectory() as work:
        for at in range(sources):
            chance = random.Random(at)
            shots = views(list(islice(fresh, chance.randint(4, 9))), chance)
            if len(shots) < 4:
                raise SystemExit(f"There are photographs for {at} films only: see --films.")
            clip = film(shots, at // 2 % 2 == 0, at)
            path = write_film(clip, Path(work) / "source.mp4")
            original = seen(path, space)
            originals.append(original)
            coded = read_film(path, clip.sound)
            for kind, change in FILM_CHANGES.items():
                if kind == SILENT and clip.sound is None:
                    continue
                changed = change(coded, Path(work) / "changed")
                pairs.append((at, kind, score(original, seen(changed, space))))
            for kind, vary in HARD_FILMS.items():
                other = film(vary(shots, spare, at), clip.sound is not None, at)
                alike = seen(write_film(other, Path(work) / "alike.mp4"), space)
                pairs.append((at, f"{HARD}: {kind}", score(original, alike)))
    different = near_pairs(np.stack([vector for _, vector in originals]), NEAR["film"])
    pairs += [(a, FALSE, score(originals[a], originals[b])) for a, b in sorted(different)]
    tell("Films", pairs, ["agreement", "median shot", "cosine"], sources, SAME["film"])
    print(f"\n{1000 * spent / len(pairs):.0f} ms a pair")
    tell_reached(pairs, "film")


def tell_reached(pairs: Sequence[Row], medium: str) -> None:
    """Of the true and the hard pairs, both halves, by kind: how many would be compared at all, and
    what their agreement is."""
    for kind in dict.fromkeys(row[1] for row in pairs if row[1] != FALSE):
        mine = of_kind(pairs, kind)
        near = np.mean([row[2][-1] >= NEAR[medium] for row in mine])
        low, middle, high = np.quantile([row[2][0] for row in mine], (0, 0.5, 1))
        print(f"  {kind}: near {near:.3f}; agreement {low:.3f} to {high:.3f}, median {middle:.3f}")


def read_back(path: Path) -> list[str]:
    with open_media(path) as opened:
        return [segment.words or "" for segment in opened.segments()]


def texts() -> None:
    """Topics of Python's own help of WORDS[0] words and more, of each the first WORDS[1]."""
    sources = {}
    for topic in sorted(pydoc_data.topics.topics):
        words = pydoc_data.topics.topics[topic]
        count = len(words.split())
        if count > WORDS[0]:
            own = part_of(words, 0, min(1.0, WORDS[1] / count))
            sources.setdefault(shingles([own]), own)
    originals = list(sources.values())
    random.Random(7).shuffle(originals)
    space = load_space("embedded")

    def prepared(path: Path) -> Read:
        passages = read_back(path)
        rows = space.encode("text", [space.prepare("text", words) for words in passages])
        words = set(re.findall(r"\w+", " ".join(passages).casefold()))
        return shingles(passages), words, mean(rows)

    def score(one: Read, other: Read) -> list[float]:
        longer = len(one[0] & other[0]) / max(len(one[0]), len(other[0]))
        words = len(one[1] & other[1]) / len(one[1] | other[1])
        return [align_texts(one[0], other[0]), longer, words, float(one[2] @ other[2])]

    pairs: list[Row] = []
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "text"

        def plain(words: str) -> Read:
            return prepared(write_text(words, path.with_suffix(".txt")))

        every = [plain(words) for words in originals]
        for at, words in enumerate(originals):
            other = originals[at - 2]
            for kind, change in TEXT_CHANGES.items():
                changed = change(words, other, path, random.Random(at))
                pairs.append((at, kind, score(every[at], prepared(changed))))
            for kind, vary in HARD_TEXTS.items():
                one, alike = vary(words, other, random.Random(at))
                pairs.append((at, f"{HARD}: {kind}", score(plain(one), plain(alike))))
    for a, b in combinations(range(len(originals)), 2):
        pairs.append((a, FALSE, score(every[a], every[b])))
    methods = ["agreement", "of the longer's shingles", "Jaccard of words", "cosine"]
    tell("Texts", pairs, methods, len(originals), SAME["text"])
    tell_reached(pairs, "text")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--only", default=",".join(PARTS), help="of: " + ",".join(PARTS))
    parser.add_argument("--sounds", type=Path)
    parser.add_argument("--gallery", type=int, default=1500)
    parser.add_argument("--sources", type=int, default=240, help="pictures that are changed")
    parser.add_argument("--films", type=int, default=40, help="films that are made and changed")
    options = parser.parse_args()
    only = options.only.split(",")
    if unknown := set(only) - set(PARTS):
        parser.error(f"--only: there is no part {', '.join(sorted(unknown))}")
    print(describe_machine())
    if "sounds" in only:
        sounds(options.sounds)
    if "pictures" in only:
        pictures(options.pictures, options.gallery, options.sources)
    if "films" in only:
        films(options.pictures, options.films)
    if "texts" in only:
        texts()


if __name__ == "__main__":
    main()
