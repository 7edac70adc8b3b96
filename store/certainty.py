"""How sure is a hit? The probability that it is right, by a small calibrated model.

A logistic regression for each kind of space and medium, fitted on libraries with known answers by
`python -m benchmarks.calibration`, which writes `assets/calibration.toml`. There is none for a
space that nobody measured; then nothing is said.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FEATURES = ("score", "above", "log_size")
"""The hit's standard score in its medium (`store.scores`); how many standard deviations its cosine
lies above those of everyday queries for the same item (`store.background`); and the logarithm of
how many segments of that medium there are to choose from."""

LARGEST = 1_000
"""No larger libraries were simulated for the fit: a larger one is taken for one of this size, since
the more there is, the more of it is right as well."""

LEVELS = ((0.5, 3, "likely"), (0.2, 2, "maybe"), (0.0, 1, "a guess"))
"""From which probability on a hit is called so: a figure would say more than is known."""


@dataclass(frozen=True)
class Certainty:
    """The fitted model of one medium in one kind of space."""

    weights: tuple[float, ...]
    """By FEATURES."""
    bias: float
    floor: float
    """A query whose surest hit stays below it found nothing close."""

    def __call__(self, score: float, above: float, size: int) -> float:
        """The probability that a hit is right, 0..1."""
        values = (score, above, math.log(min(max(size, 1), LARGEST)))
        total = self.bias + sum(w * x for w, x in zip(self.weights, values, strict=True))
        return 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))

    def found_nothing(self, sure: Sequence[float | None]) -> bool:
        """Whether none of a query's hits is close to what was asked for."""
        known = [p for p in sure if p is not None]
        return bool(known) and max(known) < self.floor


@cache
def read_certainty(kind: str, tower: str) -> Certainty | None:
    """The model for a kind of space and a tower; None where there is none."""
    text = files("assets").joinpath("calibration.toml").read_text("utf-8")
    row = tomllib.loads(text).get(kind, {}).get(tower)
    if row is None:
        return None
    return Certainty(tuple(float(row[name]) for name in FEATURES), row["bias"], row["floor"])


def rate(sure: float) -> tuple[int, str]:
    """How sure a hit is, for people: in bars, 1 to 3, and in words."""
    return next((bars, word) for least, bars, word in LEVELS if sure >= least)
