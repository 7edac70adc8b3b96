"""Inside a vector: its numbers, the concepts near it, and what it lost.

Of anything that a space can embed: words, an item of the library, or a file. What a vector holds
of it is seen by its nearest concepts; what it does not hold by changing the thing and looking
whether the vector notices: a picture mirrored, a sentence with its words in another order.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from encoders.anchors import IMAGE_DIM, SOUND_DIM, WORDS_DIM, shipped_anchors
from encoders.space import SpaceError
from store.background import Background, read_background
from store.library import Item, Library, LibraryError
from store.records import Progress
from store.search import middle
from store.streams import STREAMS
from store.wordings import read_wordings, space_kind
from store.words import IDLE

Array = np.ndarray[Any, Any]

MOST_TEXT = 20_000  # characters that are read of a text
NEIGHBOURS = 10  # items near a concept that tell how much it is near to all
ARTICLE = re.compile("^(an?|the) ")
SAMPLE = 2_000  # items that are looked at for this
LEAST_ITEMS = 8  # with fewer, a concept's nearness to all says nothing


@dataclass(frozen=True)
class Subject:
    """What is looked into."""

    title: str
    modality: str
    """One of MODALITIES, or "words"."""
    tower: str
    """What made its vectors: "image", "audio" or "text"."""
    rows: Array
    """float32 (n, dim): a row for each of its parts."""
    content: str | Image.Image | Array | None
    """Its first part, as an encoder reads it; None where the file is gone."""
    bytes: int
    item: Item | None = None


@dataclass(frozen=True)
class Block:
    """Some neighbouring numbers of a vector that mean the same sort of thing."""

    name: str
    start: int
    stop: int
    share: float
    """Of the vector's square length."""


@dataclass(frozen=True)
class Concept:
    """Words near a vector: their cosine, and the same lessened by how near they are to all."""

    text: str
    cosine: float
    corrected: float


@dataclass(frozen=True)
class Change:
    """Something done to the thing, and the cosine of what came of it with the thing itself."""

    what: str
    cosine: float
    content: str | Image.Image | Array
    """What came of it."""


@dataclass(frozen=True)
class Inside:
    """What is to be seen of one vector."""

    subject: Subject
    vector: Array
    """float32 (dim,), of length 1: the mean direction of the subject's parts."""
    length: float
    """Of the mean of its parts' vectors, before it was scaled to 1."""
    carrying: int
    """So many of its numbers, the largest, make 90 % of its square length."""
    blocks: tuple[Block, ...]
    concepts: tuple[Concept, ...]
    among: int
    """So many concepts were compared."""
    reachable: float
    """No cosine between this vector and the nearest concept could be larger: each may have parts
    in which the other is 0."""
    changes: tuple[Change, ...]
    neighbour: tuple[Item, float] | None
    """The item of its medium nearest to it, and their cosine."""

    def as_dict(self) -> dict[str, Any]:
        """What it tells, ready for JSON."""
        subject, near = self.subject, self.neighbour
        return {
            "title": subject.title,
            "modality": subject.modality,
            "id": subject.item.id if subject.item else None,
            "parts": len(subject.rows),
            "bytes": subject.bytes,
            "dim": len(self.vector),
            "vector": [round(float(x), 6) for x in self.vector],
            "length": round(self.length, 4),
            "carrying": self.carrying,
            "blocks": [vars(block) | {"share": round(block.share, 4)} for block in self.blocks],
            "concepts": [
                {"text": c.text, "cosine": round(c.cosine, 4), "corrected": round(c.corrected, 4)}
                for c in self.concepts
            ],
            "among": self.among,
            "reachable": round(self.reachable, 4),
            "changes": [{"what": c.what, "cosine": round(c.cosine, 4)} for c in self.changes],
            "neighbour": near and {"id": near[0].id, "title": near[0].title, "cosine": near[1]},
        }


# --- what is looked into ----------------------------------------------------------------------


def read_words(library: Library, text: str) -> Subject:
    """Words, as texts are encoded. LibraryError where there are none."""
    plain = text.strip()[:MOST_TEXT].encode("utf-8", "replace").decode()
    if not plain:
        raise LibraryError("There is nothing to look into: type some words.")
    rows = library.space.encode_texts([plain])
    return Subject(plain, "words", "text", rows, plain, len(plain.encode()))


def read_item(library: Library, id: str) -> Subject:
    """An item of the library: a film by its pictures. LibraryError where it is not there."""
    item = library.get(id)
    if item is None:
        raise LibraryError(f"There is no item {id} in the library.")
    stream, rows = next(iter(library.item_vectors(id).items()))
    tower = STREAMS[stream].tower
    content: Any = None
    if tower == "text":
        content = (library.passages(id) or [item.title])[0][:MOST_TEXT]
    elif tower == "image":
        with contextlib.suppress(OSError, LibraryError):
            content = Image.open(library.preview(id)).convert("RGB")
    elif not item.missing:
        content = _first_part(Path(item.path), tower)
    return Subject(item.title, item.modality, tower, rows, content, item.bytes, item)


def read_file(library: Library, path: Path, title: str = "") -> Subject:
    """A file of any medium, under its name or another. LibraryError where it cannot be read or
    embedded."""
    stream, rows = next(iter(library.embed_parts(path).items()))
    tower = STREAMS[stream].tower
    content, size = _first_part(path, tower), path.stat().st_size
    return Subject(title or path.name, STREAMS[stream].modality, tower, rows, content, size)


def _first_part(path: Path, tower: str) -> Any:
    """What the tower's encoder reads of the file's first part; None where it cannot be read."""
    import media

    with contextlib.suppress(media.MediaError, OSError), media.open_media(path) as opened:
        for part in opened.segments():
            if part.content is not None and (part.tower or opened.modality) == tower:
                return part.content
            if part.words and tower == "text":
                return part.words
    return None


# --- looking ----------------------------------------------------------------------------------


def look_inside(library: Library, subject: Subject, concepts: Concepts, count: int = 12) -> Inside:
    """All that is to be seen of a subject, with so many of its nearest concepts."""
    mean = subject.rows.mean(axis=0)
    vector = middle(subject.rows)
    squares = np.square(vector, dtype=np.float64)
    carried = np.cumsum(np.sort(squares)[::-1]) / squares.sum()
    blocks = _blocks(library, subject, squares)
    names, rows = concepts.vectors(subject.tower)
    found, limit = [], 0.0
    if names:  # else the space reads no words
        crowding = concepts.crowding(subject)
        found = nearest_concepts(vector, names, rows, crowding, count, subject.title)
        limit = reachable(vector, rows[names.index(found[0].text)], blocks)
    return Inside(
        subject,
        vector,
        float(np.linalg.norm(mean)),
        int(np.searchsorted(carried, 0.9) + 1),
        blocks,
        tuple(found),
        len(names),
        limit,
        tuple(change(library, subject)),
        _neighbour(library, subject, vector),
    )


def _blocks(library: Library, subject: Subject, squares: Array) -> tuple[Block, ...]:
    """The vector's parts, where the space is known to have any (see encoders/anchors.py)."""
    names = {"All numbers": len(squares)}
    if library.space.name == "embedded":
        names = {
            "Things seen": IMAGE_DIM,
            "Sounds heard": SOUND_DIM,
            "Words": WORDS_DIM,
        }
    blocks, start = [], 0
    for name, size in names.items():
        stop = start + size
        share = float(squares[start:stop].sum() / squares.sum())
        blocks.append(Block(name, start, stop, share))
        start = stop
    return tuple(blocks)


def reachable(one: Array, other: Array, blocks: Sequence[Block]) -> float:
    """The largest cosine that two vectors with these lengths of their blocks could have."""
    lengths = [
        np.linalg.norm(one[b.start : b.stop]) * np.linalg.norm(other[b.start : b.stop])
        for b in blocks
    ]
    return min(float(sum(lengths)), 1.0)


def _neighbour(library: Library, subject: Subject, vector: Array) -> tuple[Item, float] | None:
    """The nearest other item of the medium; for words there is none, they are near other words."""
    if subject.item is not None:
        hits = library.similar(subject.item.id, subject.modality, 1)
    elif subject.modality != "words":
        hits = library.nearest(vector, subject.modality, 1)
    else:
        return None
    item = library.get(hits[0].id) if hits else None
    if item is None:
        return None
    rows = next(iter(library.item_vectors(item.id).values()))
    return item, round(float(middle(rows) @ vector), 4)


# --- concepts ---------------------------------------------------------------------------------


class Concepts:
    """Words for what a vector may be near to: everyday queries, ImageNet's classes and their kinds,
    and what is heard in the corpus of sounds. Encoded when first needed; any thread may ask."""

    def __init__(self, library: Library, progress: Progress | None = None) -> None:
        self._library = library
        self._progress = progress
        self._known: dict[str, tuple[list[str], Array]] = {}
        self._items: dict[str, tuple[int, list[str], Array]] = {}
        self._lock = threading.Lock()

    def vectors(self, tower: str) -> tuple[list[str], Array]:
        """The concepts (n,) and their vectors (n, dim), as queries are worded for a tower; none in
        a space that reads no words."""
        if not self._library.space.reads_text:
            return [], np.empty((0, self._library.space.dim), np.float32)
        with self._lock:
            if tower not in self._known:
                self._known[tower] = self._encode(tower)
            return self._known[tower]

    def crowding(self, subject: Subject) -> Array:
        """How near each concept (n,) is to the items of the subject's medium that it is nearest to,
        the subject left out: hubs are near to all. 0 where there are too few items."""
        _, rows = self.vectors(subject.tower)
        ids, items = self._sample(subject.modality)
        if subject.item is not None:
            items = items[[id != subject.item.id for id in ids]]
        if len(items) < LEAST_ITEMS:
            return np.zeros(len(rows), np.float32)
        count = min(NEIGHBOURS, len(items) // 2)
        cosines = rows @ items.T
        nearest: Array = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
        return nearest

    def _sample(self, modality: str) -> tuple[list[str], Array]:
        """Items of a medium, from all over them, by their ids, and their vectors (n, dim); kept as
        long as there are as many."""
        streams = [name for name in self._library.streams if STREAMS[name].modality == modality]
        if not streams:
            return [], np.zeros((0, self._library.space.dim), np.float32)
        held = self._library.count(modality)
        with self._lock:
            if modality not in self._items or self._items[modality][0] != held:
                numbers, rows = self._library.points(streams[0])
                picks = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.intp)
                known = self._library.numbered(numbers[picks])
                chosen = [at for at in picks if int(numbers[at]) in known]
                ids = [known[int(numbers[at])].id for at in chosen]
                self._items[modality] = held, ids, rows[chosen]
            return self._items[modality][1:]

    def _encode(self, tower: str) -> tuple[list[str], Array]:
        anchors = shipped_anchors()
        known = anchors.sound if tower == "audio" else anchors.image
        once: dict[str, str] = {}
        for name in (*read_background(), *known.names):  # "a cat" and "cat" are one
            once.setdefault(ARTICLE.sub("", name.casefold()), name)
        names = list(once.values())
        space = self._library.space
        wordings = {tower: read_wordings(space_kind(space.name))[tower]}
        folder = self._library.data / "vectors"
        bank = Background(space, folder, self._progress, wordings, names, f"names-{tower}")
        return names, bank.vectors(tower)


def nearest_concepts(
    vector: Array, names: Sequence[str], rows: Array, crowding: Array, count: int, without: str = ""
) -> list[Concept]:
    """The concepts nearest to a vector, best first: by their cosines, less half of how crowded it
    is around them (CSLS, Conneau et al. 2018); words that are the thing itself are left out."""
    cosines = rows @ vector
    corrected = cosines - crowding / 2
    found = []
    for at in np.argsort(-corrected, kind="stable"):
        if names[at].casefold() != without.casefold():
            found.append(Concept(names[at], float(cosines[at]), float(corrected[at])))
        if len(found) == count:
            break
    return found


# --- what it lost -----------------------------------------------------------------------------


def change(library: Library, subject: Subject) -> Iterator[Change]:
    """The thing changed in some ways, least noticed first."""
    content = subject.content
    if content is None:
        return
    changed = dict(_changed(content))
    space, tower = library.space, subject.tower
    try:
        every = [space.prepare(tower, one) for one in (content, *changed.values())]
        rows = space.encode(tower, every)
    except (SpaceError, ValueError, ArithmeticError):  # what came of it cannot be embedded
        return
    cosines = rows[1:] @ rows[0]
    names = list(changed)
    for at in np.argsort(-cosines, kind="stable"):
        yield Change(names[at], min(float(cosines[at]), 1.0), changed[names[at]])


def _changed(content: str | Image.Image | Array) -> Mapping[str, Any]:
    if isinstance(content, str):
        return change_words(content)
    if isinstance(content, Image.Image):
        return change_picture(content)
    return change_sound(content)


def change_words(text: str) -> dict[str, str]:
    """A text in other words, or in other orders of them; what changes nothing is left out."""
    words = text.split()
    telling = [at for at, word in enumerate(words) if word.strip(".,;:!?()").lower() not in IDLE]
    swapped = list(words)
    if len(telling) > 1:
        first, last = telling[0], telling[-1]
        swapped[first], swapped[last] = swapped[last], swapped[first]
    changed = {
        "its first and last word change places": " ".join(swapped),
        "its words in the order of the alphabet": " ".join(sorted(words, key=str.casefold)),
        "without the small words": " ".join(words[at] for at in telling),
        "in capitals": text.upper(),
        "with “not” before it": f"not {text}",
        "its first half alone": " ".join(words[: len(words) // 2]) if len(words) > 3 else "",
    }
    return {what: new for what, new in changed.items() if new.strip() and new != text}


def change_picture(picture: Image.Image) -> dict[str, Image.Image]:
    """A picture mirrored, turned, without its colours, blurred, or half of it."""
    width, height = picture.size
    return {
        "mirrored": ImageOps.mirror(picture),
        "upside down": ImageOps.flip(picture),
        "without its colours": picture.convert("L").convert("RGB"),
        "blurred": picture.filter(ImageFilter.GaussianBlur(max(width, height) / 48)),
        "its left half alone": picture.crop((0, 0, max(1, width // 2), height)),
    }


def change_sound(samples: Array) -> dict[str, Array]:
    """A sound (samples,) backwards, quieter, half of it, or with noise as loud as a tenth of it."""
    noise = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    loudness = float(np.sqrt(np.square(samples).mean()))
    return {
        "backwards": samples[::-1].copy(),
        "a tenth as loud": samples / 10,
        "its first half alone": samples[: max(1, len(samples) // 2)],
        "with noise in it": samples + noise * np.float32(loudness / 10),
    }
