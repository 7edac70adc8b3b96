"""Spaces that go wrong, or that tell any two pictures apart."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tests.fakes import FakeSpace


class HashSpace(FakeSpace):
    """Every content its own random direction."""

    name = "hash"

    def encode(self, modality: str, prepared: Sequence[np.ndarray]) -> np.ndarray:
        seeds = [zlib.crc32(np.ascontiguousarray(x).tobytes()) for x in prepared]
        rows = [np.random.default_rng(seed).standard_normal(self.dim) for seed in seeds]
        return self._unit(np.array(rows).reshape(-1, self.dim))


class FaultySpace(FakeSpace):
    """Fails for whole batches that hold a blue picture, in one of several ways."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def encode(self, modality: str, prepared: Sequence[np.ndarray]) -> np.ndarray:
        rows = super().encode(modality, prepared)
        for row, content in zip(rows, prepared, strict=True):
            if modality == "image" and content[..., 2].mean() > 200 > content[..., 0].mean():
                if self.fault == "raise":
                    raise RuntimeError("no blue please")
                row[:] = 0 if self.fault == "zero" else np.nan
        return rows


class PictureSpace(FakeSpace):
    """Knows no sounds."""

    name = "pictures"
    modalities = frozenset({"image"})
