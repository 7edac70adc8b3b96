"""Batches out of what many ask for at once: a network runs several inputs in little more time than
one.

One thread for each tower takes what has come while it was busy, as far as a batch goes; nobody
waits for others who may never come.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]

WAITING = 256
"""Jobs that may wait for one tower."""


class Encoder(Protocol):
    """What a space does for a batch (see `encoders.space.Space`)."""

    @property
    def batch_size(self) -> int: ...

    def encode(self, modality: str, prepared: Sequence[Any]) -> Array: ...


class TooBusy(Exception):  # noqa: N818 (the name tells what is the case)
    """More is asked for than can be worked on."""


@dataclass
class Job:
    """Prepared inputs that are embedded together, and their vectors to come."""

    prepared: Sequence[Any]
    future: Future[Array] = field(default_factory=Future)


class Batcher:
    """Encodes prepared inputs of many callers together; may be used from any thread."""

    def __init__(self, space: Encoder, together: bool = True) -> None:
        """Without `together` every job is a batch of its own."""
        self._space = space
        self._together = together
        self._queues: dict[str, queue.Queue[Job | None]] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def submit(self, tower: str, prepared: Sequence[Any]) -> Future[Array]:
        """The vectors to come, float32 (n, dim), of at most `space.batch_size` prepared inputs.

        Cancel it when nobody waits for it any longer. Raises TooBusy.
        """
        job = Job(prepared)
        try:
            self._queue(tower).put_nowait(job)
        except queue.Full:
            raise TooBusy from None
        return job.future

    def encode(self, tower: str, prepared: Sequence[Any]) -> Array:
        """`submit`, and wait for it; where all is busy until there is room."""
        job = Job(prepared)
        self._queue(tower).put(job)
        return job.future.result()

    def close(self) -> None:
        """End the threads; what still waits is cancelled."""
        with self._lock:
            queues, self._queues = self._queues, {}
        for waiting in queues.values():
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    break
                if job is not None:
                    job.future.cancel()
            waiting.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def _queue(self, tower: str) -> queue.Queue[Job | None]:
        with self._lock:
            if tower not in self._queues:
                self._queues[tower] = queue.Queue(WAITING)
                thread = threading.Thread(
                    target=self._run,
                    args=(tower, self._queues[tower]),
                    name=f"anyfind-{tower}",
                    daemon=True,
                )
                self._threads.append(thread)
                thread.start()
            return self._queues[tower]

    def _run(self, tower: str, waiting: queue.Queue[Job | None]) -> None:
        held: Job | None = None
        while True:
            job = held or waiting.get()
            held = None
            if job is None:
                return
            batch, count = [job], len(job.prepared)
            while self._together and count < self._space.batch_size:
                try:
                    following = waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    waiting.put(None)
                    break
                if count + len(following.prepared) > self._space.batch_size:
                    held = following
                    break
                batch.append(following)
                count += len(following.prepared)
            self._encode(tower, [one for one in batch if one.future.set_running_or_notify_cancel()])

    def _encode(self, tower: str, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            rows = self._space.encode(tower, [one for job in jobs for one in job.prepared])
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
            else:  # only who asked for what cannot be embedded is told so
                for job in jobs:
                    self._encode(tower, [job])
            return
        start = 0
        for job in jobs:
            job.future.set_result(rows[start : start + len(job.prepared)])
            start += len(job.prepared)
