"""Odd one out: which of several things does not belong with the others, how sure, and why.

If one is odd, its likeness to the others tells nothing, while those go together. So each thing's
evidence is the sum of its pairs' log-odds of belonging together; the odd one has the least. What a
pair's cosine is worth depends on the towers that it is of: `assets/oddity.toml` holds the weights
of a conditional logit model (McFadden 1974), fitted by `python -m benchmarks.odd --write` to sets
of words, pictures and sounds with known answers. It is a choice between n things and a last answer,
that all belong together. There is no model for a space that nobody measured: pairs are then told in
standard deviations, and nothing of how sure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from analysis.concepts import Concepts, Weighed, as_list, beyond, shared
from analysis.reference import Reference, Sides
from analysis.things import Thing
from store.library import Library, LibraryError
from store.wordings import space_kind

FEWEST = 3


@dataclass(frozen=True)
class Model:
    """What likeness is worth in one kind of space, by the towers of a pair ("image audio")."""

    weight: Mapping[str, float]
    """Of a centred cosine."""
    bias: Mapping[str, float]
    size: float
    """Evidence counts by (n - 1) ** size: pairs do not tell independently of each other."""
    together: float
    """The log-weight of the answer that all belong together."""

    def worth(self, sides: Sides, cosine: float) -> float:
        """The log-odds that a pair belongs together."""
        name = pair_name(sides)
        return self.weight[name] * cosine + self.bias[name]


@dataclass(frozen=True)
class Verdict:
    """The odd one of several things, and why."""

    odd: int
    """Its place among the things."""
    evidence: list[float]
    """Of each thing: how much it belongs with the others. Only differences mean something."""
    chances: list[float] | None
    """Of each thing: the probability that it is the odd one, where one is; None if unknown."""
    together: float | None
    """The probability that none is odd."""
    shared: Weighed
    """What the others have in common and it has not."""
    own: Weighed
    """What it has and the others have not."""

    @property
    def sure(self) -> float | None:
        """The probability that the odd one is, where there is one."""
        return None if self.chances is None else self.chances[self.odd]

    def as_dict(self, things: Sequence[Thing]) -> dict[str, Any]:
        """Ready for JSON; `things` are those that were asked about."""
        chances: Sequence[float | None] = self.chances or [None] * len(things)
        return {
            "odd": things[self.odd].label,
            "place": self.odd,
            "sure": self.sure,
            "together": self.together,
            "things": [
                {"thing": thing.label, "medium": thing.medium, "chance": chance}
                for thing, chance in zip(things, chances, strict=True)
            ],
            "shared": as_list(self.shared),
            "own": as_list(self.own),
        }


def find_odd(library: Library, things: Sequence[Thing]) -> Verdict:
    """The odd one of at least FEWEST things. LibraryError for fewer."""
    if len(things) < FEWEST:
        raise LibraryError(
            f"An odd one is found among {FEWEST} things or more; here {_are(len(things))}."
        )
    reference = Reference(library)
    model = read_model(space_kind(library.space.name))
    evidence = weigh(reference, things, model)
    odd = int(evidence.argmin())
    chances, together = None, None
    if model is not None:
        powers, all_ = odds(evidence, model)
        chances = [round(float(power / powers.sum()), 4) for power in powers]
        together = round(float(all_ / (all_ + powers.sum())), 4)
    concepts = Concepts(library, reference)
    strengths = [concepts.strengths(thing) for thing in things]
    alone = strengths.pop(odd)
    common = shared(strengths)
    labels = [thing.label for thing in things]
    lacking = np.where(alone < common, common - np.maximum(alone, 0) / 2, 0.0)
    own = beyond(alone, np.max(strengths, axis=0))
    return Verdict(
        odd,
        [round(float(value), 4) for value in evidence],
        chances,
        together,
        concepts.strongest(lacking, labels),
        concepts.strongest(own, labels),
    )


def weigh(reference: Reference, things: Sequence[Thing], model: Model | None) -> np.ndarray:
    """How much each thing belongs with the others: float64 (n,)."""
    table = np.zeros((len(things), len(things)))
    for at, one in enumerate(things):
        for place, other in enumerate(things[:at]):
            found = reference.nearness(one, other)
            worths = [
                cosine / reference.spread(*sides) if model is None else model.worth(sides, cosine)
                for sides, cosine in found.items()
            ]
            table[at, place] = table[place, at] = np.mean(worths)
    size = -1.0 if model is None else model.size
    evidence: np.ndarray = table.sum(axis=1) * (len(things) - 1) ** size
    return evidence


def odds(evidence: np.ndarray, model: Model) -> tuple[np.ndarray, float]:
    """The weights (n,) of each thing's being the odd one, and that of none's being it."""
    top = max(float((-evidence).max()), model.together)
    return np.exp(-evidence - top), float(np.exp(model.together - top))


@cache
def read_model(kind: str) -> Model | None:
    """The model for a kind of space; None where there is none."""
    text = files("assets").joinpath("oddity.toml").read_text("utf-8")
    row = tomllib.loads(text).get(kind)
    return None if row is None else Model(**row)


def pair_name(sides: Sides) -> str:
    """ "audio image", whichever comes first."""
    return " ".join(sorted(sides))


def _are(count: int) -> str:
    return {0: "is none", 1: "is one"}.get(count, f"are {count}")
