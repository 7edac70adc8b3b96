"""How well words find sounds and pictures that the embedded space was not fitted to.

    python -m benchmarks.retrieval [--pictures WORK] [--json]

Sounds: each package of the shipped corpus with captions enough is left out as a whole in turn,
the adapter fitted to the others and the package's sounds searched. The bank of captions, too, has
only the others': words are described by what was heard elsewhere. (Its linear maps were fitted
with all captions' names, to no sound; they lose the rows of the captions left out.) The two
soundfonts play the same 128 instruments, so each is found through the other: they stand apart.
Queries are the captions as they are ("a dog barking"), of these again those that no other package
has ("new caption"), the captions in a wording that nothing was fitted with ("this is the sound of
a dog barking"), and their key words ("dog").

Pictures, with --pictures: WORK is the folder that `python -m benchmarks.pictures WORK` filled.
Each package's labels are put to its pictures, drawings and photographs apart; small packages of
photographs, labelled by hand, are one set. Only a picture with this very label is right. The class
probabilities that the simpler methods need are kept in WORK. Asked as a library does means worded
for pictures and corrected for those that come up for everything.

Figures are means over the queries of all packages, with intervals that hold 95 % of the means of
1,000 resamplings of these queries. For sounds, R@k is the share of a caption's sounds that have it
among their k nearest captions of the package; for pictures, the share of labels with a right
picture among the k nearest. mAP is of the items ranked for each query.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmarks.machine import describe_machine
from encoders.adapter import SoundCorpus, embed_captions, fit_adapter, shipped_corpus
from encoders.anchors import (
    FITTED_PACKAGES,
    IMAGE_TEMPERATURE,
    LABEL_TEMPERATURE,
    SOUND_TEMPERATURE,
    WORDS_WEIGHT,
    Anchors,
    Bank,
    attend,
    place_captions,
    shipped_anchors,
)
from encoders.embedded import build_clip, encode_words
from encoders.space import Space, load_space
from encoders.towers import Preprocess
from store.background import Background, correct
from store.wordings import encode_queries, read_wordings, space_kind

Array = np.ndarray[Any, Any]
EncodeTexts = Callable[[Sequence[str]], Array]
Mapping = Callable[[Array], Array]
Fit = Callable[[SoundCorpus, EncodeTexts], tuple[Mapping, EncodeTexts]]
Figures = dict[str, Array]
"""Of each metric, one value a query."""

CUTS = (1, 5, 10)
RESAMPLINGS = 1_000
SOUNDFONTS = ("fluid-soundfont-gm", "timgm6mb-soundfont")
FITTED_ONLY = (
    "asterisk-core-sounds-en-wav",
    "asterisk-core-sounds-es-wav",
    "asterisk-core-sounds-fr-wav",
    "bucklespring-data",
    "espeak-ng",
    "synthesised",
)
"""Many sounds of the same few captions, or made by the project itself."""
FEWEST_CAPTIONS = 5
SCENES = "everyday scenes"
ONE_OBJECT = ("gcompris-qt-data", "tuxpaint-stamps-default")
"""Packages of photographs that show one thing each and are named after it."""
FEWEST_LABELS = 20


# --- metrics ----------------------------------------------------------------------------------


def rank(scores: Array, right: Array) -> tuple[Array, Array]:
    """Of scores and right answers, both (queries, items): the place of each query's first right
    item, from 0, and its average precision, both (queries,). Equal scores stay in item order."""
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.take_along_axis(right, order, axis=1)
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    return right.argmax(axis=1), (precision * right).sum(axis=1) / right.sum(axis=1)


def measure_pictures(scores: Array, right: Array) -> Figures:
    """Of labels and pictures: scores and right answers, both (labels, pictures)."""
    first, precisions = rank(scores, right)
    return {f"R@{k}": (first < k).astype(float) for k in CUTS} | {"mAP": precisions}


def measure_sounds(scores: Array, labels: Array) -> Figures:
    """Of captions and sounds: scores (captions, sounds), and each sound's caption, (sounds,).

    A caption counts the same however many sounds it has.
    """
    right = labels == np.arange(len(scores))[:, None]
    place, _ = rank(scores.T, right.T)
    counts = np.bincount(labels)
    shares = {f"R@{k}": np.bincount(labels, weights=place < k) / counts for k in CUTS}
    return shares | {"mAP": rank(scores, right)[1]}


def chance(measure: Callable[[Array, Array], Figures], queries: int, answers: Array) -> Figures:
    """What random scores reach, the mean of 20 drawings. `answers` is `measure`'s second."""
    random = np.random.default_rng(0)
    runs = [measure(random.random((queries, answers.shape[-1])), answers) for _ in range(20)]
    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


def summarise(figures: Figures) -> dict[str, tuple[float, float, float]]:
    """Mean, and the ends of the interval that holds 95 % of the means of resampled queries."""
    count = len(figures["mAP"])
    picks = np.random.default_rng(0).integers(count, size=(RESAMPLINGS, count))
    result = {}
    for name, values in figures.items():
        low, high = np.quantile(values[picks].mean(axis=1), (0.025, 0.975))
        result[name] = (float(values.mean()), float(low), float(high))
    return result


def select(figures: Figures, chosen: Array) -> Figures:
    """Those of some queries, by a mask."""
    return {name: values[chosen] for name, values in figures.items()}


def pool(parts: Sequence[Figures]) -> Figures:
    """The queries of several packages together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# --- sounds -----------------------------------------------------------------------------------


def fit_nearest(corpus: SoundCorpus, words: EncodeTexts) -> tuple[Mapping, EncodeTexts]:
    """The caption of the most similar sound, where MiniLM puts it."""
    texts = embed_captions(corpus.captions, words)
    known = corpus.features[:, 0]
    mean, scale = known.mean(axis=0), known.std(axis=0) + 1e-3
    known = unit((known - mean) / scale)
    texts = texts - texts.mean(axis=0)

    def apply(features: Array) -> Array:
        nearest = (unit((features - mean) / scale) @ known.T).argmax(axis=1)
        found: Array = texts[corpus.labels[nearest]]
        return found

    return apply, words


def fit_ridge(corpus: SoundCorpus, words: EncodeTexts) -> tuple[Mapping, EncodeTexts]:
    """Ridge regression from the features straight onto MiniLM's embeddings of the captions."""
    targets = embed_captions(corpus.captions, words)[corpus.labels]
    centre = targets.mean(axis=0)
    x = corpus.features.reshape(-1, corpus.features.shape[-1]).astype(np.float64)
    y = np.repeat(targets - centre, corpus.features.shape[1], axis=0)
    w = np.repeat(1 / np.bincount(corpus.labels)[corpus.labels], corpus.features.shape[1])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    x = (x - mean) / scale
    wx = x * (w / w.sum())[:, None]
    weight = np.linalg.solve(wx.T @ x + 0.1 * np.eye(x.shape[1]), wx.T @ y)
    return lambda features: (features - mean) / scale @ weight, words


def fit_conse(corpus: SoundCorpus, words: EncodeTexts) -> tuple[Mapping, EncodeTexts]:
    """The mean of the captions that a sound is like, where MiniLM puts them."""
    return fit_adapter(corpus, "benchmark", words), words


def fit_anchored(corpus: SoundCorpus, words: EncodeTexts) -> tuple[Mapping, EncodeTexts]:
    """What the project ships, with a bank of the corpus' captions alone."""
    anchors = restrict(shipped_anchors(), corpus.captions, words)
    encode_texts = anchored_texts(anchors, words)

    def place(captions: Sequence[str]) -> Array:
        row = {caption: at for at, caption in enumerate(anchors.sound.names)}
        shares = np.eye(len(row))[[row[caption] for caption in captions]]
        texts = embed_captions(captions, words)
        image_shares = attend(texts, words(anchors.image.names), LABEL_TEMPERATURE)
        return place_captions(anchors, shares, image_shares)

    return fit_adapter(corpus, "benchmark", encode_texts, place), encode_texts


def restrict(anchors: Anchors, captions: Sequence[str], words: EncodeTexts) -> Anchors:
    """The anchors with no other captions in the bank of sounds, the centre computed anew."""
    bank = anchors.sound
    kept = [bank.names.index(caption) for caption in captions]
    texts = embed_captions(captions, words)
    centre = attend(texts, texts, SOUND_TEMPERATURE).mean(axis=0)
    sound = Bank(tuple(captions), centre, bank.text_map[kept], bank.evidence_map[kept])
    return replace(anchors, sound=sound)


def anchored_texts(anchors: Anchors, words: EncodeTexts) -> EncodeTexts:
    """The space's text tower with these anchors, in NumPy: texts to (n, DIM), unit rows."""
    image_texts = words(anchors.image.names)
    caption_texts = embed_captions(anchors.sound.names, words)

    def describe(texts: Array, bank: Bank, known: Array, temperature: float) -> Array:
        return unit((attend(texts, known, temperature) - bank.centre) @ bank.text_map)

    def encode_texts(texts: Sequence[str]) -> Array:
        embedded = words(texts)
        parts = [
            describe(embedded, anchors.image, image_texts, IMAGE_TEMPERATURE),
            describe(embedded, anchors.sound, caption_texts, SOUND_TEMPERATURE),
        ]
        own = unit((embedded - anchors.words_centre) @ anchors.words_map)
        return unit(np.concatenate([*parts, WORDS_WEIGHT * own], axis=1)).astype(np.float32)

    return encode_texts


METHODS: dict[str, Fit] = {
    "nearest sound's caption": fit_nearest,
    "ridge into MiniLM's space": fit_ridge,
    "nearest captions in MiniLM's space (ConSE)": fit_conse,
    "shipped (anchors)": fit_anchored,
}


def key_words(caption: str) -> str:
    """ "a dog barking" -> "dog", "typing on a keyboard" -> "typing on a keyboard"."""
    words = re.sub(r"^(a|an|the) ", "", caption).split()
    return " ".join(w for i, w in enumerate(words) if i == 0 or not w.endswith("ing"))


WORDINGS: dict[str, Callable[[str], str]] = {
    "caption": lambda caption: caption,
    "sentence": lambda caption: f"this is the sound of {caption}",
    "key words": key_words,
}
UNHEARD = "new caption"
"""Among the captions, those that no other package has a sound of."""


def leave_out(corpus: SoundCorpus, name: str) -> tuple[SoundCorpus, Array, Array, list[str]]:
    """The other packages; and one package's features, labels from 0, and captions."""
    inside = corpus.groups == corpus.sources.index(name)
    present, labels = np.unique(corpus.labels[inside], return_inverse=True)
    others = corpus.subset(~inside)
    kept, own = np.unique(others.labels, return_inverse=True)
    others = replace(others, labels=own, captions=tuple(corpus.captions[i] for i in kept))
    return others, corpus.features[inside, 0], labels, [corpus.captions[i] for i in present]


def run_sounds(
    corpus: SoundCorpus, packages: Sequence[str], words: EncodeTexts
) -> tuple[str, dict[str, Figures]]:
    """What was asked of how much, in a line; and the figures of each method and wording."""
    results: dict[str, list[Figures]] = {}
    galleries, heard = [], 0
    for package in progress(packages, "Leaving out packages"):
        others, features, labels, captions = leave_out(corpus, package)
        galleries.append((len(features), len(captions)))
        heard += len(set(captions) & set(others.captions))
        new = np.array([caption not in others.captions for caption in captions])
        random = chance(measure_sounds, len(captions), labels)
        results.setdefault("chance | caption", []).append(random)
        results.setdefault(f"chance | {UNHEARD}", []).append(select(random, new))
        for method, fit in METHODS.items():
            mapping, encode_texts = fit(others, words)
            vectors = unit(mapping(features))
            for wording, write in WORDINGS.items():
                # two captions of the same key words are one query
                asked, own = np.unique([write(c) for c in captions], return_inverse=True)
                found = measure_sounds(encode_texts(asked.tolist()) @ vectors.T, own[labels])
                results.setdefault(f"{method} | {wording}", []).append(found)
                if wording == "caption":
                    part = select(found, ~np.isin(asked, others.captions))
                    results.setdefault(f"{method} | {UNHEARD}", []).append(part)
    sounds, captions_ = np.array(galleries).T
    about = (
        f"{len(packages)} packages left out in turn, {sounds.sum():,} sounds with "
        f"{captions_.sum():,} captions, {heard:,} of which sounds of other packages have as well; "
        f"median package: {np.median(sounds):g} sounds, {np.median(captions_):g} captions"
    )
    pooled = {row: pool(parts) for row, parts in results.items()}
    return about, {row: figures for row, figures in pooled.items() if len(figures["mAP"])}


# --- pictures ---------------------------------------------------------------------------------


def picture_sets(work: Path) -> dict[str, dict[str, list[str]]]:
    """Paths and labels of the pictures of each set."""
    sets: dict[str, dict[str, list[str]]] = {}
    with (work / "pictures.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            scene = row["kind"] == "photograph" and row["package"] not in ONE_OBJECT
            name = f"{SCENES if scene else row['package']}, {row['kind']}s"
            sets.setdefault(name, {}).setdefault(row["path"], []).append(row["text"])
    return {
        name: pictures
        for name, pictures in sorted(sets.items(), key=lambda s: (s[0].endswith("drawings"), s[0]))
        if len({label for labels in pictures.values() for label in labels}) >= FEWEST_LABELS
    }


def run_pictures(
    work: Path, space: Space, words: EncodeTexts
) -> dict[str, tuple[str, dict[str, Figures]]]:
    """Of each set: what was asked of how much, in a line; and the figures of each method."""
    from open_clip import IMAGENET_CLASSNAMES

    sets = picture_sets(work)
    paths = [path for pictures in sets.values() for path in pictures]
    known = classify(work, paths)
    classes = words(IMAGENET_CLASSNAMES)
    background, wordings = Background(space), read_wordings(space_kind(space.name))
    results = {}
    for name, pictures in sets.items():
        labels = sorted({label for own in pictures.values() for label in own})
        right = np.array([[label in own for own in pictures.values()] for label in labels])
        figures = {"chance": chance(measure_pictures, len(labels), right)}
        asked = words(labels)
        for column, method in enumerate(PROBABILITIES):
            rows = [known[path][column] for path in pictures]
            vectors = unit(np.stack(rows).astype(np.float32) @ classes)
            figures[method] = measure_pictures(asked @ vectors.T, right)
        vectors = encode_pictures(space, work, list(pictures), name)
        figures["shipped (anchors)"] = measure_pictures(
            space.encode_texts(labels) @ vectors.T, right
        )
        worded = encode_queries(space, labels, {"image": wordings["image"]})["image"]
        scores = correct(worded @ vectors.T, background.standing("image", vectors))
        figures["shipped, asked as a library does"] = measure_pictures(scores, right)
        fitted = name.partition(",")[0] in FITTED_PACKAGES
        about = f"{len(pictures):,} pictures, {len(labels):,} labels" + (
            " (the anchors' mean was fitted to these pictures)" if fitted else ""
        )
        results[name] = (about, figures)
    return results


def encode_pictures(space: Space, work: Path, paths: Sequence[str], name: str) -> Array:
    """Through the space, as a library would: float32 (n, dim)."""
    batches = range(0, len(paths), space.batch_size)
    rows = [
        space.encode_images([read(work / path) for path in paths[at : at + space.batch_size]])
        for at in progress(batches, f"Encoding {name}")
    ]
    return np.concatenate(rows)


PROBABILITIES = {
    "ConSE, 260 pixels": (260, 0),
    "ConSE, 384 pixels": (384, 0),
    "ConSE, 384 pixels with their cells": (384, 1),
}
"""What of `probability_network` each method uses: the pictures' size, and which output."""
KEPT = "class_probabilities.npz"


def classify(work: Path, paths: Sequence[str]) -> dict[str, Array]:
    """Class probabilities of pictures for PROBABILITIES: float16 (3, 1000) of each path."""
    keys = {path: f"{path}@{(work / path).stat().st_mtime_ns}" for path in paths}
    kept: dict[str, Array] = {}
    if (work / KEPT).exists():
        with np.load(work / KEPT) as opened:
            kept = dict(zip(opened["keys"].tolist(), opened["probabilities"], strict=True))
    missing = [path for path in paths if keys[path] not in kept]
    if missing:
        sizes = {size: probability_network(size) for size, _ in PROBABILITIES.values()}
        prepare = {s: Preprocess((s, s), mean=(0.5,) * 3, std=(0.5,) * 3) for s in sizes}
        for at in progress(range(0, len(missing), 16), "Classifying pictures"):
            batch = missing[at : at + 16]
            pictures = [read(work / path) for path in batch]
            outputs = {s: sizes[s](np.stack([prepare[s](p) for p in pictures])) for s in sizes}
            rows = np.stack([outputs[s][:, part] for s, part in PROBABILITIES.values()], axis=1)
            kept.update(zip((keys[p] for p in batch), rows.astype(np.float16), strict=True))
            if at + 16 >= len(missing) or at % 1024 == 0:  # a stopped run continues from here
                part = work / f"part-{KEPT}"
                np.savez(part, keys=np.array(list(kept)), probabilities=np.stack([*kept.values()]))
                part.replace(work / KEPT)
    return {path: kept[key] for path, key in keys.items()}


def probability_network(size: int) -> Callable[[Array], Array]:
    """The image network at a size: uint8 (n, size, size, 3) to (n, 2, classes).

    The probabilities of the whole picture, then those in which its cells take part.
    """
    import openvino
    import torch
    from torch import nn

    class Probabilities(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = build_clip(anchored=False).visual

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            features = self.visual.trunk((pictures.permute(0, 3, 1, 2).float() - 127.5) / 127.5)
            whole = self.visual.head.classifier(features.mean(dim=(2, 3))).softmax(dim=-1)
            return torch.stack([whole, self.visual.head(features)], dim=1)

    shape = openvino.PartialShape([-1, size, size, 3])
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        model = openvino.convert_model(Probabilities().eval(), example_input=example, input=[shape])
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", exact)
    return lambda pictures: np.array(compiled([pictures])[0])


def read(path: Path) -> Image.Image:
    """An RGB picture."""
    with Image.open(path) as opened:
        return opened.convert("RGB")


# --- the command ------------------------------------------------------------------------------


def remember(encode_texts: EncodeTexts) -> EncodeTexts:
    """The same, but each text is embedded once."""
    known: dict[str, Array] = {}

    def encode(texts: Sequence[str]) -> Array:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, encode_texts(new), strict=True))
        return np.stack([known[text] for text in texts])

    return encode


def progress(steps: Sequence[Any], what: str) -> Any:
    return track(steps, what, console=Console(stderr=True))


def unit(rows: Array) -> Array:
    out: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return out


def print_table(head: str, about: str, rows: dict[str, Figures]) -> None:
    names = list(next(iter(rows.values())))
    columns = max(row.count("|") for row in rows) + 1
    print(f"\n**{head}**: {about}\n")
    print("| " + " | ".join(["method", "queries"][:columns] + names) + " |")
    print("|" + "---|" * columns + "---:|" * len(names))
    for row, figures in rows.items():
        cells = (f"{m:.3f} ({a:.3f}-{b:.3f})" for m, a, b in summarise(figures).values())
        print(f"| {row} | " + " | ".join(cells) + " |")


def print_tables(tables: dict[str, tuple[str, dict[str, Figures]]], as_json: bool) -> None:
    """All tables, after the machine's name: by heading, what each is about and its rows."""
    if as_json:
        found = {
            head: {"about": about, "rows": {row: summarise(f) for row, f in rows.items()}}
            for head, (about, rows) in tables.items()
        }
        print(json.dumps({"machine": describe_machine(), "tables": found}, indent=1))
        return
    print(describe_machine())
    for head, (about, rows) in tables.items():
        print_table(head, about, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=Path, help="folder of benchmarks.pictures")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    words, corpus = remember(encode_words), shipped_corpus()
    recorded = [
        name
        for group, name in enumerate(corpus.sources)
        if name not in SOUNDFONTS + FITTED_ONLY
        and len(np.unique(corpus.labels[corpus.groups == group])) >= FEWEST_CAPTIONS
    ]
    started = time.perf_counter()
    tables = {
        "sounds": run_sounds(corpus, recorded, words),
        "instruments": run_sounds(corpus, SOUNDFONTS, words),
    }
    if options.pictures is not None:
        tables |= run_pictures(options.pictures, load_space(), words)
    print(f"{time.perf_counter() - started:.0f} s in all", file=sys.stderr)
    print_tables(tables, options.json)


if __name__ == "__main__":
    main()
