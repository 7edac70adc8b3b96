"""The library: add pictures and sounds, find them by words or by likeness, remove them.

A data folder holds `lock` and `lock.json` (who uses it), `catalogue.sqlite3` (what must not be
lost), `vectors/` (exact search) and `index-N/` (Chroma), both derived from the catalogue, and
`previews/` and `media/` (pictures to show, media copied in).
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from store.background import Background
from store.catalogue import Catalogue, Removed
from store.certainty import read_certainty
from store.files import Files, disk_space
from store.index import Settings
from store.keeper import Keeper
from store.lock import Lock
from store.matrix import Match, Matches, Matrix
from store.records import (
    AddEvent,
    Hit,
    Item,
    LibraryBusy,
    LibraryError,
    Progress,
    Report,
    Space,
    Stats,
)
from store.wordings import encode_queries, read_wordings, space_kind

if TYPE_CHECKING:
    from media import Media

__all__ = [
    "EXACT_LIMIT",
    "AddEvent",
    "Hit",
    "Item",
    "Library",
    "LibraryBusy",
    "LibraryError",
    "Report",
    "Stats",
    "default_data",
]

EXACT_LIMIT = 50_000
"""Collections of at most this many segments are searched exactly, larger ones by Chroma.

Text queries need a nearly exact search. Reading a matrix of this size (640 dimensions) takes some
8 ms, from where on a graph searched widely enough is quicker (benchmarks/search.py).
"""

RERANKED = 300
"""How many more segments Chroma is asked for, for words: it orders them by the plain cosine."""

Scored = tuple[float, Match, float | None]
"""A score, what was found, and how sure it is where that is known."""

MODALITIES = ("image", "audio")
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
        self.exact_limit = exact_limit
        self._last_query: tuple[str, dict[str, np.ndarray]] | None = None
        self._closing = threading.Event()
        self._using = threading.Condition()
        self._users = 0
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
                self._open(progress, index or Settings())
            except (OSError, sqlite3.Error) as error:
                raise LibraryError(
                    f"The library in {self.data} cannot be opened ({error})."
                ) from error
            undo.pop_all()
        atexit.register(self.close)

    def _open(self, progress: Progress | None, settings: Settings) -> None:
        self._adopt_space()
        if self._catalogue.meta("state") == UNCLEAN:
            self._files.sweep(self._catalogue.known)
        self._catalogue.set_meta(state=UNCLEAN)
        folder = self.data / "vectors"
        background = Background(self.space, folder, progress)
        self._matrices = {
            modality: Matrix(folder, modality, self.space.dim, background)
            for modality in self._modalities()
        }
        for matrix in self._matrices.values():
            matrix.open(self._catalogue, progress)
        self._keeper = Keeper(
            self.data,
            self._catalogue,
            space=self.space.name,
            dim=self.space.dim,
            modalities=self._modalities(),
            settings=settings,
            progress=progress,
        )

    def _modalities(self) -> list[str]:
        return [modality for modality in MODALITIES if modality in self.space.modalities]

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
                self._follow,
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
        with self._in_use():
            removed = self._catalogue.remove(ids)
            self._follow(removed)
            return [item.id for item in removed]

    def _follow(self, removed: Sequence[Removed]) -> None:
        """Bring what is derived from the catalogue up to it."""
        for modality, matrix in self._matrices.items():
            gone = [n for item in removed if item.modality == modality for n in item.segments]
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
        self._keeper.wake()

    def settle(self) -> bool:
        """Wait until the index knows all that was added or removed; False where it is broken."""
        with self._in_use():
            return self._keeper.settle()

    # Searching

    def search(self, text: str, modality: str | None = None, k: int = 10) -> list[Hit]:
        """The k items that fit the words best, best first, of one medium or of all.

        Each hit tells how sure it is where that is known (`store.certainty`).
        """
        if not text.strip():
            raise LibraryError("The query is empty: type what to look for.")
        plain = text.encode("utf-8", "replace").decode()
        chosen = self._choose(modality)
        vectors = self._read(plain)
        return self._nearest({name: vectors[name] for name in chosen}, k, words=True)

    def _read(self, text: str) -> dict[str, np.ndarray]:
        """The query's vector (dim,) for each medium; the last one is remembered.

        For all media at once: they are often asked one after the other, as by the page, and
        batches that change their size slow the text tower down several times (measured).
        """
        last = self._last_query
        if last is None or last[0] != text:
            wordings = read_wordings(space_kind(self.space.name))
            asked = {name: wordings[name] for name in self._modalities()}
            rows = encode_queries(self.space, [text], asked)
            last = self._last_query = (text, {name: row[0] for name, row in rows.items()})
        return last[1]

    def found_nothing(self, hits: Sequence[Hit]) -> bool:
        """Whether none of the hits of a search by words is close to what was asked for.

        False where that is not known, and where there are no hits.
        """
        kind = space_kind(self.space.name)
        far = []
        for modality in {hit.modality for hit in hits}:
            certainty = read_certainty(kind, modality)
            sure = [hit.sure for hit in hits if hit.modality == modality]
            far.append(certainty is not None and certainty.found_nothing(sure))
        return bool(far) and all(far)

    def similar(
        self, what: str | Path | Media, modality: str | None = None, k: int = 10
    ) -> list[Hit]:
        """The k items most like an item (by id; itself left out), a file or an opened medium."""
        if not isinstance(what, str):
            return self.nearest(self.embed(what), modality, k)
        chosen = self._choose(modality)
        with self._in_use():
            found = self._catalogue.item_vectors(what)
        if found is None:
            raise LibraryError(f"There is no item {what} in the library.")
        number, vectors = found
        return self._nearest(dict.fromkeys(chosen, middle(vectors)), k, without=number)

    def nearest(self, vector: np.ndarray, modality: str | None = None, k: int = 10) -> list[Hit]:
        """The k items nearest to a vector (dim,), best first; scores as in `store.scores`."""
        return self._nearest(dict.fromkeys(self._choose(modality), vector), k)

    def _choose(self, modality: str | None) -> list[str]:
        """The media to look in."""
        if modality is not None and modality not in MODALITIES:
            raise LibraryError(f'There is no medium "{modality}": it is one of {MODALITIES}.')
        return [name for name in self._modalities() if modality in (None, name)]

    def _nearest(
        self,
        vectors: Mapping[str, np.ndarray],
        k: int,
        without: int | None = None,
        words: bool = False,
    ) -> list[Hit]:
        """The k items nearest to the vector (dim,) for each medium; `words` as in `Matrix`."""
        units = {modality: self._unit(vector) for modality, vector in vectors.items()}
        if k < 1:
            return []
        media: list[list[Scored]] = []
        with self._in_use():
            for modality, vector in units.items():
                matrix = self._matrices[modality]
                if len(matrix):
                    found = self._matches(modality, vector, k, without, words)
                    media.append(list(self._score(modality, found, len(matrix))))
            scored = compare_media(media) if len(media) > 1 else [x for m in media for x in m]
            return self._hits(scored[:k])

    def _unit(self, vector: np.ndarray) -> np.ndarray:
        vector = np.asarray(vector, dtype=np.float32)
        length = float(np.linalg.norm(vector))
        if vector.shape != (self.space.dim,) or not np.isfinite(length) or length == 0:
            raise LibraryError("This cannot be searched for: its vector is zero or not finite.")
        unit: np.ndarray = vector / np.float32(length)
        return unit

    def _score(self, modality: str, found: Matches, size: int) -> Iterator[Scored]:
        """Each match with its standard score, and how sure it is where that is known."""
        certainty = read_certainty(space_kind(self.space.name), modality)
        for match in found.matches:
            score = (match.cosine - found.mean) / found.sd
            if certainty is None or match.above is None:
                yield score, match, None
            else:
                yield score, match, certainty(score, match.above, size)

    def _matches(
        self, modality: str, vector: np.ndarray, k: int, without: int | None, words: bool
    ) -> Matches:
        matrix = self._matrices[modality]
        if len(matrix) > self.exact_limit:
            matches = self._ask_index(modality, vector, k, without, words)
            if matches is not None:
                return Matches(matches, *matrix.moments(vector, words))
        return matrix.search(vector, k, without, words)

    def _ask_index(
        self, modality: str, vector: np.ndarray, k: int, without: int | None, words: bool
    ) -> list[Match] | None:
        """As `Matrix.search`, by Chroma; None as long as the index is not ready."""
        matrix = self._matrices[modality]
        count = k + (RERANKED if words else 1)
        while True:
            count = min(count, len(matrix))
            answer = self._keeper.query(modality, vector, count)
            if answer is None:
                return None
            numbers = self._catalogue.numbers([id for id, _ in answer])
            matches = [Match(*numbers[id], cosine) for id, cosine in answer if id in numbers]
            if words:
                matches = matrix.rate(matches)
            found: dict[int, Match] = {}
            for match in matches:
                if match.item != without:
                    found.setdefault(match.item, match)
            if len(found) >= k or count == len(matrix) or len(answer) < count:
                return list(found.values())[:k]
            count *= 4  # several windows of one item stood among the nearest

    def _hits(self, scored: Sequence[Scored]) -> list[Hit]:
        segments = self._catalogue.segments([match.segment for _, match, _ in scored])
        hits = []
        for score, match, sure in scored:
            segment = segments.get(match.segment)
            if segment is not None:  # else it was removed this moment
                item = segment.item
                hits.append(
                    Hit(
                        item.id,
                        score,
                        item.modality,
                        item.title,
                        item.path,
                        segment.start,
                        segment.end,
                        None if sure is None else round(sure, 3),
                    )
                )
        return hits

    def embed(self, what: Path | Media) -> np.ndarray:
        """The vector of a medium outside the library, float32 (dim,)."""
        import media
        from store.ingest import unit_rows

        name = getattr(what, "name", "This medium")
        try:
            with contextlib.ExitStack() as stack:
                opened: Any = what
                if isinstance(what, Path):
                    opened = stack.enter_context(media.open_media(what))
                if opened.modality not in self.space.modalities:
                    raise LibraryError(
                        f"{name} cannot be searched with: the space {self.space.name} cannot "
                        f"embed {opened.modality}."
                    )
                rows: list[np.ndarray] = []
                batch: list[np.ndarray] = []
                for segment in opened.segments():
                    batch.append(self.space.prepare(opened.modality, segment.content))
                    if len(batch) == self.space.batch_size:
                        rows.append(self.space.encode(opened.modality, batch))
                        batch = []
                if batch:
                    rows.append(self.space.encode(opened.modality, batch))
            vectors = np.concatenate(rows)
            return middle(unit_rows(vectors, len(vectors), self.space.dim))
        except media.MediaError as error:
            raise LibraryError(str(error)) from error
        except OSError as error:
            raise LibraryError(f"{name} cannot be read: {error.strerror or error}.") from error
        except ValueError as error:
            raise LibraryError(f"{name} cannot be searched with ({error}).") from error

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
        """How many items there are, of one medium or of all."""
        with self._in_use():
            counts = self._catalogue.count_items()
        return sum(counts.values()) if modality is None else counts.get(modality, 0)

    def preview(self, id: str) -> Path:
        """Where the item's preview lies (a WebP picture: thumbnail or waveform).

        Made again from the original where it has been deleted.
        """
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
            none = dict.fromkeys(self._modalities(), 0)
            return Stats(
                space=self.space.name,
                dim=self.space.dim,
                items=none | self._catalogue.count_items(),
                segments=none | self._catalogue.count_segments(),
                bytes=disk_space(self.data),
                data=self.data,
            )


def compare_media(media: Sequence[Sequence[Scored]]) -> list[Scored]:
    """One list of several media's hits, best first.

    By the log-odds of being right where that is known of all: standard scores compare a hit with
    others of its medium, and the first of a medium that holds nothing fitting can stand above the
    first of one that does. Within a medium the order stays.

    Args:
        media: each medium's hits by their standard scores, best first.
    """
    joined: list[tuple[float, Scored]] = []
    for hits in media:
        least = math.inf
        for score, match, sure in hits:
            least = score if sure is None else min(least, math.log(sure / (1 - sure)))
            joined.append((least, (score, match, sure)))
    if any(sure is None for _, (_, _, sure) in joined):
        joined = [(scored[0], scored) for _, scored in joined]
    joined.sort(key=lambda one: (-one[0], -one[1][0], one[1][1].segment))
    return [(value, match, sure) for value, (_, match, sure) in joined]


def middle(vectors: np.ndarray) -> np.ndarray:
    """The mean direction of unit rows (n, dim), at length 1; the first row where there is none."""
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    result: np.ndarray = vectors[0] if length < 1e-6 else mean / np.float32(length)
    return result


def default_data() -> Path:
    """The user's data folder: ANYFIND_DATA, or the platform's own place."""
    if folder := os.environ.get("ANYFIND_DATA"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_data_path("anyfind", appauthor=False))
