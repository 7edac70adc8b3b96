"""Graphs: one part for the whole, one for each node with what it says and who its neighbours are.

`Graph.structure` is what `encoders.graph` smooths by: (edges, weights), edges int32 (m, 2) of
places among the nodes' parts, from 0, the whole graph's part not counted; weights float32 (m,).
Every edge is in it once, whatever its direction, and none from a node to itself.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .medium import Media, Medium, Segment
from .network import (
    SUFFIXES,
    Attributes,
    Network,
    find_format,
    is_drawing,
    is_words,
    one_line,
    read_network,
    shorten,
)
from .waveform import ACCENT, PAPER, TINT

Array = np.ndarray[Any, Any]

_NEIGHBOURS = 24  # told of a node
_TIES = 60  # told of those among a node's neighbours
_ATTRIBUTES = 12  # told of a node
_HUBS = 12  # named in what is said of the whole graph
# characters
_LONGEST_LABEL, _LONGEST_VALUE, _LONGEST_CONTENT, _LONGEST_WORDS = 120, 200, 2_000, 4_000


class Graph(Media):
    """A graph read whole; see Media.

    `details` holds "nodes", "edges" (as many as the file has), "directed" (1 or 0), "words" (how
    many nodes say something) and "title".
    """

    modality = "graph"

    def __init__(self, path: Path, network: Network) -> None:
        self._network, self._links = network, _Links(network)
        title = network.title or one_line(path.stem.replace("_", " ").replace("-", " "))
        self._title = shorten(title or path.name, _LONGEST_LABEL)
        pairs = zip(network.labels, network.attributes, strict=True)
        self._contents = [_content(label, attributes) for label, attributes in pairs]
        self.details = {
            "nodes": len(network.keys),
            "edges": len(network.edges),
            "directed": int(network.directed),
            "words": sum(map(bool, self._contents)),
            "title": self._title,
        }

    def segments(self) -> Iterator[Segment]:
        """The whole graph, then each node. A node without words has the content ""; its vector is
        to come from its neighbours."""
        yield self._whole()
        for node, content in enumerate(self._contents):
            yield self._node(node, content)
        self.structure = (self._links.edges, self._links.weights)

    def preview(self) -> Image.Image:
        """The most connected nodes, RGB 768 x 432."""
        return draw(self._network.labels, self._links)

    def _whole(self) -> Segment:
        network = self._network
        nodes, edges = len(network.keys), len(network.edges)
        order = np.argsort(-self._links.degrees, kind="stable")
        named = (network.labels[i] for i in order if is_words(network.labels[i]))
        hubs = ", ".join(shorten(label, 60) for label, _ in zip(named, range(_HUBS), strict=False))
        kind = f"graph of {nodes:,} node{'s' * (nodes != 1)}"
        said = [f"{self._title}: {kind}" + (f": {hubs}" if hubs else ""), network.about]
        lines = [self._title, f"{kind} and {edges:,} edge{'s' * (edges != 1)}", hubs, network.about]
        return Segment(
            content=shorten(". ".join(filter(None, said)), _LONGEST_CONTENT),
            tower="text",
            words="\n".join(filter(None, lines))[:_LONGEST_WORDS],
            place={"graph": self._title, "nodes": nodes, "edges": edges},
        )

    def _node(self, node: int, content: str) -> Segment:
        network = self._network
        label = shorten(network.labels[node], _LONGEST_LABEL)
        shown = {
            name: value for name, value in network.attributes[node].items() if not is_drawing(name)
        }
        lines = [label, *(f"{name}: {one_line(str(value))}" for name, value in shown.items())]
        neighbours, words, ties = self._links.around(node)
        place: dict[str, Any] = {
            "label": label,
            "graph": self._title,
            "degree": int(self._links.degrees[node]),
            "neighbours": [
                [network.keys[other], shorten(network.labels[other], _LONGEST_LABEL), said]
                for other, said in zip(neighbours.tolist(), words, strict=True)
            ],
            "ties": ties,
            "attributes": {
                name: shorten(one_line(v), _LONGEST_VALUE) if isinstance(v, str) else v
                for name, v in list(shown.items())[:_ATTRIBUTES]
            },
        }
        if not content:
            place["wordless"] = True
        return Segment(
            content=content,
            tower="text",
            words="\n".join(lines)[:_LONGEST_WORDS],
            place=place,
            node=network.keys[node],
        )


def _content(label: str, attributes: Attributes) -> str:
    """What a node says, in sentences; "" where its label and attributes are numbers and ids."""
    said = [label, *(v for n, v in attributes.items() if isinstance(v, str) and not is_drawing(n))]
    said = [one_line(text).rstrip(". ") for text in said if is_words(text)]
    return shorten(". ".join(dict.fromkeys(said)), _LONGEST_CONTENT)


class _Links:
    """Who is linked with whom: each pair once, the strongest neighbours of every node first.

    `edges` int32 (m, 2) and `weights` float32 (m,), those of parallel edges added up; `degrees`
    (n,): the number of other nodes that a node is linked with.
    """

    def __init__(self, network: Network) -> None:
        self._count = n = len(network.keys)
        ends = np.sort(network.edges, axis=1).astype(np.int64)
        codes = ends[:, 0] * n + ends[:, 1]
        apart = np.flatnonzero(ends[:, 0] != ends[:, 1])
        self._codes, which = np.unique(codes[apart], return_inverse=True)
        sums = np.bincount(which, network.weights[apart], len(self._codes))
        self.weights = sums.astype(np.float32)
        self.edges = np.stack([self._codes // n, self._codes % n], axis=1).astype(np.int32)
        self._ties: dict[int, str] = {}
        for edge, words in network.ties.items():
            self._ties.setdefault(int(codes[edge]), words)
        heads = self.edges.T.ravel()
        tails = self.edges[:, ::-1].T.ravel()
        self.degrees = np.bincount(heads, minlength=n)
        order = np.lexsort((tails, -self.degrees[tails], -np.tile(sums, 2), heads))
        self._neighbours = tails[order]
        self._starts = np.concatenate([[0], np.cumsum(self.degrees)])

    def around(self, node: int) -> tuple[Array, list[str], list[list[int]]]:
        """The strongest neighbours, what the edges to them say, and the edges among them."""
        start = self._starts[node]
        end = min(self._starts[node + 1], start + _NEIGHBOURS)
        near: Array = self._neighbours[start:end].astype(np.int64)
        codes = np.minimum(near, node) * self._count + np.maximum(near, node)
        words = [self._ties.get(code, "") for code in codes.tolist()]
        first, second = _pairs(len(near))
        low, high = np.minimum(near[first], near[second]), np.maximum(near[first], near[second])
        found = self._find(low * self._count + high)[:_TIES]
        return near, words, np.stack([first[found], second[found]], axis=1).tolist()

    def _find(self, codes: Array) -> Array:
        """Which of these pairs are linked."""
        if not len(codes) or not len(self._codes):
            return np.zeros(0, np.int64)
        places = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.flatnonzero(self._codes[places] == codes)


@functools.cache
def _pairs(count: int) -> tuple[Array, Array]:
    return np.triu_indices(count, 1)


# --- the preview

WIDTH, HEIGHT = 768, 432  # pixels
_MARGIN = 40
_FINER = 3  # drawn this much larger, then scaled down
_INK = "#1d2130"
_DRAWN_NODES, _DRAWN_EDGES, _DRAWN_LABELS = 300, 1_500, 8


def draw(labels: list[str], links: _Links) -> Image.Image:
    """The most connected nodes and their edges, the hubs by name, RGB 768 x 432."""
    chosen = _choose(links)
    edges, weights = _inside(links, chosen)
    places = _layout(len(chosen), edges)
    degrees = links.degrees[chosen]
    small = float(np.clip(28 / np.sqrt(len(chosen)), 2.2, 5))
    sizes = _FINER * small * (1 + 2.5 * np.sqrt(degrees / max(1, degrees.max())) ** 1.5)
    card = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), PAPER)
    brush = ImageDraw.Draw(card)
    for edge in np.argsort(weights, kind="stable")[-_DRAWN_EDGES:]:
        ends = [tuple(places[end]) for end in edges[edge]]
        brush.line(ends, TINT, _FINER)
    for node in np.argsort(degrees, kind="stable"):
        (x, y), r = places[node], sizes[node]
        brush.ellipse((x - r, y - r, x + r, y + r), ACCENT, PAPER, _FINER)
    _write_labels(brush, [labels[i] for i in chosen], degrees, places, sizes)
    return card.reduce(_FINER)


def _choose(links: _Links) -> Array:
    """The most connected node, then always the most connected neighbour of those chosen; where
    there is none left, the most connected of all."""
    degrees: list[int] = links.degrees.tolist()
    order = sorted(range(len(degrees)), key=lambda node: -degrees[node])
    chosen: dict[int, None] = {}
    ahead: list[tuple[int, int]] = []
    for hub in order:
        heapq.heappush(ahead, (-degrees[hub], hub))
        while ahead and len(chosen) < _DRAWN_NODES:
            _, node = heapq.heappop(ahead)
            if node not in chosen:
                chosen[node] = None
                for other in links.around(node)[0].tolist():
                    heapq.heappush(ahead, (-degrees[other], other))
        if len(chosen) == _DRAWN_NODES:
            break
    return np.array(sorted(chosen))


def _inside(links: _Links, chosen: Array) -> tuple[Array, Array]:
    """The edges among some nodes, as places among these, with their weights."""
    place = np.full(len(links.degrees), -1)
    place[chosen] = np.arange(len(chosen))
    edges = place[links.edges]
    inside = (edges >= 0).all(axis=1)
    return edges[inside], links.weights[inside]


def _layout(count: int, edges: Array) -> Array:
    """Where to draw the nodes, pixels of the finer card, (count, 2): the same each time."""
    import networkx

    graph = networkx.empty_graph(count)
    graph.add_edges_from(edges.tolist())
    start = networkx.circular_layout(graph)
    # the quicker method lets parts drift apart that no edge holds together
    method = "force" if networkx.is_connected(graph) else "energy"
    found = networkx.spring_layout(
        graph, pos=start, iterations=100, seed=0, weight=None, method=method
    )
    places = np.array([found[node] for node in range(count)]).reshape(-1, 2)
    low, high = places.min(axis=0), places.max(axis=0)
    share = np.where(high > low, (places - low) / np.maximum(high - low, 1e-9), 0.5)
    room = np.array([WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN])
    result: Array = (share * room + _MARGIN) * _FINER
    return result


def _write_labels(
    brush: ImageDraw.ImageDraw, labels: list[str], degrees: Array, places: Array, sizes: Array
) -> None:
    """The names of the most connected nodes below them, none over another."""
    taken: list[tuple[float, float, float, float]] = []
    for node in np.argsort(-degrees, kind="stable")[: 4 * _DRAWN_LABELS]:
        label = shorten(labels[node], 28)
        if not is_words(labels[node]) or len(taken) == _DRAWN_LABELS:
            continue
        font = _font()
        left, top, right, bottom = brush.textbbox((0, 0), label, font)
        x = places[node][0] - (right - left) / 2
        x = min(max(x, 8 * _FINER), WIDTH * _FINER - 8 * _FINER - (right - left))
        y = places[node][1] + sizes[node] + 3 * _FINER
        if y + bottom > (HEIGHT - 6) * _FINER:
            y = places[node][1] - sizes[node] - 3 * _FINER - bottom
        box = (x - 9, y + top - 9, x + right - left + 9, y + bottom + 9)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        brush.text((x - left, y), label, _INK, font, stroke_width=2 * _FINER, stroke_fill=PAPER)


@functools.cache
def _font() -> Any:
    return ImageFont.load_default(13 * _FINER)


def open_graph(path: Path, file: BinaryIO, head: bytes) -> Graph:
    """Read a graph whole. Raises MediaError when it is damaged, empty or beyond the limits."""
    with file:
        return Graph(path, read_network(path, file, head))


def _recognise(head: bytes, suffix: str) -> bool:
    return bool(find_format(head)) or (suffix in SUFFIXES and b"\0" not in head)


MEDIUM = Medium("graph", tuple(SUFFIXES), _recognise, open_graph)
