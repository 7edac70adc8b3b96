"""Lines of decoded text, numbered, as long as they hold words."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from .draft import LONGEST
from .medium import MediaError

Lines = Iterator[tuple[int, str]]

_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")


def read_lines(path: Path, reader: io.TextIOWrapper) -> Lines:
    """Number and text of each line. Very long ones come in parts, cut between two words."""
    number, rest = 1, ""
    while piece := reader.readline(LONGEST):
        check_words(path, piece, number)
        whole = len(piece) < LONGEST or piece.endswith("\n")
        piece = rest + piece
        end = len(piece) if whole else piece.rfind(" ") + 1 or len(piece)
        rest = piece[end:]
        yield number, piece[:end]
        number += whole
    if rest:
        yield number, rest


def check_words(path: Path, piece: str, number: int) -> None:
    """Raises MediaError where words have turned into something else, near line `number`."""
    if len(_CONTROL.findall(piece)) * 25 > len(piece) > 200:
        raise MediaError(path, f"is not a text throughout: line {number:,} holds other data")
