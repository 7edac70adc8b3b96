"""The catalogue: items, segments and their vectors in SQLite; the home of what must not be lost.

A change is durable when its method returns (write-ahead log, synchronous=FULL). Whatever the index
must learn is written in the same transaction as a row of `pending` and cleared once the index has
acknowledged it, so that a killed process leaves nothing unknown (an outbox).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from store.records import Item, LibraryError

SCHEMA = 1
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, modality TEXT NOT NULL,
    title TEXT NOT NULL, path BLOB NOT NULL, copied INTEGER NOT NULL, bytes INTEGER NOT NULL,
    details TEXT NOT NULL, added REAL NOT NULL);
CREATE INDEX items_modality ON items (modality);
CREATE INDEX items_path ON items (path);
CREATE TABLE segments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    item INTEGER NOT NULL REFERENCES items (number) ON DELETE CASCADE,
    modality TEXT NOT NULL, start REAL, "end" REAL, vector BLOB NOT NULL);
CREATE INDEX segments_item ON segments (item);
CREATE INDEX segments_modality ON segments (modality);
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, id TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX files_id ON files (id);
CREATE TABLE pending (
    number INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, modality TEXT NOT NULL,
    segment TEXT NOT NULL);
"""
ITEM = "id, modality, title, path, copied, bytes, details, added"


@dataclass(frozen=True)
class Sighting:
    """A file as it was seen: enough to know later that it has not changed."""

    path: Path
    size: int
    mtime_ns: int
    id: str


@dataclass(frozen=True)
class Entry:
    """A new item with all its segments: [(start, end)] in seconds and vectors float32 (n, dim).

    `copy` is the path of the copied medium relative to the data folder, or None.
    """

    sighting: Sighting
    modality: str
    title: str
    copy: str | None
    details: dict[str, int | float | str]
    spans: Sequence[tuple[float | None, float | None]]
    vectors: np.ndarray


@dataclass(frozen=True)
class Removed:
    """An item that is gone: what must be deleted elsewhere."""

    id: str
    modality: str
    copy: str | None
    segments: list[int]


@dataclass(frozen=True)
class Segment:
    """A segment with its item, as the index wants it."""

    number: int
    id: str
    start: float | None
    end: float | None
    vector: np.ndarray
    item: Item


@dataclass(frozen=True)
class Change:
    """One row of the outbox. `action` is "write" or "delete"."""

    number: int
    action: str
    modality: str
    segment: str


class Catalogue:
    """One SQLite file; every method may be called from any thread."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / "catalogue.sqlite3"
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        try:
            self._writer = self._connect()
            self._prepare()
            self._reader = self._connect()
        except sqlite3.Error as error:
            raise LibraryError(
                f"The library's catalogue {self._path} cannot be opened ({error}): restore it "
                "from a backup, or move the folder away to begin anew."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise LibraryError(
                f"The library in {self._data} was written by a newer Anyfind (format {version}, "
                f"this one knows {SCHEMA}): update Anyfind."
            )
        if version == 0:
            with self._transaction() as execute:
                for statement in TABLES.split(";"):
                    execute(statement)
                execute(f"PRAGMA user_version={SCHEMA}")

    def close(self) -> None:
        """Close the file; later calls raise sqlite3.ProgrammingError."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer.execute
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading:
            return self._reader.execute(query, values).fetchall()

    # What the library is

    def meta(self, key: str) -> str | None:
        """A named value of the library."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def set_meta(self, **values: str) -> None:
        """Set named values, together."""
        with self._transaction() as execute:
            for key, value in values.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # Writing

    def commit(
        self, entries: Sequence[Entry], sightings: Sequence[tuple[Sighting, str | None]] = ()
    ) -> tuple[list[Item], list[Removed]]:
        """Write new items whole, and further files of known items, in one transaction.

        A sighting comes with the relative path of a copy made of it, or None. Where a known item's
        file is gone, the item takes the path (or the copy) of the sighting.
        Returns the items that are new (an entry known by now is not), and the items that are gone
        because their only file now holds something else.
        """
        items: list[Item] = []
        removed: list[Removed] = []
        with self._transaction() as execute:
            for entry in entries:
                removed += self._see(execute, entry.sighting, entry.copy is not None)
                item = self._insert(execute, entry)
                if item is not None:
                    items.append(item)
            for sighting, copy in sightings:
                removed += self._see(execute, sighting, copy is not None)
                self._relocate(execute, sighting, copy)
        return items, removed

    def _insert(self, execute: Any, entry: Entry) -> Item | None:
        seen = entry.sighting
        path = Path(entry.copy) if entry.copy else seen.path
        cursor = execute(
            f"INSERT INTO items ({ITEM}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                seen.id,
                entry.modality,
                entry.title,
                os.fsencode(path),
                entry.copy is not None,
                seen.size,
                json.dumps(entry.details),
                time.time(),
            ),
        )
        if cursor.rowcount == 0:
            return None
        number = cursor.lastrowid
        vectors = np.ascontiguousarray(entry.vectors, dtype="<f4")
        for (start, end), vector in zip(entry.spans, vectors, strict=True):
            segment = segment_id(seen.id, start, end, len(entry.spans))
            execute(
                'INSERT INTO segments (id, item, modality, start, "end", vector) '
                "VALUES (?, ?, ?, ?, ?, ?)",
                (segment, number, entry.modality, start, end, vector.tobytes()),
            )
            self._enqueue(execute, "write", entry.modality, segment)
        return self._item(
            execute(f"SELECT {ITEM} FROM items WHERE number = ?", (number,)).fetchone()
        )

    def _see(self, execute: Any, seen: Sighting, copied: bool) -> list[Removed]:
        if copied:  # it came from a temporary place: nothing to remember
            return []
        path = os.fsencode(seen.path)
        execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
            (path, seen.size, seen.mtime_ns, seen.id),
        )
        removed = []
        for number, id in execute(
            "SELECT number, id FROM items WHERE path = ? AND copied = 0 AND id != ?",
            (path, seen.id),
        ).fetchall():
            others = execute("SELECT path FROM files WHERE id = ?", (id,)).fetchall()
            other = next((other for (other,) in others if os.path.exists(os.fsdecode(other))), None)
            if other is None:
                removed += self._delete(execute, id)
            else:
                execute("UPDATE items SET path = ? WHERE number = ?", (other, number))
                self._rewrite(execute, number)
        return removed

    def _relocate(self, execute: Any, seen: Sighting, copy: str | None) -> None:
        row = execute("SELECT number, path, copied FROM items WHERE id = ?", (seen.id,)).fetchone()
        if row is None:
            return
        number, path, _ = row
        if os.path.exists(self._data / os.fsdecode(path)):  # a copy's path is relative
            return
        new = os.fsencode(copy if copy else seen.path)
        execute(
            "UPDATE items SET path = ?, copied = ? WHERE number = ?",
            (new, copy is not None, number),
        )
        self._rewrite(execute, number)

    def _rewrite(self, execute: Any, number: int) -> None:
        """The index shows the path too."""
        execute(
            "INSERT INTO pending (action, modality, segment) "
            "SELECT 'write', modality, id FROM segments WHERE item = ?",
            (number,),
        )

    @staticmethod
    def _enqueue(execute: Any, action: str, modality: str, segment: str) -> None:
        execute(
            "INSERT INTO pending (action, modality, segment) VALUES (?, ?, ?)",
            (action, modality, segment),
        )

    def remove(self, ids: Iterable[str]) -> list[Removed]:
        """Forget items and the files they were seen in; returns those that were there."""
        removed: list[Removed] = []
        with self._transaction() as execute:
            for id in ids:
                removed += self._delete(execute, id)
        return removed

    def _delete(self, execute: Any, id: str) -> list[Removed]:
        row = execute(
            "SELECT number, modality, path, copied FROM items WHERE id = ?", (id,)
        ).fetchone()
        if row is None:
            return []
        number, modality, path, copied = row
        segments = execute("SELECT number, id FROM segments WHERE item = ?", (number,)).fetchall()
        for _, segment in segments:
            self._enqueue(execute, "delete", modality, segment)
        execute("DELETE FROM items WHERE number = ?", (number,))
        execute("DELETE FROM files WHERE id = ?", (id,))
        copy = os.fsdecode(path) if copied else None
        return [Removed(id, modality, copy, [number for number, _ in segments])]

    # Reading

    def _item(self, row: Sequence[Any]) -> Item:
        id, modality, title, path, copied, size, details, added = row
        return Item(
            id,
            modality,
            title,
            str(self._data / os.fsdecode(path)),  # a copy's path is relative to the data folder
            bool(copied),
            size,
            json.loads(details),
            added,
        )

    def get(self, id: str) -> Item | None:
        """The item of this id."""
        rows = self._rows(f"SELECT {ITEM} FROM items WHERE id = ?", (id,))
        return self._item(rows[0]) if rows else None

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that are items."""
        found: set[str] = set()
        for chunk in _chunks(ids, 500):
            rows = self._rows(f"SELECT id FROM items WHERE id IN ({_marks(chunk)})", chunk)
            found.update(row[0] for row in rows)
        return found

    def seen(self, path: Path, size: int, mtime_ns: int) -> Item | None:
        """The item of a file that has not changed since it was seen."""
        rows = self._rows(
            f"SELECT {', '.join('items.' + name for name in ITEM.split(', '))} FROM files "
            "JOIN items USING (id) WHERE files.path = ? AND size = ? AND mtime_ns = ?",
            (os.fsencode(path), size, mtime_ns),
        )
        return self._item(rows[0]) if rows else None

    def items(
        self, modality: str | None, offset: int, limit: int, newest_first: bool
    ) -> list[Item]:
        """A page of the items in order of their addition."""
        order = "DESC" if newest_first else "ASC"
        rows = self._rows(
            f"SELECT {ITEM} FROM items WHERE ?1 IS NULL OR modality = ?1 "
            f"ORDER BY number {order} LIMIT ?2 OFFSET ?3",
            (modality, limit, offset),
        )
        return [self._item(row) for row in rows]

    def count_items(self) -> dict[str, int]:
        """How many items there are of each modality."""
        return dict(self._rows("SELECT modality, count(*) FROM items GROUP BY modality"))

    def count_segments(self) -> dict[str, int]:
        """How many segments there are of each modality."""
        return dict(self._rows("SELECT modality, count(*) FROM segments GROUP BY modality"))

    def checksum(self, modality: str, last: int) -> tuple[int, int]:
        """Count and sum of a modality's segment numbers up to `last`: equal means the same set.

        Numbers only grow and are never used twice, so any other set that something derived from
        the catalogue can hold differs in one of the two.
        """
        rows = self._rows(
            "SELECT count(*), coalesce(sum(number), 0) FROM segments "
            "WHERE modality = ? AND number <= ?",
            (modality, last),
        )
        return rows[0][0], rows[0][1]

    def range(self, modality: str) -> tuple[int, int]:
        """The least and the greatest segment number of a modality (0, 0 where it is empty)."""
        rows = self._rows(
            "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM segments "
            "WHERE modality = ?",
            (modality,),
        )
        return rows[0][0], rows[0][1]

    def vectors(
        self, modality: str, after: int, limit: int
    ) -> tuple[list[tuple[int, int]], np.ndarray]:
        """The next segments past a number: [(segment number, item number)] and float32 (n, dim)."""
        rows = self._rows(
            "SELECT number, item, vector FROM segments WHERE modality = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (modality, after, limit),
        )
        vectors = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4")
        return [row[:2] for row in rows], vectors.reshape(len(rows), -1 if rows else 0)

    def vector(self, number: int) -> np.ndarray | None:
        """The vector of one segment, float32 (dim,)."""
        rows = self._rows("SELECT vector FROM segments WHERE number = ?", (number,))
        return np.frombuffer(rows[0][0], dtype="<f4") if rows else None

    def item_vectors(self, id: str) -> tuple[int, np.ndarray] | None:
        """An item's number and the vectors of its segments, float32 (n, dim)."""
        rows = self._rows(
            "SELECT items.number, vector FROM items JOIN segments ON item = items.number "
            "WHERE items.id = ? ORDER BY segments.number",
            (id,),
        )
        if not rows:
            return None
        return rows[0][0], np.stack([np.frombuffer(row[1], dtype="<f4") for row in rows])

    def numbers(self, segments: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Segment number and item number by segment id, of those that are there."""
        found: dict[str, tuple[int, int]] = {}
        for ids in _chunks(segments, 500):
            rows = self._rows(
                f"SELECT id, number, item FROM segments WHERE id IN ({_marks(ids)})", ids
            )
            found.update((id, (number, item)) for id, number, item in rows)
        return found

    def segments(self, numbers: Sequence[int]) -> dict[int, Segment]:
        """Segments with their items, by number, of those that are there."""
        return {segment.number: segment for segment in self._segments("number", numbers)}

    def segments_by_id(self, ids: Sequence[str]) -> dict[str, Segment]:
        """Segments with their items, by id, of those that are there."""
        return {segment.id: segment for segment in self._segments("id", ids)}

    def _segments(self, column: str, values: Sequence[Any]) -> Iterator[Segment]:
        fields = ", ".join("items." + name for name in ITEM.split(", "))
        for chunk in _chunks(values, 500):
            for row in self._rows(
                f'SELECT segments.number, segments.id, start, "end", vector, {fields} '
                "FROM segments JOIN items ON item = items.number "
                f"WHERE segments.{column} IN ({_marks(chunk)})",
                chunk,
            ):
                number, id, start, end, vector = row[:5]
                yield Segment(
                    number, id, start, end, np.frombuffer(vector, dtype="<f4"), self._item(row[5:])
                )

    # The outbox

    def pending(self, limit: int) -> list[Change]:
        """The oldest changes that the index has not acknowledged."""
        rows = self._rows(
            "SELECT number, action, modality, segment FROM pending ORDER BY number LIMIT ?",
            (limit,),
        )
        return [Change(*row) for row in rows]

    def acknowledge(self, last: int) -> None:
        """The index knows every change up to this number."""
        with self._transaction() as execute:
            execute("DELETE FROM pending WHERE number <= ?", (last,))

    def last_pending(self) -> int:
        """The number of the newest change in the outbox, 0 where there is none."""
        return int(self._rows("SELECT coalesce(max(number), 0) FROM pending")[0][0])

    def settled(self) -> dict[str, int] | None:
        """The segments per modality, or None while there are changes pending, in one look."""
        rows = self._rows(
            "SELECT NULL, count(*) FROM pending UNION ALL "
            "SELECT modality, count(*) FROM segments GROUP BY modality"
        )
        counts: dict[str | None, int] = dict(rows)
        waiting = counts.pop(None)
        return None if waiting else {str(modality): n for modality, n in counts.items()}


def segment_id(item: str, start: float | None, end: float | None, count: int) -> str:
    """`ID`, or `ID#t=START,END` (W3C media fragments) for one of several stretches."""
    if count == 1 or start is None or end is None:
        return item
    return f"{item}#t={start:.10g},{end:.10g}"


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
