"""A process that fills a library until it is killed, telling each item that `add` reports."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import chromadb.api.rust
import chromadb.config  # noqa: F401

import store.ingest
import store.keeper
from store.index import Settings
from store.library import AddEvent, Library
from tests.store.spaces import HashSpace

store.keeper.GATHER_SECONDS = 0.0  # the index is written to all the time, too
SETTINGS = Settings(sync_threshold=20)  # Chroma writes its graph to disk all the time


def write(data: Path, files: list[Path], connection: Connection) -> None:
    """Add files in small groups, and send ("added", id) for each."""

    def progress(event: AddEvent) -> None:
        if event.item is not None:
            connection.send(event.item.id)

    with Library(data, HashSpace(), index=SETTINGS) as library:
        for start in range(0, len(files), 40):
            library.add(files[start : start + 40], progress=progress)
    connection.send(None)
