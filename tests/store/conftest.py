from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store.library import Library
from tests.fakes import FakeSpace
from tests.media import makers


@pytest.fixture
def open_library(tmp_path: Path) -> Iterator[Callable[..., Library]]:
    """Opens the library of the test's data folder; closes what the test leaves open."""
    opened: list[Library] = []

    def open_it(space: Any = None, **options: Any) -> Library:
        library = Library(tmp_path / "data", space or FakeSpace(), **options)
        opened.append(library)
        return library

    yield open_it
    for library in opened:
        library.close()


@pytest.fixture
def library(open_library: Callable[..., Library]) -> Library:
    return open_library()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, a short and a long sound."""
    folder = tmp_path / "my files"
    (folder / "sounds").mkdir(parents=True)
    for colour in ("red", "blue", "#00ff00"):
        makers.make_jpeg(folder / f"{colour.strip('#')}.jpg", colour)
    makers.make_tone(folder / "sounds" / "low.wav", 110)
    makers.make_tone(folder / "sounds" / "high.wav", 3000, 23.0)
    return folder
