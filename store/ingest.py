"""Files into the library: decoding in threads with a bounded look-ahead while the model runs.

    walk -> jobs -> workers (hash, decode, prepare) -> results -> the caller's thread
                                                       (batches, commit) <-> encoder

While the encoder is at one batch, the caller's thread puts the next together and commits what the
one before completed, so that the networks never wait for the disk. The queues are bounded and hold
prepared segments, so memory is steady whatever the folder's size or a sound's length. An item is
committed whole, all its segments or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import media
from encoders.parts import gather
from store.catalogue import Catalogue, Entry, Removed, Sighting
from store.files import Files
from store.records import AddEvent, Item, Report, Space
from store.streams import STREAMS, stream_name, usable_streams
from store.walk import Found, walk

COMMIT_ITEMS = 64  # items committed together ...
COMMIT_SECONDS = 0.5  # ... or after this time, whichever comes first
FOLLOW_SECONDS = 1.0  # after which what is committed can be found
FLUSH_SECONDS = 0.2  # a batch waits this long for more before it is encoded unfilled
AHEAD = {"text": 8}  # batches waited for, so that texts of like length can go together
MAX_WORKERS = 16
HASH_BYTES = 1 << 20


class UnfitVectorError(ValueError):
    """A vector that cannot be searched for."""


class _Halted(Exception):  # noqa: N818 (no error: the worker is told to end)
    pass


@dataclass
class Job:
    """One file on its way."""

    found: Found
    sighting: Sighting | None = None
    modality: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    copy: str | None = None
    parts: list[media.Segment] = field(default_factory=list)
    structure: Any = None  # how the parts hang together (see media.Media)
    vectors: list[np.ndarray | None] = field(default_factory=list)
    read: bool = False  # all its segments have arrived
    reason: str | None = None  # why it is skipped
    known: Item | None = None  # the item of the library that it is
    news: bool = False  # ... and the catalogue must learn of this file
    twin: Job | None = None  # the job on its way with the same bytes
    followers: list[Job] = field(default_factory=list)
    outcome: tuple[str, str | None, Item | None] | None = None

    @property
    def complete(self) -> bool:
        """Whether every segment has its vector."""
        return self.read and all(vector is not None for vector in self.vectors)


@dataclass(frozen=True)
class Piece:
    """One prepared segment of a job."""

    job: Job
    place: int
    tower: str
    prepared: Any


class Ingest:
    """One call of `Library.add`; `run` may be called once."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        space: Space,
        committed: Callable[[list[Removed]], None],
        *,
        copy: bool = False,
        titles: Mapping[Path, str] | None = None,
        progress: Callable[[AddEvent], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        media.look_closer(space.picture_side)
        self._catalogue = catalogue
        self._files = files
        self._space = space
        self._streams = set(usable_streams(space))
        self._committed = committed
        self._copy = copy
        self._titles = {Path(path): title for path, title in (titles or {}).items()}
        self._progress = progress
        self._stopped = stopped
        self._halt = threading.Event()
        self._workers = min(os.cpu_count() or 1, MAX_WORKERS)
        self._jobs: queue.Queue[Job | None] = queue.Queue(2 * self._workers)
        self._results: queue.Queue[Piece | Job | None] = queue.Queue(max(32, 2 * space.batch_size))
        self._claims: dict[str, Job] = {}
        self._claiming = threading.Lock()
        self._batches: dict[str, list[Piece]] = {}
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._encoding: tuple[list[Piece], Future[list[np.ndarray | str]]] | None = None
        self._ready: list[Job] = []
        self._ready_since = 0.0
        self._behind = False  # is something committed that cannot be found yet?
        self._followed = 0.0
        self._total: int | None = None
        self._done = 0
        self._report = Report()
        self._walk_error: BaseException | None = None

    def run(self, paths: Iterable[Path]) -> Report:
        """Add what can be added; see `Library.add`."""
        paths = [Path(path) for path in paths]
        if not any(os.path.isdir(path) for path in paths):
            self._total = len(paths)
        threads = [threading.Thread(target=self._feed, args=(paths,), daemon=True)]
        threads += [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        if self._total is None:
            threads.append(threading.Thread(target=self._count, args=(paths,), daemon=True))
        try:
            for thread in threads:
                thread.start()
            self._consume()
            self._flush()
        except KeyboardInterrupt:
            self._commit()  # what is complete is kept; the rest comes when it is added again
            raise
        finally:
            self._halt.set()
            self._encoder.shutdown(cancel_futures=True)
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._clear()
        if self._walk_error is not None:
            raise self._walk_error
        return self._report

    # Threads: finding and reading files

    def _feed(self, paths: Sequence[Path]) -> None:
        try:
            for found in walk(paths, media.is_candidate, self._files.data):
                self._put(self._jobs, Job(found))
        except _Halted:
            return
        except Exception as error:
            self._walk_error = error
        with contextlib.suppress(_Halted):
            for _ in range(self._workers):
                self._put(self._jobs, None)

    def _count(self, paths: Sequence[Path]) -> None:
        count = 0
        with contextlib.suppress(Exception):  # the walk that matters reports it
            for _ in walk(paths, media.is_candidate, self._files.data):
                count += 1
                if self._halt.is_set():
                    return
            self._total = count

    def _put(self, target: queue.Queue[Any], value: Any) -> None:
        while not self._halt.is_set():
            with contextlib.suppress(queue.Full):
                target.put(value, timeout=0.1)
                return
        raise _Halted

    def _work(self) -> None:
        with contextlib.suppress(_Halted):
            while (job := self._take()) is not None:
                name = media.quote(job.found.path)
                try:
                    self._read(job)
                except _Halted:
                    raise
                except media.MediaError as error:
                    job.reason = str(error)
                except OSError as error:
                    job.reason = f"{name} cannot be added: {error.strerror or error}."
                except Exception as error:
                    job.reason = f"{name} cannot be decoded ({type(error).__name__}: {error})."
                self._put(self._results, job)
            self._put(self._results, None)

    def _take(self) -> Job | None:
        while not self._halt.is_set():
            with contextlib.suppress(queue.Empty):
                return self._jobs.get(timeout=0.1)
        raise _Halted

    def _read(self, job: Job) -> None:
        path = job.found.path
        if job.found.reason is not None:
            job.reason = job.found.reason
            return
        try:
            before = path.stat()
        except OSError:
            media.open_media(path).close()  # says in a sentence what is the matter
            raise
        size, mtime_ns = before.st_size, before.st_mtime_ns
        if not self._copy and (item := self._catalogue.seen(path, size, mtime_ns)) is not None:
            job.known = item
            job.sighting = Sighting(path, size, mtime_ns, item.id)
            job.news = item.missing
            return
        with media.open_media(path) as opened:  # before hashing: it refuses what is too large
            if not self._usable(opened.modality):
                job.reason = (
                    f"{media.quote(path)} is left out: the space {self._space.name} "
                    f"cannot embed {opened.modality}."
                )
                return
            job.modality = opened.modality
            job.sighting = Sighting(path, size, mtime_ns, hash_file(path, self._halt.is_set))
            if not self._claim(job):
                return
            self._read_media(job, opened)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (size, mtime_ns):
            job.reason = f"{media.quote(path)} changed while it was being read: add it again."

    def _claim(self, job: Job) -> bool:
        """Whether this job is the one to read these bytes."""
        assert job.sighting is not None
        with self._claiming:
            first = self._claims.setdefault(job.sighting.id, job)
        if first is not job:
            job.twin = first
            return False
        job.known = self._catalogue.get(job.sighting.id)
        if job.known is None:
            return True
        job.news = True
        if self._copy and job.known.missing:
            job.copy = self._files.copy(job.known.id, job.found.path)
        return False

    def _usable(self, modality: str) -> bool:
        """Whether the space can embed something of a medium."""
        return any(STREAMS[name].modality == modality for name in self._streams)

    def _read_media(self, job: Job, opened: media.Media) -> None:
        assert job.sighting is not None
        for part, content in read_parts(opened, self._streams):
            place = len(job.parts)
            job.parts.append(part)
            if content is None:
                job.vectors.append(np.zeros(self._space.dim, dtype=np.float32))
                continue
            job.vectors.append(None)
            prepared = self._space.prepare(part.tower, content)
            self._put(self._results, Piece(job, place, part.tower, prepared))
        job.structure = opened.structure
        if not job.parts:
            job.reason = f"{media.quote(job.found.path)} holds nothing to search for."
            return
        job.details = opened.details
        self._files.write_preview(job.sighting.id, opened.preview())
        if self._copy:
            job.copy = self._files.copy(job.sighting.id, job.found.path)

    # The caller's thread: batches

    def _consume(self) -> None:
        running = self._workers
        while running:
            if self._stopped():
                self._report.stopped = True
                self._commit()
                return
            if self._behind and time.monotonic() - self._followed > FOLLOW_SECONDS:
                self._follow_up([])
            if self._encoding is not None and self._encoding[1].done():
                self._receive()
            try:
                message = self._results.get(timeout=FLUSH_SECONDS)
            except queue.Empty:
                self._flush()
                continue
            if message is None:
                running -= 1
            elif isinstance(message, Piece):
                batch = self._batches.setdefault(message.tower, [])
                batch.append(message)
                if len(batch) >= self._space.batch_size * AHEAD.get(message.tower, 1):
                    self._encode(message.tower)
            else:
                self._arrive(message)
            if self._ready and time.monotonic() - self._ready_since > COMMIT_SECONDS:
                self._commit()

    def _arrive(self, job: Job) -> None:
        """A job has been read to its end, for better or worse."""
        job.read = True
        if job.outcome is not None:  # one of its segments could not be embedded
            self._discard(job)
        elif job.reason is not None:
            self._settle(job, "skipped", job.reason, None)
        elif job.known is not None and not job.news:
            self._settle(job, "present", None, job.known)
        elif job.twin is not None and job.twin.outcome is None:
            job.twin.followers.append(job)
        elif job.twin is not None:
            self._follow(job)
        elif job.complete:
            self._gather(job)

    def _follow(self, job: Job) -> None:
        """What became of a job's twin becomes of it."""
        assert job.twin is not None
        assert job.twin.outcome is not None
        _, reason, job.known = job.twin.outcome
        if job.known is None:
            self._settle(job, "skipped", reason, None)
        else:
            self._make_ready(job)

    def _gather(self, job: Job) -> None:
        """All vectors of a job are there: what its medium makes of them together."""
        if job.known is not None:
            self._make_ready(job)
            return
        try:
            vectors = np.stack([vector for vector in job.vectors if vector is not None])
            parts, vectors = gather(job.modality, job.parts, vectors, job.structure)
            job.vectors = list(unit_rows(vectors, len(parts), self._space.dim))
            job.parts, job.structure = parts, None
        except Exception as error:
            name = media.quote(job.found.path)
            self._settle(job, "skipped", f"{name} cannot be embedded ({error}).", None)
            return
        if parts:
            self._make_ready(job)
        else:
            name = media.quote(job.found.path)
            self._settle(job, "skipped", f"{name} holds nothing to search for.", None)

    def _make_ready(self, job: Job) -> None:
        if not self._ready:
            self._ready_since = time.monotonic()
        self._ready.append(job)
        if len(self._ready) >= COMMIT_ITEMS:
            self._commit()

    def _flush(self) -> None:
        for tower in list(self._batches):
            self._encode(tower)
        self._receive()
        while self._ready:  # settling one may make its followers ready
            self._commit()

    def _encode(self, tower: str) -> None:
        """Hand a batch to the encoder, and receive the one before meanwhile."""
        pieces = [p for p in self._batches.pop(tower, []) if p.job.outcome is None]
        if not pieces:
            return
        following = self._encoder.submit(self._rows, tower, pieces)
        self._receive()
        self._encoding = pieces, following

    def _receive(self) -> None:
        """Wait for the batch that is being encoded, and complete its jobs."""
        if self._encoding is None:
            return
        pieces, encoded = self._encoding
        rows = encoded.result()
        self._encoding = None
        for piece, row in zip(pieces, rows, strict=True):
            job = piece.job
            if job.outcome is not None:
                continue
            if isinstance(row, str):
                self._settle(job, "skipped", row, None)
                continue
            job.vectors[piece.place] = row
            if job.reason is None and job.complete:
                self._gather(job)

    # The encoder's thread

    def _rows(self, tower: str, pieces: Sequence[Piece]) -> list[np.ndarray | str]:
        try:
            return self._vectors(tower, pieces)
        except Exception:  # one by one, so that only the culprit is skipped
            return [self._vector(tower, piece) for piece in pieces]

    def _vectors(self, tower: str, pieces: Sequence[Piece]) -> list[np.ndarray | str]:
        encoded = self._space.encode(tower, [piece.prepared for piece in pieces])
        return list(unit_rows(encoded, len(pieces), self._space.dim))

    def _vector(self, tower: str, piece: Piece) -> np.ndarray | str:
        try:
            return self._vectors(tower, [piece])[0]
        except Exception as error:
            return f"{media.quote(piece.job.found.path)} cannot be embedded ({error})."

    # The caller's thread again: committing

    def _commit(self) -> None:
        jobs, self._ready = self._ready, []
        entries = [self._entry(job) for job in jobs if job.known is None]
        sightings = [
            (job.sighting, job.copy)
            for job in jobs
            # what is to be copied came from a temporary place: nothing to remember of it
            if job.known is not None and job.sighting and (job.copy or not self._copy)
        ]
        if not jobs:
            return
        items, removed = self._catalogue.commit(entries, sightings)
        self._behind = True
        if removed:
            self._follow_up(removed)
        added = {item.id: item for item in items}
        for job in jobs:
            assert job.sighting is not None
            id = job.sighting.id
            if job.known is None and id in added:
                self._settle(job, "added", None, added[id])
            elif (item := self._catalogue.get(id)) is not None:
                self._settle(job, "present", None, item)
            else:
                name = media.quote(job.found.path)
                reason = f"{name} was removed while it was being added: add it again."
                self._settle(job, "skipped", reason, None)

    def _follow_up(self, removed: list[Removed]) -> None:
        """Have the library follow what was committed: at every commit it would take a tenth of the
        time that the networks take."""
        self._committed(removed)
        self._behind, self._followed = False, time.monotonic()

    def _entry(self, job: Job) -> Entry:
        assert job.sighting is not None
        return Entry(
            job.sighting,
            job.modality,
            self._title(job.found),
            job.copy,
            job.details,
            job.parts,
            np.stack([vector for vector in job.vectors if vector is not None]),
        )

    def _title(self, found: Found) -> str:
        title = self._titles.get(found.named) or self._titles.get(found.path) or found.path.stem
        plain = title.encode("utf-8", "replace").decode()  # a name need not be valid text
        return " ".join(plain.split()) or found.path.name

    def _settle(self, job: Job, state: str, reason: str | None, item: Item | None) -> None:
        """Tell what became of a job, and of those that waited for it."""
        job.outcome = (state, reason, item)
        job.vectors, job.parts = [], []
        if job.sighting is not None:
            with self._claiming:
                if self._claims.get(job.sighting.id) is job:
                    del self._claims[job.sighting.id]
            if state == "skipped" and job.twin is None:
                self._discard(job)
        self._done += 1
        event = AddEvent(job.found.path, state, reason, self._done, self._total, item)
        self._report.note(event)
        if self._progress is not None:
            self._progress(event)
        for follower in job.followers:
            self._follow(follower)
        job.followers = []

    def _discard(self, job: Job) -> None:
        """Delete what was written for an item that never came to be."""
        assert job.sighting is not None
        if self._catalogue.get(job.sighting.id) is None:
            self._files.delete(job.sighting.id, job.copy)

    def _clear(self) -> None:
        """Delete what was written for items that an interruption left behind."""
        for job in self._claims.values():
            self._discard(job)


def read_parts(
    opened: media.Media, streams: Collection[str]
) -> Iterator[tuple[media.Segment, Any]]:
    """The parts of an opened medium for which there is a stream (a film's sound may have none),
    without their content, and beside them the content; None for a node without words."""
    for segment in opened.segments():
        tower = segment.tower or opened.modality
        if stream_name(opened.modality, tower) in streams:
            wordless = tower == "text" and segment.content == ""
            part = replace(segment, content=None, tower=tower)
            yield part, None if wordless else segment.content


def embed_media(space: Space, opened: media.Media) -> dict[str, np.ndarray]:
    """The vectors of an opened medium by stream, float32 (n, dim) each, rows of length 1; those of
    nodes are left out, and there are none for a medium that the space cannot embed."""
    parts, vectors = embed_parts(space, opened, space.encode)
    kept: dict[str, list[np.ndarray]] = {}
    for part, vector in zip(parts, vectors, strict=True):
        if part.node is None:
            kept.setdefault(str(stream_name(opened.modality, part.tower)), []).append(vector)
    return {name: np.stack(found) for name, found in kept.items()}


def embed_parts(
    space: Space, opened: media.Media, encode: Callable[[str, list[Any]], np.ndarray]
) -> tuple[list[media.Segment], np.ndarray]:
    """The parts of an opened medium as a library keeps them, without their content, and their
    vectors, float32 (n, dim), rows of length 1; none where the space cannot embed it.

    `encode` takes a tower and at most `space.batch_size` prepared contents.
    """
    parts: list[media.Segment] = []
    rows: list[np.ndarray] = []
    waiting: dict[str, list[tuple[int, Any]]] = {}

    def flush(tower: str) -> None:
        places, prepared = zip(*waiting.pop(tower), strict=True)
        vectors = unit_rows(encode(tower, list(prepared)), len(places), space.dim)
        for place, vector in zip(places, vectors, strict=True):
            rows[place] = vector

    for part, content in read_parts(opened, usable_streams(space)):
        parts.append(part)
        rows.append(np.zeros(space.dim, dtype=np.float32))
        if content is None:
            continue
        batch = waiting.setdefault(part.tower, [])
        batch.append((len(parts) - 1, space.prepare(part.tower, content)))
        if len(batch) == space.batch_size:
            flush(part.tower)
    for tower in list(waiting):
        flush(tower)
    if not parts:
        return [], np.zeros((0, space.dim), dtype=np.float32)
    return gather(opened.modality, parts, np.stack(rows), opened.structure)


def hash_file(path: Path, halted: Callable[[], bool] = lambda: False) -> str:
    """The item id of a file: the first 32 hexadecimal digits of its bytes' SHA-256."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(HASH_BYTES):
            digest.update(chunk)
            if halted():
                raise _Halted
    return digest.hexdigest()[:32]


def unit_rows(rows: np.ndarray, count: int, dim: int) -> np.ndarray:
    """Rows (count, dim) at length 1, float32; UnfitVectorError for any that cannot be."""
    rows = np.asarray(rows, dtype=np.float32)
    if rows.shape != (count, dim):
        raise UnfitVectorError(f"vectors of shape {rows.shape} instead of {(count, dim)}")
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
    if not np.isfinite(norms).all():
        raise UnfitVectorError("its vector is not finite")
    if (norms < 1e-6).any():
        raise UnfitVectorError("its vector is zero")
    unit: np.ndarray = rows / norms.astype(np.float32)
    return unit
