"""How a query is worded for each medium: prompt templates, as data in `assets/prompts.toml`.

A text tower knows captions better than bare words, and another wording suits sounds than suits
pictures. A query is encoded in every wording of a medium, and is the mean of those vectors (an
ensemble of prompts, Radford et al. 2021).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from store.records import Space

Wordings = Mapping[str, Sequence[str]]
"""By tower, templates that hold `{}` where the text goes."""


def space_kind(name: str) -> str:
    """Under which name the data files of `assets` speak of a space: "embedded" or "open_clip"."""
    return name if name == "embedded" else "open_clip"


@cache
def read_wordings(kind: str) -> Wordings:
    """The wordings for a kind of space."""
    text = files("assets").joinpath("prompts.toml").read_text("utf-8")
    wordings: Wordings = tomllib.loads(text)[kind]
    return wordings


def encode_queries(space: Space, texts: Sequence[str], wordings: Wordings) -> dict[str, np.ndarray]:
    """Each text once for each tower of the wordings: float32 (n, dim), rows of length 1.

    One call of the text tower encodes every distinct wording of every text.
    """
    places: dict[str, int] = {}
    rows = {
        tower: [
            [places.setdefault(template.replace("{}", text), len(places)) for text in texts]
            for template in templates
        ]
        for tower, templates in wordings.items()
    }
    encoded = space.encode_texts(list(places))
    return {tower: _unit(encoded[np.array(at)].mean(axis=0)) for tower, at in rows.items()}


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
