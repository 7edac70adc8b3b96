"""What every medium gives: an opened file with details, segments and a preview, or a MediaError."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from . import limits

Content = Image.Image | np.ndarray[Any, np.dtype[Any]] | str


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


def check_size(path: Path, file: BinaryIO, setting: str, what: str) -> None:
    """Refuse a file larger than the limit of that name in `limits`; else it is at its start."""
    size, most = file.seek(0, os.SEEK_END), getattr(limits, setting)
    file.seek(0)
    if size > most:
        raise MediaError(
            path,
            f"is larger ({size:,} bytes) than the limit for {what} of {most:,} bytes "
            f"(ANYFIND_{setting})",
        )


def too_long(path: Path, seconds: float) -> MediaError:
    """What to raise for a file that lasts longer than `limits.MAX_SECONDS`."""
    return MediaError(
        path,
        f"is longer ({seconds:,.0f} s) than the limit of {limits.MAX_SECONDS:,.0f} s "
        "(ANYFIND_MAX_SECONDS): cut it into parts",
    )


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a file that gets one vector, and where it lies: a whole picture, a window of a
    sound, a shot of a film, a passage of a text, a node of a graph.

    Once it has been encoded it is kept without its content.
    """

    start: float | None = None
    """Seconds into the file; None where it has no length in time."""
    end: float | None = None
    content: Content | None = None
    """An RGB picture of at most 1024 x 1024 pixels; mono float32 samples at 44.1 kHz, at most
    10 s; or words."""
    tower: str = ""
    """Which encoder reads the content: "image", "audio" or "text"; empty: the file's modality."""
    words: str = ""
    """What it says, to be found by exact words and shown: a passage, the words of a node."""
    place: Mapping[str, Any] = field(default_factory=dict)
    """Where it lies beside its time, ready for JSON: {"page": 3, "line": 12}."""
    node: str | None = None
    """The key of a graph's node. A node is an item of its own; its title is `words`' first line,
    its details are `place`."""


class Media(ABC):
    """An open file. Iterate `segments()` once, to its end; then `preview()` is ready.

    `details` tell of the file what people want to know: of a picture "width" and "height" in
    pixels, as seen (after the EXIF turn); of a sound "seconds", "rate" in hertz and "channels"; of
    a film, a text and a graph see their modules. A sound's "seconds" come from its header until
    all of it has been read, and are then what was really decoded.
    """

    modality: str
    details: dict[str, int | float | str]
    structure: Any = None
    """What `encoders.parts` needs to know of the segments together (a graph's edges); ready with
    the last segment."""

    @abstractmethod
    def segments(self) -> Iterator[Segment]:
        """The file's segments, in order.

        Raises MediaError when it turns out half-way that the file is unusable (silence, samples
        that are not numbers): then what came before is worth nothing either.
        """

    @abstractmethod
    def preview(self) -> Image.Image:
        """RGB: a thumbnail of about 384 x 384, or a small picture itself; a sound's waveform,
        768 x 192; a film's poster or a graph's drawing, at most 768 x 432; a text's first page,
        384 x 512."""

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

    `suffixes` name what is taken from a folder; `recognise` looks at a file's first bytes and its
    suffix (in lower case, with the dot); `open` takes path, open file and first bytes.
    """

    modality: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes, str], bool]
    open: Callable[[Path, BinaryIO, bytes], Media]
