"""Long work that a tab asks for: done in a thread of its own, with progress that can be polled."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from store.records import Progress
from ui.errors import TOLD

FAULT = "Something went wrong inside Anyfind; its log has the details."

log = logging.getLogger(__name__)

Task = Callable[[Progress, Callable[[], bool]], Any]
"""Gets a progress to report to and what tells whether to stop; its result is what was asked for."""


@dataclass(frozen=True)
class WorkState:
    """What the page shows of it. `done` of `total` (0: not known) of `what`; `result` is that of
    the last run that came to its end, and `serial` how many did."""

    busy: bool = False
    what: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    result: Any = None
    serial: int = 0


class Work:
    """One thing at a time; every method may be called from any thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._state = WorkState()
        self._thread: threading.Thread | None = None

    def start(self, task: Task) -> bool:
        """Begin, unless it is under way; returns whether it began."""
        with self._lock:
            if self._state.busy:
                return False
            self._stop = threading.Event()
            self._state = replace(
                self._state, busy=True, what="Beginning", done=0, total=0, error=""
            )
            self._thread = threading.Thread(
                target=self._run, args=(task, self._stop), name=self._name, daemon=True
            )
        self._thread.start()
        return True

    def state(self) -> WorkState:
        with self._lock:
            return self._state

    def retell(self, change: Callable[[Any], Any]) -> None:
        """Put another result in the place of the last one, made from it."""
        with self._lock:
            self._state = replace(self._state, result=change(self._state.result))

    def stop(self) -> None:
        """Stop as soon as may be; what was found before stays."""
        self._stop.set()

    def close(self) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self, task: Task, stop: threading.Event) -> None:
        ended: dict[str, Any] = {}
        try:
            ended = {"result": task(self._report, stop.is_set), "serial": self._state.serial + 1}
        except TOLD as error:
            ended = {} if stop.is_set() else {"error": str(error)}
        except Exception:
            if not stop.is_set():
                log.exception("%s failed", self._name)
                ended = {"error": FAULT}
        with self._lock:
            self._state = replace(self._state, busy=False, **ended)

    def _report(self, what: str, done: int, total: int) -> None:
        with self._lock:
            self._state = replace(self._state, what=what, done=done, total=total)
