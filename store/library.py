"""The library: add media, find them by words or by likeness, remove them.

A data folder holds `lock` and `lock.json` (who uses it), `catalogue.sqlite3` (what must not be
lost), `vectors/` (exact search) and `index-N/` (Chroma), both derived from the catalogue, and
`previews/` and `media/` (pictures to show, media copied in), and `trash/` what was copied of items
that can still be brought back.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from store.background import Background
from store.catalogue import Catalogue, Kept, Removed
from store.files import Files, disk_space
from store.index import Settings
from store.keeper import Keeper
from store.lock import Lock
from store.matrix import Matrix, Portion
from store.records import (
    AddEvent,
    Answer,
    Filter,
    Hit,
    Item,
    LibraryBusy,
    LibraryError,
    Progress,
    Report,
    Space,
    Stats,
    Term,
)
from store.search import Search, middle
from store.streams import MODALITIES, STREAMS, usable_streams

if TYPE_CHECKING:
    from media import Media

__all__ = [
    "EXACT_LIMIT",
    "MODALITIES",
    "AddEvent",
    "Answer",
    "Filter",
    "Hit",
    "Item",
    "Library",
    "LibraryBusy",
    "LibraryError",
    "Report",
    "Stats",
    "Term",
    "default_data",
]

EXACT_LIMIT = 300_000
"""Collections of at most this many segments are searched by the matrix, larger ones by Chroma.

Text queries need a nearly exact search: a graph misses pictures that lie far from all others,
however widely it is searched (benchmarks/search.py).
"""

UNCLEAN = "open"


class Library:
    """A data folder opened for one space; every method may be called from any thread.

    Errors: LibraryError (one sentence) for whatever cannot be done, LibraryBusy where another
    process has the folder open.
    """

    def __init__(
        self,
        data: Path,
        space: Space,
        *,
        address: str | None = None,
        progress: Progress | None = None,
        exact_limit: int = EXACT_LIMIT,
        index: Settings | None = None,
    ) -> None:
        self.data = Path(os.path.realpath(data))
        self.space = space
        self._streams = usable_streams(space)
        self._closing = threading.Event()
        self._using = threading.Condition()
        self._users = 0
        self._aside: dict[str, Kept] = {}
        with contextlib.ExitStack() as undo:
            try:
                self.data.mkdir(parents=True, exist_ok=True)
                self._lock = Lock(self.data, address)
                undo.callback(self._lock.release)
                self._files = Files(self.data)
            except OSError as error:
                raise LibraryError(
                    f"The library folder {self.data} cannot be used ({error.strerror or error}): "
                    "name another one with --data."
                ) from error
            self._catalogue = Catalogue(self.data)
            undo.callback(self._catalogue.close)
            try:
                self._open(progress, index or Settings(), exact_limit)
            except (OSError, sqlite3.Error) as error:
                raise LibraryError(
                    f"The library in {self.data} cannot be opened ({error})."
                ) from error
            undo.pop_all()
        atexit.register(self.close)

    def _open(self, progress: Progress | None, settings: Settings, exact_limit: int) -> None:
        self._adopt_space()
        if self._catalogue.meta("state") == UNCLEAN:
            self._files.sweep(self._catalogue.known)
        self._catalogue.set_meta(state=UNCLEAN)
        folder = self.data / "vectors"
        # a space without words is never asked by any
        background = Background(self.space, folder, progress) if self.space.reads_text else None
        self._matrices = {
            name: Matrix(folder, name, self.space.dim, background) for name in self._streams
        }
        for matrix in self._matrices.values():
            matrix.open(self._catalogue, progress)
        self._keeper = Keeper(
            self.data,
            self._catalogue,
            space=self.space.name,
            dim=self.space.dim,
            streams=self._streams,
            settings=settings,
            progress=progress,
        )
        self._search = Search(
            self.space, self._catalogue, self._matrices, self._keeper, exact_limit
        )

    def _adopt_space(self) -> None:
        """An empty library takes the space; a filled one wants the space that filled it."""
        name, dim = self._catalogue.meta("space"), self._catalogue.meta("dim")
        version = self._catalogue.meta("version") or ""
        if (name, dim, version) == (self.space.name, str(self.space.dim), self.space.version):
            return
        if name == self.space.name and version != self.space.version:
            if self._catalogue.count_items():
                raise LibraryError(
                    f"The library in {self.data} was filled with another version of the space "
                    f"{name}: index your files again into another folder with --data; what was "
                    f"copied into this one lies in {self.data / 'media'}."
                )
        elif name is not None and self._catalogue.count_items():
            raise LibraryError(
                f"The library in {self.data} was filled with the space {name} ({dim} dimensions), "
                f"not {self.space.name} ({self.space.dim}): open it with --space {name}, or name "
                "another folder with --data."
            )
        for path in (self.data / "vectors").glob("*-*.*"):  # derived, and of another dimension
            path.unlink()
        self._catalogue.acknowledge(self._catalogue.last_pending())
        self._catalogue.set_meta(
            space=self.space.name,
            dim=str(self.space.dim),
            version=self.space.version,
            index="0",
            index_state="",
        )

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what is being added, bring the index up to date, and let the folder go."""
        with self._using:
            if self._closing.is_set():
                return
            self._closing.set()
            self._using.wait_for(lambda: self._users == 0)
        atexit.unregister(self.close)
        with contextlib.ExitStack() as last:
            last.callback(self._lock.release)
            last.callback(self._catalogue.close)
            for matrix in self._matrices.values():
                last.callback(matrix.close)
            self._keeper.close()
            self._empty_trash()
            with contextlib.suppress(sqlite3.Error):  # the next process then looks for leftovers
                self._catalogue.set_meta(state="closed")

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keeps the library open until the caller is done."""
        with self._using:
            if self._closing.is_set():
                raise LibraryError(f"The library in {self.data} has been closed: open it again.")
            self._users += 1
        try:
            yield
        except sqlite3.Error as error:
            raise LibraryError(
                f"The library's catalogue in {self.data} failed ({error}): make sure that the disk "
                "is neither full nor read-only, then try again."
            ) from error
        finally:
            with self._using:
                self._users -= 1
                self._using.notify_all()

    # Adding and removing

    def add(
        self,
        paths: Iterable[Path],
        *,
        copy: bool = False,
        titles: Mapping[Path, str] | None = None,
        progress: Callable[[AddEvent], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Report:
        """Add files, and folders recursively; what is there already is left as it is.

        `copy` copies the media into the library; `titles` names files (by the paths as given),
        else their names do. `progress` gets one event a file, from the calling thread, when what
        it tells is safely on disk. `stop` ends early with a report of what was done; it and an
        interrupt leave nothing half done, and adding again goes on from there.
        """
        from store.ingest import Ingest

        with self._in_use():
            ingest = Ingest(
                self._catalogue,
                self._files,
                self.space,
                lambda removed: self._follow(removed, more=True),
                copy=copy,
                titles=titles,
                progress=progress,
                stopped=lambda: self._closing.is_set() or (stop is not None and stop.is_set()),
            )
            try:
                return ingest.run([Path(path) for path in paths])
            finally:
                self._follow([])

    def remove(self, ids: Iterable[str]) -> list[str]:
        """Remove items with their previews and copies; originals elsewhere are never touched.

        Returns the ids that were there.
        """
        ids = list(ids)
        with self._in_use():
            self._refuse_nodes(ids)
            removed = self._catalogue.remove(ids)
            self._follow(removed)
            return [item.id for item in removed]

    def set_aside(self, ids: Iterable[str]) -> list[str]:
        """Remove items so that `restore` can bring them back, until the next ones are set aside or
        the library is closed. Returns the ids that were there. After an error `aside` tells whether
        they are gone: it is the same as before when nothing was removed.

        What was copied into the library is put into the trash before the catalogue forgets the
        item, and deleted only when it can no longer be asked for: a process that is killed in
        between leaves an item whole, or removed as asked.
        """
        ids = list(dict.fromkeys(ids))
        with self._in_use():
            self._refuse_nodes(ids)
            kept = {one.id: one for one in map(self._catalogue.keep, ids) if one is not None}
            if not kept:
                return []
            older = self._aside
            try:
                for one in kept.values():
                    self._files.keep(one.id, one.copy)
                removed = self._catalogue.remove(kept)
            except (OSError, sqlite3.Error) as error:
                self._forget(one for id, one in kept.items() if id not in older)
                raise LibraryError(
                    f"Nothing was removed, because the library in {self.data} cannot be written "
                    f"({getattr(error, 'strerror', None) or error})."
                ) from error
            self._aside = kept
            self._forget(one for id, one in older.items() if id not in kept)
            self._follow(removed)
            return [item.id for item in removed]

    @property
    def aside(self) -> list[str]:
        """The ids of what `restore` would bring back."""
        return list(self._aside)

    def restore(self) -> list[str]:
        """Bring back what was set aside last, as it was; returns the ids of what came back."""
        with self._in_use():
            kept = list(self._aside.values())
            gone = self._catalogue.known([one.id for one in kept])
            try:
                for one in kept:
                    if one.id not in gone:
                        self._files.restore(one.id, one.copy)
            except OSError as error:
                raise LibraryError(
                    f"Nothing was brought back, because the library in {self.data} cannot be "
                    f"written ({error.strerror or error}): make room, then try again."
                ) from error
            restored = self._catalogue.restore(kept)
            self._empty_trash()
            self._follow([])
            return restored

    def _empty_trash(self) -> None:
        self._forget(self._aside.values())
        self._aside = {}

    def _forget(self, kept: Iterable[Kept]) -> None:
        for one in kept:
            self._files.forget(one.id, one.copy)

    def _refuse_nodes(self, ids: Iterable[str]) -> None:
        for item in map(self._catalogue.get, ids):
            if item is not None and item.parent is not None:
                raise LibraryError(
                    f'"{item.title}" is a node of a graph: remove the graph instead.'
                )

    def _follow(self, removed: Sequence[Removed], more: bool = False) -> None:
        """Bring what is derived from the catalogue up to it; `more` will follow soon."""
        for name, matrix in self._matrices.items():
            gone = [number for item in removed for number in item.segments.get(name, ())]
            try:
                if gone:
                    matrix.drop(gone, self._catalogue)
                matrix.catch_up(self._catalogue)
            except OSError as error:
                raise LibraryError(
                    f"The library in {self.data} cannot be written ({error.strerror or error}): "
                    "what was added is safe, and can be searched once there is room and the "
                    "library is opened again."
                ) from error
        for item in removed:
            if self._catalogue.get(item.id) is None:
                self._files.delete(item.id, item.copy)
        if self._catalogue.pending(1):  # else Chroma need not be loaded for it
            self._keeper.wake(now=not more)

    def settle(self) -> bool:
        """Wait until the index knows all that was added or removed; False where it is broken."""
        with self._in_use():
            return self._keeper.settle()

    # Searching

    def find(
        self,
        terms: Sequence[Term],
        modality: str | None = None,
        k: int = 10,
        *,
        offset: int = 0,
        chosen: Filter | None = None,
        exact: bool = True,
    ) -> Answer:
        """The k items that fit a query best, best first, of one medium or of all.

        Args:
            terms: words, items and files, added up by their weights.
            modality: one of MODALITIES, or None for all.
            k: how many, from place `offset` of the ranking on.
            chosen: what they must be beside.
            exact: look for the very words of a query of words as well (`store.words`).

        Each hit tells how sure it is where that is known (`store.certainty`).
        """
        media = self._choose(modality)
        with self._in_use():
            query = self._search.read(terms, self._read, exact)
            return self._search.find(query, media, k, offset, chosen, exact)

    def search(self, text: str, modality: str | None = None, k: int = 10) -> list[Hit]:
        """The k items that fit the words best, best first, of one medium or of all."""
        return self.find([Term(text)], modality, k).hits

    def similar(
        self, what: str | Path | Media, modality: str | None = None, k: int = 10
    ) -> list[Hit]:
        """The k items most like an item (by id; itself left out), a file or an opened medium."""
        if isinstance(what, str):
            term = Term(what, "item")
        else:
            term = Term(what if isinstance(what, Path) else self.embed_parts(what), "file")
        return self.find([term], modality, k).hits

    def nearest(self, vector: np.ndarray, modality: str | None = None, k: int = 10) -> list[Hit]:
        """The k items nearest to a vector (dim,), best first; scores as in `store.scores`."""
        return self.find([Term(vector, "vector")], modality, k).hits

    def _choose(self, modality: str | None) -> list[str]:
        """The media to look in."""
        if modality is not None and modality not in MODALITIES:
            raise LibraryError(f'There is no medium "{modality}": it is one of {MODALITIES}.')
        return [name for name in self.modalities if modality in (None, name)]

    @property
    def modalities(self) -> list[str]:
        """The media that the space can hold."""
        held = {STREAMS[name].modality for name in self._streams}
        return [name for name in MODALITIES if name in held]

    def embed(self, what: Path | Media) -> np.ndarray:
        """The vector of a medium outside the library, float32 (dim,)."""
        return middle(np.concatenate(list(self.embed_parts(what).values())))

    def _read(self, term: Term) -> dict[str, np.ndarray]:
        what: Any = term.what
        return what if isinstance(what, dict) else self.embed_parts(what)

    def embed_parts(self, what: Path | Media) -> dict[str, np.ndarray]:
        """The vectors of a medium outside the library by stream, float32 (n, dim) each: what a
        Term by "file" can be given, so that a file asked of several media is read once."""
        import media
        from store.ingest import embed_media

        media.look_closer(self.space.picture_side)
        name = media.quote(what) if isinstance(what, Path) else "This medium"
        try:
            with contextlib.ExitStack() as stack:
                opened: Any = what
                if isinstance(what, Path):
                    opened = stack.enter_context(media.open_media(what))
                vectors = embed_media(self.space, opened)
        except media.MediaError as error:
            raise LibraryError(str(error)) from error
        except OSError as error:
            raise LibraryError(f"{name} cannot be read: {error.strerror or error}.") from error
        except (ValueError, ArithmeticError) as error:
            raise LibraryError(f"{name} cannot be searched with ({error}).") from error
        if not vectors:
            raise LibraryError(
                f"{name} cannot be searched with: the space {self.space.name} cannot embed "
                f"{opened.modality}."
            )
        return vectors

    # What analysis reads

    @property
    def streams(self) -> list[str]:
        """The streams that the space can fill (see `store.streams`)."""
        return list(self._streams)

    def portions(self, stream: str) -> Iterator[Portion]:
        """All segments of a stream, some thousand at a time; those of one item follow each other.

        What is added or removed meanwhile is not seen.
        """
        with self._in_use():
            yield from self._matrices[stream].portions()

    def points(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """Each item of a stream as one point: numbers (n,), and the mean directions of their
        segments, float32 (n, dim), rows of length 1."""
        numbers: list[np.ndarray] = []
        rows: list[np.ndarray] = []
        for part in self.portions(stream):
            starts = np.flatnonzero(np.diff(part.items, prepend=-1))
            own, sums = part.items[starts], np.add.reduceat(part.vectors, starts)
            if numbers and numbers[-1][-1] == own[0]:  # an item that the last portion began
                rows[-1][-1] += sums[0]
                own, sums = own[1:], sums[1:]
            if len(own):
                numbers.append(own)
                rows.append(sums)
        if not numbers:
            return np.empty(0, np.int64), np.empty((0, self.space.dim), np.float32)
        total = np.concatenate(rows)
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        return np.concatenate(numbers), total / np.maximum(lengths, np.float32(1e-6))

    def sample(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """Segments from all over a stream, some thousand at most: their items' numbers (n,), and
        their vectors, float32 (n, dim)."""
        with self._in_use():
            rows, numbers = self._matrices[stream].rows()
            return numbers, rows

    def numbered(self, numbers: Iterable[int]) -> dict[int, Item]:
        """Items by their numbers, of those that are there."""
        with self._in_use():
            return self._catalogue.numbered([int(number) for number in numbers])

    def item_vectors(self, id: str) -> dict[str, np.ndarray]:
        """An item's vectors by stream, float32 (n, dim) each, rows of length 1. LibraryError where
        there is no such item."""
        with self._in_use():
            known = self._catalogue.item_vectors(id)
        if known is None:
            raise LibraryError(f"There is no item {id} in the library.")
        return known[1]

    def passages(self, id: str) -> list[str]:
        """What the parts of an item say, in their order; empty where they say nothing."""
        with self._in_use():
            return self._catalogue.item_passages(id)

    def copies(self) -> dict[str, list[Path]]:
        """The files with the same bytes, by the id of the item that they are, where there are
        several of them and they are still as they were when they were added."""
        with self._in_use():
            seen = self._catalogue.sightings()
        found = {}
        for id, sightings in seen.items():
            files: dict[tuple[int, int], Path] = {}  # one file can be reached by several names
            for one in sightings:
                with contextlib.suppress(OSError):
                    status = one.path.stat()
                    if (status.st_size, status.st_mtime_ns) == (one.size, one.mtime_ns):
                        files.setdefault((status.st_dev, status.st_ino), one.path)
            if len(files) > 1:
                found[id] = list(files.values())
        return found

    # Looking

    def get(self, id: str) -> Item | None:
        """The item of this id."""
        with self._in_use():
            return self._catalogue.get(id)

    def items(
        self,
        modality: str | None = None,
        offset: int = 0,
        limit: int = 100,
        newest_first: bool = True,
    ) -> list[Item]:
        """A page of the items in order of their addition."""
        with self._in_use():
            return self._catalogue.items(modality, offset, limit, newest_first)

    def count(self, modality: str | None = None) -> int:
        """How many items there are, of one medium or of all (nodes belong to their graphs)."""
        with self._in_use():
            counts = self._catalogue.count_items()
        if modality is not None:
            return counts.get(modality, 0)
        return sum(n for name, n in counts.items() if name != "node")

    def around(self, id: str, said: str) -> tuple[str, str]:
        """The passages before and after one of a text; empty where there are none."""
        with self._in_use():
            passages = self._catalogue.item_passages(id)
        at = passages.index(said) if said in passages else None
        if at is None:
            return "", ""
        return "".join(passages[at - 1 : at]), "".join(passages[at + 1 : at + 2])

    def preview(self, id: str) -> Path:
        """Where the item's preview lies, a JPEG, or a WebP of an older version: a thumbnail, a
        waveform, a poster or a drawing; of a node that of its graph.

        Made again from the original where it has been deleted.
        """
        id = id.partition("#")[0]
        item = self.get(id)
        if item is None:
            raise LibraryError(f"There is no item {id} in the library.")
        path = self._files.preview(id)
        if not path.exists() and not item.missing:
            import media

            with (
                contextlib.suppress(media.MediaError, OSError),
                media.open_media(Path(item.path)) as opened,
            ):
                for _ in opened.segments():
                    pass
                self._files.write_preview(id, opened.preview())
        return path

    def original(self, id: str) -> Path | None:
        """The file to show or play: the copy in the library or the original; None when missing."""
        item = self.get(id)
        return None if item is None or item.missing else Path(item.path)

    def stats(self) -> Stats:
        """The library in numbers."""
        with self._in_use():
            return Stats(
                space=self.space.name,
                dim=self.space.dim,
                items=dict.fromkeys(self.modalities, 0) | self._catalogue.count_items(),
                segments=dict.fromkeys(self._streams, 0) | self._catalogue.count_segments(),
                bytes=disk_space(self.data),
                data=self.data,
            )


def default_data() -> Path:
    """The user's data folder: ANYFIND_DATA, or the platform's own place."""
    if folder := os.environ.get("ANYFIND_DATA"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_data_path("anyfind", appauthor=False))
