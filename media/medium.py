"""What every medium gives: an opened file with details, segments and a preview, or a MediaError."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image


class MediaError(ValueError):
    """A file that cannot be used. `str()` is one sentence, on one line: which file, and why.

    `path` is the file, `reason` the sentence without the file's name ("is empty").
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{quote(path)} {reason}")


def quote(path: Path) -> str:
    """The file's name in quotation marks, safe to print on one line.

    What would break a line, turn its direction or is not text at all is written as an escape.
    """
    name = os.fsdecode(path.name or path)
    shown = "".join(
        # the joiner that holds family emoji together is "not printable" to Python
        c if c.isprintable() or c == "\u200d" else c.encode("unicode_escape").decode()
        for c in name
    )
    return f'"{shown}"'


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch that gets one vector: a whole picture, or a window of a sound.

    `start` and `end` are seconds (None for a picture); `content` is an RGB picture of at most
    1024 x 1024 pixels, or mono float32 samples at 44.1 kHz, at most 10 s.
    """

    start: float | None
    end: float | None
    content: Image.Image | np.ndarray[Any, np.dtype[Any]]


class Media(ABC):
    """An open file. Iterate `segments()` once, to its end; then `preview()` is ready.

    `details` holds "width" and "height" in pixels, as seen (after the EXIF turn), or "seconds",
    "rate" in hertz and "channels"; a sound's "seconds" come from its header until all of it has
    been read, and are then what was really decoded.
    """

    modality: str
    details: dict[str, int | float | str]

    @abstractmethod
    def segments(self) -> Iterator[Segment]:
        """The file's segments, in order.

        Raises MediaError when it turns out half-way that the file is unusable (silence, samples
        that are not numbers): then what came before is worth nothing either.
        """

    @abstractmethod
    def preview(self) -> Image.Image:
        """RGB: a picture's thumbnail, at most 384 x 384, or a sound's waveform, 768 x 192."""

    def close(self) -> None:  # noqa: B027  # a picture has nothing left to close
        """Let go of the file. Harmless when done twice."""

    def __enter__(self) -> Media:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Medium:
    """One entry in the table of media: how to know its files and how to open them.

    `recognise` looks at a file's first bytes; `open` takes path, open file and first bytes.
    """

    modality: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes], bool]
    open: Callable[[Path, BinaryIO, bytes], Media]
