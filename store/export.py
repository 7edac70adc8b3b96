"""Vectors of files and texts, written down without a library: JSON lines, Parquet, or NumPy's npz.

Files are read some ahead while the networks run, and rows are written as they come: memory is
steady for JSON lines and Parquet, and holds all vectors for npz. An output is whole or not there.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import media
from encoders.batcher import Batcher
from encoders.weights import write_whole
from store.ingest import embed_parts
from store.records import LibraryError, Space
from store.walk import Found, walk

READERS = 4
"""Files that are read at once; those that are done wait for the ones before them."""
TEXTS = 256  # lines embedded together
MAX_NPZ_BYTES = 256 << 20
"""Of the words in an npz file, where each takes as much as the longest of its column."""

Array = np.ndarray[Any, Any]
FIELDS = ("path", "modality", "start", "end", "place", "node", "text")
"""Of a row, beside its vector: seconds, place and words as in `media.Segment`."""


@dataclass(frozen=True)
class Block:
    """The rows of one file or of some texts, or the reason why there are none."""

    rows: list[dict[str, Any]]
    """FIELDS of each."""
    vectors: Array
    """float32 (n, dim), rows of length 1."""
    reason: str | None = None


class Writer(Protocol):
    """Writes blocks into a file."""

    def __call__(self, path: Path, blocks: Iterable[Block], space: Space) -> None: ...


def embed_files(space: Space, paths: Iterable[Path]) -> Iterator[Block]:
    """The parts of files, and of folders with all below, in order, a block a file."""
    media.look_closer(space.picture_side)
    batcher = Batcher(space)

    def read(found: Found) -> Block:
        name = media.quote(found.path)
        try:
            if found.reason is not None:
                return _none(space, found.reason)
            with media.open_media(found.path) as opened:
                parts, vectors = embed_parts(space, opened, batcher.encode)
            if not parts:
                told = f"{name} is left out: the space {space.name} cannot embed {opened.modality}."
                return _none(space, told)
            return Block([_row(found.path, opened.modality, part) for part in parts], vectors)
        except media.MediaError as error:
            return _none(space, str(error))
        except OSError as error:
            return _none(space, f"{name} cannot be read: {error.strerror or error}.")
        except Exception as error:  # a file may break a decoder in any way
            return _none(space, f"{name} cannot be embedded ({error}).")

    try:
        with ThreadPoolExecutor(READERS) as pool:
            waiting: deque[Future[Block]] = deque()
            try:
                for found in walk(list(paths), media.is_candidate, None):
                    waiting.append(pool.submit(read, found))
                    if len(waiting) == 2 * READERS:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        batcher.close()


def embed_lines(space: Space, lines: Iterable[str]) -> Iterator[Block]:
    """Texts, one a line; empty ones are left out."""
    if not space.reads_text:
        raise LibraryError(
            f"The space {space.name} reads no words: name files, or another space with --space."
        )
    waiting: list[str] = []

    def block() -> Block:
        rows = [
            dict.fromkeys(FIELDS) | {"modality": "text", "place": {}, "text": text}
            for text in waiting
        ]
        return Block(rows, space.encode_texts(waiting))

    for line in lines:
        text = line.strip().encode("utf-8", "replace").decode()
        if text:
            waiting.append(text)
        if len(waiting) == TEXTS:
            yield block()
            waiting = []
    if waiting:
        yield block()


def write_vectors(path: Path, blocks: Iterable[Block], space: Space) -> int:
    """Write the rows of blocks into a file of the form that its name tells, and count them.

    Nothing is written where there are none. Raises LibraryError.
    """
    count = 0

    def counted() -> Iterator[Block]:
        nonlocal count
        for block in blocks:
            count += len(block.rows)
            if block.rows:
                yield block

    writer = WRITERS[path.suffix.lower()]

    def write(part: Path) -> None:
        writer(part, counted(), space)
        if not count:
            raise _Nothing

    try:
        write_whole(path, write)
    except _Nothing:
        pass
    except OSError as error:
        raise LibraryError(f"{path} cannot be written ({error.strerror or error}).") from error
    return count


class _Nothing(Exception):  # noqa: N818 (no error: an empty output is not kept)
    pass


def _write_lines(path: Path, blocks: Iterable[Block], space: Space) -> None:
    with path.open("w", encoding="utf-8") as file:
        for block in blocks:
            for row, vector in zip(block.rows, block.vectors, strict=True):
                line = row | {"vector": [float(f"{value:.7g}") for value in vector]}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _write_arrays(path: Path, blocks: Iterable[Block], space: Space) -> None:
    times: dict[str, list[float]] = {"start": [], "end": []}
    words: dict[str, list[str]] = {name: [] for name in FIELDS if name not in times}
    longest = dict.fromkeys(words, 0)
    vectors = [np.zeros((0, space.dim), np.float32)]
    for block in blocks:
        vectors.append(block.vectors)
        for row in block.rows:
            for name, values in times.items():
                values.append(np.nan if row[name] is None else row[name])
            for name, texts in words.items():
                value = row[name]
                text = json.dumps(value, ensure_ascii=False) if name == "place" else value or ""
                texts.append(text)
                longest[name] = max(longest[name], len(text))
        # told as soon as it is known: what comes after would be embedded in vain
        if 4 * len(words["path"]) * sum(longest.values()) > MAX_NPZ_BYTES:
            raise LibraryError(
                "In an .npz file every text takes as much memory as the longest, here more than "
                f"{MAX_NPZ_BYTES >> 20} MB: write .jsonl or .parquet instead."
            )
    columns = {name: np.array(values, np.float64) for name, values in times.items()}
    columns |= {name: np.array(texts, np.str_) for name, texts in words.items()}
    np.savez_compressed(
        path,
        vectors=np.concatenate(vectors),
        space=np.array(space.name),
        **columns,  # type: ignore[arg-type]
    )


def _write_table(path: Path, blocks: Iterable[Block], space: Space) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise LibraryError(
            "Parquet files need the package pyarrow: run `pip install 'anyfind[parquet]'`, or "
            "write .jsonl or .npz."
        ) from error
    kinds = dict.fromkeys(FIELDS, pyarrow.string())
    kinds |= {"start": pyarrow.float64(), "end": pyarrow.float64()}
    vector = pyarrow.list_(pyarrow.float32(), space.dim)
    schema = pyarrow.schema(
        [*((name, kind) for name, kind in kinds.items()), ("vector", vector)],
        metadata={"space": space.name, "version": space.version},
    )
    with parquet.ParquetWriter(path, schema) as file:
        for rows, vectors in _groups(blocks):
            columns = {name: [row[name] for row in rows] for name in FIELDS}
            columns["place"] = [
                json.dumps(v, ensure_ascii=False) if v else None for v in columns["place"]
            ]
            arrays = [pyarrow.array(columns[name], kind) for name, kind in kinds.items()]
            flat = pyarrow.array(np.concatenate(vectors).reshape(-1), pyarrow.float32())
            arrays.append(pyarrow.FixedSizeListArray.from_arrays(flat, space.dim))
            file.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _groups(
    blocks: Iterable[Block], size: int = 2_048
) -> Iterator[tuple[list[dict[str, Any]], list[Array]]]:
    """Rows of several blocks together: a group of rows a picture would be a large file."""
    rows: list[dict[str, Any]] = []
    vectors: list[Array] = []
    for block in blocks:
        rows += block.rows
        vectors.append(block.vectors)
        if len(rows) >= size:
            yield rows, vectors
            rows, vectors = [], []
    if rows:
        yield rows, vectors


WRITERS: dict[str, Writer] = {
    ".jsonl": _write_lines,
    ".parquet": _write_table,
    ".npz": _write_arrays,
}
"""By the suffix of the file."""


def _none(space: Space, reason: str) -> Block:
    return Block([], np.zeros((0, space.dim), np.float32), reason)


def _row(path: Path, modality: str, part: media.Segment) -> dict[str, Any]:
    plain = str(path).encode("utf-8", "replace").decode()  # a name need not be valid text
    place = dict(part.place) if part.node is None else {}
    return {
        "path": plain,
        "modality": modality if part.node is None else "node",
        "start": part.start,
        "end": part.end,
        "place": place,
        "node": part.node,
        "text": part.words or None,
    }
