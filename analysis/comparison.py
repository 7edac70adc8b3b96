"""Two things beside each other: how like they are, what they share, and what sets them apart.

How like is told as the share of pairs of such things that are less like, since cosines of different
media say nothing beside each other. The pairs are taken from a sample of the library, those with
words from the everyday queries of `store.background`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.concepts import NEAR, Concepts, Weighed, shared
from analysis.reference import Reference
from analysis.things import Thing
from store.library import Library

OWN = 1.5
"""Standard deviations from which on a thing calls up a concept for itself."""
FEWEST_PAIRS = 20
"""Fewer pairs give no share."""


@dataclass(frozen=True)
class Comparison:
    """What was found of two things, the left and the right one."""

    nearer: float | None
    """The share of pairs of such things that are less like, 0..1; None where there are too few."""
    pairs: int
    """How many pairs that was measured on."""
    shared: Weighed
    left: Weighed
    """What the left one has and the right one has not."""
    right: Weighed


def compare(library: Library, left: Thing, right: Thing) -> Comparison:
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
    return Comparison(
        round(float(np.mean(shares)), 4) if shares else None,
        min(counts),
        concepts.strongest(shared([one, other]), labels),
        concepts.strongest(_beyond(one, other), labels),
        concepts.strongest(_beyond(other, one), labels),
    )


def _beyond(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far one calls up each concept more than the other; 0 where it hardly does at all."""
    more: np.ndarray = np.where((one > OWN) & (other < NEAR), one - other, 0.0)
    return more
