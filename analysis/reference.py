"""What things of each sort are usually like: the ground on which likeness is told.

Two pictures always have a higher cosine than a picture and a word, and some things lie near
everything. So a vector is compared after what is usual for its sort has been taken away from it:
the mean of a reference, which for words is the bank of everyday queries (`store.background`), for
pictures and sounds a sample of the library's own. The product of two centred vectors is their
cosine less what each usually has with things of the other's sort.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from analysis.things import Thing
from store.background import Background
from store.library import Library
from store.streams import STREAMS
from store.wordings import space_kind

PRIOR = 50
"""Imagined ones at what is usual elsewhere, where that is known (`assets/usual.safetensors`), else
at the origin: few pictures must not take away what they have in common."""
PAIRS = 512
"""So many of either side tell how pairs usually are."""

IDENTICAL = 0.9999
USUAL_SPREAD = 0.1  # where there are no pairs

Sides = tuple[str, str]
"""The towers of two vectors that are compared; the second decides how words are worded."""


class Reference:
    """Usual vectors of a library's towers, as it is when they are first asked for."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._bank = Background(library.space, library.data / "vectors")
        self._prior = read_usual(space_kind(library.space.name), library.space.dim)
        self.rows = cache(self._rows)
        self.centre = cache(self._centre)
        self.products = cache(self._products)

    def _rows(self, tower: str, facing: str) -> np.ndarray:
        """Vectors of a tower, as they are compared with those of another: float32 (n, dim)."""
        if tower == "text":
            return self._bank.vectors(facing)
        streams = [name for name in self._library.streams if STREAMS[name].tower == tower]
        return np.concatenate([self._library.sample(name)[1] for name in streams])

    def _centre(self, tower: str, facing: str) -> np.ndarray:
        """Their mean, drawn towards the prior where there are few: float32 (dim,)."""
        rows = self.rows(tower, facing)
        total: np.ndarray = rows.sum(axis=0)
        prior = self._prior.get(tower)
        if prior is not None:
            total = total + PRIOR * prior
        return total / np.float32(len(rows) + PRIOR)

    def sides(self, one: Thing, other: Thing) -> list[Sides]:
        """The towers in which two things are compared: those that both have, else each."""
        both = one.towers & other.towers
        if both:
            return [(tower, tower) for tower in sorted(both)]
        return [(a, b) for a in sorted(one.towers) for b in sorted(other.towers)]

    def centred(self, thing: Thing, tower: str, facing: str) -> np.ndarray:
        """A thing's vector (dim,), less what is usual."""
        # words are worded for what they are compared with
        vector = thing.vectors[facing if tower == "text" else tower]
        result: np.ndarray = vector - self.centre(tower, facing)
        return result

    def nearness(self, one: Thing, other: Thing) -> dict[Sides, float]:
        """The cosines of two things less what is usual for each, by the towers compared."""
        return {
            (a, b): float(self.centred(one, a, b) @ self.centred(other, b, a))
            for a, b in self.sides(one, other)
        }

    def _products(self, one: str, other: str) -> np.ndarray:
        """`nearness` of usual pairs of two towers, each of two segments: float32 (pairs,), sorted.

        A segment beside itself, and what looks the same, are left out.
        """
        a, b = _thin(self.rows(one, other)), _thin(self.rows(other, one))
        plain = a @ b.T
        centred = (a - self.centre(one, other)) @ (b - self.centre(other, one)).T
        return np.sort(centred[plain < IDENTICAL])

    def spread(self, one: str, other: str) -> float:
        """The standard deviation of the nearness of usual pairs of two towers."""
        products = self.products(one, other)
        if products.size < 2:
            return USUAL_SPREAD
        return max(float(products.std()), 1e-3)


@cache
def read_usual(kind: str, dim: int) -> dict[str, np.ndarray]:
    """The mean vectors of a kind of space's towers, as far as they are known: float32 (dim,); none
    of a version of the space that had another dimension."""
    path = Path(str(files("assets").joinpath("usual.safetensors")))
    return {
        tower: vector
        for name, vector in load_file(path).items()
        for about, _, tower in [name.partition(".")]
        if about == kind and len(vector) == dim
    }


def _thin(rows: np.ndarray) -> np.ndarray:
    """At most PAIRS of the rows, from all over them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), PAIRS)).astype(np.intp)]
