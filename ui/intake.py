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

from ui.errors import TOLD
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


class Run:
    """What is added from the first file until all is done; what comes after a stop is a new run."""

    def __init__(self) -> None:
        self.state = State()
        self.stop = threading.Event()
        self.drops: set[str] = set()  # the drops of files that the state tells of
        self.waiting = 0
        self.ended = 0.0
        self.rows: dict[str, Row] = {}
        self.recent: deque[Row] = deque(maxlen=SHOWN)


class Intake:
    """A queue of uploads and folders and the one thread that adds them to the library."""

    def __init__(self, library: Library, uploads: Uploads) -> None:
        self._library = library
        self._uploads = uploads
        self._queue: queue.SimpleQueue[tuple[Run, Upload | Path] | None] = queue.SimpleQueue()
        self._held: tuple[Run, Upload | Path] | None = None
        self._lock = threading.Lock()
        self._last = Run()  # the one that the page shows
        self._stopped: set[str] = set()  # drops of which files may still be on their way
        self._told = 0.0
        self.version = 0  # goes up whenever the library's content changed
        self._thread = threading.Thread(target=self._run, name="anyfind-intake", daemon=True)
        self._thread.start()

    def put(self, what: Upload | Path, drop: str = "") -> None:
        """Queue an uploaded file (copied into the library) or a path of this machine (not).

        `drop` names what was dropped together: it gets one report, and is stopped together.
        """
        with self._lock:
            run = self._last
            if drop in self._stopped and isinstance(what, Upload):
                run.recent.append(Row(what.name, "stopped"))
                self._uploads.drop(what)
                return
            if drop not in run.drops and (run.stop.is_set() or not run.state.busy):
                run = self._last = Run()
            if drop:
                run.drops.add(drop)
            run.state.busy = True
            run.waiting += 1
            if isinstance(what, Upload):
                run.state.total += 1
                row = Row(what.name, "waiting")
                run.rows[str(what.path)] = row
                run.recent.append(row)
        self._queue.put((run, what))

    def changed(self) -> None:
        with self._lock:
            self.version += 1

    def stop(self) -> None:
        """Stop after the files in hand; what was added stays, what is put afterwards is added."""
        with self._lock:
            self._last.state.stopping = True
            self._last.stop.set()
            self._stopped |= self._last.drops

    def state(self) -> State:
        with self._lock:
            run = self._last
            copy = State(**{**vars(run.state), "rows": [Row(**vars(r)) for r in run.recent]})
            copy.busy |= bool(run.drops) and time.monotonic() - run.ended < LINGER
        return copy

    def close(self) -> None:
        self._last.stop.set()
        self._queue.put(None)
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while True:
            first = self._held or self._queue.get()
            self._held = None
            if first is None:
                return
            run, batch = first[0], self._gather(*first)
            try:
                if not run.stop.is_set():
                    self._add(run, batch)
            except TOLD as error:
                self._fail(run, str(error))
            except Exception:  # the thread must live on, and the page say something
                log.exception("adding files failed")
                self._fail(
                    run, "Adding stopped because of a fault in Anyfind; its log has the details."
                )
            for what in batch:
                if isinstance(what, Upload):
                    self._uploads.drop(what)
            self._finish(run, len(batch))

    def _gather(self, run: Run, first: Upload | Path) -> list[Upload | Path]:
        """Uploads that wait together go to the library together: it encodes in batches."""
        batch = [first]
        while isinstance(first, Upload) and len(batch) < BATCH and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                self._queue.put(None)
                break
            if following[0] is not run or not isinstance(following[1], Upload):
                self._held = following
                break
            batch.append(following[1])
        return batch

    def _add(self, run: Run, batch: list[Upload | Path]) -> None:
        uploads = [what for what in batch if isinstance(what, Upload)]
        paths = [what.path if isinstance(what, Upload) else what for what in batch]
        if not uploads:
            with self._lock:
                run.state.folder = str(paths[0])
        self._library.add(
            paths,
            copy=bool(uploads),
            progress=lambda event: self._note(run, event),
            stop=run.stop,
        )

    def _note(self, run: Run, event: Any) -> None:
        """One file is through (an AddEvent)."""
        state = run.state
        with self._lock:
            row = run.rows.get(str(event.path))
            if row is None:
                row = Row(Path(event.path).name, "waiting")
                run.recent.append(row)
                if event.total:
                    state.total = max(state.total, state.done + 1, event.total)
            row.state = event.state
            reason = event.reason or ""
            row.reason = reason.replace(str(event.path), row.name)
            setattr(state, event.state, getattr(state, event.state) + 1)
            if time.monotonic() - self._told > REDRAW:
                self._told = time.monotonic()
                self.version += 1

    def _fail(self, run: Run, sentence: str) -> None:
        with self._lock:
            run.state.error = sentence

    def _finish(self, run: Run, count: int) -> None:
        with self._lock:
            run.waiting -= count
            self.version += 1
            if run.waiting == 0:
                run.state.busy = False
                run.ended = time.monotonic()
                for row in run.rows.values():
                    if row.state == "waiting":
                        row.state = "stopped"
