"""How well the audio adapter fits sounds that it was not fitted to.

    python -m benchmarks.adapter [--space NAME] [--corpus FILE] [--json]

Each package of the corpus in turn is left out as a whole, the adapter fitted to the others, and
the package's sounds are searched: for each sound, is its caption the nearest of the package's
captions (R@1) or among the five nearest (R@5); for each caption, are its sounds first (mean
average precision). Captions count the same however many sounds they have; packages count by their
captions. Beside it simpler adapters, from the same sounds in the same run.

Queries are the captions as they are ("a dog barking"), in a wording that no adapter was fitted
with ("this is the sound of a dog barking"), and by their key words ("dog").
The two soundfonts play the same 128 instruments, so each is found through the other: they stand
apart. Packages of one to three captions and what the project made itself are only fitted to.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from encoders.adapter import SoundCorpus, embed_captions, fit_adapter
from encoders.space import load_space

Array = np.ndarray[Any, Any]
EncodeTexts = Callable[[Sequence[str]], Array]
Mapping = Callable[[Array], Array]
Fit = Callable[[SoundCorpus, EncodeTexts], Mapping]

SOUNDFONTS = ("fluid-soundfont-gm", "timgm6mb-soundfont")
FITTED_ONLY = ("bucklespring-data", "espeak-ng", "synthesised")


def fit_shipped(corpus: SoundCorpus, encode_texts: EncodeTexts) -> Mapping:
    """What the project ships."""
    return fit_adapter(corpus, "benchmark", encode_texts)


def fit_ridge(corpus: SoundCorpus, encode_texts: EncodeTexts) -> Mapping:
    """Ridge regression from the features straight onto the captions' embeddings."""
    targets = embed_captions(corpus.captions, encode_texts)[corpus.labels]
    centre = targets.mean(axis=0)
    x = corpus.features.reshape(-1, corpus.features.shape[-1]).astype(np.float64)
    y = np.repeat(targets - centre, corpus.features.shape[1], axis=0)
    w = np.repeat(1 / np.bincount(corpus.labels)[corpus.labels], corpus.features.shape[1])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    x = (x - mean) / scale
    wx = x * (w / w.sum())[:, None]
    weight = np.linalg.solve(wx.T @ x + 0.1 * np.eye(x.shape[1]), wx.T @ y)
    return lambda features: (features - mean) / scale @ weight


def fit_nearest(corpus: SoundCorpus, encode_texts: EncodeTexts) -> Mapping:
    """The caption of the most similar sound."""
    texts = embed_captions(corpus.captions, encode_texts)
    known = corpus.features[:, 0]
    mean, scale = known.mean(axis=0), known.std(axis=0) + 1e-3
    known = unit((known - mean) / scale)
    centre = texts[np.unique(corpus.labels)].mean(axis=0)

    def apply(features: Array) -> Array:
        nearest = (unit((features - mean) / scale) @ known.T).argmax(axis=1)
        out: Array = (texts - centre)[corpus.labels[nearest]]
        return out

    return apply


METHODS: dict[str, Fit] = {
    "nearest sound's caption": fit_nearest,
    "ridge into the text space": fit_ridge,
    "shipped": fit_shipped,
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


def average_precision(right: Array) -> float:
    """Of one ranking, best first: right is a mask."""
    places = np.flatnonzero(right)
    return float(np.mean((np.arange(len(places)) + 1) / (places + 1)))


def measure(vectors: Array, queries: Array, labels: Array) -> dict[str, float]:
    """vectors (sounds, dim), unit; queries (captions, dim), unit; labels (sounds,)."""
    scores = vectors @ queries.T
    own = scores[np.arange(len(labels)), labels]
    place = (scores > own[:, None]).sum(axis=1)
    w = 1 / np.bincount(labels)[labels] / len(queries)
    precisions = [
        average_precision(labels[np.argsort(-scores[:, q], kind="stable")] == q)
        for q in range(len(queries))
    ]
    return {
        "R@1": float(w @ (place < 1)),
        "R@5": float(w @ (place < 5)),
        "mAP": float(np.mean(precisions)),
    }


def chance(labels: Array) -> dict[str, float]:
    """What random vectors reach, by averaging over seeds."""
    random = np.random.default_rng(0)
    count = labels.max() + 1
    runs = [
        measure(
            unit(random.standard_normal((len(labels), 64))),
            unit(random.standard_normal((count, 64))),
            labels,
        )
        for _ in range(50)
    ]
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def leave_out(corpus: SoundCorpus, name: str) -> tuple[SoundCorpus, Array, Array, list[str]]:
    """The other packages; and one package's features, labels from 0, and captions."""
    inside = corpus.groups == corpus.sources.index(name)
    present, labels = np.unique(corpus.labels[inside], return_inverse=True)
    others = corpus.subset(~inside)
    kept, own = np.unique(others.labels, return_inverse=True)
    others = replace(others, labels=own, captions=tuple(corpus.captions[i] for i in kept))
    return others, corpus.features[inside, 0], labels, [corpus.captions[i] for i in present]


def run(corpus: SoundCorpus, encode_texts: EncodeTexts, names: Sequence[str]) -> dict[str, Any]:
    """{method: {wording: {metric: mean over the packages}}}."""
    results: dict[tuple[str, str], list[tuple[int, dict[str, float]]]] = {}
    for name in names:
        others, features, labels, captions = leave_out(corpus, name)
        count = len(captions)
        results.setdefault(("chance", ""), []).append((count, chance(labels)))
        for method, fit in METHODS.items():
            vectors = unit(fit(others, encode_texts)(features))
            for wording, write in WORDINGS.items():
                queries = encode_texts([write(c) for c in captions])
                found = measure(vectors, queries, labels)
                results.setdefault((method, wording), []).append((count, found))
    means: dict[str, Any] = {}
    for (method, wording), runs in results.items():
        total = sum(count for count, _ in runs)
        means.setdefault(method, {})[wording] = {
            metric: sum(count * found[metric] for count, found in runs) / total
            for metric in runs[0][1]
        }
    return means


def unit(rows: Array) -> Array:
    out: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--space", default="embedded")
    shipped = Path(str(files("assets").joinpath("sound_corpus.safetensors")))
    parser.add_argument("--corpus", type=Path, default=shipped)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    corpus = SoundCorpus.load(options.corpus)
    space = load_space(options.space)
    recorded = [n for n in corpus.sources if n not in SOUNDFONTS + FITTED_ONLY]
    sets = {"recorded and game sounds": recorded, "instruments": list(SOUNDFONTS)}
    results = {name: run(corpus, space.encode_texts, packages) for name, packages in sets.items()}
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for name, packages in sets.items():
        inside = np.isin(corpus.groups, [corpus.sources.index(p) for p in packages])
        print(f"\n{name}: {len(packages)} packages left out in turn, {inside.sum()} sounds")
        print(f"{'':28}{'queries':12}   R@1   R@5   mAP")
        for method, wordings in results[name].items():
            for wording, found in wordings.items():
                figures = "".join(f"{value:6.3f}" for value in found.values())
                print(f"{method:28}{wording:12}{figures}")


if __name__ == "__main__":
    main()
