"""Text queries against pictures: how much of the exact answer is found, and how fast.

    python benchmarks/search.py --sizes 1000 10000 100000 300000

Vectors of the real space. Queries are encoded texts. Pictures are what the embedded image tower's
head makes of the classes' probabilities; the logits here come from the likeness of a described
scene (a text) to each class, with noise. Beside the library's own search, which corrects for items
that come up for everything, stand Chroma alone with the library's settings, plain NumPy, and
hnswlib with the same graph, in one run. Recall is against float64 NumPy, of the library's search
against all corrected cosines; ties with the tenth count as right.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import describe_machine
from encoders.anchors import (
    DIM,
    OTHER_WEIGHT,
    anchors_digest,
    find_evidence,
    shipped_anchors,
)
from encoders.embedded import encode_words
from encoders.space import load_space
from encoders.weights import cache_dir
from media import Segment
from store.background import NEAR
from store.catalogue import Catalogue, Entry, Sighting
from store.index import Settings
from store.library import EXACT_LIMIT, Library
from store.search import Query

TOP = 10
SCENES = 20_000  # distinct texts that pictures are made from
WARM = 20  # queries before the clock starts
SHARPNESS = 30.0  # of the logits: the best class then takes about two thirds, as it does in photos
KINDS = (
    "old new red blue tiny huge broken shiny wooden golden dirty striped young sleeping wet frozen "
    "painted abandoned"
)
PLACES = (
    "on a beach|in the snow|at night|in a kitchen|on a wooden table|in the forest|by a river|"
    "in front of a church|on a busy street|in a museum|seen from above|under a tree|in the rain|"
    "in someone's hand|on a sofa|at a market|in black and white|next to a child"
)
QUESTIONS = ("a photo of {}", "{}", "where is the {}?", "my {} from last summer", "a drawing of {}")

Answer = Callable[[np.ndarray], Sequence[int]]


def scenes(names: Sequence[str], count: int) -> list[str]:
    """Distinct descriptions, in an order that mixes them."""
    kinds, places = KINDS.split(), PLACES.split("|")
    every = [f"a {kind} {name} {place}" for name in names for kind in kinds for place in places]
    random.Random(1).shuffle(every)
    return every[:count]


def questions(names: Sequence[str], count: int) -> list[str]:
    """Queries as people type them, none of them a scene."""
    chosen = random.Random(2)
    forms = itertools.cycle(QUESTIONS)
    things = [*names, *(f"{kind} {name}" for name in names[::3] for kind in KINDS.split()[:3])]
    return [next(forms).format(name) for name in chosen.sample(things, count)]


def encoded(what: str, texts: Sequence[str], encode: Callable[[Sequence[str]], np.ndarray]) -> Any:
    """Vectors of texts, float32 (n, dim), kept in the cache folder."""
    kept = cache_dir() / "benchmarks" / f"{what}-{len(texts)}-{anchors_digest()}.npy"
    if kept.exists():
        return np.load(kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for start in range(0, len(texts), 1024):
        rows.append(encode(texts[start : start + 1024]))
        print(f"\rencoding {what}: {start}/{len(texts)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    vectors = np.concatenate(rows)
    np.save(kept, vectors)
    return vectors


def pictures(classes: np.ndarray, described: np.ndarray, count: int) -> np.ndarray:
    """Vectors as the image tower's head makes them, float32 (count, DIM)."""
    noise = np.random.default_rng(3)
    anchors = shipped_anchors()
    rows = np.zeros((count, DIM), dtype=np.float32)
    for start in range(0, count, 4096):
        picks = np.arange(start, min(start + 4096, count)) % len(described)
        logits = SHARPNESS * described[picks] @ classes.T
        logits += noise.gumbel(size=logits.shape)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        evidence = find_evidence(probabilities, anchors.members) - anchors.evidence_centre
        seen = unit(evidence @ anchors.image.evidence_map)
        heard = OTHER_WEIGHT * unit(probabilities @ anchors.class_sounds)
        made = unit(np.concatenate([seen, heard], axis=1))
        rows[start : start + 4096, : made.shape[1]] = made
    return rows


def unit(rows: np.ndarray) -> np.ndarray:
    result: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


class NamedSpace:
    """Stands for a space whose vectors are at hand."""

    name = "embedded"
    modalities = frozenset({"image"})
    reads_text = True
    folder: Path | None = None
    batch_size = 16

    version = "benchmark"

    def __init__(self, space: Any) -> None:
        self.dim = space.dim
        self.encode_texts = space.encode_texts  # for the bank of everyday queries


def fill(data: Path, vectors: np.ndarray) -> None:
    """A catalogue that holds one picture for each vector, its id the row's number."""
    catalogue = Catalogue(data)
    catalogue.set_meta(space="embedded", dim=str(vectors.shape[1]), version=NamedSpace.version)
    for start in range(0, len(vectors), 5000):
        catalogue.commit(
            [
                Entry(
                    Sighting(Path(f"/pictures/{row}.jpg"), 1, 1, f"{row:032x}"),
                    "image",
                    f"picture {row}",
                    None,
                    {"width": 640, "height": 480},
                    [Segment(tower="image")],
                    vectors[row : row + 1],
                )
                for row in range(start, min(start + 5000, len(vectors)))
            ]
        )
    catalogue.close()


def measure(answer: Answer, queries: np.ndarray, exact: np.ndarray) -> tuple[float, float, float]:
    """Recall@10, and the median and the 95th percentile of the milliseconds a query takes."""
    for query in queries[:WARM]:
        answer(query)
    times, found = [], 0
    for query, cosines in zip(queries, exact, strict=True):
        start = time.perf_counter()
        rows = answer(query)
        times.append(1000 * (time.perf_counter() - start))
        tenth = np.partition(cosines, -TOP)[-TOP]
        found += int((cosines[np.asarray(rows[:TOP], dtype=np.intp)] >= tenth - 1e-6).sum())
    p50, p95 = np.percentile(times, [50, 95])
    return found / (TOP * len(queries)), float(p50), float(p95)


def searches(
    vectors: np.ndarray, settings: Settings
) -> Iterator[tuple[str, float, np.ndarray | None, Answer]]:
    """Each way to search: name, seconds to build, what it takes off the cosines of each row, and
    the function from query to rows."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), vectors)
        start = time.perf_counter()
        library = Library(Path(folder), NamedSpace(load_space()), index=settings)
        opened = time.perf_counter() - start
        if not library.settle():
            raise SystemExit("The index could not be built.")
        built = time.perf_counter() - start

        search = library._search
        off = library._matrices["image"]._view.standing[:, NEAR].astype(np.float64) / 2

        def ask(query: np.ndarray) -> list[int]:
            asked = Query({"image": query}, "a query of words", None, frozenset())
            answer = search.find(asked, ["image"], TOP, exact=False)
            return [int(hit.id, 16) for hit in answer.hits]

        def ask_plainly(query: np.ndarray) -> list[int]:
            return [int(hit.id, 16) for hit in library.nearest(query, "image", TOP)]

        way = "exact" if len(vectors) <= EXACT_LIMIT else "Chroma"
        yield f"this library ({way})", opened if way == "exact" else built, off, ask
        search.exact_limit = 0
        if way == "exact":
            yield f"this library, by Chroma, ef {settings.ef_search}", built, off, ask
        yield f"Chroma, ef {settings.ef_search}", built, None, ask_plainly
        library.close()

    def plain(query: np.ndarray) -> np.ndarray:
        cosines = vectors @ query
        top = np.argpartition(cosines, -TOP)[-TOP:]
        return top[np.argsort(-cosines[top])]

    yield "NumPy, exact", 0.0, None, plain

    import hnswlib

    start = time.perf_counter()
    graph = hnswlib.Index("cosine", vectors.shape[1])
    graph.init_index(len(vectors), settings.max_neighbors, settings.ef_construction)
    graph.add_items(vectors)
    built = time.perf_counter() - start
    for ef in (100, settings.ef_search):
        graph.set_ef(ef)
        yield f"hnswlib, ef {ef}", built, None, lambda query: graph.knn_query(query, TOP, 1)[0][0]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    defaults = Settings()
    parser.add_argument("--ef", type=int, default=defaults.ef_search)
    parser.add_argument("--ef-construction", type=int, default=defaults.ef_construction)
    parser.add_argument("--neighbors", type=int, default=defaults.max_neighbors)
    options = parser.parse_args()
    settings = Settings(
        ef_construction=options.ef_construction,
        ef_search=options.ef,
        max_neighbors=options.neighbors,
    )
    from open_clip import IMAGENET_CLASSNAMES

    space = load_space("embedded")
    names = list(dict.fromkeys(IMAGENET_CLASSNAMES))
    classes = encoded("classes", IMAGENET_CLASSNAMES, encode_words)
    described = encoded("scenes", scenes(names, SCENES), encode_words)
    queries = encoded("queries", questions(names, options.queries), space.encode_texts)
    everything = pictures(classes, described, max(options.sizes))

    print(f"{describe_machine()}; {options.queries} text queries, top {TOP}, {settings}\n")
    print("| pictures | search | recall@10 | p50 ms | p95 ms | build s |")
    print("|---:|---|---:|---:|---:|---:|", flush=True)
    for size in options.sizes:
        vectors = everything[:size]
        exact = queries.astype(np.float64) @ vectors.T.astype(np.float64)
        for name, built, off, answer in searches(vectors, settings):
            recall, p50, p95 = measure(answer, queries, exact if off is None else exact - off)
            print(
                f"| {size:,} | {name} | {recall:.3f} | {p50:.1f} | {p95:.1f} | {built:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
