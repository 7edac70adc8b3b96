"""How well does a space do on somebody's own files? Retrieval metrics from a manifest of pairs.

Each distinct text is a query, the gallery is the distinct files of one medium, and the search is
exact and in memory, worded and corrected as in a library, though no library is involved.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from media import MediaError, look_closer, open_media, quote
from store.background import Background, correct
from store.records import LibraryError, Progress, Space
from store.streams import STREAMS, usable_streams
from store.wordings import Wordings, encode_queries, read_wordings, space_kind

Array = np.ndarray[Any, Any]

CUTS = (1, 5, 10)
_WORKERS = 4


@dataclass
class Evaluation:
    """Metrics by medium ("image", "audio"), and the files that were left out with the reason."""

    media: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


class _Gallery:
    """The files of one medium and their vectors; a long sound has several."""

    def __init__(self, space: Space, tower: str) -> None:
        self._space = space
        self._tower = tower
        self._waiting: list[Array] = []
        self._rows: list[Array] = []
        self.paths: list[Path] = []
        self.starts: list[int] = []
        self._count = 0

    def add(self, path: Path, prepared: list[Array]) -> None:
        self.paths.append(path)
        self.starts.append(self._count)
        self._count += len(prepared)
        self._waiting += prepared
        if len(self._waiting) >= self._space.batch_size:
            self._encode()

    def _encode(self) -> None:
        size = self._space.batch_size
        for at in range(0, len(self._waiting), size):
            batch = self._waiting[at : at + size]
            try:
                self._rows.append(self._space.encode(self._tower, batch))
            except Exception:  # one by one, so that only the culprit is left out
                self._rows += [self._encode_one(prepared) for prepared in batch]
        self._waiting = []

    def _encode_one(self, prepared: Array) -> Array:
        try:
            return self._space.encode(self._tower, [prepared])
        except Exception:
            return np.full((1, self._space.dim), np.nan, dtype=np.float32)

    def drop_unusable(self) -> list[Path]:
        """Encode what is waiting, and take out the files that gave no vector."""
        self._encode()
        if not self.paths:
            return []
        bad = np.isnan(np.concatenate(self._rows)).any(axis=1)
        sizes = np.diff([*self.starts, self._count])
        good = ~np.logical_or.reduceat(bad, self.starts)
        self._rows = [np.concatenate(self._rows)[np.repeat(good, sizes)]]
        dropped = [path for path, fine in zip(self.paths, good, strict=True) if not fine]
        self.paths = [path for path, fine in zip(self.paths, good, strict=True) if fine]
        self.starts = np.cumsum([0, *sizes[good]])[:-1].tolist()
        return dropped

    def scores(self, queries: Array, background: Background) -> Array:
        """Corrected cosines (queries, files): a file is as near as the nearest of its windows."""
        rows = np.concatenate(self._rows)
        cosines = correct(queries @ rows.T, background.standing(self._tower, rows))
        nearest: Array = np.maximum.reduceat(cosines, self.starts, axis=1)
        return nearest


def evaluate(
    manifest: Path,
    space: Space,
    template: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure how well the texts of a manifest find their files.

    Args:
        manifest: CSV with a header that has the columns `path` and `text`, a pair a row; relative
            paths start at the manifest's folder.
        template: the wording of a query, with `{}` where the text goes; else each medium's own.

    Raises:
        LibraryError: when the manifest or the template cannot be used.
    """
    if not space.reads_text:
        raise LibraryError(
            f"The space {space.name} reads no words, so there is nothing to measure: name another."
        )
    wordings = read_wordings(space_kind(space.name))
    if template is not None:
        if "{}" not in template:
            raise LibraryError(f"The template {template!r} has no {{}} where the text would go.")
        wordings = {tower: [template] for tower in wordings}
    pairs = read_pairs(manifest)
    result = Evaluation()
    galleries: dict[str, _Gallery] = {}
    paths = list(dict.fromkeys(path for path, _ in pairs))
    for done, (path, modality, prepared) in enumerate(_decode(paths, space), start=1):
        if isinstance(prepared, str):
            result.skipped.append((path, prepared))
        else:
            gallery = galleries.setdefault(modality, _Gallery(space, STREAMS[modality].tower))
            gallery.add(path, prepared)
        if progress:
            progress("Embedding the files", done, len(paths))
    for modality, gallery in sorted(galleries.items(), reverse=True):
        for path in gallery.drop_unusable():
            result.skipped.append((path, f"{quote(path)} gives no usable vector."))
        if gallery.paths:
            tower = STREAMS[modality].tower
            asked = {tower: wordings[tower]}
            result.media[modality] = _measure(gallery, pairs, space, asked)
    return result


def read_pairs(manifest: Path) -> list[tuple[Path, str]]:
    """The distinct (path, text) pairs of a manifest, in order."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"path", "text"} <= set(reader.fieldnames or ()):
                raise LibraryError(
                    f"{manifest} has no columns path and text: its first line must name them."
                )
            rows = [(row["path"] or "", (row["text"] or "").strip()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LibraryError(f"{manifest} cannot be read as a CSV file ({error}).") from error
    pairs = [(manifest.parent / Path(path).expanduser(), text) for path, text in rows if text]
    if not pairs:
        raise LibraryError(f"{manifest} holds no pair of a path and a text.")
    return list(dict.fromkeys(pairs))


def retrieval_metrics(scores: Array, relevant: Array) -> dict[str, float]:
    """The usual measures of a ranking, means over the queries.

    Args:
        scores: float (queries, gallery), higher is nearer. Equal scores stand in gallery order.
        relevant: bool (queries, gallery), at least one True in a row.

    Returns:
        queries, gallery; chance: what precision@1 and recall@1 would be in random order;
        recall@k: the share of queries with a right answer among the first k (the convention of
        text-to-image retrieval); precision@k: right answers among the first k, over k; mrr: mean
        of 1 / rank of the first right answer; map: mean average precision over the whole ranking.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.take_along_axis(relevant, order, axis=1)
    ranks = np.arange(1, right.shape[1] + 1)
    precision = np.cumsum(right, axis=1) / ranks
    first = right.argmax(axis=1) + 1
    metrics = {
        "queries": len(right),
        "gallery": right.shape[1],
        "chance": float(relevant.mean(axis=1).mean()),
    }
    metrics |= {f"recall@{k}": float((first <= k).mean()) for k in CUTS}
    metrics["mrr"] = float((1 / first).mean())
    metrics["map"] = float(((precision * right).sum(axis=1) / right.sum(axis=1)).mean())
    metrics |= {f"precision@{k}": float(right[:, :k].sum(axis=1).mean() / k) for k in (1, 10)}
    return metrics


def _measure(
    gallery: _Gallery, pairs: Sequence[tuple[Path, str]], space: Space, wordings: Wordings
) -> dict[str, float]:
    place = {path: n for n, path in enumerate(gallery.paths)}
    pairs = [(path, text) for path, text in pairs if path in place]
    texts = {text: n for n, text in enumerate(dict.fromkeys(text for _, text in pairs))}
    relevant = np.zeros((len(texts), len(place)), dtype=bool)
    for path, text in pairs:
        relevant[texts[text], place[path]] = True
    (queries,) = encode_queries(space, list(texts), wordings).values()
    scores = gallery.scores(queries, Background(space, wordings=wordings))
    metrics = retrieval_metrics(scores, relevant)
    if (relevant.sum(axis=0) == 1).all():
        right = scores.argmax(axis=0) == relevant.argmax(axis=0)
        metrics["zero_shot_top1"] = float(right.mean())
    return metrics


def _decode(paths: Sequence[Path], space: Space) -> Iterator[tuple[Path, str, list[Array] | str]]:
    """Every file with its medium and prepared segments, or the reason why it is left out.

    Decoding runs a few files ahead of the network, never more.
    """
    look_closer(space.picture_side)

    def read(path: Path) -> tuple[Path, str, list[Array] | str]:
        try:
            with open_media(path) as media:
                modality = media.modality
                if modality not in usable_streams(space):
                    return path, modality, f"the space {space.name} cannot embed {modality}"
                tower = STREAMS[modality].tower  # of a film its pictures, of a graph the whole
                prepared = [
                    space.prepare(tower, segment.content)
                    for segment in media.segments()
                    if (segment.tower or modality) == tower and segment.node is None
                ]
                if not prepared:
                    return path, modality, f"{quote(path)} holds nothing to search for."
                return path, modality, prepared
        except MediaError as error:
            return path, "", str(error)
        except Exception as error:  # a file may break a decoder in any way
            return path, "", f"{quote(path)} cannot be read ({error})."

    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[tuple[Path, str, list[Array] | str]]] = deque()
        for path in paths:
            waiting.append(pool.submit(read, path))
            if len(waiting) == 2 * _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
