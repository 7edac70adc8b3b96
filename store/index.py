"""ChromaDB: the vectors, searchable by an approximate index. The only file that imports chromadb.

Chroma's files do not survive a killed process reliably, so nothing lives here alone: the folder can
be deleted at any time and is built anew from the catalogue (`store.keeper`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from store.catalogue import Segment

_making = threading.Lock()  # making clients in several threads at once fails (measured)


class IndexBroken(Exception):  # noqa: N818 (the name tells what is the case)
    """The index cannot be used as it is; building it anew is the remedy."""


@dataclass(frozen=True)
class Settings:
    """How the graph is built and searched; read back and compared whenever it is opened.

    Text queries lie far from all pictures, which makes a graph miss neighbours: `ef_search` is
    ten times Chroma's default for that (figures: benchmarks/search.py). `sync_threshold` is the
    number of changes after which Chroma writes its graph to disk.
    """

    ef_construction: int = 100
    ef_search: int = 1000
    max_neighbors: int = 16
    sync_threshold: int = 1000


@contextmanager
def _guard(what: str) -> Iterator[None]:
    """Turn whatever Chroma raises (panics are BaseExceptions) into IndexBroken."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, IndexBroken):
        raise
    except BaseException as error:
        raise IndexBroken(f"{what} failed: {type(error).__name__}: {error}") from error


class Index:
    """One collection for each stream in one Chroma folder.

    Every method raises IndexBroken when Chroma fails in whatever way.
    """

    def __init__(
        self,
        folder: Path,
        *,
        space: str,
        dim: int,
        streams: Sequence[str],
        settings: Settings,
        create: bool,
    ) -> None:
        with _guard("opening"), _making:
            import chromadb
            import chromadb.config

            if not create and not (folder / "chroma.sqlite3").exists():
                raise IndexBroken("opening failed: there is no index")
            folder.mkdir(parents=True, exist_ok=True)
            # no .env of the working folder, no reports to anyone
            options: dict[str, Any] = {"_env_file": None, "anonymized_telemetry": False}
            self._client: Any = chromadb.PersistentClient(
                folder.resolve(), settings=chromadb.config.Settings(**options)
            )
        try:
            with _guard("opening"):
                self._batch = self._client.get_max_batch_size()
                self._collections = {
                    stream: self._collection(stream, space, dim, settings, create)
                    for stream in streams
                }
        except BaseException:
            self.close()
            raise

    def _collection(
        self, stream: str, space: str, dim: int, settings: Settings, create: bool
    ) -> Any:
        name = collection_name(space, stream)
        metadata = {"space": space, "dim": dim, "stream": stream}
        hnsw: dict[str, Any] = {"space": "cosine", **asdict(settings)}
        if create:
            self._client.create_collection(
                name,
                embedding_function=None,
                configuration={"hnsw": hnsw},
                metadata=metadata,
            )
        collection = self._client.get_collection(name, embedding_function=None)
        found = collection.configuration_json.get("hnsw") or {}
        if {key: found.get(key) for key in hnsw} != hnsw or collection.metadata != metadata:
            raise IndexBroken(f"collection {name} has other settings")
        return collection

    def close(self) -> None:
        """Let go of the folder."""
        with _guard("closing"):
            self._client.close()

    def count(self, stream: str) -> int:
        """How many segments there are."""
        with _guard("counting"):
            return int(self._collections[stream].count())

    def vectors(self, stream: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of segments, float32 (dim,), of those that are there."""
        with _guard("reading"):
            found = self._collections[stream].get(list(ids), include=["embeddings"])
            rows = np.asarray(found["embeddings"], dtype=np.float32)
            return dict(zip(found["ids"], rows, strict=True))

    def write(self, stream: str, segments: Sequence[Segment]) -> None:
        """Write segments, whether they are there or not."""
        with _guard("writing"):
            for start in range(0, len(segments), self._batch):
                batch = segments[start : start + self._batch]
                self._collections[stream].upsert(
                    ids=[segment.id for segment in batch],
                    embeddings=np.stack([segment.vector for segment in batch]),
                    metadatas=[metadata(segment) for segment in batch],
                )

    def delete(self, stream: str, ids: Sequence[str]) -> None:
        """Delete segments; unknown ones are ignored."""
        with _guard("deleting"):
            for start in range(0, len(ids), self._batch):
                self._collections[stream].delete(ids=list(ids[start : start + self._batch]))

    def query(self, stream: str, vector: np.ndarray, count: int) -> list[tuple[str, float]]:
        """About the `count` segments nearest to a unit vector (dim,): [(id, cosine)]."""
        with _guard("searching"):
            found = self._collections[stream].query(
                query_embeddings=vector[None], n_results=count, include=["distances"]
            )
            return [
                (id, 1.0 - float(distance))
                for id, distance in zip(found["ids"][0], found["distances"][0], strict=True)
            ]


def collection_name(space: str, stream: str) -> str:
    """One collection for each space and stream, of the letters that Chroma allows."""
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "-", space).strip("._-")
    return f"{plain[:200] or 'space'}.{stream}"


def metadata(segment: Segment) -> dict[str, str | int | float | bool]:
    """What Chroma shows beside a vector: plain values only, no None."""
    item = segment.item
    values: dict[str, Any] = {
        "item": item.id,
        "modality": item.modality,
        "title": item.title,
        "path": item.path,
        "copied": item.copied,
        "bytes": item.bytes,
        "added": item.added,
        "start": segment.start,
        "end": segment.end,
        **segment.place,
        **item.details,
    }
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in values.items()
        if isinstance(value, str | int | float | bool)
    }
