"""Word vectors as a space of texts: GloVe's and Word2Vec's files.

A text is the weighted mean of its words' vectors. Frequent words say little and count less
(Arora et al., "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017). How
frequent a word is the files do not tell, but they hold the most frequent first, so it follows from
the word's place by Zipf's law. What all words have in common is taken off (Mu & Viswanath,
"All-but-the-top", ICLR 2018).

A file is read once, some thousand words at a time, into a folder of the cache that is mapped into
memory: later starts are instant, and only the words that are asked for are read.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from encoders.space import Space
from encoders.towers import SpaceError
from encoders.weights import Progress, cache_dir

Array = np.ndarray[Any, Any]
Rows = Iterator[tuple[bytes, Array]]

SMOOTHING = 1e-3
"""A word of frequency p counts SMOOTHING / (SMOOTHING + p), as in the paper."""
COMMON = 20_000  # of the most frequent words the mean is taken off
MOST_DIMENSIONS = 4_096
LONGEST_LINE = 1 << 20  # bytes
LONGEST_WORD = 4_096  # bytes
AT_ONCE = 4_096  # words written together
WORDS = re.compile(r"\w+(?:['’]\w+)*")

FORMS = {
    "glove": "GloVe's text format, a word and its numbers a line",
    "word2vec": "Word2Vec's formats, text or binary",
}

BROKEN = (OSError, EOFError, zlib.error)
"""What reading a file raises that is damaged, packed or not."""


class WordSpace(Space):
    """A space of texts alone, from a file of word vectors.

    A word that the file does not know gets a direction of its own, drawn by its letters: it is
    like itself, and like nothing else.
    """

    modalities = frozenset()
    picture_side = 0

    def __init__(self, name: str, progress: Progress | None = None) -> None:
        """`name` is a form of FORMS, a colon and the path of a file, which may be gzipped.

        Raises SpaceError where the file is not there or not of that form.
        """
        form, _, path = name.partition(":")
        file = Path(path).expanduser().resolve()
        if not path or not file.is_file():
            raise SpaceError(
                f"There is no file {path!r} of word vectors: write {form}:FILE, with {FORMS[form]}."
            )
        try:
            folder = _convert(form, file, progress)
            card = json.loads((folder / "card.json").read_text("utf-8"))
            self._hashes: Array = np.load(folder / "hashes.npy", mmap_mode="r")
            self._places: Array = np.load(folder / "places.npy", mmap_mode="r")
            self._mean: Array = np.load(folder / "mean.npy")
            self.dim = int(card["dim"])
            self._vectors: Array = np.memmap(
                folder / "vectors.f32", "<f4", "r", shape=(card["words"], self.dim)
            )
        except OSError as error:
            raise SpaceError(
                f"{file} cannot be read as word vectors ({error.strerror or error})."
            ) from error
        self.name = f"{form}:{file}"
        self.version = f"1-{card['digest']}"
        self.place = None
        # the sum of 1 / place over all places, by which Zipf's law divides
        self._harmonic = np.log(card["words"]) + 0.5772

    def __len__(self) -> int:
        """How many words the file holds."""
        return len(self._vectors)

    def build(self) -> None:
        """Nothing to do: the file has been converted."""

    def prepare(self, modality: str, content: Any) -> Any:
        """Texts are ready as they are; anything else is refused."""
        if modality != "text":
            raise self._refusal(modality)
        return content

    def encode(self, modality: str, prepared: Sequence[Any]) -> Array:
        """Embed texts: float32 (n, dim)."""
        if modality != "text":
            raise self._refusal(modality)
        return self.encode_texts(prepared)

    def encode_texts(self, texts: Sequence[str]) -> Array:
        """Embed texts: float32 (n, dim), rows of length 1."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            found = [self._word(word) for word in words_of(text)]
            total = sum((weight * vector for vector, weight in found), np.zeros(self.dim))
            length = np.linalg.norm(total)
            # words that cancel each other out, which only made-up ones do
            row[:] = total / length if length > 1e-9 else found[0][0]
        return rows

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many words each text has."""
        return [len(words_of(text)) for text in texts]

    @lru_cache(maxsize=65_536)  # noqa: B019 (a process has one such space, for its whole life)
    def _word(self, word: str) -> tuple[Array, float]:
        """A word's unit vector (dim,) and its weight."""
        for spelled in dict.fromkeys((word, word.lower(), word.capitalize())):
            place = self._place(spelled)
            if place is not None:
                vector = self._vectors[place].astype(np.float64) - self._mean
                length = np.linalg.norm(vector)
                if length > 1e-9:
                    frequency = 1 / ((place + 1) * self._harmonic)
                    return vector / length, SMOOTHING / (SMOOTHING + frequency)
        seed = int.from_bytes(
            hashlib.sha256(word.lower().encode("utf-8", "replace")).digest()[:8], "little"
        )
        drawn = np.random.default_rng(seed).standard_normal(self.dim)
        return drawn / np.linalg.norm(drawn), 1.0

    def _place(self, word: str) -> int | None:
        """The word's place in the file, from 0."""
        key = _hash(word.encode("utf-8", "replace"))
        at = int(np.searchsorted(self._hashes, key))
        if at == len(self._hashes) or self._hashes[at] != key:
            return None
        return int(self._places[at])

    def _refusal(self, modality: str) -> SpaceError:
        return SpaceError(
            f"The space {self.name} holds words alone: it has no encoder for {modality!r}; use the "
            "space embedded or an open_clip model for other media."
        )


def words_of(text: str) -> list[str]:
    """The text's words; the whole of it where it has none."""
    return WORDS.findall(text) or [text.strip() or "?"]


def read_vectors(file: Path) -> Rows:
    """The words of a file of GloVe's or Word2Vec's, as bytes, with their vectors float32 (dim,), in
    its order. SpaceError for a damaged file."""
    with _open(file) as source:
        yield from (_read_binary if _is_binary(file) else _read_text)(source, file)


def _convert(form: str, file: Path, progress: Progress | None) -> Path:
    """The folder that holds the file's words, made where it is not there yet."""
    state = file.stat()
    about = f"{form} {file} {state.st_size} {state.st_mtime_ns}"
    folder = cache_dir() / "words" / hashlib.sha256(about.encode()).hexdigest()[:16]
    if (folder / "card.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="part-") as part:
        _write(form, file, Path(part), progress)
        made = Path(part) / "made"
        try:
            os.replace(made, folder)
        except OSError:  # another process was quicker
            if not (folder / "card.json").is_file():
                raise
    return folder


def _write(form: str, file: Path, part: Path, progress: Progress | None) -> None:
    made = part / "made"
    made.mkdir()
    size, what = file.stat().st_size, f"Reading {file.name}"
    digest, hashes, count = hashlib.sha256(), [], 0
    total = None
    with _open(file) as source, (made / "vectors.f32").open("wb") as out:
        binary = form != "glove" and _is_binary(file)
        rows = (_read_binary if binary else _read_text)(source, file)
        waiting: list[Array] = []
        for word, vector in rows:
            hashes.append(_hash(word))
            waiting.append(vector)
            digest.update(word + b"\n")
            if len(waiting) == AT_ONCE:
                total = _put(out, waiting, digest, total, count, file)
                count, waiting = count + len(waiting), []
                if progress:
                    progress(what, min(_position(source), size), size)
        if waiting:
            total = _put(out, waiting, digest, total, count, file)
            count += len(waiting)
    if total is None:
        raise SpaceError(f"{file} holds no word vectors.")
    if progress:
        progress(what, size, size)
    keys = np.array(hashes, dtype=np.uint64)
    keys, places = np.unique(keys, return_index=True)  # of a word that stands twice, the first
    np.save(made / "hashes.npy", keys)
    np.save(made / "places.npy", places.astype(np.int32))
    # a few words have nothing in common that could be told from what they mean
    mean = total / min(count, COMMON) if count >= 1_000 else np.zeros_like(total)
    np.save(made / "mean.npy", mean)
    card = {"dim": len(total), "words": count, "digest": digest.hexdigest()[:12]}
    (made / "card.json").write_text(json.dumps(card), "utf-8")


def _put(
    out: IO[bytes], rows: list[Array], digest: Any, total: Array | None, count: int, file: Path
) -> Array:
    """Write rows down; the sum of the COMMON first."""
    block = np.stack(rows).astype("<f4")
    if not np.isfinite(block).all():
        raise SpaceError(f"{file} holds numbers that are not finite.")
    out.write(block.tobytes())
    digest.update(block.tobytes())
    common: Array = block[: max(0, COMMON - count)].sum(axis=0, dtype=np.float64)
    return common if total is None else common + total


def _open(file: Path) -> Any:
    with file.open("rb") as peek:
        zipped = peek.read(2) == b"\x1f\x8b"
    return gzip.open(file, "rb") if zipped else file.open("rb")


def _position(source: Any) -> int:
    """Bytes of the file that have been read, zipped or not."""
    raw: Any = source.fileobj if isinstance(source, gzip.GzipFile) else source
    return int(raw.tell())


def _is_binary(file: Path) -> bool:
    """Whether numbers follow the first word as bytes: those of a text are digits."""
    try:
        with _open(file) as source:
            source.readline(LONGEST_LINE)
            start = source.read(LONGEST_WORD)
    except BROKEN as error:
        raise _broken(file, str(error)) from error
    numbers = start.partition(b" ")[2].partition(b"\n")[0]
    return not numbers or any(byte not in b" \r+-.0123456789eEnaif" for byte in numbers)


def _read_text(source: IO[bytes], file: Path) -> Rows:
    """Words and vectors of a text file, with or without a first line that counts them."""
    dim, line, told, found = 0, 0, 0, 0
    while True:
        try:
            raw = source.readline(LONGEST_LINE)
        except BROKEN as error:
            raise _broken(file, str(error)) from error
        if not raw:
            if found < told:
                raise _broken(file, f"it ends after {found} of {told} words")
            return
        line += 1
        fields = raw.rstrip().split(b" ")
        if line == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
            told, dim = int(fields[0]), int(fields[1])
            continue
        if not raw.strip():
            continue
        dim = dim or len(fields) - 1
        if not 0 < dim <= MOST_DIMENSIONS or len(fields) <= dim:
            raise _broken(file, f"line {line} is not a word and {dim or 'its'} numbers")
        try:
            found += 1
            # some of GloVe's words hold spaces
            yield b" ".join(fields[:-dim]), np.array(fields[-dim:], dtype=np.float32)
        except ValueError as error:
            raise _broken(file, f"line {line} is not a word and {dim} numbers") from error


def _read_binary(source: IO[bytes], file: Path) -> Rows:
    """Words and vectors of a binary file: a line that counts them, then each word, a space and
    its numbers as float32."""
    try:
        words, dim = (int(field) for field in source.readline(LONGEST_LINE).split())
    except (ValueError, *BROKEN) as error:
        raise _broken(file, "its first line does not count words and numbers") from error
    if not (0 < dim <= MOST_DIMENSIONS and words > 0):
        raise _broken(file, f"its first line counts {words} words of {dim} numbers")
    for number in range(words):
        try:
            word = _until_space(source)
            raw = source.read(4 * dim)
        except BROKEN as error:
            raise _broken(file, str(error)) from error
        if not word or len(raw) != 4 * dim:
            raise _broken(file, f"it ends after {number} of {words} words")
        yield word, np.frombuffer(raw, dtype="<f4")


def _until_space(source: IO[bytes]) -> bytes:
    word = bytearray()
    while (byte := source.read(1)) not in (b" ", b""):
        if byte != b"\n":  # some writers end a vector with one
            word += byte
        if len(word) > LONGEST_WORD:
            return b""
    return bytes(word)


def _broken(file: Path, why: str) -> SpaceError:
    return SpaceError(f"{file} cannot be read as word vectors: {why}.")


def _hash(word: bytes) -> int:
    """Eight bytes tell three million words apart: the odds of two alike are below one in a
    million."""
    return int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "little")
