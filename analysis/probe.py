"""A linear probe: labels of one's own, learnt from a few examples of each.

A logistic regression on the items' mean vectors, pulled towards what the labels' words say:

    logits = x W + b + pull * (cosines of x to the labels' words)

With one example a label the words decide nearly everything, with many the examples do. How strongly
the regression is held back and how much the words count is chosen by cross-validation, by the
log-loss of what was left out. As both terms are linear in x, what is kept is one matrix.
"""

from __future__ import annotations

import itertools
import json
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from analysis.classification import (
    NONE,
    NONE_TITLE,
    Array,
    Classified,
    Labels,
    clean_labels,
    clean_templates,
    over_items,
    read_bank,
    read_certainty,
    softmax,
    sort_items,
)
from encoders.weights import write_whole
from store.library import Library, LibraryError
from store.streams import STREAMS
from store.wordings import space_kind

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FREEDOMS = (1.0, 10.0, 100.0)
"""Inverse strengths of the penalty (scikit-learn's C)."""
PULLS = (0.0, 5.0, 10.0, 20.0, 40.0)
FEW = (1.0, 10.0)
"""Freedom and pull where nothing can be left out; measured by benchmarks/classify.py."""
FOLDS = 5
SURE_FOLDS = 4
"""With fewer examples of a label its probabilities mean little (benchmarks/classify.py)."""
MOST_EXAMPLES = 20_000
TOWERS = ("image", "audio", "text")


@dataclass(frozen=True)
class Probe:
    """Labels learnt in one space; immutable and thread-safe."""

    labels: tuple[str, ...]
    """May hold NONE_TITLE, learnt from examples of its own."""
    weight: Array
    """float32 (labels, dim)."""
    bias: Array
    """float32 (labels,)."""
    tower: str
    space: str
    version: str
    folds: int
    """In how many folds it was tried, at most FOLDS; 0 where it could not be."""

    @property
    def sure(self) -> bool:
        """Whether its probabilities may be told."""
        return self.folds >= SURE_FOLDS

    def logits(self, rows: Array) -> Array:
        """Of vectors (n, dim): float32 (n, labels). An item's are the mean over its segments."""
        told: Array = rows @ self.weight.T + self.bias
        return told

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        about = {
            "labels": json.dumps(self.labels),
            "tower": self.tower,
            "space": self.space,
            "version": self.version,
            "folds": str(self.folds),
        }
        tensors = {"weight": self.weight, "bias": self.bias}
        written = save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, metadata=about)
        write_whole(path, lambda part: part.write_bytes(written))

    @classmethod
    def load(cls, path: Path) -> Probe:
        """Read a probe; LibraryError for a file that is none."""
        try:
            with safe_open(path, framework="numpy") as opened:
                about = opened.metadata() or {}
                weight, bias = (opened.get_tensor(name) for name in ("weight", "bias"))
            labels = tuple(str(label) for label in json.loads(about["labels"]))
            if weight.ndim != 2 or (len(labels),) != bias.shape or len(bias) != len(weight):
                raise ValueError("its parts do not fit together")
            if about["tower"] not in TOWERS or not np.isfinite(weight).all():
                raise ValueError("it is damaged")
            known = about["tower"], about["space"], about["version"], int(about["folds"])
            return cls(labels, weight, bias, *known)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise LibraryError(f"{path} is not a saved probe ({error}).") from error


@dataclass(frozen=True)
class Report:
    """How well a probe does on the examples it was not shown, beside words alone."""

    counts: tuple[int, ...]
    """Examples of each label."""
    words: float
    """Share of the examples that the labels' words alone (zero-shot) put right."""
    accuracy: float | None
    """Cross-validated share that the probe puts right; None where a label has one example only."""
    folds: int
    confusion: Array | None
    """(labels, labels): examples of the row's label that were put under the column's, when left
    out."""


# --- fitting ----------------------------------------------------------------------------------


def fit(
    rows: Array, marks: Array, words: Array, seed: int = 0
) -> tuple[Array, Array, Array | None, int]:
    """Learn from examples.

    Args:
        rows: the items' vectors (n, dim), the means of their segments.
        marks: their labels (n,), each of 0..labels-1 at least once, two labels at least.
        words: the labels' words (labels, dim).

    Returns:
        weight (labels, dim), bias (labels,), the label that each example got when it was left out
        (n,) or None where that cannot be tried, and the number of folds.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(marks).min()))
    settings = list(itertools.product(FREEDOMS, PULLS))
    chosen, told = FEW, None
    if folds > 1:
        cosines = rows @ words.T
        split = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, marks))
        left_out = {freedom: np.empty((len(rows), len(words))) for freedom in FREEDOMS}
        for (shown, rest), freedom in itertools.product(split, FREEDOMS):
            weight, bias = regress(rows[shown], marks[shown], freedom)
            left_out[freedom][rest] = rows[rest] @ weight.T + bias
        shares = np.stack([softmax(left_out[f] + pull * cosines) for f, pull in settings])
        # every label counts alike, however many examples it has
        balance = 1 / np.bincount(marks)[marks]
        losses = -np.log(shares[:, np.arange(len(rows)), marks] + 1e-12) * balance
        chosen = settings[int(losses.sum(axis=1).argmin())]
        # a fold is judged by the setting that the others choose
        told = np.empty(len(rows), np.int64)
        for shown, rest in split:
            told[rest] = shares[int(losses[:, shown].sum(axis=1).argmin())][rest].argmax(axis=1)
    freedom, pull = chosen
    weight, bias = regress(rows, marks, freedom)
    return (
        (weight + pull * words).astype(np.float32),
        bias.astype(np.float32),
        told,
        folds if folds > 1 else 0,
    )


def regress(rows: Array, marks: Array, freedom: float) -> tuple[Array, Array]:
    """Weights (labels, dim) and biases (labels,) of a softmax regression on rows (n, dim) and
    their labels (n,); every label weighs the same, however many examples it has."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model: LogisticRegression = LogisticRegression(C=freedom, class_weight="balanced", max_iter=300)
    # Threads that share such small products wait for each other: a hundred times as long where the
    # processors are busy (measured).
    with threadpool_limits(1), warnings.catch_warnings():  # one example a label is meant
        warnings.filterwarnings("ignore", "The number of unique classes")
        model.fit(rows, marks)
    if len(model.classes_) == 2:  # one logit for the second label: half of it each
        half = model.coef_[0] / 2, model.intercept_[0] / 2
        return np.stack([-half[0], half[0]]), np.array([-half[1], half[1]])
    return model.coef_, model.intercept_


def teach(
    library: Library, examples: Mapping[str, Sequence[str]], templates: Sequence[str] = ()
) -> tuple[Probe, Report]:
    """A probe from items by their labels, and how well it does.

    Args:
        examples: ids of items by label; NONE_TITLE may be one of the labels.
        templates: how to word a label, as in `classification.classify`.

    Errors: LibraryError where there are not two labels with examples, an item is under two labels
    or not in the library, or the items are of media that share no tower.
    """
    wordings = clean_templates(templates)
    named = {_clean(label): list(dict.fromkeys(ids)) for label, ids in examples.items() if ids}
    if len(named) < 2:
        raise LibraryError("There is nothing to tell apart yet: mark examples of two labels.")
    ids = [id for marked in named.values() for id in marked]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        item = library.get(twice)
        raise LibraryError(
            f'"{item.title if item else twice}" is marked under two labels: leave one of them.'
        )
    if len(ids) > MOST_EXAMPLES:
        raise LibraryError(f"These are {len(ids)} examples: use at most {MOST_EXAMPLES}.")
    vectors = [library.item_vectors(id) for id in ids]
    tower = _shared_tower(vectors)
    own = [_of_tower(parts, tower) for parts in vectors]
    # not at length 1 again: the less of one mind an item's segments are, the less sure it is
    rows = np.stack([segments.mean(axis=0) for segments in own])
    marks = np.repeat(np.arange(len(named)), [len(marked) for marked in named.values()])
    names = tuple(named)
    worded = Labels(library.space, [n for n in names if n != NONE_TITLE], tower, wordings)
    weight, bias, told, folds = fit(rows, marks, _word_rows(names, worded))
    space = library.space
    probe = Probe(names, weight, bias, tower, space.name, space.version, folds)
    confusion = None
    if told is not None:
        confusion = np.zeros((len(names), len(names)), np.int64)
        np.add.at(confusion, (marks, told), 1)
    report = Report(
        tuple(np.bincount(marks).tolist()),
        float((_by_words(library, names, worded, tower, own) == marks).mean()),
        None if told is None else float((told == marks).mean()),
        folds,
        confusion,
    )
    return probe, report


def _clean(label: str) -> str:
    if label.strip().casefold() == NONE_TITLE.casefold():
        return NONE_TITLE
    return clean_labels([label])[0]


def _shared_tower(vectors: Sequence[Mapping[str, Array]]) -> str:
    """The tower that all items have vectors of."""
    towers = [{STREAMS[stream].tower for stream in parts} for parts in vectors]
    for tower in TOWERS:
        if all(tower in own for own in towers):
            return tower
    raise LibraryError(
        "These examples cannot be learnt together: take pictures and films, or sounds, or texts."
    )


def _of_tower(parts: Mapping[str, Array], tower: str) -> Array:
    return np.concatenate([rows for name, rows in parts.items() if STREAMS[name].tower == tower])


def _word_rows(names: Sequence[str], worded: Labels) -> Array:
    """What the labels' words say (labels, dim); none of these is as near as the average label."""
    own = iter(worded.vectors)
    average = worded.vectors.mean(axis=0)
    return np.stack([average if name == NONE_TITLE else next(own) for name in names])


def _by_words(
    library: Library, names: Sequence[str], worded: Labels, tower: str, items: Sequence[Array]
) -> Array:
    """The label that words alone give each item (n,), as `classification.classify` does; NONE
    where none suits and there is no label for that."""
    lengths = [len(rows) for rows in items]
    rows = np.concatenate(items)
    standing = read_bank(library).standing(tower, rows)
    starts = np.cumsum([0, *lengths[:-1]])
    scores = np.add.reduceat(worded.scores(rows, standing), starts) / np.array(lengths)[:, None]
    certainty = read_certainty(space_kind(library.space.name), tower)
    shares = scores[:, :-1] if certainty is None else certainty(scores)
    places = [at for at, name in enumerate(names) if name != NONE_TITLE]
    places.append(names.index(NONE_TITLE) if NONE_TITLE in names else NONE)
    told: Array = np.array(places)[shares.argmax(axis=1)]
    return told


# --- applying ---------------------------------------------------------------------------------


def apply(library: Library, probe: Probe, streams: Collection[str]) -> Classified:
    """Sort all items of those streams that are of the probe's tower. LibraryError where it was
    learnt in another space, or none of the streams is of its tower."""
    known = (library.space.name, library.space.version, library.space.dim)
    if (probe.space, probe.version, probe.weight.shape[1]) != known:
        raise LibraryError(
            f"This probe was learnt in the space {probe.space}, not in this version of "
            f"{library.space.name}: teach it again here."
        )
    own = [stream for stream in streams if STREAMS[stream].tower == probe.tower]
    if not own:
        learnt = {"image": "pictures or films", "audio": "sounds", "text": "texts or graphs"}
        raise LibraryError(f"This probe was learnt from {learnt[probe.tower]}: sort those with it.")
    labels = tuple(name for name in probe.labels if name != NONE_TITLE)
    places = [NONE if name == NONE_TITLE else labels.index(name) for name in probe.labels]
    parts = [
        sort_items(stream, _in_shares(library, probe, stream), places, sure=probe.sure)
        for stream in own
    ]
    return Classified(labels, tuple(parts))


def _in_shares(library: Library, probe: Probe, stream: str) -> Iterator[tuple[Array, Array]]:
    for numbers, logits in over_items(
        library.portions(stream), lambda part: probe.logits(part.vectors)
    ):
        yield numbers, softmax(logits)


# --- keeping ----------------------------------------------------------------------------------


def probe_path(library: Library, name: str) -> Path:
    """Where a probe of this name is kept. LibraryError for a name that has no letter or digit."""
    clean = re.sub(r"[^\w -]+", "-", name.encode("utf-8", "replace").decode()).strip(" -_")[:60]
    if not clean:
        raise LibraryError("The probe needs a name: use letters and digits.")
    return library.data / "probes" / f"{clean.strip()}.safetensors"


def save_probe(library: Library, probe: Probe, name: str) -> str:
    """Keep a probe with the library; returns the name that it got."""
    path = probe_path(library, name)
    try:
        probe.save(path)
    except OSError as error:
        raise LibraryError(
            f"The probe cannot be kept in {path.parent} ({error.strerror or error})."
        ) from error
    return path.stem


def load_probe(library: Library, name: str) -> Probe:
    """A kept probe. LibraryError where there is none of this name."""
    path = probe_path(library, name)
    if not path.exists():
        kept = ", ".join(probe_names(library)) or "none yet"
        raise LibraryError(f'There is no probe "{name}"; kept are: {kept}.')
    return Probe.load(path)


def remove_probe(library: Library, name: str) -> None:
    """Delete a kept probe. LibraryError where there is none of this name."""
    try:
        probe_path(library, name).unlink()
    except OSError as error:
        raise LibraryError(f'There is no probe "{name}".') from error


def probe_names(library: Library) -> list[str]:
    """The names of the kept probes, sorted."""
    return sorted(path.stem for path in (library.data / "probes").glob("*.safetensors"))
