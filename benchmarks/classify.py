"""Sorting under labels: by words alone, and by a probe learnt from a few examples.

    python -m benchmarks.classify WORK DATA.NOUN [--draws 10] [--write]

WORK is the folder that `python -m benchmarks.pictures WORK` filled; DATA.NOUN is that of WordNet
3.0 (Debian: wordnet-base), index.noun beside it. What the items are sorted into: `classify.toml`.

- pictures: photographs and drawings, under the wider nouns that their captions stand under;
- sounds: the corpus that ships, through adapters fitted without the packages that they come from;
- texts: definitions of nouns, under the wider nouns.

First, how sure: label lists are drawn at random, and each is put to items of which three quarters
belong under one of them, and the others under a label that is not in the list. The figures of a
tower are fitted on one half of the labels and judged on the other, and the other way round: the
expected calibration error (ten bins), how often "none of these" is said where it is right and where
it is wrong, and how often the right label is. Drawings are judged by what photographs taught.
`--write` fits photographs, sounds and texts whole into `assets/classification.toml`.

Then, accuracy (mean over labels, which hides no rare one) against the number of examples a label:
0 is words alone; the probe is ours; its peers are the regression without the words (10 is
scikit-learn's C), and the nearest mean of the examples. Pictures and texts are tested on all that
is not among the 16 examples a label; sounds likewise, as in a library of one's own, and once more
on packages that gave no examples, which sound otherwise. The interval is that of the mean over
draws (1.96 standard errors).
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.optimize import minimize

from analysis.classification import Certainty, label_wordings
from analysis.probe import fit, regress
from benchmarks.machine import describe_machine
from benchmarks.retrieval import FITTED_ONLY
from encoders.adapter import fit_adapter, shipped_corpus
from encoders.space import Space, load_space
from store.background import MEAN, NEAR, SD, Background
from store.wordings import encode_queries

Array = np.ndarray[Any, Any]

RECIPE = Path(__file__).with_suffix(".toml")
EXAMPLES = (1, 2, 4, 8, 16)
FEWEST = 24  # items of a label that takes part: 16 examples, and some to test on
DEFINITIONS = 60  # of each label
NONE_SHARE = 0.25
"""How many of the items belong under none of the labels: who names labels mostly has a use for
them."""
PARTS = 5  # packages of sounds are dealt into so many, each left out once
LISTS = (2, 3, 5, 8, 12, 20)  # labels in a list
TRIALS, ITEMS = 400, 12  # lists drawn, and items of each sort put to them
FIT_SEED, JUDGE_SEED = 1, 2


@dataclass(frozen=True)
class Gallery:
    """Items of one tower with known labels."""

    name: str
    tower: str
    vectors: Array
    """(items, dim), unit rows."""
    labels: Array
    """(items,): what each is sorted under."""
    texts: Array
    """(items,): what each is, more closely; the same as the label where that is not known."""
    packages: Array
    """(items,): where each comes from."""
    wide: Array
    """(items,): a wider label."""

    def subset(self, chosen: Array, name: str | None = None) -> Gallery:
        columns = (self.vectors, self.labels, self.texts, self.packages, self.wide)
        return Gallery(name or self.name, self.tower, *(column[chosen] for column in columns))

    def frequent(self) -> Gallery:
        """The items of labels that have enough."""
        names, counts = np.unique(self.labels, return_counts=True)
        return self.subset(np.isin(self.labels, names[counts >= FEWEST]))


# --- what the items are -----------------------------------------------------------------------


class Nouns:
    """WordNet's nouns, and the chosen ones that they stand under."""

    def __init__(self, data: Path, roots: dict[str, str]) -> None:
        self.glosses: dict[str, str] = {}
        self._wider: dict[str, list[str]] = {}
        self._first: dict[str, str] = {}
        for line in data.read_text("utf-8").splitlines():
            if line.startswith(" "):
                continue
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            pointers = fields[4 + 2 * int(fields[3], 16) + 1 :]
            self.glosses[fields[0]] = gloss.partition(";")[0].strip()
            self._wider[fields[0]] = [
                pointers[at + 1]
                for at in range(0, len(pointers) - 3, 4)
                if pointers[at] in ("@", "@i")
            ]
        for line in data.with_name("index.noun").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                self._first[fields[0]] = fields[-int(fields[2])]
        self._roots = {self._first[noun]: label for label, noun in roots.items()}

    def label(self, sense: str) -> str | None:
        """The chosen label that a sense stands under, the nearest one."""
        level, seen = [sense], set()
        while level:
            for one in level:
                if one in self._roots:
                    return self._roots[one]
            seen |= set(level)
            level = [wider for one in level for wider in self._wider[one] if wider not in seen]
        return None

    def of_caption(self, caption: str) -> str | None:
        """The label of the longest noun that a caption ends with."""
        words = caption.lower().split()
        for start in range(len(words)):
            noun = "_".join(words[start:])
            for form in (noun, noun.removesuffix("s"), noun.removesuffix("es")):
                if form in self._first:
                    return self.label(self._first[form])
        return None


def widen(labels: Array) -> Array:
    """The wider labels of some."""
    held = tomllib.loads(RECIPE.read_text("utf-8"))["wide"]
    wider = {label: wide for wide, narrow in held.items() for label in narrow}
    return np.array([wider.get(str(label), str(label)) for label in labels])


def picture_galleries(space: Space, work: Path, nouns: Nouns) -> list[Gallery]:
    """Photographs and drawings; a picture of several things counts as the first of them."""
    rows: dict[str, tuple[str, str, str, str]] = {}
    with (work / "pictures.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            label = nouns.of_caption(row["text"])
            if label is not None and row["path"] not in rows:
                rows[row["path"]] = (label, row["text"], row["package"], row["kind"])
    vectors = []
    paths = list(rows)
    for start in range(0, len(paths), space.batch_size):
        opened = []
        for path in paths[start : start + space.batch_size]:
            with Image.open(work / path) as image:
                opened.append(image.convert("RGB"))
        vectors.append(space.encode_images(opened))
    labels, texts, packages, kinds = (
        np.array(column) for column in zip(*rows.values(), strict=True)
    )
    every = Gallery("", "image", np.concatenate(vectors), labels, texts, packages, widen(labels))
    return [every.subset(kinds == kind, f"{kind}s") for kind in ("photograph", "drawing")]


def sound_gallery(space: Space, kinds: dict[str, str]) -> Gallery:
    """The sounds of the corpus, through adapters that never heard their packages."""
    corpus = shipped_corpus()
    asked = [
        next((label for label, held in kinds.items() if re.search(rf"\b(?:{held})", caption)), "")
        for caption in corpus.captions
    ]
    captions = list(corpus.captions)
    known: dict[str, Array] = {}

    def encode_texts(texts: Sequence[str]) -> Array:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, space.encode_texts(new), strict=True))
        return np.stack([known[text] for text in texts])

    place = None
    if space.place is not None:
        places = dict(zip(captions, space.place(captions), strict=True))

        def place(texts: Sequence[str]) -> Array:
            return np.stack([places[text] for text in texts])

    part_of = np.random.default_rng(0).integers(PARTS, size=len(corpus.sources))
    vectors = np.zeros((len(corpus.labels), space.dim), np.float32)
    for part in range(PARTS):
        inside = part_of[corpus.groups] == part
        others = corpus.subset(~inside)
        adapter = fit_adapter(others, "benchmark", encode_texts, place)
        vectors[inside] = adapter(corpus.features[inside, 0])
    labels = np.array([asked[caption] for caption in corpus.labels])
    packages = np.array([corpus.sources[group] for group in corpus.groups])
    texts = np.array([captions[caption] for caption in corpus.labels])
    every = Gallery("sounds", "audio", vectors, labels, texts, packages, widen(labels))
    return every.subset((labels != "") & ~np.isin(packages, FITTED_ONLY))


def text_gallery(space: Space, nouns: Nouns) -> Gallery:
    """Definitions, drawn at random for each label."""
    by_label: dict[str, list[str]] = {}
    for sense in sorted(nouns.glosses):
        label = nouns.label(sense)
        if label is not None:
            by_label.setdefault(label, []).append(nouns.glosses[sense])
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for label, glosses in by_label.items():
        picked = rng.permutation(len(glosses))[:DEFINITIONS]
        texts += [glosses[at] for at in picked]
        labels += [label] * len(picked)
    named = np.array(labels)
    return Gallery("texts", "text", space.encode_texts(texts), named, named, named, widen(named))


# --- how sure ---------------------------------------------------------------------------------


@dataclass
class Trials:
    """Items put to lists of labels."""

    scores: Array
    """(trials, most labels + 1): as `classification.Labels.scores`; -inf where there is none."""
    right: Array
    """(trials,): the column of the right label, the last for none of these."""


def draw(space: Space, background: Background, gallery: Gallery, seed: int) -> Trials:
    """Draw lists of wide, middling and close labels by turns, and items for each."""
    rng = np.random.default_rng(seed)
    names = np.unique(np.concatenate([gallery.labels, gallery.texts, gallery.wide]))
    wordings = {gallery.tower: label_wordings("embedded", gallery.tower)}
    words = encode_queries(space, list(names), wordings)[gallery.tower]
    standing = background.standing(gallery.tower, gallery.vectors)
    above = (gallery.vectors @ words.T - standing[:, [MEAN]]) / standing[:, [SD]]
    near = (standing[:, NEAR] - standing[:, MEAN]) / standing[:, SD]
    scores, right = [], []
    for trial in range(TRIALS):
        told = (gallery.wide, gallery.labels, gallery.texts)[trial % 3]
        every = np.unique(told)
        size = int(rng.choice([size for size in LISTS if size < len(every)]))
        listed = rng.choice(every, size, replace=False)
        present = np.flatnonzero(np.isin(told, listed))
        absent = np.flatnonzero(~np.isin(gallery.wide, gallery.wide[present]))
        columns = np.searchsorted(names, listed)
        many = min(ITEMS, len(present), len(absent))
        few = round(many * NONE_SHARE / (1 - NONE_SHARE))
        for items, here, count in ((present, True, many), (absent, False, few)):
            for item in rng.permutation(items)[:count]:
                row = np.full(max(LISTS) + 1, -np.inf)
                row[:size], row[-1] = above[item, columns], near[item]
                scores.append(row)
                right.append(list(listed).index(told[item]) if here else len(row) - 1)
    return Trials(np.array(scores), np.array(right))


def calibrate(trials: Trials) -> Certainty:
    """The three figures of the least log-loss."""

    def loss(figures: Array) -> float:
        shares = Certainty(*figures)(trials.scores)
        return float(-np.log(shares[np.arange(len(shares)), trials.right] + 1e-12).mean())

    found = minimize(loss, [1.0, 2.0, 0.5], method="Nelder-Mead", options={"maxiter": 600})
    return Certainty(*(float(figure) for figure in found.x))


def judge(shares: Array, right: Array) -> str:
    """A line of the table."""
    told, sure = shares.argmax(axis=1), shares.max(axis=1)
    none = shares.shape[1] - 1
    here = right != none
    error = calibration_error(sure, told == right)
    figures = [(told[~here] == none).mean(), (told[here] == none).mean()]
    figures += [(told[here] == right[here]).mean(), (told == right).mean(), error]
    return "".join(f"{figure:14.3f}" for figure in figures) + f"{len(right):10}"


def calibration_error(sure: Array, right: Array) -> float:
    """Expected calibration error: by how much probability and share of right answers differ, mean
    over ten bins of probability, weighted by their sizes (Guo et al. 2017)."""
    bins = np.minimum((sure * 10).astype(int), 9)
    return float(
        sum(
            (bins == at).mean() * abs(sure[bins == at].mean() - right[bins == at].mean())
            for at in np.unique(bins)
        )
    )


def halves(gallery: Gallery) -> tuple[Gallery, Gallery]:
    """The items of either half of the labels."""
    names = np.random.default_rng(0).permutation(np.unique(gallery.wide))
    one = np.isin(gallery.wide, names[::2])
    return gallery.subset(one), gallery.subset(~one)


def print_certainty(space: Space, galleries: Sequence[Gallery]) -> dict[str, Certainty]:
    """The table, and the figures fitted to all of a tower's first gallery."""
    background = Background(space)
    print("\nHow sure, on labels that were not fitted on; a quarter belong under none:")
    columns = ("none: right", "none: wrong", "label right", "all right", "calib. error")
    print(f"{'':14}" + "".join(f"{column:>14}" for column in columns) + f"{'items':>10}")
    fitted: dict[str, Certainty] = {}
    for gallery in galleries:
        if gallery.tower in fitted:
            trials = draw(space, background, gallery, JUDGE_SEED)
            shares, right = fitted[gallery.tower](trials.scores), trials.right
        else:
            fitted[gallery.tower] = calibrate(draw(space, background, gallery, FIT_SEED))
            judged = []
            for half, other in (halves(gallery), halves(gallery)[::-1]):
                certainty = calibrate(draw(space, background, half, FIT_SEED))
                trials = draw(space, background, other, JUDGE_SEED)
                judged.append((certainty(trials.scores), trials.right))
            shares, right = (np.concatenate(column) for column in zip(*judged, strict=True))
        print(f"{gallery.name:14}{judge(shares, right)}", flush=True)
    return fitted


# --- from examples ----------------------------------------------------------------------------


def means(rows: Array, marks: Array, _: Array) -> tuple[Array, Array]:
    """The nearest mean of the examples."""
    found = np.stack([rows[marks == label].mean(axis=0) for label in range(marks.max() + 1)])
    return found / np.linalg.norm(found, axis=1, keepdims=True), np.zeros(len(found))


METHODS: dict[str, Callable[[Array, Array, Array], tuple[Array, Array]]] = {
    "nearest mean": means,
    "regression, 10": lambda rows, marks, _: regress(rows, marks, 10.0),
    "the probe (ours)": lambda rows, marks, words: fit(rows, marks, words)[:2],
}


def split(
    gallery: Gallery, marks: Array, rng: np.random.Generator, apart: bool
) -> tuple[list[Array], Array]:
    """Each label's items to learn from, in random order, and those to test on, which are from other
    packages where they are to be `apart`."""
    order = rng.permutation(len(marks))
    count = marks.max() + 1
    if apart:
        packages = rng.permutation(np.unique(gallery.packages))
        taught = np.isin(gallery.packages[order], packages[::2])
        return [order[taught & (marks[order] == one)] for one in range(count)], order[~taught]
    first = [order[marks[order] == one][: EXAMPLES[-1]] for one in range(count)]
    return first, np.setdiff1d(order, np.concatenate(first))


def print_examples(space: Space, gallery: Gallery, draws: int, apart: bool = False) -> None:
    gallery = gallery.frequent()
    names, marks = np.unique(gallery.labels, return_inverse=True)
    wordings = {gallery.tower: label_wordings("embedded", gallery.tower)}
    words = encode_queries(space, list(names), wordings)[gallery.tower]
    results: dict[tuple[str, int], list[float]] = {}
    errors: dict[int, list[float]] = {}
    tried = []
    for seed in range(draws):
        taught, test = split(gallery, marks, np.random.default_rng(seed), apart)
        kept = [label for label in range(len(names)) if len(taught[label])]
        test = test[np.isin(marks[test], kept)]
        rows, right = gallery.vectors[test], np.searchsorted(kept, marks[test])
        asked = words[kept]
        tried.append(len(test))

        def accuracy(logits: Array, right: Array = right) -> float:
            told = logits.argmax(axis=1)
            return float(np.mean([(told[right == o] == o).mean() for o in np.unique(right)]))

        results.setdefault(("words alone", 0), []).append(accuracy(rows @ asked.T))
        for count in EXAMPLES:
            shown = np.concatenate([taught[label][:count] for label in kept])
            shown_marks = np.searchsorted(kept, marks[shown])
            for name, learn in METHODS.items():
                weight, bias = learn(gallery.vectors[shown], shown_marks, asked)
                logits = rows @ weight.T + bias
                results.setdefault((name, count), []).append(accuracy(logits))
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            error = calibration_error(shares.max(axis=1), shares.argmax(axis=1) == right)
            errors.setdefault(count, []).append(error)
    among = ", from other packages" if apart else ""
    print(
        f"\n{gallery.name}{among}: {len(names)} labels, {len(marks)} items, "
        f"{np.mean(tried):.0f} tested on, {draws} draws, chance {1 / len(names):.3f}"
    )
    print(f"{'examples a label':18}" + "".join(f"{n:>15}" for n in (0, *EXAMPLES)))
    for method in dict.fromkeys(name for name, _ in results):
        cells = [_cell(results.get((method, n))) for n in (0, *EXAMPLES)]
        print(f"{method:18}" + "".join(f"{cell:>15}" for cell in cells))
    cells = ["", *(f"{np.mean(errors[n]):.3f}" for n in EXAMPLES)]
    print(f"{'its calib. error':18}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def _cell(values: Sequence[float] | None) -> str:
    if values is None:
        return ""
    half = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3f} ±{half:.3f}"


HEAD = """\
# Sorting under labels (analysis/classification.py). `wordings`: how a label is worded for a tower
# where that differs from a query (assets/prompts.toml), {} being the label. The figures of a tower
# make scores probabilities; fitted and written by `python -m benchmarks.classify WORK DATA.NOUN
# --write`.

[embedded.wordings]
"""


def write(fitted: dict[str, Certainty]) -> None:
    wording = ", ".join(f'"{text}"' for text in label_wordings("embedded", "image"))
    lines = [f"{HEAD}image = [{wording}]"]
    for tower, certainty in fitted.items():
        figures = "\n".join(f"{name} = {value:.4f}" for name, value in vars(certainty).items())
        lines.append(f"\n[embedded.{tower}]\n{figures}")
    target = Path(__file__).resolve().parent.parent / "assets" / "classification.toml"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path, help="folder of benchmarks.pictures")
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="write assets/classification.toml")
    options = parser.parse_args()
    recipe = tomllib.loads(RECIPE.read_text("utf-8"))
    print(describe_machine())
    space = load_space()
    nouns = Nouns(options.data_noun, recipe["nouns"])
    photographs, drawings = picture_galleries(space, options.work, nouns)
    sounds, texts = sound_gallery(space, recipe["sounds"]), text_gallery(space, nouns)
    print("vectors made", file=sys.stderr)
    galleries = [photographs, drawings, sounds, texts]
    fitted = print_certainty(space, galleries)
    if options.write:
        write(fitted)
    for gallery in galleries:
        print_examples(space, gallery, options.draws)
        if gallery is sounds:
            print_examples(space, gallery, options.draws, apart=True)


if __name__ == "__main__":
    main()
