"""What the library hands out: items, hits, reports, and its errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Progress = Callable[[str, int, int], None]
"""Called with (what is going on, done, total), often, from any thread."""

REPORT_LIMIT = 10_000
"""A report keeps at most this many files of each kind, so that memory is steady; it counts all."""


class LibraryError(Exception):
    """The library cannot do what was asked; the message is one sentence."""


class LibraryBusy(LibraryError):  # noqa: N818 (the name tells what is the case)
    """Another process holds the library: `pid` and `address` tell who, where known."""

    def __init__(self, message: str, pid: int | None = None, address: str | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        self.address = address


class Space(Protocol):
    """What the store needs of a shared vector space (see `encoders.space.Space`)."""

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def version(self) -> str: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def modalities(self) -> frozenset[str]: ...
    @property
    def reads_text(self) -> bool: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def picture_side(self) -> int: ...

    def prepare(self, modality: str, content: Any) -> Any: ...
    def encode(self, modality: str, prepared: Sequence[Any]) -> np.ndarray: ...
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Item:
    """One picture, sound, film, text, graph or node of the library.

    `added` is in seconds since 1970; `parent` is the number of a node's graph in the catalogue.
    """

    id: str
    modality: str
    title: str
    path: str
    copied: bool
    bytes: int
    details: dict[str, Any]
    added: float
    parent: int | None = None

    @property
    def missing(self) -> bool:
        """Whether the file is no longer where it was."""
        return not os.path.exists(self.path)


@dataclass(frozen=True)
class Hit:
    """One answer to a query.

    `score` is a standard score (see `store.scores`), not a cosine; in a list of several media the
    log-odds of `sure` where that is known.

    `start` and `end` are the seconds of the best stretch of a sound or a film, else None; `place`
    tells where a passage stands, as in `media.Segment`, and `text` what it or a node says.
    """

    id: str
    score: float
    modality: str
    title: str
    path: str
    start: float | None
    end: float | None
    sure: float | None = None
    """The probability that the hit is right, 0..1 (see `store.certainty`); None where unknown."""
    place: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    exact: bool = False
    """Whether it holds the query's very words."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Term:
    """One part of a query: words, an item's id, a file (or its vectors, see
    `Library.embed_parts`), or a vector (dim,), and how much it counts.

    A negative weight leads away from it.
    """

    what: str | Path | np.ndarray | dict[str, np.ndarray]
    by: str = "text"
    """ "text", "item", "file" or "vector"."""
    weight: float = 1.0


@dataclass(frozen=True)
class Filter:
    """What a hit must be; None asks nothing. `folder` holds it, at any depth; `title` is part of
    its title; times are in seconds since 1970, lengths in seconds, sizes in bytes."""

    folder: str | None = None
    title: str | None = None
    added_after: float | None = None
    added_before: float | None = None
    longer: float | None = None
    shorter: float | None = None
    larger: int | None = None
    smaller: int | None = None


@dataclass(frozen=True)
class Answer:
    """A page of hits, best first; whether there are more; and among which media nothing is close
    to the query of words, though the nearest are given."""

    hits: list[Hit]
    more: bool = False
    far: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AddEvent:
    """What became of one file: `state` is "added", "present" or "skipped".

    `total` is None as long as the folders are still being counted.
    """

    path: Path
    state: str
    reason: str | None
    done: int
    total: int | None
    item: Item | None


@dataclass
class Report:
    """What became of the files given to `Library.add`.

    Each list keeps the first `REPORT_LIMIT` files; `counts` counts them all by state.
    """

    added: list[Item] = field(default_factory=list)
    present: list[tuple[Path, Item]] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"added": 0, "present": 0, "skipped": 0})
    stopped: bool = False

    def note(self, event: AddEvent) -> None:
        """Count one event, and keep it while there is room."""
        self.counts[event.state] += 1
        if self.counts[event.state] > REPORT_LIMIT:
            return
        if event.state == "skipped":
            self.skipped.append((event.path, event.reason or ""))
        elif event.item is not None and event.state == "added":
            self.added.append(event.item)
        elif event.item is not None:
            self.present.append((event.path, event.item))

    def summary(self) -> str:
        """One sentence."""
        text = (
            f"{self.counts['added']} added, {self.counts['present']} already there, "
            f"{self.counts['skipped']} skipped"
        )
        return text + (", stopped before the end." if self.stopped else ".")


@dataclass(frozen=True)
class Stats:
    """The library in numbers: items by medium, segments by stream, and disk space in bytes."""

    space: str
    dim: int
    items: dict[str, int]
    segments: dict[str, int]
    bytes: int
    data: Path
