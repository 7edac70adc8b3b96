"""Finding: a query of words, items and files becomes a vector for each stream, each stream is
searched, and what was found is put into one list."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from store.catalogue import Catalogue
from store.certainty import read_certainty
from store.keeper import Keeper
from store.likeness import Likeness
from store.matrix import Match, Matches, Matrix
from store.records import Answer, Filter, Hit, LibraryError, Space, Term
from store.streams import STREAMS
from store.wordings import encode_queries, read_wordings, space_kind
from store.words import RANK_CONSTANT, fuse, word_query

RERANKED = 300
"""How many more segments Chroma is asked for, for words: it orders them by the plain cosine."""

TOLD = 10
"""Among so many hits of a medium the surest tells whether anything is close."""

FUSED = 200
"""Hits of the vectors' ranking that are joined with those by exact words; more follow them."""

MOST_MATCHES = 1_000
"""Hits by exact words that are looked at."""

Embed = Callable[[Term], dict[str, np.ndarray]]
"""What a file holds: its vectors by stream, float32 (n, dim) each."""


@dataclass(frozen=True)
class Scored:
    """What was found, before it is told of."""

    score: float
    match: Match
    stream: str
    sure: float | None = None


@dataclass(frozen=True)
class Query:
    """What is looked for: a unit vector (dim,) for each tower."""

    vectors: Mapping[str, np.ndarray]
    """Empty for words in a space that reads none: then they are looked for as such alone."""
    words: str | None
    """All of it as words, where it is nothing else."""
    source: str | None
    """The stream of its first item or file, else None."""
    without: frozenset[int]
    """Numbers of the items that it is made of."""


class Search:
    """Answers queries from what the library holds; may be used from any thread."""

    def __init__(
        self,
        space: Space,
        catalogue: Catalogue,
        matrices: Mapping[str, Matrix],
        keeper: Keeper,
        exact_limit: int,
    ) -> None:
        self._space = space
        self._kind = space_kind(space.name)
        self._catalogue = catalogue
        self._matrices = matrices
        self._keeper = keeper
        self._likeness = Likeness(matrices)
        self._towers = sorted({STREAMS[name].tower for name in matrices})
        self.exact_limit = exact_limit
        self._last: tuple[str, dict[str, np.ndarray]] | None = None

    def find(
        self,
        query: Query,
        modalities: Collection[str],
        k: int,
        offset: int = 0,
        chosen: Filter | None = None,
        exact: bool = True,
    ) -> Answer:
        """The hits from place `offset` on; see `Library.find`."""
        if k < 1:
            return Answer([])
        by_words = self._match_words(query.words, modalities, chosen) if exact else {}
        depth = offset + k + 1
        if by_words:  # the same ones are joined in whatever page is shown
            depth = max(depth, FUSED)
        only = None if chosen is None or chosen == Filter() else self._catalogue.select(chosen)
        found: dict[str, list[Scored]] = {}
        for name, matrix in self._matrices.items():
            if STREAMS[name].modality in modalities and len(matrix) and query.vectors:
                found[name] = list(self._stream(name, query, max(depth, TOLD), only))
        far = self._far(found, modalities) if query.words else frozenset()
        scored = compare_streams(list(found.values()))
        if not query.vectors and not by_words and any(map(len, self._matrices.values())):
            held = {STREAMS[name].modality for name in self._matrices}
            if not self._match_words(query.words, held, chosen):  # of no medium at all
                raise LibraryError(f"No title holds these words, and {self._wordless()}")
        if by_words:
            scored = _fuse(scored, by_words)
            far = far - {STREAMS[hit.stream].modality for hit in by_words.values()}
        page = self._hits(scored[offset : offset + k], by_words)
        return Answer(page, len(scored) > offset + k, far)

    # What is looked for

    def read(self, terms: Sequence[Term], embed: Embed, exact: bool = True) -> Query:
        """Put a query's terms together; LibraryError for what cannot be searched for."""
        if not terms:
            raise LibraryError("The query is empty: type what to look for.")
        if not self._space.reads_text and any(term.by == "text" for term in terms):
            return self._read_wordless(terms, exact)
        total: dict[str, np.ndarray] = {
            tower: np.zeros(self._space.dim, dtype=np.float32) for tower in self._towers
        }
        source, without = None, set()
        for term in terms:
            vectors, stream, number = self._term(term, embed)
            source = source or stream
            if number is not None:
                without.add(number)
            for tower in self._towers:
                total[tower] = total[tower] + np.float32(term.weight) * vectors[tower]
        words = None
        if all(term.by == "text" for term in terms):
            words = " ".join(str(term.what) for term in terms if term.weight > 0) or None
        units = {tower: self._unit(vector) for tower, vector in total.items()}
        return Query(units, words, source, frozenset(without))

    def _read_wordless(self, terms: Sequence[Term], exact: bool) -> Query:
        """A query of words in a space that reads none."""
        asked = [str(term.what) for term in terms if term.weight > 0]
        if not "".join(asked).strip():
            raise LibraryError("The query is empty: type what to look for.")
        if not exact or any(term.by != "text" for term in terms):
            told = self._wordless()
            raise LibraryError(told[0].upper() + told[1:])
        return Query({}, " ".join(asked), None, frozenset())

    def _wordless(self) -> str:
        return (
            f"the space {self._space.name} reads no words: search by a picture, or fill another "
            "library with the space embedded."
        )

    def _term(
        self, term: Term, embed: Embed
    ) -> tuple[dict[str, np.ndarray], str | None, int | None]:
        """A term's unit vector by tower, its stream, and its item's number."""
        if term.by == "text":
            if not str(term.what).strip():
                raise LibraryError("The query is empty: type what to look for.")
            return self._read_text(str(term.what)), None, None
        if term.by == "vector":
            vector = self._unit(np.asarray(term.what, dtype=np.float32))
            return dict.fromkeys(self._towers, vector), None, None
        number = None
        if term.by == "item":
            known = self._catalogue.item_vectors(str(term.what))
            if known is None:
                raise LibraryError(f"There is no item {term.what} in the library.")
            number, parts = known
        else:
            parts = embed(term)
        every = middle(np.concatenate(list(parts.values())))
        # A film is looked for by its shots among pictures, by its sound among sounds.
        by_tower = {STREAMS[name].tower: middle(rows) for name, rows in parts.items()}
        return {t: by_tower.get(t, every) for t in self._towers}, next(iter(parts)), number

    def _read_text(self, text: str) -> dict[str, np.ndarray]:
        """The text's unit vector (dim,) for each tower; the last one is remembered.

        For all towers at once: media are often asked one after the other, as by the page, and
        batches that change their size slow the text tower down several times (measured).
        """
        plain = text.encode("utf-8", "replace").decode()
        last = self._last
        if last is None or last[0] != plain:
            wordings = read_wordings(self._kind)
            asked = {tower: wordings[tower] for tower in self._towers}
            rows = encode_queries(self._space, [plain], asked)
            last = self._last = (plain, {tower: row[0] for tower, row in rows.items()})
        return last[1]

    def _unit(self, vector: np.ndarray) -> np.ndarray:
        length = float(np.linalg.norm(vector))
        if vector.shape != (self._space.dim,) or not np.isfinite(length) or length < 1e-6:
            raise LibraryError("This cannot be searched for: its vector is zero or not finite.")
        unit: np.ndarray = vector / np.float32(length)
        return unit

    # One stream

    def _stream(
        self, name: str, query: Query, count: int, only: np.ndarray | None
    ) -> Iterator[Scored]:
        """A stream's hits, best first: by standard scores for words (with how sure they are, where
        that is known), by likeness else."""
        tower, size = STREAMS[name].tower, len(self._matrices[name])
        vector, words = query.vectors[tower], query.words is not None
        found = self._matches(name, vector, count, query.without, words, only)
        mean, sd = found.mean, found.sd
        if query.source is not None and len(self._matrices[query.source]):
            mean, sd = self._likeness.usual(query.source, name)
        certainty = read_certainty(self._kind, tower)
        for match in found.matches:
            score = (match.cosine - mean) / sd
            sure = None
            if certainty is not None and match.above is not None:
                sure = certainty(score, match.above, size)
            yield Scored(score, match, name, sure)

    def _matches(
        self,
        name: str,
        vector: np.ndarray,
        k: int,
        without: Collection[int],
        words: bool,
        only: np.ndarray | None,
    ) -> Matches:
        matrix = self._matrices[name]
        if only is None and len(matrix) > self.exact_limit:
            matches = self._ask_index(name, vector, k, without, words)
            if matches is not None:
                return Matches(matches, *matrix.moments(vector, words))
        return matrix.search(vector, k, without, words, only)

    def _ask_index(
        self, name: str, vector: np.ndarray, k: int, without: Collection[int], words: bool
    ) -> list[Match] | None:
        """As `Matrix.search`, by Chroma; None as long as the index is not ready."""
        matrix = self._matrices[name]
        count = k + (RERANKED if words else 0) + len(without)
        while True:
            count = min(count, len(matrix))
            answer = self._keeper.query(name, vector, count)
            if answer is None:
                return None
            numbers = self._catalogue.numbers([id for id, _ in answer])
            matches = [Match(*numbers[id], cosine) for id, cosine in answer if id in numbers]
            if words:
                matches = matrix.rate(matches)
            found: dict[int, Match] = {}
            for match in matches:
                if match.item not in without:
                    found.setdefault(match.item, match)
            if len(found) >= k or count == len(matrix) or len(answer) < count:
                return list(found.values())[:k]
            count *= 4  # several windows of one item stood among the nearest

    def _far(
        self, found: Mapping[str, Sequence[Scored]], modalities: Collection[str]
    ) -> frozenset[str]:
        """The media in which nothing is close to the words."""
        far = set()
        for modality in modalities:
            told = []
            for name, hits in found.items():
                if hits and STREAMS[name].modality == modality:
                    certainty = read_certainty(self._kind, STREAMS[name].tower)
                    sure = [hit.sure for hit in hits[:TOLD]]
                    told.append(certainty is not None and certainty.found_nothing(sure))
            if told and all(told):
                far.add(modality)
        return frozenset(far)

    # One list

    def _match_words(
        self, words: str | None, modalities: Collection[str], chosen: Filter | None
    ) -> dict[int, Scored]:
        """What holds the query's very words, best first, by the items' numbers."""
        asked = word_query(words) if words else None
        if asked is None:
            return {}
        streams = [name for name in self._matrices if STREAMS[name].modality in modalities]
        found = self._catalogue.match_words(asked, streams, MOST_MATCHES, chosen)
        return {item: Scored(0.0, Match(at, item, math.nan), stream) for at, item, stream in found}

    def _hits(self, scored: Sequence[Scored], exact: Collection[int]) -> list[Hit]:
        numbers = [hit.match.segment for hit in scored]
        segments, said = self._catalogue.segments(numbers), self._catalogue.passages(numbers)
        hits = []
        for one in scored:
            segment = segments.get(one.match.segment)
            if segment is not None:  # else it was removed this moment
                item = segment.item
                hits.append(
                    Hit(
                        item.id,
                        one.score,
                        item.modality,
                        item.title,
                        item.path,
                        segment.start,
                        segment.end,
                        None if one.sure is None else round(one.sure, 3),
                        segment.place,
                        said.get(segment.number),
                        one.match.item in exact,
                    )
                )
        return hits


def _fuse(scored: Sequence[Scored], by_words: Mapping[int, Scored]) -> list[Scored]:
    """Join in what holds the very words."""
    by_vector = {hit.match.item: hit for hit in scored}
    joined = []
    for item, score in fuse(list(by_vector)[:FUSED], list(by_words)):
        hit = by_vector.get(item) or by_words[item]
        if item in by_words and STREAMS[hit.stream].tower == "text":
            hit = replace(hit, match=by_words[item].match)  # the passage that has the words
        joined.append(replace(hit, score=score))
    # after all that are joined, and below them in score, whatever page is asked for
    least = joined[-1].score
    rest = [item for item in list(by_vector)[FUSED:] if item not in by_words]
    for rank, item in enumerate(rest, start=1):
        score = least * RANK_CONSTANT / (RANK_CONSTANT + rank)
        joined.append(replace(by_vector[item], score=score))
    return joined


def compare_streams(streams: Sequence[Sequence[Scored]]) -> list[Scored]:
    """One list of several streams' hits, best first, each item once.

    By the log-odds of being right where that is known of all: standard scores compare a hit with
    others of its stream, and the first of a stream that holds nothing fitting can stand above the
    first of one that does. Within a stream the order stays.

    An item that several streams found, such as a film by its pictures and by its sound, is told of
    by what lies highest above everyday queries: how many segments each stream has, which the odds
    go by, says nothing of which of one film's is meant.

    Args:
        streams: each one's hits by their scores, best first.
    """
    if len([hits for hits in streams if hits]) < 2:
        return [hit for hits in streams for hit in hits]
    joined: list[tuple[float, Scored]] = []
    for hits in streams:
        least = math.inf
        for hit in hits:
            odds = hit.score if hit.sure is None else math.log(hit.sure / (1 - hit.sure))
            least = min(least, odds)
            joined.append((least, hit))
    if any(hit.sure is None for _, hit in joined):
        joined = [(hit.score, hit) for _, hit in joined]
    parts: dict[int, list[tuple[float, Scored]]] = {}
    for value, hit in joined:
        parts.setdefault(hit.match.item, []).append((value, hit))
    once = [max(found, key=_telling) for found in parts.values()]
    once.sort(key=lambda one: (-one[0], -one[1].score, one[1].match.segment))
    return [replace(hit, score=value) for value, hit in once]


def _telling(part: tuple[float, Scored]) -> tuple[float, float, float]:
    """What tells best of an item comes first by this."""
    value, hit = part
    height = hit.match.above
    return (-math.inf if height is None else height, value, hit.score)


def middle(vectors: np.ndarray) -> np.ndarray:
    """The mean direction of unit rows (n, dim), at length 1; the first row where there is none."""
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    result: np.ndarray = vectors[0] if length < 1e-6 else mean / np.float32(length)
    return result
