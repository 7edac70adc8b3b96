"""What becomes of a file's vectors once all of its parts have been encoded, by medium.

Neighbouring shots of a film that say the same become one; the nodes of a graph learn from their
neighbours. Media that are not named here keep their vectors as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Part(Protocol):
    """What is known of a part beside its vector (see `media.Segment`)."""

    @property
    def start(self) -> float | None: ...
    @property
    def end(self) -> float | None: ...
    @property
    def tower(self) -> str: ...
    @property
    def node(self) -> str | None: ...


Gather = Callable[[Sequence[Any], Array, Any], tuple[list[Any], Array]]
"""Parts, their vectors float32 (n, dim) with rows of length 1, and the medium's `structure`; to the
parts that are kept and their vectors, rows of length 1."""


def _smooth_nodes(parts: Sequence[Any], vectors: Array, structure: Any) -> tuple[list[Any], Array]:
    from .graph import smooth_nodes

    return smooth_nodes(parts, vectors, structure)


def _merge_shots(parts: Sequence[Any], vectors: Array, structure: Any) -> tuple[list[Any], Array]:
    from .film import merge_shots

    return merge_shots(parts, vectors, structure)


_GATHER: dict[str, Gather] = {"film": _merge_shots, "graph": _smooth_nodes}


def gather(
    modality: str, parts: Sequence[Any], vectors: Array, structure: Any = None
) -> tuple[list[Any], Array]:
    """The parts of a file that are kept, and their vectors float32 (n, dim), rows of length 1."""
    combine = _GATHER.get(modality)
    return (list(parts), vectors) if combine is None else combine(parts, vectors, structure)
