"""A bank of everyday queries, and how each picture or sound stands to it.

Some items lie near every text (hubs), others near none. What a library finds for one query is
therefore compared with what it finds for about a thousand others, `assets/background.txt`:

- An item's cosine to a query is lessened by half its mean cosine to the nearest queries of the
  bank (CSLS, Conneau et al. 2018, the bank standing for the query's side). This chooses the hits.
- How many standard deviations a query's cosine lies above the bank's for the same item tells
  whether the item fits this query better than any other (`store.certainty`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from encoders.weights import write_whole
from store.records import Progress, Space
from store.wordings import Wordings, encode_queries, read_wordings, space_kind

NEAREST = 50
"""How many queries of the bank tell how crowded it is around an item; 20 to 100 do about as well
(benchmarks/calibration.py measures the correction)."""
AT_ONCE = 1024  # rows compared with the bank at a time: bounds the memory

NEAR, MEAN, SD = range(3)
"""Columns of a standing: mean cosine to the NEAREST queries of the bank, mean and standard
deviation of the cosines to all."""


class Background:
    """The bank's vectors in one space; encoded when first needed, and kept as a file.

    The bank is that of everyday queries, or other texts under a name of their own. Every method
    may be called from any thread.
    """

    def __init__(
        self,
        space: Space,
        folder: Path | None = None,
        progress: Progress | None = None,
        wordings: Wordings | None = None,
        texts: Sequence[str] | None = None,
        name: str = "background",
    ) -> None:
        """Worded as the space is usually asked, or as told. Kept if a `folder` is given: there, or
        where the space keeps what all libraries share."""
        self._space = space
        self._folder = folder and (space.folder or folder)
        self._progress = progress
        self._wordings = wordings or read_wordings(space_kind(space.name))
        self._vectors: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self._texts = read_background() if texts is None else tuple(texts)
        self._name = name
        about = [self._texts, dict(self._wordings), space.name, space.version, space.dim, NEAREST]
        self.key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
        """Names the bank: standings under another key are of other queries."""

    def vectors(self, tower: str) -> np.ndarray:
        """The queries as they are worded for a tower: float32 (queries, dim), rows of length 1."""
        with self._lock:  # two at once would encode it twice, and write one file
            if tower not in self._vectors:
                self._vectors = self._load() or self._encode()
        return self._vectors[tower]

    def standing(self, tower: str, rows: np.ndarray) -> np.ndarray:
        """How unit rows (n, dim) stand to the bank: float32 (n, 3), see NEAR, MEAN, SD."""
        result = np.empty((len(rows), 3), dtype=np.float32)
        bank = self.vectors(tower)
        for start in range(0, len(rows), AT_ONCE):
            cosines = rows[start : start + AT_ONCE] @ bank.T
            count = min(NEAREST, cosines.shape[1])
            part = result[start : start + AT_ONCE]
            part[:, MEAN] = cosines.mean(axis=1)
            part[:, SD] = np.maximum(cosines.std(axis=1), 1e-6)
            cosines.partition(cosines.shape[1] - count, axis=1)
            part[:, NEAR] = cosines[:, -count:].mean(axis=1)
        return result

    def _load(self) -> dict[str, np.ndarray] | None:
        path = self._path()
        if path is None or not path.exists():
            return None
        try:
            stacked = np.load(path)
        except (OSError, ValueError, EOFError):  # not whole: encoded again
            return None
        if stacked.shape != (len(self._wordings), len(self._texts), self._space.dim):
            return None
        return dict(zip(self._wordings, stacked, strict=True))

    def _encode(self) -> dict[str, np.ndarray]:
        what = "Learning what everyday words find"
        if self._progress:
            self._progress(what, 0, 0)
        vectors = encode_queries(self._space, self._texts, self._wordings)
        path = self._path()
        if path is not None:
            stacked = np.stack([vectors[tower] for tower in self._wordings])
            with contextlib.suppress(OSError):  # then it is encoded again another time
                path.parent.mkdir(parents=True, exist_ok=True)
                for old in path.parent.glob(f"{self._name}-*"):
                    old.unlink()
                write_whole(path, lambda part: _save(part, stacked))
        if self._progress:
            self._progress(what, 1, 1)
        return vectors

    def _path(self) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._name}-{self.key}.npy"


def _save(path: Path, vectors: np.ndarray) -> None:
    with path.open("wb") as file:  # by name NumPy would add a suffix
        np.save(file, vectors)


def read_background() -> tuple[str, ...]:
    """The bank's queries."""
    return read_texts("background.txt")


@cache
def read_texts(name: str) -> tuple[str, ...]:
    """The texts of a file of `assets`, which commas separate."""
    lines = files("assets").joinpath(name).read_text("utf-8").splitlines()
    texts = [text.strip() for line in lines if line[:1] != "#" for text in line.split(",")]
    return tuple(text for text in texts if text)


def correct(cosines: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Cosines (..., n) of a query to items, less half of how near the items (n, 3) lie to any."""
    corrected: np.ndarray = cosines - standing[:, NEAR] / 2
    return corrected


def typical(standing: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the corrected cosines of any query to items (n, 3)."""
    wide = standing.astype(np.float64)
    mean = float((wide[:, MEAN] - wide[:, NEAR] / 2).mean())
    return mean, float(np.sqrt(np.square(wide[:, SD]).mean()))


def above(cosines: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Cosines (..., n) in standard deviations above the bank's for the same items (n, 3)."""
    higher: np.ndarray = (cosines - standing[:, MEAN]) / standing[:, SD]
    return higher
