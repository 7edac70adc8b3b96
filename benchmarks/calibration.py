"""How sure may a hit be? Fits `assets/calibration.toml` on libraries with known answers.

    python -m benchmarks.calibration WORK DATA.NOUN [--kind photograph] [--corpus FILE]
        [--miss 0.1] [--write]

WORK is the folder that `python -m benchmarks.pictures WORK` filled, of which `--kind` takes a part
(a space that is bad at drawings is less sure of photographs when it is fitted to both); the sounds
are those of the corpus that ships, each embedded by an adapter fitted without its package; the
texts are definitions of common nouns, looked for by the nouns, from DATA.NOUN of WordNet 3.0
(Debian: wordnet-base) and index.noun beside it.

First: do few items come up for everything? How often each item is among the first ten for the
bank of everyday queries: the skewness of that count (0 where all come up alike; Radovanović et
al. 2010), the share of queries that the most frequent item comes up for, and how well right
answers are found, for several corrections.

Then libraries of many sizes are drawn, and each query is put twice: with its right items in the
library, and with every item taken out that shares a word with it. A hit is right when one of its
texts is the query, but for words that one of the two leaves out ("dog", "dog barking"). Packages
are dealt into two halves; what is told of one half is by a model fitted on the other. `--miss` is
the share of queries with a right first hit that may be told "nothing close" all the same.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.retrieval import FITTED_ONLY, leave_out
from encoders.adapter import SoundCorpus, fit_adapter
from encoders.anchors import read_words
from encoders.embedded import word_vocabulary
from encoders.space import Space, load_space
from store.background import MEAN, NEAR, Background, above, correct, typical
from store.certainty import FEATURES
from store.evaluation import retrieval_metrics
from store.scores import moments
from store.wordings import encode_queries, read_wordings, space_kind

Array = np.ndarray[Any, Any]

SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000)
DRAWS = 25  # libraries of each size
QUERIES = 12  # put to each library, twice
DEFINITIONS = 2500
HITS = 5  # of each query, that a model learns from
COMMON = "a an the of in on with and or at to from for by some sound noise playing"
EMPTY = frozenset(COMMON.split())


@dataclass(frozen=True)
class Gallery:
    """Items of one medium with known answers."""

    modality: str
    vectors: Array
    """(items, dim), unit rows."""
    texts: list[list[str]]
    """What each item is, in one or several wordings."""
    packages: Array
    """(items,): where each comes from."""


def picture_gallery(space: Space, work: Path, kind: str | None = None) -> Gallery:
    """The pictures of a work folder of `benchmarks.pictures`, all or of one kind."""
    texts: dict[str, list[str]] = {}
    packages: dict[str, str] = {}
    with (work / "pictures.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if kind not in (None, row["kind"]):
                continue
            texts.setdefault(row["path"], []).append(row["text"])
            packages[row["path"]] = row["package"]
    paths = list(texts)
    rows = []
    for start in range(0, len(paths), space.batch_size):
        opened = []
        for path in paths[start : start + space.batch_size]:
            with Image.open(work / path) as image:
                opened.append(image.convert("RGB"))
        rows.append(space.encode_images(opened))
    return Gallery(
        "image",
        np.concatenate(rows),
        [texts[path] for path in paths],
        np.array([packages[path] for path in paths]),
    )


def sound_gallery(space: Space, file: Path) -> Gallery:
    """The sounds of a corpus, each package through an adapter fitted to the others."""
    corpus = SoundCorpus.load(file)
    known: dict[str, Array] = {}

    def encode_texts(texts: Sequence[str]) -> Array:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, space.encode_texts(new), strict=True))
        return np.stack([known[text] for text in texts])

    place = None
    if space.place is not None:
        places = dict(zip(corpus.captions, space.place(corpus.captions), strict=True))

        def place(texts: Sequence[str]) -> Array:
            return np.stack([places[text] for text in texts])

    vectors, texts, packages = [], [], []
    for group, name in enumerate(corpus.sources):
        if name in FITTED_ONLY:
            continue
        others, features, _, _ = leave_out(corpus, name)
        vectors.append(fit_adapter(others, "benchmark", encode_texts, place)(features))
        texts += [[corpus.captions[i]] for i in corpus.labels[corpus.groups == group]]
        packages += [name] * len(features)
    return Gallery("audio", np.concatenate(vectors), texts, np.array(packages))


def text_gallery(space: Space, data_noun: Path) -> Gallery:
    """Definitions of the commonest nouns, in their first sense; each is right for its nouns."""
    definitions = {}
    for line in data_noun.read_text("utf-8").splitlines():
        if not line.startswith(" "):
            definitions[line.partition(" ")[0]] = line.partition(" | ")[2].partition(";")[0].strip()
    first = {}
    for line in data_noun.with_name("index.noun").read_text("utf-8").splitlines():
        fields = line.split()
        if not line.startswith(" "):
            first[fields[0]] = fields[-int(fields[2])]
    texts: dict[str, list[str]] = {}
    for word in read_words(data_noun, word_vocabulary()):
        texts.setdefault(definitions[first[word]], []).append(word)
    chosen = list(texts)[:DEFINITIONS]
    return Gallery(
        "text",
        space.encode_texts(chosen),
        [texts[definition] for definition in chosen],
        np.array([f"part {number % 10}" for number in range(len(chosen))]),
    )


class Answers:
    """A gallery with all its texts as queries: which items are right, and their cosines."""

    def __init__(self, space: Space, gallery: Gallery) -> None:
        self.gallery = gallery
        background = Background(space)
        wordings = read_wordings(space_kind(space.name))
        asked = {gallery.modality: wordings[gallery.modality]}
        self.queries = sorted({text for texts in gallery.texts for text in texts})
        (vectors,) = encode_queries(space, self.queries, asked).values()
        self.bank = background.vectors(gallery.modality)
        self.standing = background.standing(gallery.modality, gallery.vectors)
        self.cosines = vectors @ gallery.vectors.T
        said = np.zeros((len(self.queries), len(gallery.texts)), dtype=bool)
        place = {text: row for row, text in enumerate(self.queries)}
        for item, texts in enumerate(gallery.texts):
            said[[place[text] for text in texts], item] = True
        words = [content_words(text) for text in self.queries]
        related = np.array([[bool(a & b) or a == b for b in words] for a in words])
        inside = np.array([[a <= b or b <= a for b in words] for a in words])
        self.said = said
        """(queries, items): the item has this very text."""
        self.right = ((related & inside).astype(np.float32) @ said) > 0
        self.related = (related.astype(np.float32) @ said) > 0


def content_words(text: str) -> frozenset[str]:
    """The words that tell things apart, without a plural's s."""
    words = re.findall(r"[a-z]+", text.lower())
    return frozenset(w.rstrip("s") if len(w) > 3 else w for w in words if w not in EMPTY)


# --- hubs -------------------------------------------------------------------------------------


def corrections(answers: Answers) -> dict[str, Callable[[Array], Array]]:
    """Each from cosines (queries, items) to scores."""
    standing = answers.standing
    bank = answers.bank @ answers.gallery.vectors.T

    def softened(beta: float) -> Array:
        """The item's share of the bank, as a logarithm: inverted softmax (Smith et al. 2017)."""
        result: Array = np.log(np.exp(beta * bank).mean(axis=0)) / beta
        return result

    hubs = np.zeros(bank.shape[1], dtype=bool)
    hubs[bank.argmax(axis=1)] = True

    def dynamic(cosines: Array) -> Array:
        """Only where the first hit is first for the bank as well (Bogolin et al. 2022)."""
        first = hubs[cosines.argmax(axis=1)][:, None]
        return np.where(first, cosines - softened(10), cosines)

    return {
        "none": lambda cosines: cosines,
        "less the mean": lambda cosines: cosines - standing[:, MEAN],
        "less the mean, by the spread": lambda cosines: above(cosines, standing),
        "less all of the nearest": lambda cosines: cosines - standing[:, NEAR],
        "inverted softmax, 10": lambda cosines: cosines - softened(10),
        "dynamic inverted softmax, 10": dynamic,
        "less half of the nearest (ours)": lambda cosines: correct(cosines, standing),
    }


def occurrence(scores: Array, k: int = 10) -> tuple[float, float]:
    """Of scores (queries, items): skewness of how often an item is among the first k, and the
    share of queries for which the most frequent one is."""
    k = min(k, scores.shape[1] - 1)
    first = np.argpartition(-scores, k, axis=1)[:, :k]
    counts = np.bincount(first.ravel(), minlength=scores.shape[1]).astype(float)
    deviations = counts - counts.mean()
    return float((deviations**3).mean() / counts.std() ** 3), float(counts.max() / len(scores))


def print_hubs(answers: Answers) -> None:
    bank = answers.bank @ answers.gallery.vectors.T
    queries, items = answers.cosines.shape
    print(f"\n{answers.gallery.modality}: {items} items, {queries} queries, a bank of {len(bank)}")
    print(f"{'correction':34}skewness  most often  first right  mAP    mAP within packages")
    for name, apply in corrections(answers).items():
        skewness, most = occurrence(apply(bank))
        scores = apply(answers.cosines)
        found = retrieval_metrics(scores, answers.said)
        inside = [
            (rows.sum(), retrieval_metrics(scores[rows][:, own], answers.said[rows][:, own])["map"])
            for package in np.unique(answers.gallery.packages)
            for own in [answers.gallery.packages == package]
            for rows in [answers.said[:, own].any(axis=1)]
        ]
        mean = sum(n * value for n, value in inside) / sum(n for n, _ in inside)
        print(
            f"{name:34}{skewness:8.2f}{most:12.3f}{found['recall@1']:13.3f}"
            f"{found['map']:7.3f}{mean:8.3f}"
        )


# --- how sure ---------------------------------------------------------------------------------


@dataclass
class Trials:
    """The first hits of queries put to drawn libraries."""

    size: Array
    """(trials,): items of the library."""
    present: Array
    """(trials,): whether a right item was there."""
    features: Array
    """(trials, HITS, 3): as `store.certainty.FEATURES`."""
    right: Array
    """(trials, HITS)."""
    related: Array
    """(trials, HITS): shares a word with the query."""

    @classmethod
    def join(cls, parts: Sequence[Trials]) -> Trials:
        return cls(*(np.concatenate([vars(p)[name] for p in parts]) for name in vars(parts[0])))


def draw(answers: Answers, items: Array, rng: np.random.Generator) -> Trials:
    """Put queries to libraries drawn from some items."""
    trials = []
    for size in [size for size in SIZES if size <= len(items)]:
        for _ in range(DRAWS):
            library = rng.choice(items, size, replace=False)
            queries = np.flatnonzero(answers.said[:, library].any(axis=1))
            for query in rng.choice(queries, min(QUERIES, len(queries)), replace=False):
                without = library[~answers.related[query, library]]
                if len(without) >= HITS:
                    trials.append((size, True, *ask(answers, query, library)))
                    trials.append((size, False, *ask(answers, query, without)))
    return Trials(*(np.array(column) for column in zip(*trials, strict=True)))


def ask(answers: Answers, query: int, library: Array) -> tuple[Array, Array, Array]:
    """One query to one library, as `Library.search` answers it: of the first HITS the features,
    whether they are right, and whether they are related."""
    standing = answers.standing[library]
    plain = answers.cosines[query, library]
    cosines = correct(plain, standing)
    mean, sd = moments(cosines, typical(standing))
    first = np.argsort(-cosines, kind="stable")[:HITS]
    values = [(cosines[first] - mean) / sd, above(plain[first], standing[first])]
    features = np.stack([*values, np.full(len(first), np.log(len(library)))], axis=1)
    hits = library[first]
    return features, answers.right[query, hits], answers.related[query, hits]


def fit(trials: Trials) -> Array:
    """Weights and bias, float64 (4,), of a logistic regression, by Newton's method.

    Hits that share a word with the query without being right teach nothing.
    """
    sure = trials.right | ~trials.related
    x = trials.features[sure]
    y = trials.right[sure].astype(np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    x = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    w = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(len(w))
        w += np.linalg.solve(hessian, x.T @ (y - p) - 1e-3 * w)
    slopes = w[:-1] / scale
    return np.append(slopes, w[-1] - slopes @ mean)


def predict(model: Array, features: Array) -> Array:
    """Probabilities (...,) of features (..., 3)."""
    result: Array = 1 / (1 + np.exp(-(features @ model[:-1] + model[-1])))
    return result


def halves(packages: Array) -> tuple[Array, Array]:
    """The items of the packages of either half, of about the same size."""
    names, counts = np.unique(packages, return_counts=True)
    dealt: list[list[str]] = [[], []]
    sizes = [0, 0]
    for at in np.argsort(-counts, kind="stable"):
        side = int(sizes[1] < sizes[0])
        dealt[side].append(str(names[at]))
        sizes[side] += int(counts[at])
    one = np.isin(packages, dealt[0])
    return np.flatnonzero(one), np.flatnonzero(~one)


def calibrate(answers: Answers, miss: float) -> tuple[Array, float]:
    """Prints what models of one half tell of the other; returns that of all, and the floor."""
    rng = np.random.default_rng(0)
    sides = [draw(answers, items, rng) for items in halves(answers.gallery.packages)]
    told = [
        predict(fit(other), side.features) for side, other in zip(sides, sides[::-1], strict=True)
    ]
    both, sure = Trials.join(sides), np.concatenate(told)
    surest, first = sure.max(axis=1), both.right[:, 0]
    floor = float(np.quantile(surest[first], miss))
    flagged = surest < floor
    print(f"\n{answers.gallery.modality}: told “nothing close” below {floor:.3f}")
    print(f"{'library':>8}{'queries':>9}{'absent told':>13}{'present told':>14}", end="")
    print(f"{'right first told':>18}{'first right: not told':>23}{'told':>7}")
    for size in [*np.unique(both.size), None]:
        rows = both.size == size if size else np.ones(len(surest), dtype=bool)
        here, gone = rows & both.present, rows & ~both.present
        shares = [flagged[gone], flagged[here], flagged[here & first]]
        shares += [first[here & ~flagged], first[here & flagged]]
        absent, present, wrongly, good, bad = (s.mean() if len(s) else np.nan for s in shares)
        print(f"{size or 'all':>8}{rows.sum():>9}{absent:>13.2f}{present:>14.2f}", end="")
        print(f"{wrongly:>18.2f}{good:>23.2f}{bad:>7.2f}")
    print("how sure, and how often right (first hits, in sixths):")
    for part in np.array_split(np.argsort(sure[:, 0], kind="stable"), 6):
        print(f"{sure[part, 0].mean():8.3f}{first[part].mean():8.3f}   of {len(part)}")
    return fit(both), floor


HEAD = """\
# How sure a hit is: a logistic regression for each kind of space and medium (store/certainty.py),
# and below which probability of its surest hit a query found nothing close. Fitted and written by
# `python -m benchmarks.calibration WORK DATA.NOUN --write`, with further options as below.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path, help="folder of benchmarks.pictures")
    shipped = Path(str(files("assets").joinpath("sound_corpus.safetensors")))
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0")
    parser.add_argument("--kind", help="only these pictures: photograph or drawing")
    parser.add_argument("--corpus", type=Path, default=shipped)
    parser.add_argument("--miss", type=float, default=0.1)
    parser.add_argument("--write", action="store_true", help="write assets/calibration.toml")
    options = parser.parse_args()
    space = load_space()
    galleries = [
        picture_gallery(space, options.work, options.kind),
        sound_gallery(space, options.corpus),
        text_gallery(space, options.data_noun),
    ]
    chosen = f"# --miss {options.miss}" + (f" --kind {options.kind}" if options.kind else "")
    parts = [f"{HEAD}{chosen}\n"]
    for gallery in galleries:
        answers = Answers(space, gallery)
        print_hubs(answers)
        model, floor = calibrate(answers, options.miss)
        values = zip((*FEATURES, "bias", "floor"), (*model, floor), strict=True)
        lines = [f"[{space_kind(space.name)}.{gallery.modality}]"]
        parts.append("\n".join([*lines, *(f"{name} = {value:.4f}" for name, value in values), ""]))
    text = "\n".join(parts)
    print("\n" + text)
    if options.write:
        target = Path(__file__).resolve().parent.parent / "assets" / "calibration.toml"
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
