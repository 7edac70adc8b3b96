"""One process at a time: an operating system lock, and beside it a note telling who holds it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from store.records import LibraryBusy


class Lock:
    """Holds DATA/lock from construction to `release`.

    The operating system frees the lock when its process dies, however it dies, so the note
    (DATA/lock.json) is only ever read when the lock is taken: a stale one blocks nobody.
    """

    def __init__(self, data: Path, address: str | None = None) -> None:
        self._note = data / "lock.json"
        self._lock = FileLock(data / "lock", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise self._busy(data) from None
        try:
            self._note.write_text(
                json.dumps({"pid": os.getpid(), "address": address}), encoding="utf-8"
            )
        except BaseException:
            self._lock.release()
            raise

    def _busy(self, data: Path) -> LibraryBusy:
        pid = address = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            pid, address = note.get("pid"), note.get("address")
        who = f"process {pid}" if pid else "another process"
        where = f" at {address}" if address else ""
        todo = f"use {address}, or close it" if address else "close it"
        return LibraryBusy(
            f"The library in {data} is in use by {who}{where}: {todo} and try again, "
            "or name another folder with --data.",
            pid,
            address,
        )

    def release(self) -> None:
        """Let others have the library."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()
