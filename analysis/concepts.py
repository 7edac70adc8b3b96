"""What things have to do with each other, in words: a vocabulary of concepts, and how strongly a
thing calls up each of them.

The vocabulary is that of `assets/concepts.txt`, kinds of things and properties, with the everyday
things of the background's queries. Some concepts are near everything, so a thing's likeness to one
is told in standard deviations above what is usual for that concept among things of its sort
(`analysis.reference`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import numpy as np

from analysis.reference import PRIOR, Reference
from analysis.things import Thing, reads_words
from store.background import Background, read_background, read_texts
from store.library import Library

NEAR = 1.0
"""Standard deviations from which on a thing has something to do with a concept."""
OWN = 3.0
"""Those from which on it calls up a concept for itself: of a thousand concepts the strongest has
as many by mere chance."""
TOGETHER = 2.2
"""Those from which on things call up a concept together; unlike words reach 2 by chance."""
SAME = 0.75
"""Of two concepts with a higher cosine one is enough."""
TOLD = 6
"""Concepts that are told of."""
EXAMPLE = 0.7
"""How much an everyday thing counts beside a kind of things, which says why rather than for
example."""
LONGEST = 2  # words of what is taken over from the background

Weighed = list[tuple[str, float]]
"""Concepts, and how strongly they are meant, most first."""


@cache
def read_concepts() -> tuple[str, ...]:
    """The vocabulary, each concept once."""
    found = {_stem(text): text for text in read_texts("concepts.txt")}
    for query in read_background():
        text = re.sub(r"^(an?|the) ", "", query)
        if len(text.split()) <= LONGEST and "something" not in text:
            found.setdefault(_stem(text), text)
    return tuple(found.values())


class Concepts:
    """Strengths of the vocabulary's concepts for things of a library.

    The vocabulary is encoded once for each space, and kept (store.background). A space that
    reads no words has none.
    """

    def __init__(self, library: Library, reference: Reference) -> None:
        self._reference = reference
        self.names = read_concepts() if reads_words(library) else ()
        self._bank = Background(
            library.space, library.data / "vectors", texts=self.names, name="concepts"
        )
        kinds = len(read_texts("concepts.txt"))
        self._importance = np.where(np.arange(len(self.names)) < kinds, 1.0, EXAMPLE)
        self._directions = cache(self._measure)

    def strengths(self, thing: Thing) -> np.ndarray:
        """Standard deviations (concepts,) above what is usual; the mean of a thing's towers."""
        if not self.names:
            return np.empty(0)
        parts = [
            self._directions(tower) @ self._reference.centred(thing, tower, "text")
            for tower in sorted(thing.towers)
        ]
        mean: np.ndarray = np.mean(parts, axis=0)
        return mean

    def _measure(self, tower: str) -> np.ndarray:
        """The concepts as seen from a tower, of such lengths that the products with its reference
        have a spread of 1: float32 (concepts, dim)."""
        rows = self._reference.rows(tower, "text") - self._reference.centre(tower, "text")
        concepts = self._bank.vectors(tower) - self._reference.centre("text", tower)
        products = concepts @ rows.T
        # few rows say little of one concept, so all are looked at as well
        usual = float(np.square(products).mean()) if products.size else 1.0
        own = np.square(products).sum(axis=1)
        spread = np.sqrt((own + PRIOR * usual) / (products.shape[1] + PRIOR))
        scaled: np.ndarray = concepts / np.maximum(spread, np.float32(1e-6))[:, None]
        return scaled

    def strongest(
        self, weights: np.ndarray, without: Collection[str] = (), count: int = TOLD
    ) -> Weighed:
        """The concepts of highest weight above 0, of those that say the same one alone; `without`
        are texts that need no saying."""
        if not self.names:
            return []
        said = {_stem(text) for text in without}
        weights = weights * self._importance
        rows = self._bank.vectors("text")
        found: list[int] = []
        for at in np.argsort(-weights, kind="stable"):
            if weights[at] <= 0 or len(found) == count:
                break
            near = len(found) > 0 and float((rows[found] @ rows[at]).max()) > SAME
            if not near and _stem(self.names[at]) not in said:
                found.append(int(at))
        return [(self.names[at], round(float(weights[at]), 2)) for at in found]


def shared(strengths: Sequence[np.ndarray]) -> np.ndarray:
    """How strongly things (n of (concepts,)) call up each concept together: the mean of all, with
    the weakest of them; 0 where one has nothing to do with it, or all have little."""
    every = np.stack(strengths)
    weakest = every.min(axis=0)
    together = (every.mean(axis=0) + weakest) / 2
    kept: np.ndarray = np.where((weakest > NEAR) & (together > TOGETHER), together, 0.0)
    return kept


def beyond(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How strongly one calls up each concept; 0 where it hardly does, or the other does as well."""
    own: np.ndarray = np.where((one > OWN) & (one >= other * 2), one, 0.0)
    return own


def as_list(found: Weighed) -> list[dict[str, Any]]:
    """Concepts ready for JSON."""
    return [{"concept": name, "strength": weight} for name, weight in found]


def _stem(text: str) -> str:
    """ "Cats", "a cat" and "cat" are one concept."""
    return re.sub(r"^(an?|the) ", "", text.strip().lower()).rstrip("s")
