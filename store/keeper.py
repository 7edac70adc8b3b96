"""Keeps the index equal to the catalogue: opens it, checks it, writes what is pending, and builds
it anew when it is not whole, all in one thread that searching and adding do not wait for."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import shutil
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from store.catalogue import Catalogue, Change
from store.index import Index, IndexBroken, Settings
from store.records import Progress

log = logging.getLogger("anyfind.store")

BATCH = 500  # segments written at a time; Chroma holds them as Python's numbers meanwhile
CHECKED = 32  # vectors compared when the index is opened, per stream
ATTEMPTS = 3  # at building the index anew, before it is given up until the library is opened again

GATHER_SECONDS = 2.0  # that more changes are waited for: few large writes take a third of the time
IDLE_SECONDS = 1.0  # without changes, after which the files on disk are called whole

# The catalogue's word on the index (meta "index_state"): whole, with a fingerprint of its files, or
# being written. Chroma does not only report damaged files, it can crash the process on them
# (segmentation faults, seen after kill -9), so files that are not known to be whole are never
# opened: the index is built anew without a look at them.
WHOLE, WRITTEN = "whole", "written"


class Keeper:
    """The one thread that writes to the index.

    It starts by itself where the last process was stopped while it wrote, or something else touched
    the files; otherwise with the first change, so that a mere search need not load Chroma.
    """

    def __init__(
        self,
        data: Path,
        catalogue: Catalogue,
        *,
        space: str,
        dim: int,
        streams: Sequence[str],
        settings: Settings,
        progress: Progress | None = None,
    ) -> None:
        self._data = data
        self._catalogue = catalogue
        self._space = space
        self._dim = dim
        self._streams = sorted(streams)
        self._settings = settings
        self._progress = progress
        self._number = int(catalogue.meta("index") or 0)
        self._index: Index | None = None
        self._ready = False
        self._state = ""
        self._suspect = False
        self._ended = False
        self._news = threading.Condition()
        self._wanted = 0  # counts calls of wake
        self._done = 0  # ... and those that are worked off
        self._now = False  # nothing more is expected: what is pending is written at once
        self._closing = False
        self._hurry = False
        self._thread: threading.Thread | None = None
        self._tidy()
        counts = catalogue.settled()
        unused = self._number == 0 and counts == {}
        if counts is None or not (unused or self._untouched()):
            self.wake()

    @property
    def folder(self) -> Path:
        """Where Chroma lies now."""
        return self._data / f"index-{self._number}"

    # Called from any thread

    def wake(self, now: bool = True) -> None:
        """There are changes to write (or the index is to be opened); not `now`: more will follow,
        and they may be written together."""
        with self._news:
            self._wanted += 1
            self._now |= now
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="index", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def settle(self) -> bool:
        """Wait until all changes so far are written; False where the index has failed."""
        with self._news:
            if self._thread is None:
                return True
            wanted = self._wanted
            self._now = True
            self._news.notify_all()
            self._news.wait_for(lambda: self._done >= wanted or self._ended)
            return self._done >= wanted

    def query(self, stream: str, vector: np.ndarray, count: int) -> list[tuple[str, float]] | None:
        """`Index.query`, or None as long as the index is not ready."""
        index = self._index
        if not self._ready or index is None:
            if self._thread is None:
                self.wake()
            return None
        try:
            return index.query(stream, vector, count)
        except IndexBroken as error:
            if self._ready and index is self._index:
                log.warning("The search index failed (%s); it will be built anew.", error)
                self._suspect = True
                self.wake()
            return None

    def close(self) -> None:
        """Write what is pending and close the index in order; an interrupt gives that up."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        if self._thread is None:
            return
        try:
            self._thread.join()
        except BaseException:
            self._hurry = True
            self._thread.join()
            raise

    # In the thread

    def _run(self) -> None:
        try:
            self._work()
        except Exception:
            log.exception("The search index cannot be kept; search goes on without it.")
        finally:
            in_order = self._ready and self._closing and not (self._hurry or self._suspect)
            self._ready = False
            if self._close_index() and in_order:
                self._mark(WHOLE)
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _work(self) -> None:
        attempts = 0
        while not self._hurry:
            try:
                if self._index is None:
                    self._open()
                if self._suspect:
                    self._suspect = False
                    raise IndexBroken("a query failed")
                if not self._drain():
                    return
            except IndexBroken as error:
                attempts += 1
                if attempts > ATTEMPTS:
                    log.error("The search index cannot be built (%s).", error)
                    return
                if self._number and self._catalogue.count_segments():
                    log.warning("The search index was not whole (%s): building it anew.", error)
                try:
                    self._rebuild()
                except IndexBroken as again:
                    log.warning("Building the search index failed (%s).", again)

    def _drain(self) -> bool:
        """Write all that is pending, then wait for more; False when it is time to end."""
        with self._news:
            self._news.wait_for(lambda: self._closing or self._now, GATHER_SECONDS)
            self._now = False
            if self._suspect:  # a query failed meanwhile
                return True
            wanted = self._wanted
        total = done = 0
        if self._state != WRITTEN and self._catalogue.pending(1):
            self._mark(WRITTEN)
        while changes := self._catalogue.pending(BATCH):
            if self._hurry:
                return False
            self._apply(changes)
            self._catalogue.acknowledge(changes[-1].number)
            done += len(changes)
            if len(changes) == BATCH or total:
                total = max(total, done + BATCH)
                self._report("Writing the index", done, total)
        if total:
            self._report("Writing the index", done, done)
        with self._news:
            self._done = wanted
            self._news.notify_all()
            if not self._news.wait_for(self._has_news(wanted), IDLE_SECONDS):
                if self._state != WHOLE:
                    self._mark(WHOLE)
                self._news.wait_for(self._has_news(wanted))
            return self._wanted > wanted or not self._closing

    def _has_news(self, wanted: int) -> Callable[[], bool]:
        return lambda: self._closing or self._wanted > wanted

    def _apply(self, changes: Sequence[Change]) -> None:
        assert self._index is not None
        for (action, stream), group in groupby(changes, lambda c: (c.action, c.stream)):
            ids = list(dict.fromkeys(change.segment for change in group))
            if stream not in self._streams:
                continue
            if action == "delete":
                self._index.delete(stream, ids)
            elif segments := self._catalogue.segments_by_id(ids):
                self._index.write(stream, list(segments.values()))

    def _open(self) -> None:
        if self._number == 0:
            raise IndexBroken("there is none yet")
        if not self._untouched():
            raise IndexBroken("it was not closed in order, or its files have changed")
        self._mark(WRITTEN)  # opening writes
        self._index = self._connect(create=False)
        while (counts := self._catalogue.settled()) is None:
            for_now = self._catalogue.pending(BATCH)
            if for_now:
                self._apply(for_now)
                self._catalogue.acknowledge(for_now[-1].number)
        self._check(self._index, counts)
        self._ready = True

    def _connect(self, create: bool) -> Index:
        return Index(
            self.folder,
            space=self._space,
            dim=self._dim,
            streams=self._streams,
            settings=self._settings,
            create=create,
        )

    def _check(self, index: Index, counts: dict[str, int]) -> None:
        """Counts, a sample of vectors, and a query; raises IndexBroken."""
        for stream in self._streams:
            expected, found = counts.get(stream, 0), index.count(stream)
            if found != expected:
                raise IndexBroken(f"{found} of {expected} {stream} segments are there")
            if not expected:
                continue
            sample = self._sample(stream)
            vectors = index.vectors(stream, list(sample))
            for id, vector in sample.items():
                if id not in vectors or not np.allclose(vectors[id], vector, atol=1e-4):
                    raise IndexBroken(f"the vector of {id} is not the catalogue's")
            for vector in list(sample.values())[:1]:
                nearest = index.query(stream, vector, 1)
                if not nearest or nearest[0][1] < 0.999:
                    raise IndexBroken("a vector does not find itself")

    def _sample(self, stream: str) -> dict[str, np.ndarray]:
        """Vectors by segment id, from all over the catalogue; the same ones every time."""
        first, last = self._catalogue.range(stream)
        chosen = random.Random(last)
        starts = sorted({first, *(chosen.randint(first, last) for _ in range(CHECKED))})
        numbers = []
        for start in starts:
            found, _ = self._catalogue.vectors(stream, start - 1, 1)
            numbers += [number for number, _ in found]
        segments = self._catalogue.segments(sorted(set(numbers)))
        return {segment.id: segment.vector for segment in segments.values()}

    def _rebuild(self) -> None:
        """A new folder, filled from the catalogue, checked, and only then made the index."""
        self._ready = False
        self._close_index()
        before, self._number = self._number, self._free_number()
        try:
            self._mark(WRITTEN)
            index = self._index = self._connect(create=True)
            pending = self._catalogue.last_pending()
            self._fill(index)
            self._catalogue.acknowledge(pending)
            while (counts := self._catalogue.settled()) is None and not self._hurry:
                if changes := self._catalogue.pending(BATCH):
                    self._apply(changes)
                    self._catalogue.acknowledge(changes[-1].number)
            if counts is None:
                raise IndexBroken("it was not finished")
            self._check(index, counts)
        except BaseException:
            self._close_index()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._number = before
            raise
        self._catalogue.set_meta(index=str(self._number), index_state=WRITTEN)
        self._ready = True
        self._tidy()

    def _fill(self, index: Index) -> None:
        counts = self._catalogue.count_segments()
        total, done = sum(counts.values()), 0
        for stream in self._streams:
            last = 0
            while not self._hurry:
                found, _ = self._catalogue.vectors(stream, last, BATCH)
                if not found:
                    break
                last = found[-1][0]
                segments = self._catalogue.segments([number for number, _ in found])
                index.write(stream, list(segments.values()))
                done += len(found)
                if total > BATCH:
                    self._report("Building the index", min(done, total), total)

    def _report(self, what: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(what, done, total)

    def _free_number(self) -> int:
        numbers = [self._number]
        for path in self._data.glob("index-*"):
            tail = path.name.removeprefix("index-")
            numbers += [int(tail)] if tail.isdecimal() else []
        return max(numbers) + 1

    def _tidy(self) -> None:
        """Delete the folders of former indexes."""
        for path in self._data.glob("index-*"):
            if path != self.folder:
                shutil.rmtree(path, ignore_errors=True)

    def _close_index(self) -> bool:
        index, self._index = self._index, None
        try:
            if index is not None:
                index.close()
        except IndexBroken:
            return False
        return index is not None

    def _mark(self, state: str) -> None:
        self._state = state
        seal = f"{state} {self._fingerprint()}" if state == WHOLE else state
        self._catalogue.set_meta(index_state=seal)

    def _untouched(self) -> bool:
        """Whether the files are as they were when they were whole."""
        return self._catalogue.meta("index_state") == f"{WHOLE} {self._fingerprint()}"

    def _fingerprint(self) -> str:
        """Names, sizes and times of the index's files."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            with contextlib.suppress(OSError):
                status = path.stat()
                if path.is_file():
                    name = path.relative_to(self.folder).as_posix()
                    digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return f"{self._number} {digest.hexdigest()}"
