"""How often is the odd one found, and is it known how sure? Fits `assets/oddity.toml` as well.

    python -m benchmarks.odd WORK DATA.NOUN [--sets 1500] [--write]

WORK is the folder that `python -m benchmarks.pictures WORK` filled; DATA.NOUN is that file of
WordNet 3.0 (Debian: wordnet-base), index.noun beside it. Words are its 5,000 commonest nouns in
their first sense; pictures are WORK's photographs by their labels; sounds are those of the shipped
corpus by the first words of their captions, each embedded by an adapter fitted without its package
(kept in WORK, for it takes minutes).

A set is two to five things of one kind, a hypernym in WordNet, and one thing that is not of it,
drawn from all others. Of mixed sets the things are drawn of any medium. The nouns are dealt into
two halves by a checksum: the model is fitted to sets of one, and everything printed is of sets of
the other (only the mean picture and the mean sound, which are taken away, are of all). Beside it
stand chance; the thing of least mean cosine to the others, as `doesnt_match` of gensim has it for
words; and the same with centred cosines, before anything is fitted. Of words, also each part of
the embedded space alone.

`--write` fits the model to all nouns, and writes it, with the mean picture and the mean sound.
"""

from __future__ import annotations

import argparse
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from scipy.optimize import minimize
from scipy.special import log_softmax

from analysis.oddity import Model, odds, pair_name, weigh
from analysis.reference import Reference, read_usual
from analysis.things import Thing
from benchmarks.calibration import Gallery, picture_gallery, sound_gallery
from benchmarks.machine import describe_machine
from encoders.anchors import IMAGE_DIM, SOUND_DIM, read_words
from encoders.embedded import word_vocabulary
from encoders.space import Space, load_space
from store.background import Background
from store.wordings import encode_queries, read_wordings

Array = np.ndarray[Any, Any]

TOWERS = ("text", "image", "audio")
PAIRS = [pair_name((a, b)) for at, a in enumerate(TOWERS) for b in TOWERS[at:]]
MEDIA = {"words": ("text",), "pictures": ("image",), "sounds": ("audio",), "mixed": TOWERS}
COMMON = 5_000
SMALLEST_KIND, LARGEST_KIND = 6, 80  # labels of a kind, in all media; common words of it
SMALLEST, LARGEST = 3, 6  # things of a set
TOGETHER = 0.25  # of the sets that are fitted to, those without an odd one
ASSETS = Path(__file__).resolve().parent.parent / "assets"
BINS = (0.35, 0.5, 0.7, 0.85)


@dataclass(frozen=True)
class Labelled:
    """A thing, and the noun that it is."""

    thing: Thing
    tower: str
    noun: str


class Known(Reference):
    """What is usual, from vectors that are given."""

    def __init__(self, space: Space, rows: dict[str, Array]) -> None:
        bank = Background(space)
        self._prior = read_usual(space.name, space.dim)
        self.rows = cache(
            lambda tower, facing: bank.vectors(facing) if tower == "text" else rows[tower]
        )
        self.centre = cache(self._centre)
        self.products = cache(self._products)


class WordNet:
    """Nouns and what they are kinds of."""

    def __init__(self, data_noun: Path) -> None:
        self._above: dict[str, list[str]] = {}
        for line in data_noun.read_text("utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.partition(" | ")[0].split(" ")
                rest = fields[5 + 2 * int(fields[3], 16) :]
                self._above[fields[0]] = [
                    rest[at + 1] for at in range(0, len(rest) - 3, 4) if rest[at] in ("@", "@i")
                ]
        self._first: dict[str, str] = {}
        for line in data_noun.with_name("index.noun").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                self._first[fields[0]] = fields[-int(fields[2])]
        self.kinds = cache(self._kinds)

    def _kinds(self, noun: str) -> frozenset[str]:
        """All that a noun is in its first sense, itself with it."""
        found: set[str] = set()
        waiting = [self._first[noun]]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self._above[one]
        return frozenset(found)

    def noun(self, caption: str) -> str | None:
        """The noun that a caption begins with."""
        words = re.sub(r"^(an?|the) ", "", caption.lower()).split()
        for count in (len(words), 2, 1):
            for name in ("_".join(words[:count]), "_".join(words[:count]).rstrip("s")):
                if name in self._first:
                    return name
        return None


@dataclass(frozen=True)
class Set:
    """Places of things; the last is the odd one, unless all belong together."""

    places: list[int]
    together: bool = False


def gather(space: Space, work: Path, data_noun: Path, net: WordNet) -> tuple[list[Labelled], Known]:
    """All things, and what is usual of them."""
    words = read_words(data_noun, word_vocabulary())[:COMMON]
    rows = encode_queries(space, words, read_wordings("embedded"))
    found = [
        Labelled(
            Thing(word, "words", {t: rows[t][at] for t in TOWERS}, frozenset({"text"})),
            "text",
            word,
        )
        for at, word in enumerate(words)
    ]
    galleries = {"image": picture_gallery(space, work, "photograph"), "audio": _sounds(space, work)}
    for tower, gallery in galleries.items():
        for vector, texts in zip(gallery.vectors, gallery.texts, strict=True):
            noun = next(filter(None, map(net.noun, texts)), None)
            if noun is not None:
                thing = Thing(texts[0], tower, dict.fromkeys(TOWERS, vector), frozenset({tower}))
                found.append(Labelled(thing, tower, noun))
    return found, Known(space, {tower: gallery.vectors for tower, gallery in galleries.items()})


def _sounds(space: Space, work: Path) -> Gallery:
    """The corpus' sounds, kept in WORK."""
    kept = work / f"odd-sounds-{space.version}.npz"
    if not kept.exists():
        gallery = sound_gallery(space, ASSETS / "sound_corpus.safetensors")
        texts = json.dumps(gallery.texts)
        np.savez(kept, vectors=gallery.vectors, packages=gallery.packages, texts=texts)
    held = np.load(kept)
    return Gallery("audio", held["vectors"], json.loads(str(held["texts"])), held["packages"])


def draw(
    things: Sequence[Labelled],
    net: WordNet,
    media: Sequence[str],
    half: int | None,
    count: int,
    seed: int,
    together: float = 0.0,
) -> list[Set]:
    """Sets of some media, of one half of the nouns or of all."""
    rng = np.random.default_rng(seed)
    pool: dict[str, list[int]] = {tower: [] for tower in media}
    kinds: dict[str, dict[str, list[int]]] = defaultdict(lambda: {tower: [] for tower in media})
    common: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)
    for place, one in enumerate(things):
        for kind in net.kinds(one.noun):
            labels[kind].add(one.noun)
            if one.tower == "text":
                common[kind].add(one.noun)
        if one.tower in pool and half in (None, zlib.crc32(one.noun.encode()) % 2):
            pool[one.tower].append(place)
            for kind in net.kinds(one.noun):
                kinds[kind][one.tower].append(place)
    usable = sorted(
        kind
        for kind, held in kinds.items()
        if len(labels[kind]) >= SMALLEST_KIND
        and len(common[kind]) <= LARGEST_KIND
        and len({things[place].noun for some in held.values() for place in some}) >= SMALLEST
        and sum(bool(some) for some in held.values()) >= min(2, len(media))
    )
    found: list[Set] = []
    while len(found) < count:
        kind = usable[rng.integers(len(usable))]
        held = [some for some in kinds[kind].values() if some]
        alike = bool(rng.random() < together)
        wanted = int(rng.integers(SMALLEST, LARGEST + 1)) - (not alike)
        chosen: dict[tuple[str, str], int] = {}
        for _ in range(60):
            some = held[rng.integers(len(held))]
            place = some[rng.integers(len(some))]
            chosen.setdefault((things[place].tower, things[place].noun), place)
            if len(chosen) == wanted:
                break
        media_of = {tower for tower, _ in chosen}
        if len(chosen) < wanted or (len(media) > 1 and len(media_of) < 2):
            continue
        places = list(chosen.values())
        while not alike and len(places) == wanted:
            some = pool[media[rng.integers(len(media))]]
            place = some[rng.integers(len(some))]
            if kind not in net.kinds(things[place].noun):
                places.append(place)
        found.append(Set(places, alike))
    return found


# --- the model --------------------------------------------------------------------------------


def features(sets: Sequence[Set], things: Sequence[Labelled], known: Reference) -> Array:
    """Of each set's things the sums of centred cosines by pair of towers, and how many they are:
    float64 (sets, LARGEST, 2 * pairs); the rest are NaN."""
    table = np.full((len(sets), LARGEST, 2 * len(PAIRS)), np.nan)
    for row, one in enumerate(sets):
        table[row, : len(one.places)] = 0
        for at, place in enumerate(one.places):
            for before, other in enumerate(one.places[:at]):
                (pair,) = known.nearness(things[place].thing, things[other].thing).items()
                column = PAIRS.index(pair_name(pair[0]))
                for side in (at, before):
                    table[row, side, column] += pair[1]
                    table[row, side, column + len(PAIRS)] += 1
    return table


def fit(sets: Sequence[Set], table: Array) -> Model:
    """The model of highest likelihood: first of which thing is odd, where one is; then of whether
    one is, for which the biases are shifted together."""
    counts = np.array([len(one.places) for one in sets])
    answers = np.array([len(one.places) - 1 for one in sets])
    alike = np.array([one.together for one in sets])
    cut = len(PAIRS)

    def logits(x: Array) -> Array:
        worth = table @ np.concatenate([np.exp(x[:cut]), x[cut : 2 * cut]])
        evidence = worth * (counts[:, None] - 1.0) ** x[-1]
        return np.where(np.isnan(evidence), -np.inf, -evidence)

    def which(x: Array) -> float:
        told = log_softmax(logits(x)[~alike], axis=1)
        likelihood = told[np.arange(len(told)), answers[~alike]].mean()
        return float(-likelihood + 1e-3 * np.square(x[cut:]).sum())

    start = np.concatenate([np.full(cut, 2.0), np.zeros(cut), [-0.5]])
    x = minimize(which, start, method="L-BFGS-B", options={"maxiter": 200}).x

    def shifted(by: float) -> Array:
        return np.concatenate([x[:cut], x[cut : 2 * cut] + by, x[-1:]])

    def whether(y: Array) -> float:
        every = np.column_stack([logits(shifted(y[0])), np.full(len(sets), y[1])])
        told = log_softmax(every, axis=1)[:, -1]
        return float(-np.where(alike, told, np.log1p(-np.exp(told) + 1e-12)).mean())

    shift, together = minimize(whether, np.zeros(2), method="Nelder-Mead").x
    weight, bias = np.exp(x[:cut]), shifted(shift)[cut : 2 * cut]
    return Model(
        dict(zip(PAIRS, weight.tolist(), strict=True)),
        dict(zip(PAIRS, bias.tolist(), strict=True)),
        float(x[-1]),
        float(together),
    )


def write(model: Model, known: Reference) -> None:
    """Put a model into `assets`."""

    def rows(values: Any) -> str:
        return "".join(f'"{name}" = {value:.3f}\n' for name, value in values.items())

    path = ASSETS / "oddity.toml"
    head = path.read_text("utf-8").partition("\n\n")[0]
    path.write_text(
        f"{head}\n\n[embedded]\nsize = {model.size:.3f}\ntogether = {model.together:.3f}\n\n"
        f"[embedded.weight]\n{rows(model.weight)}\n[embedded.bias]\n{rows(model.bias)}",
        "utf-8",
    )
    means = {
        f"embedded.{tower}": known.rows(tower, "text").mean(axis=0).astype(np.float32)
        for tower in ("image", "audio")
    }
    save_file(means, ASSETS / "usual.safetensors")


# --- what is measured -------------------------------------------------------------------------

Weigh = Callable[[list[Thing]], Array]
"""How much each of some things belongs with the others."""


def plain(part: slice = slice(None)) -> Weigh:
    """By cosines as they are, of all of the vectors or of a part."""

    def sums(some: list[Thing]) -> Array:
        table = np.zeros((len(some), len(some)))
        for at, one in enumerate(some):
            for place, other in enumerate(some[:at]):
                (a,), (b,) = one.towers, other.towers
                x = one.vectors[b if a == "text" else a][part]
                y = other.vectors[a if b == "text" else b][part]
                length = max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-9)
                table[at, place] = table[place, at] = float(x @ y) / length
        return table.sum(axis=1)

    return sums


def centred(known: Reference) -> Weigh:
    """By centred cosines, all pairs of towers alike."""
    alike = Model(dict.fromkeys(PAIRS, 1.0), dict.fromkeys(PAIRS, 0.0), 0.0, 0.0)
    return lambda some: weigh(known, some, alike)


def accuracy(sets: Sequence[Set], things: Sequence[Labelled], by: Weigh) -> float:
    """The share of sets whose odd one has the least evidence."""
    right = [
        int(by([things[place].thing for place in one.places]).argmin()) == len(one.places) - 1
        for one in sets
    ]
    return float(np.mean(right))


def print_sure(
    sets: Sequence[Set], things: Sequence[Labelled], known: Reference, model: Model
) -> None:
    """How often the odd one is right among those of about the same probability."""
    sure, right = [], []
    for one in sets:
        powers, _ = odds(weigh(known, [things[place].thing for place in one.places], model), model)
        sure.append(float(powers.max() / powers.sum()))
        right.append(int(powers.argmax()) == len(one.places) - 1)
    told, were = np.array(sure), np.array(right)
    groups = np.digitize(told, BINS)
    lines, error = [], 0.0
    for group in np.unique(groups):
        some = groups == group
        said, held = told[some].mean(), were[some].mean()
        lines.append(f"{said:.2f} said, {held:.2f} right ({some.sum()})")
        error += abs(said - held) * some.mean()
    print(f"    how sure: {'; '.join(lines)}; expected calibration error {error:.3f}")


def print_alone(sets: Sequence[Set], things: Sequence[Labelled], ways: dict[str, Weigh]) -> None:
    """Of mixed sets in which one thing that belongs is the only one of its medium: is it taken?"""
    asked = []
    for one in sets:
        towers = [things[place].tower for place in one.places]
        alone = [at for at, tower in enumerate(towers) if towers.count(tower) == 1]
        if len(alone) == 1 and alone[0] != len(one.places) - 1:
            asked.append(([things[place].thing for place in one.places], alone[0]))
    print(f"    the only one of its medium, though it belongs, taken for odd ({len(asked)} sets):")
    for what, by in ways.items():
        taken = np.mean([int(by(some).argmin()) == alone for some, alone in asked])
        print(f"        {what}: {taken:.3f}")


def print_together(
    alike: Sequence[Set], apart: Sequence[Set], things: Sequence[Labelled], by: Weigh, model: Model
) -> None:
    """How often it is said that maybe none is odd."""
    said = []
    for sets in (alike, apart):
        told = []
        for one in sets:
            powers, together = odds(by([things[place].thing for place in one.places]), model)
            told.append(together > powers.sum())
        said.append(np.mean(told))
    print(
        f"    maybe none is odd, said of sets without one: {said[0]:.3f}; with one: {said[1]:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path, help="folder of benchmarks.pictures")
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0")
    parser.add_argument("--sets", type=int, default=1500, help="of each medium")
    parser.add_argument("--write", action="store_true", help="fit to all, and write the assets")
    options = parser.parse_args()
    print(describe_machine())
    space = load_space()
    net = WordNet(options.data_noun)
    things, known = gather(space, options.work, options.data_noun, net)
    held = {tower: sum(one.tower == tower for one in things) for tower in TOWERS}
    print(f"{held['text']} words, {held['image']} pictures, {held['audio']} sounds")

    def learn(half: int | None) -> Model:
        sets = [
            one
            for seed, media in enumerate(MEDIA.values(), start=1)
            for one in draw(things, net, media, half, options.sets, seed, TOGETHER)
        ]
        return fit(sets, features(sets, things, known))

    if options.write:
        write(learn(None), known)
        print(f"written: {ASSETS / 'oddity.toml'}, {ASSETS / 'usual.safetensors'}")
        return
    model = learn(0)
    parts = {
        "pictures' part": slice(0, IMAGE_DIM),
        "sounds' part": slice(IMAGE_DIM, IMAGE_DIM + SOUND_DIM),
        "texts' part": slice(IMAGE_DIM + SOUND_DIM, None),
    }
    for seed, (name, media) in enumerate(MEDIA.items(), start=101):
        sets = draw(things, net, media, 1, options.sets, seed)
        chance = np.mean([1 / len(one.places) for one in sets])
        ways = {
            "least mean cosine": plain(),
            "least mean centred cosine": centred(known),
            "Anyfind": lambda some: weigh(known, some, model),
        }
        if name == "words":
            ways |= {f"least mean cosine, {what}": plain(part) for what, part in parts.items()}
        print(f"{name}: {len(sets)} sets of {SMALLEST} to {LARGEST}, chance {chance:.3f}")
        for what, by in ways.items():
            right = accuracy(sets, things, by)
            error = 1.96 * np.sqrt(right * (1 - right) / len(sets))
            print(f"    {what}: {right:.3f} ({right - error:.3f}-{right + error:.3f})")
        print_sure(sets, things, known, model)
        alike = draw(things, net, media, 1, options.sets // 3, seed + 100, together=1.0)
        print_together(alike, sets, things, ways["Anyfind"], model)
        if name == "mixed":
            print_alone(sets, things, ways)


if __name__ == "__main__":
    main()
