"""Two things beside each other: how like they are, what they share, and what sets them apart.

How like is told as the share of pairs of such things that are less like, since cosines of different
media say nothing beside each other. The pairs are taken from a sample of the library, those with
words from the everyday queries of `store.background`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.concepts import Concepts, Weighed, as_list, beyond, shared
from analysis.reference import Reference
from analysis.things import Thing
from store.library import Library

FEWEST_PAIRS = 20
"""Fewer pairs give no share."""


@dataclass(frozen=True)
class Pairing:
    """What was found of two things, the left and the right one."""

    nearer: float | None
    """The share of pairs of such things that are less like, 0..1; None where there are too few."""
    pairs: int
    """How many pairs that was measured on."""
    shared: Weighed
    left: Weighed
    """What the left one has and the right one has not."""
    right: Weighed

    def as_dict(self, left: Thing, right: Thing) -> dict[str, Any]:
        """Ready for JSON; with the things that were asked about."""
        return {
            "left": left.label,
            "right": right.label,
            "media": [left.medium, right.medium],
            "nearer": self.nearer,
            "pairs": self.pairs,
            "shared": as_list(self.shared),
            "only_left": as_list(self.left),
            "only_right": as_list(self.right),
        }


def compare(library: Library, left: Thing, right: Thing) -> Pairing:
    """Two things of any media beside each other."""
    reference = Reference(library)
    found = reference.nearness(left, right)
    shares, counts = [], []
    for sides, cosine in found.items():
        usual = reference.products(*sides)
        counts.append(usual.size)
        if usual.size >= FEWEST_PAIRS:
            shares.append(float((usual < cosine).mean()))
    concepts = Concepts(library, reference)
    one, other = concepts.strengths(left), concepts.strengths(right)
    labels = (left.label, right.label)
    # what one calls up twice as strongly is its own
    both = np.where(np.minimum(one, other) * 2 > np.maximum(one, other), shared([one, other]), 0)
    return Pairing(
        round(float(np.mean(shares)), 4) if shares else None,
        min(counts),
        concepts.strongest(both, labels),
        concepts.strongest(beyond(one, other), labels),
        concepts.strongest(beyond(other, one), labels),
    )
