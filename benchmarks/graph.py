"""What a graph's nodes gain by learning from their neighbours.

    python -m benchmarks.graph [WORDNET] [--json]

The graph is a part of WordNet: the nouns that its authors gave a topic ("law", "baseball", ...),
and what these are a kind or a part of, and the reverse. A node's label is its first word; in a
second run it has its definition as well. The topics themselves are no edges. Three tasks:

    topic       the name of a topic is to find the nodes given to it (topics of five and more)
    synonym     a node's second word is to find that one node
    no words    half of the nodes lose theirs; their own first word is to find each, by what its
                neighbours say. Without smoothing such nodes have no vector and come last.

Queries are split in halves: one is to choose the steps and the share of a node's own vector with,
one setting for all tasks and both runs (mean average precisions of a grid are printed to the error
stream); the other gives the table, with intervals that hold 95 % of the means of 1,000 resamplings
of its queries. R@k is the share of queries with a right node among
the first k of all nodes. Chance is the expectation over random orders.

WORDNET is a folder with `data.noun` of WordNet 3.0; without it the Debian package wordnet-base is
downloaded (`apt-get download`, nothing is installed; `apt-get update` first).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.corpus import unpack
from benchmarks.retrieval import CUTS, Figures, measure_pictures, print_tables
from encoders import load_space
from encoders.graph import OWN_SHARE, STEPS, smooth
from encoders.parts import gather
from media import open_media

Array = np.ndarray[Any, Any]

RELATIONS = {"@", "~", "@i", "~i", "#m", "#p", "#s", "%m", "%p", "%s"}  # kinds, instances, parts
TOPIC = ";c"
FEWEST_MEMBERS = 5
QUERIES = 400  # of a task in each half, at most
GRID = [(steps, own) for steps in (1, 2, 3) for own in (0.0, 0.3, 0.5, 0.7, 0.9)]


Grid = dict[tuple[int, float], float]


@dataclass(frozen=True)
class Synset:
    words: list[str]
    definition: str
    pointers: list[tuple[str, str]]
    """Relation and the other's key, nouns alone."""


def read_wordnet(file: Path) -> dict[str, Synset]:
    """The nouns of WordNet's database (its manual page wndb(5) has the format)."""
    found = {}
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("  "):
            continue  # the licence
        fields, _, definition = line.partition(" | ")
        key, _, _, count, *rest = fields.split()
        words = [word.replace("_", " ") for word in rest[: 2 * int(count, 16) : 2]]
        rest = rest[2 * int(count, 16) + 1 :]
        groups = zip(*(rest[i::4] for i in range(4)), strict=True)
        pointers = [(relation, other) for relation, other, part, _ in groups if part == "n"]
        found[key] = Synset(words, definition.split(";")[0].strip(), pointers)
    return found


def choose(synsets: dict[str, Synset]) -> tuple[dict[str, Synset], dict[str, set[str]]]:
    """The nodes: members of topics and their neighbours. And the members of each topic."""
    topics: dict[str, set[str]] = defaultdict(set)
    for key, synset in synsets.items():
        for relation, other in synset.pointers:
            if relation == TOPIC:
                topics[other].add(key)
    inside = set().union(*topics.values())
    near = {o for key in inside for r, o in synsets[key].pointers if r in RELATIONS}
    return {key: synsets[key] for key in sorted(inside | near)}, dict(sorted(topics.items()))


def write_graph(path: Path, nodes: dict[str, Synset], definitions: bool) -> None:
    """As node-link JSON."""
    links = {
        tuple(sorted((key, other)))
        for key, synset in nodes.items()
        for relation, other in synset.pointers
        if relation in RELATIONS and other in nodes
    }
    listed = [
        {"id": key, "label": synset.words[0]}
        | ({"definition": synset.definition} if definitions else {})
        for key, synset in nodes.items()
    ]
    edges = [{"source": source, "target": target} for source, target in sorted(links)]
    path.write_text(json.dumps({"nodes": listed, "links": edges}), "utf-8")


@dataclass(frozen=True)
class Task:
    asked: Array
    """float32 (queries, dim)."""
    right: Array
    """bool (queries, nodes)."""
    hidden: bool
    """Do half of the nodes have no words?"""

    def half(self, which: int) -> Task:
        """Of the queries, which come in random order, every second."""
        return Task(self.asked[which::2], self.right[which::2], self.hidden)


def make_tasks(
    nodes: dict[str, Synset],
    topics: dict[str, set[str]],
    synsets: dict[str, Synset],
    encode_texts: Callable[[Sequence[str]], Array],
    hidden: Array,
) -> dict[str, Task]:
    random = np.random.default_rng(1)
    keys = list(nodes)
    place = {key: i for i, key in enumerate(keys)}

    def task(texts: list[str], answers: list[list[int]], hides: bool = False) -> Task:
        order = random.permutation(len(texts))[: 2 * QUERIES]
        right = np.zeros((len(order), len(keys)), bool)
        for row, query in enumerate(order):
            right[row, answers[query]] = True
        return Task(encode_texts([texts[query] for query in order]), right, hides)

    large = [topic for topic, members in topics.items() if len(members) >= FEWEST_MEMBERS]
    second = [key for key in keys if len(nodes[key].words) > 1]
    without = np.flatnonzero(hidden).tolist()
    return {
        "topic": task(
            [synsets[topic].words[0] for topic in large],
            [[place[key] for key in topics[topic]] for topic in large],
        ),
        "synonym": task([nodes[key].words[1] for key in second], [[place[key]] for key in second]),
        "no words": task([nodes[keys[i]].words[0] for i in without], [[i] for i in without], True),
    }


def measure(task: Task, gallery: Array) -> Figures:
    scores = task.asked @ gallery.T
    scores[:, ~gallery.any(axis=1)] = -2  # such nodes are not in the library: they come last
    return measure_pictures(scores, task.right)


def chance(task: Task) -> Figures:
    """The expectation over random orders; of average precision: Bestgen, "Exact expected average
    precision of the random baseline for system evaluation" (2015)."""
    right, total = task.right.sum(axis=1), task.right.shape[1]
    misses = np.cumsum(
        [np.log((total - right - i) / (total - i)) for i in range(max(CUTS))], axis=0
    )
    harmonic = (1 / np.arange(1, total + 1)).sum()
    precision = (right - 1) / (total - 1) + (total - right) / (total - 1) * harmonic / total
    return {f"R@{k}": 1 - np.exp(misses[k - 1]) for k in CUTS} | {"mAP": precision}


def run(
    path: Path,
    tasks: dict[str, Task],
    hidden: Array,
    encode_texts: Callable[[Sequence[str]], Array],
) -> tuple[Grid, str, dict[str, Figures]]:
    """Of each setting the mean of the tasks on the first half; what was asked of how much, in a
    line; and the figures of each task and method on the second half."""
    with open_media(path) as media:
        parts = list(media.segments())
        edges, weights = media.structure
    vectors = encode_texts([str(part.content) for part in parts])
    without = vectors.copy()
    without[1:][hidden] = 0

    grid = {}
    for steps, own in GRID:
        every = [smooth(rows[1:], edges, weights, steps, own) for rows in (vectors, without)]
        found = [measure(t.half(0), every[t.hidden])["mAP"].mean() for t in tasks.values()]
        grid[steps, own] = float(np.mean(found))
        print(
            f"  steps {steps}, own {own}: " + " ".join(f"{v:.3f}" for v in found), file=sys.stderr
        )
    methods: dict[str, Callable[[Array], Array]] = {
        "words alone": lambda rows: rows[1:],
        "neighbourhood alone, 1 step": lambda rows: smooth(rows[1:], edges, weights, 1, 0),
        "neighbourhood alone, 2 steps": lambda rows: smooth(rows[1:], edges, weights, 2, 0),
        f"shipped (steps {STEPS}, own {OWN_SHARE})": lambda rows: shipped(
            parts, rows, (edges, weights)
        ),
    }
    galleries = {
        name: [method(rows) for rows in (vectors, without)] for name, method in methods.items()
    }
    figures = {}
    for name, task in tasks.items():
        figures[f"{name} | chance"] = chance(task.half(1))
        for method, pair in galleries.items():
            figures[f"{name} | {method}"] = measure(task.half(1), pair[task.hidden])
    counts = ", ".join(f"{name} {len(task.half(1).right)}" for name, task in tasks.items())
    about = f"{len(parts) - 1:,} nodes, {len(edges):,} edges; queries: {counts}"
    return grid, about, figures


def shipped(parts: list[Any], vectors: Array, structure: Any) -> Array:
    """As the library does it: zeros where a node was left out."""
    kept, rows = gather("graph", parts, vectors, structure)
    place = {part.node: i for i, part in enumerate(parts[1:])}
    result = np.zeros((len(parts) - 1, vectors.shape[1]), np.float32)
    result[[place[part.node] for part in kept[1:]]] = rows[1:]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wordnet", type=Path, nargs="?", help="folder with data.noun")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started = time.perf_counter()
    space = load_space()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.wordnet
        if folder is None:
            Console(stderr=True).print("downloading wordnet-base")
            unpack("wordnet-base", Path(scratch, "package"))
            folder = Path(scratch, "package", "tree", "usr/share/wordnet")
        synsets = read_wordnet(folder / "data.noun")
        nodes, topics = choose(synsets)
        hidden = np.random.default_rng(0).random(len(nodes)) < 0.5
        tasks = make_tasks(nodes, topics, synsets, space.encode_texts, hidden)
        tables, grids = {}, []
        for head, definitions in (("names", False), ("names and definitions", True)):
            path = Path(scratch, f"{head}.json")
            write_graph(path, nodes, definitions)
            print(head, file=sys.stderr)
            grid, about, rows = run(path, tasks, hidden, space.encode_texts)
            grids.append(grid)
            tables[head] = about, rows
    means = {setting: np.mean([grid[setting] for grid in grids]) for setting in GRID}
    for steps, own in sorted(GRID, key=lambda setting: -means[setting])[:5]:
        print(f"steps {steps}, own {own}: {means[steps, own]:.4f} in the mean", file=sys.stderr)
    print(f"{time.perf_counter() - started:.0f} s in all", file=sys.stderr)
    print_tables(tables, options.json)


if __name__ == "__main__":
    main()
