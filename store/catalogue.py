"""The catalogue: items, segments and their vectors in SQLite; the home of what must not be lost.

A change is durable when its method returns (write-ahead log, synchronous=FULL). Whatever the index
must learn is written in the same transaction as a row of `pending` and cleared once the index has
acknowledged it, so that a killed process leaves nothing unknown (an outbox). The words of titles,
file names, passages and nodes are in a full-text table (FTS5), a row a segment.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from store.records import Filter, Item, LibraryError
from store.streams import stream_name

if TYPE_CHECKING:
    from media import Segment as Part

SCHEMA = 2
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, modality TEXT NOT NULL,
    title TEXT NOT NULL, path BLOB NOT NULL, copied INTEGER NOT NULL, bytes INTEGER NOT NULL,
    details TEXT NOT NULL, added REAL NOT NULL,
    parent INTEGER REFERENCES items (number) ON DELETE CASCADE);
CREATE INDEX items_parent ON items (parent);
CREATE INDEX items_modality ON items (modality);
CREATE INDEX items_path ON items (path);
CREATE TABLE segments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    item INTEGER NOT NULL REFERENCES items (number) ON DELETE CASCADE,
    stream TEXT NOT NULL, start REAL, "end" REAL, vector BLOB NOT NULL, place TEXT);
CREATE INDEX segments_item ON segments (item);
CREATE INDEX segments_stream ON segments (stream);
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, id TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX files_id ON files (id);
CREATE TABLE pending (
    number INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, stream TEXT NOT NULL,
    segment TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (
    title, name, passage, tokenize = "porter unicode61 remove_diacritics 2");
"""
OLDER = {
    # 1: before films, texts and graphs
    1: """
ALTER TABLE items ADD COLUMN parent INTEGER REFERENCES items (number) ON DELETE CASCADE;
CREATE INDEX items_parent ON items (parent);
ALTER TABLE segments RENAME COLUMN modality TO stream;
ALTER TABLE segments ADD COLUMN place TEXT;
ALTER TABLE pending RENAME COLUMN modality TO stream;
CREATE VIRTUAL TABLE words USING fts5 (
    title, name, passage, tokenize = "porter unicode61 remove_diacritics 2");
INSERT INTO words (rowid, title, name, passage)
    SELECT min(segments.number), title, file_name(path), '' FROM segments
    JOIN items ON item = items.number GROUP BY item;
"""
}
"""What brings the tables of an older format to the next one."""
ITEM = "id, modality, title, path, copied, bytes, details, added, parent"


@dataclass(frozen=True)
class Sighting:
    """A file as it was seen: enough to know later that it has not changed."""

    path: Path
    size: int
    mtime_ns: int
    id: str


@dataclass(frozen=True)
class Entry:
    """A new item with all its parts (see `media.Segment`) and their vectors, float32 (n, dim).

    A part that is a node becomes an item of its own. `copy` is the path of the copied medium
    relative to the data folder, or None.
    """

    sighting: Sighting
    modality: str
    title: str
    copy: str | None
    details: dict[str, int | float | str]
    parts: Sequence[Part]
    vectors: np.ndarray


@dataclass(frozen=True)
class Removed:
    """An item that is gone: what must be deleted elsewhere."""

    id: str
    copy: str | None
    segments: dict[str, list[int]]
    """Numbers by stream."""


@dataclass(frozen=True)
class Kept:
    """All that the catalogue knows of an item and its nodes, to be brought back after a removal."""

    id: str
    copy: str | None
    items: list[Any]
    segments: list[Any]
    files: list[Any]


@dataclass(frozen=True)
class Segment:
    """A segment with its item, as the index wants it."""

    number: int
    id: str
    stream: str
    start: float | None
    end: float | None
    vector: np.ndarray
    place: dict[str, Any]
    item: Item


@dataclass(frozen=True)
class Change:
    """One row of the outbox. `action` is "write" or "delete"."""

    number: int
    action: str
    stream: str
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
        connection.create_function("file_name", 1, _file_name, deterministic=True)
        connection.create_function("fold", 1, str.casefold, deterministic=True)
        return connection

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise LibraryError(
                f"The library in {self._data} was written by a newer Anyfind (format {version}, "
                f"this one knows {SCHEMA}): update Anyfind."
            )
        while version < SCHEMA:
            with self._transaction() as execute:
                for statement in (OLDER[version] if version else TABLES).split(";"):
                    execute(statement)
                version = version + 1 if version else SCHEMA
                execute(f"PRAGMA user_version={version}")

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
        row = [entry.modality, entry.title, os.fsencode(path), entry.copy is not None, seen.size]
        whole = [seen.id, *row, json.dumps(entry.details), time.time(), None]
        number = self._insert_item(execute, whole)
        if number is None:
            return None
        name = _names(os.fsencode(seen.path), entry.details)
        own = sum(part.node is None for part in entry.parts)
        vectors = np.ascontiguousarray(entry.vectors, dtype="<f4")
        named = False
        for at, (part, vector) in enumerate(zip(entry.parts, vectors, strict=True)):
            if part.node is None:
                stream = stream_name(entry.modality, part.tower)
                id = segment_id(seen.id, stream or "", part, own, at)
                titles = ("", "") if named else (entry.title, name)
                item, named = number, True
            else:
                id, stream = node_id(seen.id, part.node), "node"
                title = part.words.partition("\n")[0] or part.node
                row[:2], titles = ["node", title], (title, "")
                details = json.dumps(dict(part.place))
                of_node = self._insert_item(execute, [id, *row, details, time.time(), number])
                if of_node is None:
                    continue
                item = of_node
            assert stream is not None
            place = json.dumps(dict(part.place)) if part.place and part.node is None else None
            cursor = execute(
                'INSERT INTO segments (id, item, stream, start, "end", vector, place) '
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id, item, stream, part.start, part.end, vector.tobytes(), place),
            )
            if any(titles) or part.words:
                execute(
                    "INSERT INTO words (rowid, title, name, passage) VALUES (?, ?, ?, ?)",
                    (cursor.lastrowid, *titles, part.words),
                )
            self._enqueue(execute, "write", stream, id)
        return self._item(
            execute(f"SELECT {ITEM} FROM items WHERE number = ?", (number,)).fetchone()
        )

    def _insert_item(self, execute: Any, row: Sequence[Any]) -> int | None:
        """The new item's number, or None where it is there already."""
        marks = ", ".join("?" * len(row))
        cursor = execute(f"INSERT INTO items ({ITEM}) VALUES ({marks}) ON CONFLICT DO NOTHING", row)
        return int(cursor.lastrowid) if cursor.rowcount else None

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
            "SELECT number, id FROM items "
            "WHERE path = ? AND copied = 0 AND id != ? AND parent IS NULL",
            (path, seen.id),
        ).fetchall():
            others = execute("SELECT path FROM files WHERE id = ?", (id,)).fetchall()
            other = next((other for (other,) in others if os.path.exists(os.fsdecode(other))), None)
            if other is None:
                removed += self._delete(execute, id)
            else:
                self._move(execute, number, other, False)
        return removed

    def _relocate(self, execute: Any, seen: Sighting, copy: str | None) -> None:
        row = execute("SELECT number, path, copied FROM items WHERE id = ?", (seen.id,)).fetchone()
        if row is None:
            return
        number, path, _ = row
        if os.path.exists(self._data / os.fsdecode(path)):  # a copy's path is relative
            return
        self._move(execute, number, os.fsencode(copy if copy else seen.path), copy is not None)

    def _move(self, execute: Any, number: int, path: bytes, copied: bool) -> None:
        """The item and its nodes have another file now; the index and the words show it too."""
        execute(
            "UPDATE items SET path = ?, copied = ? WHERE number = ?3 OR parent = ?3",
            (path, copied, number),
        )
        execute(
            "INSERT INTO pending (action, stream, segment) "
            "SELECT 'write', stream, segments.id FROM segments JOIN items ON item = items.number "
            "WHERE items.number = ?1 OR parent = ?1",
            (number,),
        )
        if not copied:
            (details,) = execute("SELECT details FROM items WHERE number = ?", (number,)).fetchone()
            execute(
                "UPDATE words SET name = ? "
                "WHERE rowid = (SELECT min(number) FROM segments WHERE item = ?)",
                (_names(path, json.loads(details)), number),
            )

    @staticmethod
    def _enqueue(execute: Any, action: str, stream: str, segment: str) -> None:
        execute(
            "INSERT INTO pending (action, stream, segment) VALUES (?, ?, ?)",
            (action, stream, segment),
        )

    def remove(self, ids: Iterable[str]) -> list[Removed]:
        """Forget items and the files they were seen in; returns those that were there."""
        removed: list[Removed] = []
        with self._transaction() as execute:
            for id in ids:
                removed += self._delete(execute, id)
        return removed

    def _delete(self, execute: Any, id: str) -> list[Removed]:
        """With all its nodes."""
        id = _plain(id)
        row = execute("SELECT number, path, copied FROM items WHERE id = ?", (id,)).fetchone()
        if row is None:
            return []
        number, path, copied = row
        segments: dict[str, list[int]] = {}
        for segment, name, stream in execute(
            "SELECT segments.number, segments.id, stream FROM segments "
            "JOIN items ON item = items.number WHERE items.number = ?1 OR parent = ?1",
            (number,),
        ).fetchall():
            segments.setdefault(stream, []).append(segment)
            self._enqueue(execute, "delete", stream, name)
            execute("DELETE FROM words WHERE rowid = ?", (segment,))
        execute("DELETE FROM items WHERE number = ?", (number,))
        execute("DELETE FROM files WHERE id = ?", (id,))
        return [Removed(id, os.fsdecode(path) if copied else None, segments)]

    def keep(self, id: str) -> Kept | None:
        """What `restore` needs to bring an item back once it is removed."""
        own = self._rows(f"SELECT number, {ITEM} FROM items WHERE id = ?", (_plain(id),))
        if not own:
            return None
        number, path, copied = own[0][0], own[0][4], own[0][5]
        nodes = self._rows(f"SELECT number, {ITEM} FROM items WHERE parent = ?", (number,))
        segments = self._rows(
            'SELECT segments.id, item, stream, start, "end", vector, place, '
            "words.title, name, passage FROM segments JOIN items ON item = items.number "
            "LEFT JOIN words ON words.rowid = segments.number "
            "WHERE items.number = ?1 OR parent = ?1 ORDER BY segments.number",
            (number,),
        )
        files = self._rows("SELECT path, size, mtime_ns, id FROM files WHERE id = ?", (id,))
        return Kept(id, os.fsdecode(path) if copied else None, own + nodes, segments, files)

    def restore(self, kept: Sequence[Kept]) -> list[str]:
        """Bring removed items back as they were, in their old places in the order of addition;
        returns the ids of those that had not been added again since."""
        restored = []
        with self._transaction() as execute:
            for one in kept:
                if execute("SELECT 1 FROM items WHERE id = ?", (one.id,)).fetchone():
                    continue
                for row in one.items:
                    execute(
                        f"INSERT INTO items (number, {ITEM}) VALUES ({_marks(row)})",
                        row,
                    )
                for row in one.segments:
                    # under new numbers: what follows the catalogue looks for those that are greater
                    cursor = execute(
                        'INSERT INTO segments (id, item, stream, start, "end", vector, place) '
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        row[:7],
                    )
                    if row[7] is not None:
                        execute(
                            "INSERT INTO words (rowid, title, name, passage) VALUES (?, ?, ?, ?)",
                            (cursor.lastrowid, *row[7:]),
                        )
                    self._enqueue(execute, "write", row[2], row[0])
                for row in one.files:  # a file may hold something else by now
                    execute("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?)", row)
                restored.append(one.id)
        return restored

    # Reading

    def sightings(self) -> dict[str, list[Sighting]]:
        """The files of the items that were seen in more than one place, by item."""
        found: dict[str, list[Sighting]] = {}
        for path, size, mtime_ns, id in self._rows(
            "SELECT files.path, size, mtime_ns, files.id FROM files JOIN items USING (id) "
            "WHERE files.id IN (SELECT id FROM files GROUP BY id HAVING count(*) > 1) "
            "ORDER BY items.number, files.path"
        ):
            seen = Sighting(Path(os.fsdecode(path)), size, mtime_ns, id)
            found.setdefault(id, []).append(seen)
        return found

    def _item(self, row: Sequence[Any]) -> Item:
        id, modality, title, path, copied, size, details, added, parent = row
        return Item(
            id,
            modality,
            title,
            str(self._data / os.fsdecode(path)),  # a copy's path is relative to the data folder
            bool(copied),
            size,
            json.loads(details),
            added,
            parent,
        )

    def get(self, id: str) -> Item | None:
        """The item of this id."""
        rows = self._rows(f"SELECT {ITEM} FROM items WHERE id = ?", (_plain(id),))
        return self._item(rows[0]) if rows else None

    def numbered(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Items by their numbers, of those that are there."""
        found: dict[int, Item] = {}
        for chunk in _chunks(numbers, 500):
            rows = self._rows(
                f"SELECT number, {ITEM} FROM items WHERE number IN ({_marks(chunk)})", chunk
            )
            found.update((row[0], self._item(row[1:])) for row in rows)
        return found

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
            # two statements: together they would sort all items
            f"SELECT {ITEM} FROM items "
            f"WHERE {'parent IS NULL AND ?1 IS NULL' if modality is None else 'modality = ?1'} "
            f"ORDER BY number {order} LIMIT ?2 OFFSET ?3",
            (modality, limit, offset),
        )
        return [self._item(row) for row in rows]

    def count_items(self) -> dict[str, int]:
        """How many items there are of each modality."""
        return dict(self._rows("SELECT modality, count(*) FROM items GROUP BY modality"))

    def count_segments(self) -> dict[str, int]:
        """How many segments there are of each stream."""
        return dict(self._rows("SELECT stream, count(*) FROM segments GROUP BY stream"))

    def checksum(self, stream: str, last: int) -> tuple[int, int]:
        """Count and sum of a stream's segment numbers up to `last`: equal means the same set.

        Numbers only grow and are never used twice, so any other set that something derived from
        the catalogue can hold differs in one of the two.
        """
        rows = self._rows(
            "SELECT count(*), coalesce(sum(number), 0) FROM segments "
            "WHERE stream = ? AND number <= ?",
            (stream, last),
        )
        return rows[0][0], rows[0][1]

    def range(self, stream: str) -> tuple[int, int]:
        """The least and the greatest segment number of a stream (0, 0 where it is empty)."""
        rows = self._rows(
            "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM segments "
            "WHERE stream = ?",
            (stream,),
        )
        return rows[0][0], rows[0][1]

    def vectors(
        self, stream: str, after: int, limit: int
    ) -> tuple[list[tuple[int, int]], np.ndarray]:
        """The next segments past a number: [(segment number, item number)] and float32 (n, dim)."""
        rows = self._rows(
            "SELECT number, item, vector FROM segments WHERE stream = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (stream, after, limit),
        )
        vectors = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4")
        return [row[:2] for row in rows], vectors.reshape(len(rows), -1 if rows else 0)

    def vector(self, number: int) -> np.ndarray | None:
        """The vector of one segment, float32 (dim,)."""
        rows = self._rows("SELECT vector FROM segments WHERE number = ?", (number,))
        return np.frombuffer(rows[0][0], dtype="<f4") if rows else None

    def item_vectors(self, id: str) -> tuple[int, dict[str, np.ndarray]] | None:
        """An item's number and the vectors of its segments by stream, float32 (n, dim) each."""
        rows = self._rows(
            "SELECT items.number, stream, vector FROM items JOIN segments ON item = items.number "
            "WHERE items.id = ? ORDER BY segments.number",
            (_plain(id),),
        )
        if not rows:
            return None
        vectors: dict[str, list[np.ndarray]] = {}
        for _, stream, vector in rows:
            vectors.setdefault(stream, []).append(np.frombuffer(vector, dtype="<f4"))
        return rows[0][0], {stream: np.stack(found) for stream, found in vectors.items()}

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
                f'SELECT segments.number, segments.id, stream, start, "end", vector, place, '
                f"{fields} "
                "FROM segments JOIN items ON item = items.number "
                f"WHERE segments.{column} IN ({_marks(chunk)})",
                chunk,
            ):
                number, id, stream, start, end, vector, place = row[:7]
                yield Segment(
                    number,
                    id,
                    stream,
                    start,
                    end,
                    np.frombuffer(vector, dtype="<f4"),
                    json.loads(place) if place else {},
                    self._item(row[7:]),
                )

    def passages(self, numbers: Sequence[int]) -> dict[int, str]:
        """What segments say, by their numbers, of those that say something."""
        found: dict[int, str] = {}
        for chunk in _chunks(numbers, 500):
            found.update(
                self._rows(
                    f"SELECT rowid, passage FROM words WHERE rowid IN ({_marks(chunk)}) "
                    "AND passage != ''",
                    chunk,
                )
            )
        return found

    def item_passages(self, id: str) -> list[str]:
        """What the parts of an item say, in their order."""
        rows = self._rows(
            "SELECT passage FROM words WHERE rowid IN ("
            "SELECT segments.number FROM segments JOIN items ON item = items.number "
            "WHERE items.id = ?) AND passage != '' ORDER BY rowid",
            (id,),
        )
        return [row[0] for row in rows]

    def match_words(
        self, query: str, streams: Sequence[str], limit: int, chosen: Filter | None = None
    ) -> list[tuple[int, int, str]]:
        """The items that an FTS5 query matches, best first (BM25, titles count most), each by its
        best segment.

        Returns:
            [(segment number, item number, stream)]
        """
        conditions, values = self._conditions(chosen)
        rows = self._rows(
            # LIMIT -1: bm25 is only known inside, row by row
            "SELECT segment, item, stream, min(score) FROM ("
            "SELECT segments.number AS segment, item, stream, bm25(words, 4, 2, 1) AS score "
            "FROM words JOIN segments ON segments.number = words.rowid "
            "JOIN items ON item = items.number "
            f"WHERE words MATCH ? AND stream IN ({_marks(streams)}) {conditions} LIMIT -1) "
            "GROUP BY item ORDER BY min(score), segment LIMIT ?",
            [query, *streams, *values, limit],
        )
        return [row[:3] for row in rows]

    def select(self, chosen: Filter) -> np.ndarray:
        """The numbers of the items that a filter lets through, int64, ascending."""
        conditions, values = self._conditions(chosen)
        rows = self._rows(
            f"SELECT number FROM items WHERE TRUE {conditions} ORDER BY number", values
        )
        return np.array([row[0] for row in rows], dtype=np.int64)

    def _conditions(self, chosen: Filter | None) -> tuple[str, list[Any]]:
        """What a filter asks of a row of items, as SQL, and its values."""
        parts: list[str] = []
        values: list[Any] = []

        def ask(condition: str, value: Any) -> None:
            if value is not None:
                parts.append(f"AND {condition}")
                values.append(value)

        if chosen is not None:
            seconds = "json_extract(items.details, '$.seconds')"
            folder = None
            if chosen.folder is not None:
                folder = os.fsencode(os.path.join(chosen.folder, ""))
            if folder is not None:
                # copies lie in the data folder, and their paths begin there
                copies = os.fsencode(os.path.join(self._data, "media", "")).startswith(folder)
                parts.append("AND (substr(items.path, 1, ?) = ? AND NOT items.copied")
                parts.append("OR items.copied AND ?)")
                values += [len(folder), folder, copies]
            if chosen.title is not None:
                parts.append("AND instr(fold(items.title), ?) > 0")
                values.append(_plain(chosen.title).casefold())
            ask("items.added >= ?", chosen.added_after)
            ask("items.added < ?", chosen.added_before)
            ask(f"{seconds} >= ?", chosen.longer)
            ask(f"{seconds} <= ?", chosen.shorter)
            ask("items.bytes >= ?", _number(chosen.larger))
            ask("items.bytes <= ?", _number(chosen.smaller))
        return " ".join(parts), values

    # The outbox

    def pending(self, limit: int) -> list[Change]:
        """The oldest changes that the index has not acknowledged."""
        rows = self._rows(
            "SELECT number, action, stream, segment FROM pending ORDER BY number LIMIT ?",
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
        """The segments per stream, or None while there are changes pending, in one look."""
        rows = self._rows(
            "SELECT NULL, count(*) FROM pending UNION ALL "
            "SELECT stream, count(*) FROM segments GROUP BY stream"
        )
        counts: dict[str | None, int] = dict(rows)
        waiting = counts.pop(None)
        return None if waiting else {str(stream): n for stream, n in counts.items()}


def segment_id(item: str, stream: str, part: Part, count: int, at: int = 0) -> str:
    """`ID`, or `ID#t=START,END` (W3C media fragments) for one of several stretches of time, or
    `ID#part=N` for the one at place `at` of what has no times."""
    if count == 1:
        return item
    if part.start is not None and part.end is not None:
        track = "&track=audio" if stream == "soundtrack" else ""
        return f"{item}#t={part.start:.10g},{part.end:.10g}{track}"
    return f"{item}#part={at}"


def node_id(graph: str, node: str) -> str:
    """The item id of a graph's node."""
    return f"{graph}#node={quote(node, safe='')}"


def _file_name(path: bytes) -> str:
    return _plain(os.fsdecode(os.path.basename(path)))


def _names(path: bytes, details: Mapping[str, Any]) -> str:
    """What an item is called beside its title: its file's name and the document's own title."""
    return f"{_file_name(path)} {details.get('title', '')}"


def _plain(text: str) -> str:
    """Text that SQLite takes: what is none, as in a file's name that is not UTF-8, becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def _number(value: int | None) -> int | None:
    """A number that SQLite takes."""
    return None if value is None else min(value, 2**63 - 1)


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
