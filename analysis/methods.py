"""Ways of finding, old and new, behind one interface: what a text or a picture becomes as numbers,
and what is near it then.

Texts: which words they have (one-hot), how often (bag of words), how rare those are (TF-IDF), the
mean of vectors of their words (Word2Vec). Pictures: their colours (a histogram), the corners in
them (ORB, as visual words). And, of both, the vectors of a library's space.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from encoders.towers import SpaceError
from encoders.words import read_vectors
from store.records import LibraryError, Progress
from store.words import IDLE

Array = np.ndarray[Any, Any]
Picture = Path | Image.Image

TOKEN = r"(?u)\b\w+\b"
"""A word: "KX", "4417" and "B" of "KX-4417-B"."""
SIDE = 256
"""Pictures are looked at with this many pixels on their longer side."""


@dataclass(frozen=True)
class Near:
    """One of what is near: its place in the gallery, the cosine, and what both have in common,
    where a method can tell: pairs of words, colours as "#rrggbb"."""

    place: int
    score: float
    why: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Row:
    """A query by one method: its vector, and what is near, best first, in `seconds`."""

    method: Method
    vector: Array
    """(dim,)"""
    near: tuple[Near, ...]
    seconds: float
    unknown: tuple[str, ...] = ()
    """Words of the query that the method has never met."""

    @property
    def filled(self) -> int:
        """How many of the vector's numbers are not zero."""
        return int(np.count_nonzero(self.vector))


class Method(ABC):
    """A way of finding; `fit` it to a gallery first."""

    name = ""
    title = ""
    sees = ""
    """What it sees, in a sentence for people."""
    sort = "dense"
    """How its vectors are best shown: "words", "colours" or "dense"."""

    def __init__(self) -> None:
        self.gallery: Sequence[Any] = ()
        self.rows: Any = np.zeros((0, 0), np.float32)
        """(n, dim) of the gallery, rows of length 1 or 0; sparse or not."""

    @abstractmethod
    def fit(self, gallery: Sequence[Any], progress: Progress | None = None) -> None:
        """Learn from the gallery what there is to learn, and encode it."""

    @abstractmethod
    def encode(self, contents: Sequence[Any]) -> Any:
        """Rows (n, dim), sparse or not, of length 1; 0 where it sees nothing."""

    def why(self, query: Any, content: Any) -> tuple[tuple[str, str], ...]:
        """What makes them alike."""
        return ()

    def unknown(self, query: Any) -> list[str]:
        """Words of the query that it has never met."""
        return []

    def ask(self, query: Any, k: int, without: Collection[int] = ()) -> Row:
        """What is nearest to a text or a picture; what has nothing in common with it is left out.

        Args:
            query: what `encode` takes.
            k: how many.
            without: places of the gallery that are left out.
        """
        start = time.perf_counter()
        row = self.encode([query])
        found = _nearest(self.rows, row, k, without)
        seconds = time.perf_counter() - start
        near = [Near(at, score, self.why(query, self.gallery[at])) for at, score in found]
        return Row(self, _dense(row)[0], tuple(near), seconds, tuple(self.unknown(query)))


class Network(Method):
    """The vectors of the space that the library is in."""

    name = "network"
    title = "The network"

    def __init__(self, sees: str, vectors: Array, encode: Callable[[Sequence[Any]], Array]) -> None:
        """`vectors` (n, dim) of the gallery, and what encodes queries."""
        super().__init__()
        self.sees = sees
        self.rows = vectors
        self._encode = encode

    def fit(self, gallery: Sequence[Any], progress: Progress | None = None) -> None:
        """Nothing is learned: what it knows, it has learned elsewhere."""
        self.gallery = gallery

    def encode(self, contents: Sequence[Any]) -> Array:
        """Rows (n, dim)."""
        return self._encode(contents)


# --- texts ------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """A text's words, in small letters."""
    return re.findall(TOKEN, text.lower())


class WordCounts(Method):
    """A number for each word of the gallery; scikit-learn's."""

    sort = "words"

    def __init__(self, name: str) -> None:
        """One of COUNTS."""
        super().__init__()
        self.name = name
        self.title, self.sees = COUNTS[name]
        self._vectorizer: Any = None

    def fit(self, gallery: Sequence[str], progress: Progress | None = None) -> None:
        """Learn which words there are, and how rare they are."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        how: dict[str, Any] = {"token_pattern": TOKEN, "dtype": np.float32}
        if self.name == "tfidf":
            self._vectorizer = TfidfVectorizer(**how)
        else:
            self._vectorizer = CountVectorizer(binary=self.name == "onehot", **how)
        self.gallery = gallery
        try:
            self._vectorizer.fit(gallery)
        except ValueError:  # there is no word in it
            self._vectorizer.fit(["nothing"])
        self.rows = self.encode(gallery)

    def encode(self, contents: Sequence[str]) -> Any:
        """Sparse rows (n, words)."""
        from sklearn.preprocessing import normalize

        return normalize(self._vectorizer.transform(contents))

    def why(self, query: str, content: str) -> tuple[tuple[str, str], ...]:
        """The words that both have."""
        own = set(words_of(content))
        return tuple((word, word) for word in dict.fromkeys(words_of(query)) if word in own)

    def unknown(self, query: str) -> list[str]:
        """Words that are in no text of the gallery."""
        known = self._vectorizer.vocabulary_
        return [word for word in dict.fromkeys(words_of(query)) if word not in known]

    def terms(self, vector: Array) -> list[tuple[str, float]]:
        """A vector's (dim,) words with their numbers, greatest first."""
        names = self._vectorizer.get_feature_names_out()
        order = np.argsort(-vector, kind="stable")
        return [(str(names[at]), float(vector[at])) for at in order if vector[at] > 0]


COUNTS = {
    "onehot": (
        "One-hot words",
        "Which words there are, each a 1 in a place of its own. “Puppy” is as far from “dog” as "
        "from “tax”, and “the” counts like any other word.",
    ),
    "counts": (
        "Bag of words",
        "How often each word is there. Long texts and frequent words win, the order of words is "
        "lost.",
    ),
    "tfidf": (
        "TF-IDF",
        "How often each word is there, rare words counting more: a name or a code leads straight "
        "to its text. Another word for the same thing finds nothing.",
    ),
}
"""The ways that count words: what they are called, and what they see."""


class MeanOfWords(Method):
    """The mean of a text's word vectors.

    Frequent words weigh less, and the gallery's mean is taken off (Arora et al. 2017, "A simple
    but tough-to-beat baseline for sentence embeddings", with the mean for the first component).
    """

    SMOOTHING = 1e-3  # of the weights, as in the paper

    def __init__(self) -> None:
        super().__init__()
        self._vectors: Any = None
        self._shares: Mapping[str, float] = {}
        self._centre: Array | None = None

    def encode(self, contents: Sequence[str]) -> Array:
        """Rows (n, dim)."""
        rows, known = self._means(contents)
        if self._centre is not None:
            rows[known] -= self._centre
        return _unit(rows)

    def _means(self, contents: Sequence[str]) -> tuple[Array, Array]:
        """The weighted means (n, dim) of the vectors of their words, 0 where none of these is
        known; and where some are, bool (n,)."""
        rows = np.zeros((len(contents), self._vectors.vector_size), np.float32)
        known = np.zeros(len(contents), bool)
        for at, content in enumerate(contents):
            words = self._known(content)
            if words:
                weights = [self.SMOOTHING / (self.SMOOTHING + self._share(w)) for w in words]
                rows[at] = np.average(self._vectors[words], axis=0, weights=weights)
                known[at] = True
        return rows, known

    def why(self, query: str, content: str) -> tuple[tuple[str, str], ...]:
        """Each of the query's words that says something, with the nearest of the content's."""
        asked, own = (
            [word for word in dict.fromkeys(self._known(text)) if word not in IDLE]
            for text in (query, content)
        )
        if not asked or not own:
            return ()
        cosines = _unit(self._vectors[asked]) @ _unit(self._vectors[own]).T
        best = cosines.argmax(axis=1)
        return tuple((word, own[at]) for word, at in zip(asked, best, strict=True))

    def unknown(self, query: str) -> list[str]:
        """Words that have no vector."""
        return [word for word in dict.fromkeys(words_of(query)) if word not in self._vectors]

    def _encode_gallery(self, gallery: Sequence[str]) -> None:
        """With the shares of words and the centre, which are the gallery's."""
        counts: dict[str, int] = {}
        for content in gallery:
            for word in words_of(content):
                counts[word] = counts.get(word, 0) + 1
        total = max(sum(counts.values()), 1)
        self._shares = {word: count / total for word, count in counts.items()}
        rows, known = self._means(gallery)
        self._centre = rows[known].mean(axis=0) if known.sum() > 1 else None
        self.gallery, self.rows = gallery, self.encode(gallery)

    def _known(self, content: str) -> list[str]:
        return [word for word in words_of(content) if word in self._vectors]

    def _share(self, word: str) -> float:
        return self._shares.get(word, 0.0)


class Word2Vec(MeanOfWords):
    """Word2Vec (Mikolov et al. 2013) trained on the gallery itself, with gensim."""

    name = "word2vec"
    title = "Word2Vec, trained here"
    sees = (
        "Which words stand near which in your own texts: what is used alike gets like numbers. It "
        "wants millions of words; from few it learns little."
    )
    DIM = 100
    TRAINED = 3_000_000  # words read in all: few texts are read again and again
    MOST_READ = 1_000  # times that a text is
    MOST_EPOCHS = 50  # each takes a moment to start: few texts stand there several times instead

    def fit(self, gallery: Sequence[str], progress: Progress | None = None) -> None:
        """Train; the same gallery gives the same vectors."""
        from gensim.models import Word2Vec as Trainer
        from gensim.models.callbacks import CallbackAny2Vec

        sentences = [words for words in map(words_of, gallery) if words] or [["nothing"]]
        count = sum(map(len, sentences))
        times = max(5, min(self.MOST_READ, self.TRAINED // count))
        epochs = min(times, self.MOST_EPOCHS)

        class Told(CallbackAny2Vec):  # type: ignore[misc]
            done = 0

            def on_epoch_begin(self, _: Any) -> None:
                if progress:
                    progress("Training Word2Vec", self.done, epochs)
                self.done += 1

        model = Trainer(
            sentences * (times // epochs),
            vector_size=self.DIM,
            window=5,
            min_count=1 if count < 100_000 else 2,
            sg=1,
            epochs=epochs,
            workers=1,  # with more, the order of the updates is left to chance
            seed=1,
            hashfxn=_hash_word,
            callbacks=[Told()],
        )
        self._vectors = model.wv
        self._encode_gallery(gallery)

    def save(self, path: Path) -> None:
        """Write the vectors of words, as a file of word2vec's that `WordFile` reads."""
        self._vectors.save_word2vec_format(str(path))


class WordFile(MeanOfWords):
    """Vectors of words from a file: GloVe's, or word2vec's as text or binary, also gzipped."""

    name = "wordfile"
    MOST_WORDS = 200_000  # the most frequent come first in such files
    MOST_DIM = 2_000

    def __init__(self, path: Path) -> None:
        """Raises LibraryError for a file that is none."""
        super().__init__()
        self.title = f"Word vectors of {path.name}"
        self.sees = "Vectors of words that somebody trained on other texts; a text is their mean."
        self._vectors = self._read(path)

    def _read(self, path: Path) -> Any:
        """The first vectors of the file, as gensim's KeyedVectors."""
        from gensim.models import KeyedVectors

        try:
            rows = list(islice(read_vectors(path.expanduser()), self.MOST_WORDS))
            if not rows or len(rows[0][1]) > self.MOST_DIM:
                raise SpaceError(f"{len(rows):,} words")
        except (SpaceError, OSError, EOFError, ValueError, RuntimeError, zlib.error) as error:
            raise LibraryError(
                f'"{path.name}" holds no vectors of words that can be used ({error}): give a file '
                "of GloVe or word2vec, as text or binary."
            ) from error
        vectors = KeyedVectors(len(rows[0][1]))
        words = [word.decode("utf-8", "replace") for word, _ in rows]
        vectors.add_vectors(words, np.stack([vector for _, vector in rows]))
        return vectors

    def fit(self, gallery: Sequence[str], progress: Progress | None = None) -> None:
        """Encode the gallery."""
        if progress:
            progress("Reading passages", 0, 0)
        self._encode_gallery(gallery)


def _hash_word(word: str) -> int:
    # Python's own hash differs from process to process
    return zlib.crc32(word.encode("utf-8", "replace"))


def text_methods(network: Network, vectors: Path | None = None) -> list[Method]:
    """The ways of finding texts, oldest first; with vectors of words from a file, where given."""
    learned: MeanOfWords = WordFile(vectors) if vectors else Word2Vec()
    return [*(WordCounts(name) for name in COUNTS), learned, network]


# --- pictures ---------------------------------------------------------------------------------


def read_picture(picture: Picture) -> Image.Image | None:
    """In RGB, at most SIDE pixels on its longer side; None where its file cannot be read."""
    try:
        opened = Image.open(picture) if isinstance(picture, Path) else picture
        small = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return small


class ColourHistogram(Method):
    """How much of a picture is of which colour: hue, saturation and value in 8, 3 and 3 steps.

    Roots of the shares (Hellinger's kernel), so that large areas do not decide alone.
    """

    name = "colours"
    title = "Colour histogram"
    sees = (
        "How much there is of which colour, and nothing of where: a red rose is near a red car, "
        "and a cat by day far from the same cat at night."
    )
    sort = "colours"
    STEPS = (8, 3, 3)

    def fit(self, gallery: Sequence[Picture], progress: Progress | None = None) -> None:
        """Nothing is learned."""
        self.gallery = gallery
        self.rows = _in_steps(self.encode, gallery, "Counting colours", progress)

    def encode(self, contents: Sequence[Picture]) -> Array:
        """Rows (n, 72)."""
        rows = np.zeros((len(contents), math.prod(self.STEPS)), np.float32)
        for at, content in enumerate(contents):
            picture = read_picture(content)
            if picture is not None:
                pixels = np.asarray(picture.convert("HSV"), np.int64).reshape(-1, 3)
                hue, saturation, value = (pixels * self.STEPS // 256).T
                bins = (hue * self.STEPS[1] + saturation) * self.STEPS[2] + value
                rows[at] = np.sqrt(np.bincount(bins, minlength=len(self.colours())))
        return _unit(rows)

    def why(self, query: Picture, content: Picture) -> tuple[tuple[str, str], ...]:
        """The colours that both have most of."""
        one, other = self.encode([query, content])
        shared = np.minimum(one, other)
        order = [at for at in np.argsort(-shared, kind="stable")[:4] if shared[at] > 0.05]
        return tuple((colour, colour) for colour in (self.colours()[at] for at in order))

    @classmethod
    @cache
    def colours(cls) -> tuple[str, ...]:
        """The colour in the middle of each bin, as "#rrggbb"."""
        middles = [(np.arange(n) + 0.5) * 256 / n for n in cls.STEPS]
        grid = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(1, -1, 3)
        pixels = Image.fromarray(grid.astype(np.uint8), mode="HSV").convert("RGB")
        return tuple("#{:02x}{:02x}{:02x}".format(*pixel) for pixel in np.asarray(pixels)[0])


class VisualWords(Method):
    """ORB keypoints (Rublee et al. 2011; scikit-image's) as a bag of visual words, rare ones
    counting more (Sivic and Zisserman 2003)."""

    name = "corners"
    title = "ORB keypoints"
    sees = (
        "Corners, and the small patterns of light and dark around them: the same print, building "
        "or cover is found again, turned as well; another animal of the same kind is not."
    )
    KEYPOINTS = 150
    WORDS = 256
    LEARNED_FROM = 40_000  # keypoints

    def __init__(self) -> None:
        super().__init__()
        self._words: Any = None
        self._weights: Array = np.ones(0, np.float32)

    def fit(self, gallery: Sequence[Picture], progress: Progress | None = None) -> None:
        """Learn the visual words, and how rare they are; the same gallery gives the same."""
        from sklearn.cluster import MiniBatchKMeans
        from threadpoolctl import threadpool_limits

        found = []
        for done, content in enumerate(gallery):
            if progress and done % 10 == 0:
                progress("Looking for corners", done, len(gallery))
            found.append(self._keypoints(content))
        every = np.concatenate([np.zeros((0, 256), bool), *found])
        picks = np.linspace(0, len(every) - 1, min(len(every), self.LEARNED_FROM)).astype(np.intp)
        learned = every[picks].astype(np.float32)
        self._words = None
        if len(learned):
            count = min(self.WORDS, max(2, len(learned) // 10), len(learned))
            with threadpool_limits(1):  # its threads wait for each other where others work too
                self._words = MiniBatchKMeans(count, random_state=0, n_init=1).fit(learned)
        counts = np.stack([self._count(one) for one in found]) if found else np.zeros((0, 1))
        self._weights = np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1
        self.gallery = gallery
        self.rows = _unit(np.sqrt(counts) * self._weights)

    def encode(self, contents: Sequence[Picture]) -> Array:
        """Rows (n, visual words)."""
        counts = np.stack([self._count(self._keypoints(content)) for content in contents])
        return _unit(np.sqrt(counts) * self._weights)

    def _count(self, keypoints: Array) -> Array:
        """How often each visual word is among keypoints (n, 256): (words,)."""
        if self._words is None:
            return np.zeros(1)
        size = len(self._words.cluster_centers_)
        if not len(keypoints):
            return np.zeros(size)
        return np.bincount(self._words.predict(keypoints.astype(np.float32)), minlength=size)

    def _keypoints(self, content: Picture) -> Array:
        """Descriptors bool (n, 256)."""
        from skimage.feature import ORB

        picture = read_picture(content)
        if picture is not None and min(picture.size) >= 32:
            orb: Any = ORB  # it has no types
            orb = orb(n_keypoints=self.KEYPOINTS, downscale=1.4, n_scales=5)
            # RuntimeError: there is no corner in it; the others: it is too small
            with contextlib.suppress(RuntimeError, ValueError, IndexError):
                orb.detect_and_extract(np.asarray(picture.convert("L")) / 255.0)
                return np.asarray(orb.descriptors, bool)
        return np.zeros((0, 256), bool)


def picture_methods(network: Network) -> list[Method]:
    """The ways of finding pictures, oldest first."""
    return [ColourHistogram(), VisualWords(), network]


def _in_steps(
    encode: Callable[[Sequence[Any]], Array],
    gallery: Sequence[Any],
    what: str,
    progress: Progress | None,
) -> Array:
    rows = []
    for start in range(0, len(gallery), 50):
        if progress:
            progress(what, start, len(gallery))
        rows.append(encode(gallery[start : start + 50]))
    return np.concatenate([encode([]), *rows])


# --- what they share --------------------------------------------------------------------------


def _nearest(rows: Any, row: Any, k: int, without: Collection[int]) -> list[tuple[int, float]]:
    """Places and cosines of the rows (n, dim) nearest to a row (1, dim), of those above 0."""
    scores = _dense(rows @ row.T).ravel()
    scores[list(without)] = 0
    order = np.argsort(-scores, kind="stable")[:k]
    return [(int(at), float(scores[at])) for at in order if scores[at] > 1e-6]


def _dense(rows: Any) -> Array:
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)


def _unit(rows: Array) -> Array:
    """Rows at length 1; those of length 0 stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = (rows / np.where(lengths > 1e-9, lengths, 1)).astype(np.float32)
    return unit
