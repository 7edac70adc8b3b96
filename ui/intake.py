"""Adding files in the background, so that searching never waits for it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.library import LibraryError
from ui.uploads import Upload, Uploads

if TYPE_CHECKING:
    from store.library import Library

SHOWN = 200  # rows kept for the page; the counts go on
BATCH = 64  # uploads handed to the library in one call
REDRAW = 2.0  # seconds between two changes of the list that pages show
LINGER = 0.7  # seconds after the last upload in which more of the same drop are awaited

log = logging.getLogger(__name__)


@dataclass
class Row:
    """One file of the running or last intake: waiting, added, present, skipped or stopped."""

    name: str
    state: str
    reason: str = ""


@dataclass
class State:
    """What the page shows of an intake."""

    busy: bool = False
    stopping: bool = False
    folder: str = ""
    added: int = 0
    present: int = 0
    skipped: int = 0
    total: int = 0  # 0: not known yet
    rows: list[Row] = field(default_factory=list)
    error: str = ""

    @property
    def done(self) -> int:
        return self.added + self.present + self.skipped


class Intake:
    """A queue of uploads and folders and the one thread that adds them to the library."""

    def __init__(self, library: Library, uploads: Uploads) -> None:
        self._library = library
        self._uploads = uploads
        self._queue: queue.SimpleQueue[Upload | Path | None] = queue.SimpleQueue()
        self._held: Upload | Path | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._waiting = 0
        self._drop = ""  # which drop of files the state tells of
        self._ended = 0.0
        self._told = 0.0
        self._state = State()
        self._recent: deque[Row] = deque(maxlen=SHOWN)
        self._rows: dict[str, Row] = {}
        self.version = 0  # goes up whenever the library's content changed
        self._thread = threading.Thread(target=self._run, name="anyfind-intake", daemon=True)
        self._thread.start()

    def put(self, what: Upload | Path, drop: str = "") -> None:
        """Queue an uploaded file (copied into the library) or a path of this machine (not).

        `drop` names what was dropped together: it gets one report.
        """
        with self._lock:
            if not self._state.busy and (not drop or drop != self._drop):
                self._state = State()
                self._recent.clear()
                self._rows.clear()
                self._stop.clear()
            self._drop = drop
            self._state.busy = True
            self._waiting += 1
            if isinstance(what, Upload):
                self._state.total += 1
                row = Row(what.name, "waiting")
                self._rows[str(what.path)] = row
                self._recent.append(row)
        self._queue.put(what)

    def changed(self) -> None:
        with self._lock:
            self.version += 1

    def stop(self) -> None:
        """Stop after the files in hand; what was added stays."""
        with self._lock:
            self._state.stopping = True
            self._stop.set()

    def state(self) -> State:
        with self._lock:
            copy = State(**{**vars(self._state), "rows": [Row(**vars(r)) for r in self._recent]})
            copy.busy |= bool(self._drop) and time.monotonic() - self._ended < LINGER
        return copy

    def close(self) -> None:
        self._stop.set()
        self._queue.put(None)
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while True:
            first = self._held or self._queue.get()
            self._held = None
            if first is None:
                return
            batch = self._gather(first)
            try:
                if not self._stop.is_set():
                    self._add(batch)
            except LibraryError as error:
                self._fail(str(error))
            except Exception:  # the thread must live on, and the page say something
                log.exception("adding files failed")
                self._fail("Adding stopped because of a fault in Anyfind; its log has the details.")
            for what in batch:
                if isinstance(what, Upload):
                    self._uploads.drop(what)
            self._finish(len(batch))

    def _gather(self, first: Upload | Path) -> list[Upload | Path]:
        """Uploads that wait together go to the library together: it encodes in batches."""
        batch = [first]
        while isinstance(first, Upload) and len(batch) < BATCH and not self._queue.empty():
            following = self._queue.get()
            if not isinstance(following, Upload):
                self._held = following
                if following is None:
                    self._queue.put(None)
                break
            batch.append(following)
        return batch

    def _add(self, batch: list[Upload | Path]) -> None:
        uploads = [what for what in batch if isinstance(what, Upload)]
        paths = [what.path if isinstance(what, Upload) else what for what in batch]
        if not uploads:
            with self._lock:
                self._state.folder = str(paths[0])
        self._library.add(
            paths,
            copy=bool(uploads),
            progress=self._note,
            stop=self._stop,
        )

    def _note(self, event: Any) -> None:
        """One file is through (an AddEvent)."""
        with self._lock:
            row = self._rows.get(str(event.path))
            if row is None:
                row = Row(Path(event.path).name, "waiting")
                self._recent.append(row)
                if event.total:
                    self._state.total = max(self._state.total, self._state.done + 1, event.total)
            row.state = event.state
            reason = event.reason or ""
            row.reason = reason.replace(str(event.path), row.name)
            setattr(self._state, event.state, getattr(self._state, event.state) + 1)
            if time.monotonic() - self._told > REDRAW:
                self._told = time.monotonic()
                self.version += 1

    def _fail(self, sentence: str) -> None:
        with self._lock:
            self._state.error = sentence

    def _finish(self, count: int) -> None:
        with self._lock:
            self._waiting -= count
            self.version += 1
            if self._waiting == 0:
                self._state.busy = False
                self._ended = time.monotonic()
                for row in self._rows.values():
                    if row.state == "waiting":
                        row.state = "stopped"
