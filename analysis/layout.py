"""Points of many dimensions laid out in two, so that what is near stays near.

UMAP (McInnes et al. 2018), or t-SNE (van der Maaten and Hinton 2008) of fewer points, which is as
good then and need not compile for ten seconds first; very few are seen along their two main axes.
Both run in a process of their own: they would hold the interpreter for seconds at a time, and take
memory that is given back with the process.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from store.library import LibraryError
from store.records import Progress

FEW = 25
"""With fewer points than this the two main axes (PCA) tell as much."""
MANY = 3000
"""From so many points on UMAP is quicker than t-SNE, though it compiles first."""
AXES = 50  # main axes that are laid out
NEIGHBOURS, DISTANCE = 15, 0.1  # umap-learn's own defaults
LEAST_NEIGHBOURS = 5  # the perplexity of t-SNE is a tenth of the points, between the two
SEED = 20
POLL_SECONDS = 0.2


class Stopped(Exception):  # noqa: N818 (no error: the caller asked for it)
    """The layout was stopped by its caller."""


def main_axes(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (dim,) and main axes (count, dim) of rows (n, dim), the widest first (PCA)."""
    mean = rows.mean(axis=0)
    centred = (rows - mean).astype(np.float32)
    values, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    chosen = axes[:, np.argsort(-values)[:count]].T.astype(np.float32)
    # an axis may point either way: its largest part is made positive, so that maps stay alike
    signs = np.sign(chosen[np.arange(len(chosen)), np.abs(chosen).argmax(axis=1)])
    turned: np.ndarray = chosen * signs[:, None]
    return mean, turned


def lay_out(
    rows: np.ndarray, progress: Progress, stopped: Callable[[], bool] = lambda: False
) -> np.ndarray:
    """Places (n, 2) of rows (n, dims), float32, the whole within -1 to 1.

    The same rows in the same order give the same places. Raises Stopped once `stopped` says so,
    and LibraryError where the process that does it dies.
    """
    if len(rows) < FEW or not np.ptp(rows, axis=0).any():  # nothing tells these apart
        flat = np.zeros((len(rows), 2), np.float32)
        flat[:, : rows.shape[1]] = rows[:, :2]
        return _fitted(flat)
    if stopped():
        raise Stopped
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    work = _umap if len(rows) >= MANY else _tsne
    process = context.Process(target=_work, args=(work, rows, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            if stopped():
                raise Stopped
            if not receiver.poll(POLL_SECONDS):
                continue
            told = receiver.recv()
            if isinstance(told, np.ndarray):
                return _fitted(told)
            progress("Laying out the map", *told)
    except EOFError as error:
        raise LibraryError(
            "The map could not be laid out, because its process ended early: close what takes "
            "much memory, then try again."
        ) from error
    finally:
        process.kill()
        process.join()
        receiver.close()


def _fitted(places: np.ndarray) -> np.ndarray:
    """Moved and scaled alike in both directions; what lies far out does not squeeze the rest."""
    middle = np.median(places, axis=0)
    reach = np.quantile(np.abs(places - middle), 0.999) if len(places) > 1 else 1.0
    fitted: np.ndarray = ((places - middle) / max(float(reach), 1e-9)).astype(np.float32)
    return fitted.clip(-1.2, 1.2)


class _Bar:
    """A file for tqdm to write its bar to, which passes on what it says."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender

    def write(self, text: str) -> None:
        found = re.search(r"(\d+) of (\d+)", text)
        if found:
            self._sender.send((int(found[1]), int(found[2])))

    def flush(self) -> None:
        pass


Work = Callable[[np.ndarray, Connection], np.ndarray]


def _work(lay: Work, rows: np.ndarray, sender: Connection) -> None:
    os.nice(5)
    warnings.simplefilter("ignore")  # UMAP tells that a fixed seed leaves it one thread
    sender.send((0, 0))
    sender.send(np.asarray(lay(rows, sender), np.float32))


def _tsne(rows: np.ndarray, _: Connection) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(max(len(rows) / 10, LEAST_NEIGHBOURS), NEIGHBOURS, (len(rows) - 1) / 2)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=SEED)
    # its threads wait for each other by spinning, and so for long where the cores are busy
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(rows))


def _umap(rows: np.ndarray, sender: Connection) -> np.ndarray:
    from umap import UMAP

    bar: dict[str, Any] = {
        "file": _Bar(sender),
        "bar_format": "{n_fmt} of {total_fmt}",
        "mininterval": 0.5,
        "disable": False,
    }
    umap = UMAP(
        n_neighbors=NEIGHBOURS,
        min_dist=DISTANCE,
        metric="cosine",
        random_state=SEED,
        n_jobs=1,
        tqdm_kwds=bar,
    )
    return np.asarray(umap.fit_transform(rows))
