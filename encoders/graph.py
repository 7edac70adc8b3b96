"""A graph's nodes learn from their neighbours: simple graph convolution of their vectors.

A node's words are often a bare name; what it is stands around it. With A the weights of the edges
and D the sums of their rows with one for the node itself, S = D^-1/2 (A + I) D^-1/2 blends a node
with its neighbours, and S^K those K steps away (Wu et al., "Simplifying Graph Convolutional
Networks", ICML 2019, without its linear classifier). The result is joined with the node's own
vector. `benchmarks/graph.py` measures what that gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# On the benchmark's tuning half shares of 0.7 and 0.9 came out alike, smaller ones lower: graphs
# whose nodes have but names gain most at less, those with descriptions at more.
STEPS = 2
OWN_SHARE = 0.7
"""Of a node's vector, the rest being its neighbourhood's. A node without words has only that."""
_BLOCK = 32  # dimensions smoothed at a time: bounds the memory beside the vectors themselves


def smooth_nodes(
    parts: Sequence[Any], vectors: Array, structure: tuple[Array, Array]
) -> tuple[list[Any], Array]:
    """The parts of a graph that can be found, and their vectors, float32 (kept, dim), unit rows.

    Args:
        parts: first the graph as a whole, then its n nodes.
        vectors: float32 (1 + n, dim), unit rows; all zeros for a node without words.
        structure: edges, int32 (m, 2), of places among the nodes (0 is the second part), and their
            weights, float32 (m,), not negative.

    The graph's vector is its own words' and the mean of its nodes', half and half. A node that has
    neither words nor a way to any node with words is left out.
    """
    edges, weights = structure
    nodes = smooth(vectors[1:], edges, weights)
    found = nodes.any(axis=1)
    kept = np.flatnonzero(found)
    nodes = nodes if len(kept) == len(nodes) else nodes[kept]
    whole = _unit(vectors[:1] + _unit(nodes.sum(axis=0, keepdims=True)))
    return [parts[0], *(parts[1 + node] for node in kept.tolist())], np.concatenate([whole, nodes])


def smooth(
    vectors: Array,
    edges: Array,
    weights: Array,
    steps: int = STEPS,
    own_share: float = OWN_SHARE,
) -> Array:
    """Nodes' vectors, float32 (n, dim), each blended with its neighbourhood's; rows of length 1.

    A row of zeros takes its neighbourhood's; where there is none within `steps`, that of the
    nearest node that has one; where there is none at all, it stays zeros. Edges go both ways, their
    weights are relative to their mean. Beside vectors and result it takes 3 * n * _BLOCK numbers.
    """
    count = len(vectors)
    links = _links(count, edges, weights)
    blend = _blend(links)
    result = np.empty(vectors.shape, np.float32)
    for start in range(0, vectors.shape[1], _BLOCK):
        block = vectors[:, start : start + _BLOCK]
        for _ in range(steps):
            block = blend @ block
        result[:, start : start + _BLOCK] = block
    _scale(result)
    own = vectors.any(axis=1)
    result *= np.where(own, 1 - own_share, 1).astype(np.float32)[:, None]
    for rows in np.array_split(np.arange(count), max(1, count // 4096)):
        result[rows] += np.float32(own_share) * vectors[rows]
    _scale(result)
    _reach(result, links)
    return result


def _links(count: int, edges: Array, weights: Array) -> Any:
    """The symmetric matrix of weights, float32 (n, n), of mean 1, no node linked with itself."""
    from scipy.sparse import coo_array

    source, target = np.asarray(edges, np.int32).reshape(-1, 2).T
    apart = (source != target) & (weights > 0)
    source, target, weights = source[apart], target[apart], weights[apart]
    if len(weights):
        weights = weights / weights.mean(dtype=np.float64)
    ends = (np.concatenate([source, target]), np.concatenate([target, source]))
    both = np.tile(weights, 2).astype(np.float32)
    return coo_array((both, ends), shape=(count, count)).tocsr()  # parallel edges are added up


def _blend(links: Any) -> Any:
    """S = D^-1/2 (A + I) D^-1/2, float32 (n, n)."""
    from scipy.sparse import diags_array, eye_array

    with_self = (links + eye_array(links.shape[0], dtype=np.float32)).tocsr()
    root = diags_array(1 / np.sqrt(with_self.sum(axis=1, dtype=np.float64))).astype(np.float32)
    return (root @ with_self @ root).tocsr()


def _reach(vectors: Array, links: Any) -> None:
    """Give rows of zeros the vector of the nearest row that has one, in place."""
    from scipy.sparse.csgraph import dijkstra

    known = vectors.any(axis=1)
    if known.all() or not known.any():
        return
    far, _, nearest = dijkstra(
        links,
        directed=False,
        unweighted=True,
        indices=np.flatnonzero(known),
        min_only=True,
        return_predecessors=True,
    )
    missing = np.flatnonzero(~known & np.isfinite(far))
    vectors[missing] = vectors[nearest[missing]]


def _unit(rows: Array) -> Array:
    rows = np.array(rows, np.float32)
    _scale(rows)
    return rows


def _scale(rows: Array) -> None:
    """Rows of length 1, in place; what is next to nothing becomes zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 1e-12)
    rows *= scale[:, None]
