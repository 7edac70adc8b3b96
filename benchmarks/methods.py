"""Old and new ways of finding, measured: where meaning wins, and where the very words do.

    python -m benchmarks.methods DATA.NOUN --pictures WORK

Texts: definitions of WordNet's nouns (DATA.NOUN is that file; Debian: wordnet-base), one to be
found by each query: by its noun, which it does not hold; by a sentence in which the noun is used;
by the rarest word in it, that no other has; and by a code, put at its end. Pictures: WORK is what
`python -m benchmarks.pictures WORK` makes, its photographs; a copy of one, changed, is to find the
original, and a photograph others of the same label. Mean average precision with 95 % intervals
over the queries, what chance reaches, and the median time of a query.

Of the methods nothing was tuned on this. What Word2Vec learns from is said; the principal
components in the embedded space's third part were fitted to a sample of WordNet's nouns and
definitions, without telling which belong together.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from analysis.comparison import LOOKS, READS
from analysis.methods import (
    COUNTS,
    Method,
    Network,
    Word2Vec,
    WordCounts,
    WordFile,
    picture_methods,
    words_of,
)
from benchmarks.graph import read_wordnet
from benchmarks.machine import describe_machine
from benchmarks.retrieval import chance, measure_pictures, picture_sets, read, summarise
from encoders.embedded import word_vocabulary
from encoders.space import load_space
from store.words import fuse, word_query

Array = np.ndarray[Any, Any]

DEFINITIONS = 5_000
QUERIES = 400
WORDS_READ = 20_000_000  # by the Word2Vec that learns from all definitions, in forty rounds
FUSED = 200  # of the network's ranking, as the search joins them (store.search)


@dataclass(frozen=True)
class Definition:
    """A noun, what it is, and a sentence that uses it, where there is one."""

    noun: str
    text: str
    sentence: str


def read_definitions(file: Path) -> list[Definition]:
    """Of nouns of one word which their definitions do not hold, one of each noun."""
    examples = {}
    for line in file.read_text("utf-8").splitlines():
        if not line.startswith("  "):
            found = re.findall(r'"([^"]+)"', line.partition(" | ")[2])
            examples[line.partition(" ")[0]] = found[0] if found else ""
    definitions: dict[str, Definition] = {}
    for key, synset in read_wordnet(file).items():
        noun = synset.words[0].lower()
        fits = noun.isalpha() and noun not in words_of(synset.definition)
        if fits and len(words_of(synset.definition)) >= 4:
            definitions.setdefault(noun, Definition(noun, synset.definition, examples[key]))
    return list(definitions.values())


def make_queries(
    chosen: Sequence[Definition], random: np.random.Generator
) -> tuple[list[str], dict[str, list[tuple[str, int]]]]:
    """The gallery, with codes at the end of some; and of each task, queries with the place of
    what is to be found."""
    texts = [one.text for one in chosen]
    counts = Counter(word for text in texts for word in set(words_of(text)))
    pieces = word_vocabulary()
    order = [int(at) for at in random.permutation(len(chosen))]
    rare = []
    for at in order:
        alone = [w for w in words_of(texts[at]) if counts[w] == 1 and w.isalpha() and len(w) > 3]
        unread = [word for word in alone if word not in pieces]
        rare += [(unread[0], at)] if unread else []
    codes = {}
    for at in order[:QUERIES]:
        letters = "".join(random.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ"), 2))
        codes[at] = f"{letters}-{random.integers(1000, 9999)}"
    gallery = [f"{text} ({codes[at]})" if at in codes else text for at, text in enumerate(texts)]
    said = [(chosen[at].sentence, at) for at in order if chosen[at].sentence]
    return gallery, {
        "by its noun": [(chosen[at].noun, at) for at in order][:QUERIES],
        "by a sentence that uses it": said[:QUERIES],
        "by its rarest word": rare[:QUERIES],
        "by a code in it": [(code, at) for at, code in codes.items()],
    }


class Joined(Network):
    """The network's ranking joined with what holds all words, in the order of TF-IDF: as the
    search does with SQLite's."""

    title = "The network and exact words"

    def __init__(self, network: Network, counted: WordCounts) -> None:
        super().__init__(network.sees, network.rows, network.encode)
        self._counted = counted

    def scores(self, query: str) -> Array:
        """(n,): how the joined ranking orders the gallery."""
        plain = _scores(self, query)
        asked = set(words_of(word_query(query) or ""))
        counted = _scores(self._counted, query)
        exact = [
            int(at)
            for at in np.argsort(-counted, kind="stable")[:1_000]
            if counted[at] > 0 and asked and asked <= set(words_of(self.gallery[at]))
        ]
        ranking = [int(at) for at in np.argsort(-plain, kind="stable")]
        joined = plain - 10
        for at, score in fuse(ranking[:FUSED], exact):
            joined[at] = score
        return joined


def _scores(method: Method, query: Any) -> Array:
    rows = method.rows @ method.encode([query]).T
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows).ravel()


def run_texts(file: Path, space: Any) -> None:
    every = read_definitions(file)
    random = np.random.default_rng(0)
    picks = np.sort(random.permutation(len(every))[:DEFINITIONS])
    gallery, tasks = make_queries([every[at] for at in picks], random)
    counted = [WordCounts(name) for name in COUNTS]
    network = Network(READS, space.encode_texts(gallery), space.encode_texts)
    trained = Word2Vec()
    with tempfile.TemporaryDirectory() as folder:
        larger = Word2Vec()
        larger.TRAINED = WORDS_READ
        larger.fit([one.text for one in every])
        kept = Path(folder) / "definitions.txt"
        larger.save(kept)
        learned = WordFile(kept)
    learned.title = f"Word2Vec, trained on all {len(every):,}"
    methods: list[Method] = [*counted, trained, learned, network, Joined(network, counted[-1])]
    for method in methods:
        method.fit(gallery)
    figures: dict[str, dict[str, dict[str, Array]]] = {}
    for task, queries in tasks.items():
        right = np.zeros((len(queries), len(gallery)), bool)
        right[np.arange(len(queries)), [at for _, at in queries]] = True
        figures.setdefault("chance", {})[task] = chance(measure_pictures, len(queries), right)
        for method in methods:
            score = method.scores if isinstance(method, Joined) else _scorer(method)
            scores = np.stack([score(text) for text, _ in queries])
            figures.setdefault(method.title, {})[task] = measure_pictures(scores, right)
    asked = [text for text, _ in tasks["by a sentence that uses it"]][:100]
    times = {method.title: _time(method, asked) for method in methods[:-1]}
    print(
        f"\n**{len(gallery):,} definitions of WordNet's nouns**, one of them right: mAP of "
        + ", ".join(f"{len(queries)} queries {task}" for task, queries in tasks.items())
        + "; ms a query by a sentence\n"
    )
    print_table(figures, times)


def _scorer(method: Method) -> Callable[[Any], Array]:
    return lambda query: _scores(method, query)


def _time(method: Method, queries: Sequence[Any]) -> float:
    """Median milliseconds of a query, encoded and compared with the whole gallery."""
    return float(np.median([1000 * method.ask(query, 10).seconds for query in queries]))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half as large": lambda p: p.resize((max(1, p.width // 2), max(1, p.height // 2))),
    "cropped to 70 %": lambda p: p.crop(
        (int(0.15 * p.width), int(0.15 * p.height), int(0.85 * p.width), int(0.85 * p.height))
    ),
    "turned by 90°": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "in grey": lambda p: p.convert("L").convert("RGB"),
    "darker": lambda p: ImageEnhance.Brightness(p).enhance(0.6),
    "mirrored": ImageOps.mirror,
}


def run_pictures(work: Path, space: Any) -> None:
    sets = picture_sets(work)
    labels: dict[str, set[str]] = {}
    for name, pictures in sets.items():
        if name.endswith("photographs"):
            for path, own in pictures.items():
                labels.setdefault(path, set()).update(own)
    paths = list(labels)
    gallery = [read(work / path) for path in paths]
    network = Network(LOOKS, space.encode_images(gallery), space.encode_images)
    methods = picture_methods(network)
    for method in methods:
        method.fit(gallery)
    figures: dict[str, dict[str, dict[str, Array]]] = {}
    picks = np.sort(np.random.default_rng(0).permutation(len(paths))[: QUERIES // 2])
    right = np.zeros((len(picks), len(paths)), bool)
    right[np.arange(len(picks)), picks] = True
    by_chance = chance(measure_pictures, len(picks), right)
    for task, change in CHANGES.items():
        figures.setdefault("chance", {})[task] = by_chance
        made = [change(gallery[at]) for at in picks]
        for method in methods:
            scores = np.stack([_scores(method, picture) for picture in made])
            figures.setdefault(method.title, {})[task] = measure_pictures(scores, right)
    same = np.array([[bool(labels[a] & labels[b]) for b in paths] for a in paths])
    np.fill_diagonal(same, False)
    asked = np.flatnonzero(same.any(axis=1))
    task = "same label"
    figures["chance"][task] = chance(measure_pictures, len(asked), same[asked])
    for method in methods:
        scores = np.asarray(method.rows[asked] @ method.rows.T)
        scores[np.arange(len(asked)), asked] = -2  # itself
        figures[method.title][task] = measure_pictures(scores, same[asked])
    times = {method.title: _time(method, [gallery[at] for at in picks[:50]]) for method in methods}
    print(
        f"\n**{len(paths):,} photographs**: mAP of {len(picks)} changed copies, of which the "
        f"original is right, and of {len(asked)} photographs, of which others of the same label "
        "are right; ms a query, the picture's encoding with it\n"
    )
    print_table(figures, times)


def print_table(figures: dict[str, dict[str, dict[str, Array]]], times: dict[str, float]) -> None:
    tasks = list(figures["chance"])
    print(f"| method | {' | '.join(tasks)} | ms |")
    print("|---|" + "---:|" * (len(tasks) + 1))
    for title, row in figures.items():
        cells = []
        for task in tasks:
            mean, low, high = summarise(row[task])["mAP"]
            cells.append(f"{mean:.3f} ({low:.3f}-{high:.3f})")
        print(f"| {title} | {' | '.join(cells)} | {_milliseconds(times.get(title))} |")


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data_noun", type=Path, help="data.noun of WordNet 3.0")
    parser.add_argument("--pictures", type=Path, help="folder of benchmarks.pictures")
    options = parser.parse_args()
    space = load_space("embedded")
    print(describe_machine())
    run_texts(options.data_noun, space)
    if options.pictures:
        run_pictures(options.pictures, space)


if __name__ == "__main__":
    main()
