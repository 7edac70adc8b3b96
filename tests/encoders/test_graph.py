"""Smoothing a graph's vectors: against its plain twin, at its edges, and in its memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from encoders import graph
from encoders.graph import OWN_SHARE, STEPS, smooth, smooth_nodes
from encoders.parts import gather

Array = np.ndarray[Any, Any]


@dataclass
class Part:
    node: str | None


def unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Array = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-9)
    return result


def make(n: int, m: int, dim: int, wordless: float = 0.0) -> tuple[Array, Array, Array]:
    """Vectors, edges and weights of a random graph with parallel edges and self-loops."""
    random = np.random.default_rng(0)
    vectors = unit(random.standard_normal((n, dim), dtype=np.float32))
    vectors[random.random(n) < wordless] = 0
    edges = random.integers(0, n, (m, 2)).astype(np.int32)
    return vectors, edges, random.uniform(0.1, 3, m).astype(np.float32)


def plain(vectors: Array, edges: Array, weights: Array, steps: int, own_share: float) -> Array:
    """The dumb twin: dense matrices in float64, no far nodes."""
    n = len(vectors)
    links = np.zeros((n, n))
    apart = edges[:, 0] != edges[:, 1]
    scale = weights[apart].mean(dtype=np.float64)
    for (a, b), weight in zip(edges[apart], weights[apart], strict=True):
        links[a, b] += weight / scale
        links[b, a] += weight / scale
    links += np.eye(n)
    root = np.diag(links.sum(axis=1) ** -0.5)
    around = unit(np.linalg.matrix_power(root @ links @ root, steps) @ vectors.astype(np.float64))
    own = vectors.any(axis=1, keepdims=True)
    return unit(np.where(own, own_share * vectors + (1 - own_share) * around, around))


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("own_share", [0, 0.4, 1])
def test_smoothing_equals_its_plain_twin(steps: int, own_share: float) -> None:
    vectors, edges, weights = make(60, 200, 40, wordless=0.3)
    found = smooth(vectors, edges, weights, steps, own_share)
    assert found.dtype == np.float32
    assert np.abs(found - plain(vectors, edges, weights, steps, own_share)).max() < 1e-5


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    vectors, edges, weights = make(300, 900, 50, wordless=0.5)
    expected = smooth(vectors, edges, weights)
    monkeypatch.setattr(graph, "_BLOCK", block)
    assert np.abs(smooth(vectors, edges, weights) - expected).max() < 1e-6


def test_by_hand() -> None:
    """Two nodes and an edge: both sums of weights are 2, so S halves and adds."""
    vectors = np.eye(2, dtype=np.float32)
    edges, weights = np.array([[0, 1]], np.int32), np.array([5], np.float32)
    half = np.sqrt(0.5)
    assert smooth(vectors, edges, weights, 1, 0) == pytest.approx(np.full((2, 2), half))
    mixed = np.array([[0.5 + 0.5 * half, 0.5 * half], [0.5 * half, 0.5 + 0.5 * half]])
    assert smooth(vectors, edges, weights, 1, 0.5) == pytest.approx(unit(mixed))


def test_what_does_not_matter() -> None:
    """Directions, order and scale of the edges, and edges from a node to itself."""
    vectors, edges, weights = make(50, 120, 16)
    expected = smooth(vectors, edges, weights)
    before = vectors.copy()
    order = np.random.default_rng(1).permutation(120)
    loops = np.stack([np.arange(50), np.arange(50)], axis=1).astype(np.int32)
    for other, its in (
        (edges[:, ::-1], weights),
        (edges[order], weights[order]),
        (edges, weights * 1000),
        (np.concatenate([edges, loops]), np.concatenate([weights, np.full(50, 9, np.float32)])),
    ):
        assert np.abs(smooth(vectors, other, its) - expected).max() < 1e-5
    assert (vectors == before).all()


def test_heavy_edges_count_more() -> None:
    vectors = np.eye(3, dtype=np.float32)
    edges = np.array([[0, 1], [0, 2]], np.int32)
    around = smooth(vectors, edges, np.array([9, 1], np.float32))[0]
    assert around[1] > around[2] > 0
    assert smooth(vectors, edges, np.array([1, 0], np.float32))[0][2] == 0


def test_a_node_without_words_is_found_by_its_neighbours() -> None:
    """A path of ten, words at its ends alone: every node is most like the nearer end."""
    vectors = np.zeros((10, 4), np.float32)
    vectors[0, 0] = vectors[9, 1] = 1
    edges = np.stack([np.arange(9), np.arange(1, 10)], axis=1).astype(np.int32)
    found = smooth(vectors, edges, np.ones(9, np.float32))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(10))
    assert found[:, 0] == pytest.approx([1] * 5 + [0] * 5)
    assert found[:, 1] == pytest.approx([0] * 5 + [1] * 5)


def test_gather_leaves_out_what_cannot_be_found() -> None:
    """Of two parts of a graph the second has no words: it is left out, and so is a lone node."""
    parts = [Part(None), *(Part(name) for name in "abcdef")]
    vectors = np.zeros((7, 3), np.float32)
    vectors[0, 2] = vectors[1, 0] = vectors[3, 1] = 1  # the graph, a and c
    edges = np.array([[0, 1], [3, 4]], np.int32)
    kept, found = gather("graph", parts, vectors, (edges, np.ones(2, np.float32)))
    assert kept == [parts[0], parts[1], parts[2], parts[3]]
    assert found.dtype == np.float32
    mean = unit(np.array([[2.0, 1, 0]]))[0]
    assert found[0] == pytest.approx(unit(np.array([[*mean[:2], 1]]))[0])
    assert found[1:] == pytest.approx(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]]))


def test_a_graph_without_any_words_keeps_its_own() -> None:
    parts = [Part(None), Part("1"), Part("2")]
    vectors = np.array([[0, 1], [0, 0], [0, 0]], np.float32)
    structure = (np.array([[0, 1]], np.int32), np.ones(1, np.float32))
    kept, found = smooth_nodes(parts, vectors, structure)
    assert kept == parts[:1]
    assert found.tolist() == [[0, 1]]


def test_a_graph_without_edges_stays_as_it_is() -> None:
    vectors, _, _ = make(5, 1, 8)
    structure = (np.zeros((0, 2), np.int32), np.zeros(0, np.float32))
    kept, found = smooth_nodes([Part(str(i)) for i in range(5)], vectors, structure)
    assert len(kept) == 5
    assert found[1:] == pytest.approx(vectors[1:], abs=1e-6)


def test_constants() -> None:
    assert STEPS >= 1
    assert 0 < OWN_SHARE < 1


@pytest.mark.timeout(60)
def test_a_large_graph_takes_seconds_and_little_memory() -> None:
    import tracemalloc

    vectors, edges, weights = make(100_000, 300_000, 64, wordless=0.4)
    smooth(vectors[:10], edges[:0], weights[:0])  # import scipy
    tracemalloc.start()
    started = time.process_time()
    found = smooth(vectors, edges, weights)
    assert time.process_time() - started < 10
    # the result is as large as the vectors; the rest is the matrix and some columns
    assert tracemalloc.get_traced_memory()[1] < found.nbytes + 90e6
    tracemalloc.stop()
    lengths = np.linalg.norm(found, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert (lengths > 0).mean() > 0.99
    sample = np.flatnonzero(lengths > 0)[:50]
    assert np.isfinite(found[sample]).all()
