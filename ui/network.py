"""A node's surroundings as a drawing: the node in the middle, its neighbours around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from store.catalogue import node_id

if TYPE_CHECKING:
    from store.library import Item

CROWDED = 9  # more neighbours than these stand in two rings
NAMED = 7  # neighbours that a card's drawing names
WIDTH, HEIGHT = 280, 210


def graph_of(item_id: str) -> str:
    """The id of a node's graph."""
    return item_id.partition("#")[0]


def surroundings(item: Item) -> dict[str, Any]:
    """A node's neighbours, ready for JSON: each with its id, label, what the edge to it says, and
    where to draw it (x and y from -1 to 1), and the ties among them."""
    details, graph = item.details, graph_of(item.id)
    neighbours, ties = details.get("neighbours", []), details.get("ties", [])
    places = lay_out(len(neighbours), ties)
    around = [
        {"id": node_id(graph, key), "label": label, "said": said, "x": x, "y": y}
        for (key, label, said), (x, y) in zip(neighbours, places, strict=True)
    ]
    return {
        "graph": graph,
        "label": details.get("label", item.title),
        "degree": details.get("degree", len(around)),
        "nodes": around,
        "ties": ties,
    }


def lay_out(count: int, ties: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
    """Places around the middle, those that are tied beside each other where that is possible."""
    tied: dict[int, set[int]] = {one: set() for one in range(count)}
    for one, other in ties:
        tied[one].add(other)
        tied[other].add(one)
    order: list[int] = []
    left = dict.fromkeys(range(count))
    while left:
        beside = sorted(tied[order[-1]] & left.keys()) if order else []
        one = beside[0] if beside else next(iter(left))
        del left[one]
        order.append(one)
    places = [(0.0, 0.0)] * count
    for place, one in enumerate(order):
        # Turned a little, so that two neighbours do not lie on one line with the node's label.
        angle = 2 * math.pi * place / count - math.pi / 2 + (0.35 if count <= 2 else 0)
        radius = 0.66 if count > CROWDED and place % 2 else 1.0
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        places[one] = (round(x, 3), round(y, 3))
    return places


def draw(item: Item) -> str:
    """A card's drawing, as inline SVG; a neighbour's group tells its id."""
    around = surroundings(item)
    nodes = around["nodes"]
    spots = [(WIDTH / 2 + 98 * n["x"], HEIGHT / 2 + 74 * n["y"]) for n in nodes]
    middle = (WIDTH / 2, HEIGHT / 2)
    lines = [_line("tie", spots[i], spots[j]) for i, j in around["ties"]]
    lines += [_line("edge", middle, spot) for spot in spots]
    groups = []
    for place, (node, (x, y)) in enumerate(zip(nodes, spots, strict=True)):
        label = str(node["label"])
        name = ""
        if place < NAMED and len(nodes) <= CROWDED:
            name = f'<text x="{x:.0f}" y="{y + (18 if node["y"] >= 0 else -11):.0f}">{_cut(label)}'
            name += "</text>"
        groups.append(
            f'<g data-node="{escape(node["id"], quote=True)}"><title>{escape(label)}</title>'
            f'<circle class="reach" cx="{x:.0f}" cy="{y:.0f}" r="12"/>'
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5.5"/>{name}</g>'
        )
    return (
        f'<svg class="net" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(lines)}'
        f'{"".join(groups)}<circle class="self" cx="{middle[0]}" cy="{middle[1]}" r="10"/></svg>'
    )


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    return (
        f'<line class="{kind}" x1="{start[0]:.0f}" y1="{start[1]:.0f}" x2="{end[0]:.0f}" '
        f'y2="{end[1]:.0f}"/>'
    )


def _cut(label: str) -> str:
    return escape(label if len(label) <= 16 else f"{label[:15]}…")
