"""The same query by older ways as HTML, row by row as they are ready."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.comparison import Comparison
from analysis.inside import Concepts
from analysis.methods import TOKEN, ColourHistogram, Near, Row, WordCounts
from store.library import Hit
from ui import cards, passage
from ui.errors import TOLD
from ui.page import Page
from ui.query import QueryError
from ui.search import FAULT

if TYPE_CHECKING:
    from analysis.methods import Method
    from store.library import Item, Library

NEIGHBOURS = 6  # of each method
MOST_TERMS = 12  # words shown of a vector that counts words
POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


Asked = tuple[str, str]  # what to look among, and a file of vectors of words, or ""


@dataclass
class Rooms:
    """What is kept between questions: the concepts, and the comparisons of this version of the
    library, which take long to make."""

    library: Library
    concepts: Concepts = field(init=False)
    _made: dict[str, tuple[Asked, int, Comparison]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.concepts = Concepts(self.library)

    def comparison(self, asked: Asked, version: int, progress: Any) -> Comparison:
        """The ways of finding on a gallery; the last of each gallery is kept."""
        among, file = asked
        with self._lock:
            known = self._made.get(among)
            if known is None or known[:2] != (asked, version):
                vectors = Path(file.strip("\"'")) if file else None
                made = Comparison(self.library, among, vectors, progress)
                known = self._made[among] = asked, version, made
            return known[2]


def sorry(error: Exception) -> str:
    """What to say of an error."""
    if isinstance(error, (*TOLD, QueryError)):
        return cards.sentence(str(error))
    log.error("looking inside failed", exc_info=error)
    return cards.sentence(FAULT)


class _Stopped(Exception):  # noqa: N818 (no error: nobody waits for the answer)
    pass


class Worker:
    """Answers one query by all methods in a thread of its own, and tells how far it is, until it
    is stopped or the page closes."""

    def __init__(self, page: Page, rooms: Rooms, asked: Asked, query: Any, own: str | None) -> None:
        self.rows: list[Row] = []
        self.comparison: Comparison | None = None
        self.told: tuple[str, int, int] = ("", 0, 0)
        self.error: Exception | None = None
        self.changed = threading.Event()
        self.done = False
        self._stop = threading.Event()
        self._closing = page.closing
        self._asked = (rooms, asked, page.intake.version, query, own)
        threading.Thread(target=self._run, name="anyfind-methods", daemon=True).start()

    def stop(self) -> None:
        """End as soon as may be: a method that is still learning is left unlearnt."""
        self._stop.set()

    def _run(self) -> None:
        rooms, asked, version, query, own = self._asked
        try:
            self.comparison = rooms.comparison(asked, version, self._tell)
            for row in self.comparison.ask(query, NEIGHBOURS, own, self._tell):
                self.rows.append(row)
                self._tell("", 0, 0)
        except _Stopped:
            pass
        except Exception as error:
            self.error = error
        self.done = True
        self.changed.set()

    def _tell(self, what: str, done: int, total: int) -> None:
        self.told = what, done, total
        self.changed.set()
        if self._stop.is_set() or self._closing.is_set():
            raise _Stopped


def compare(page: Page, rooms: Rooms, asked: Asked, query: Any, own: str | None) -> Iterator[str]:
    """The rows so far, again and again, until all are there."""
    worker = Worker(page, rooms, asked, query, own)
    try:
        while True:
            worker.changed.wait()
            worker.changed.clear()
            done = worker.done
            yield _ways(page, worker, query)
            if done:
                return
            threading.Event().wait(POLL_SECONDS)  # a bar that moves more often is of no use
    finally:
        worker.stop()


def _ways(page: Page, worker: Worker, query: Any) -> str:
    rows = list(worker.rows)
    parts = []
    if worker.comparison is not None:
        parts.append(_where(worker.comparison))
        parts += [_row(page, worker.comparison, row, query) for row in rows]
    if worker.error is not None:
        parts.append(sorry(worker.error))
    elif not worker.done:
        what, done, total = worker.told
        percent = f' style="width:{100 * done / total:.0f}%"' if total else ""
        parts.append(
            f'<div class="working" role="status"><span>{escape(what or "Looking")}…</span>'
            f'<div class="bar {"" if total else "unknown"}"><i{percent}></i></div></div>'
        )
    return cards.fresh(f'<div class="ways">{"".join(parts)}</div>')


def _where(comparison: Comparison) -> str:
    gallery = comparison.gallery
    count = len(gallery)
    if comparison.among == "example":
        text = (
            f"Among {count} example sentences that come with Anyfind, not yours. Try “vehicle "
            "repair”, which no sentence says in these words, and “KX-4417-B”, which only words "
            "find."
        )
    else:
        noun = "pictures" if comparison.among == "image" else "passages of your texts"
        few = f" of {gallery.total:,}, from all over them" if count < gallery.total else ""
        text = f"Among {count:,}{few} {noun}." if not few else f"Among {count:,}{few}: {noun}."
    return f'<p class="note">{escape(text)}</p>'


def _row(page: Page, comparison: Comparison, row: Row, query: Any) -> str:
    method = row.method
    blind = not len(row.vector)
    facts = []
    if not blind:
        facts.append(f"{len(row.vector):,} numbers")
        if row.filled < len(row.vector):
            facts.append(f"{row.filled:,} of them not 0")
        facts.append(f"{1000 * row.seconds:.1f} ms")
    shape = "passages" if comparison.among != "image" else "pictures"
    if row.near:
        inside = "".join(_near(page, comparison, method, near) for near in row.near)
        body = f'<div class="row {shape}" tabindex="0">{inside}</div>'
    else:
        body = f'<p class="nothing">{escape(_nothing(row, query))}</p>'
    return (
        f'<section class="way {method.name}" data-method="{method.name}"><header>'
        f"<h3>{escape(method.title)} <small>{' · '.join(facts)}</small></h3>"
        f"<p>{escape(method.sees)}</p>{'' if blind else _vector(row)}</header>{body}</section>"
    )


def _nothing(row: Row, query: Any) -> str:
    if not len(row.vector):
        return "It knows no words: look inside a picture to compare."
    if not row.filled:
        if isinstance(query, str):
            return "Nothing: it has met none of these words."
        return "Nothing: it sees nothing in this picture."
    return "Nothing: it has nothing in common with any."


def _vector(row: Row) -> str:
    """The query's vector as this method has it."""
    method = row.method
    shown, drawn = "", ""
    if isinstance(method, WordCounts):
        terms = method.terms(row.vector)
        shown = "".join(
            f"<span>{escape(word)} <b>{value:.2f}</b></span>" for word, value in terms[:MOST_TERMS]
        )
        rest = len(terms) - MOST_TERMS
        shown += f"<span>and {rest:,} more</span>" if rest > 0 else ""
    elif method.sort == "colours":
        drawn = _bars(row.vector)
    else:
        values = [round(float(x), 4) for x in row.vector]
        told = escape(json.dumps({"values": values, "blocks": []}), quote=True)
        drawn = f'<div class="vector strip" data-vector="{told}"></div>'
    shown += "".join(
        f'<span class="unknown" title="It has never met this word"><s>{escape(word)}</s></span>'
        for word in row.unknown[:MOST_TERMS]
    )
    return (f'<div class="terms-of">{shown}</div>' if shown else "") + drawn


def _bars(vector: Any) -> str:
    """A histogram of colours as a line of them."""
    pairs = zip(vector**2, ColourHistogram.colours(), strict=True)
    bars = "".join(
        f'<i style="flex-grow:{share:.4f};background:{colour}"></i>'
        for share, colour in pairs
        if share > 0.004
    )
    return f'<div class="colours" aria-hidden="true">{bars}</div>'


def _near(page: Page, comparison: Comparison, method: Method, near: Near) -> str:
    item = comparison.gallery.items[near.place]
    content = comparison.gallery.contents[near.place]
    score = f'<small class="cosine">{near.score:.2f}</small>'
    if isinstance(content, str):
        return _passage(page, method, item, content, near, score)
    if item is None:
        return ""
    why = "".join(f'<i style="background:{colour}"></i>' for colour, _ in near.why)
    shared = f'<span class="shared" title="Colours of both">{why}</span>' if why else ""
    tile = cards.tile(item, None, None, cards.Look(page.paths))
    return f'<div class="found-one">{tile}<p>{score}{shared}</p></div>'


def _passage(
    page: Page, method: Method, item: Item | None, content: str, near: Near, score: str
) -> str:
    own = {word for _, word in near.why}
    pieces = _mark(content, own)
    text = "".join(f"<mark>{escape(t)}</mark>" if on else escape(t) for t, on in pieces)
    why = ""
    if not isinstance(method, WordCounts):
        pairs = [f"{asked} → {word}" for asked, word in near.why if asked != word]
        why = f'<span class="pairs">{escape(", ".join(pairs[:4]))}</span>' if pairs else ""
    said = f'<span class="said">{text}</span>'
    if item is not None:
        hit = Hit(item.id, near.score, "text", item.title, item.path, None, None, text=content)
        look = cards.Look(page.paths, " ".join(own))
        told = escape(json.dumps(cards.data(item, hit, None, look)), quote=True)
        name = escape(cards.name(item), quote=True)
        said = (
            f'<button type="button" class="open" data-item="{told}" aria-label="Open {name}">'
            f"{said}</button>"
        )
        why = f'<span class="name" title="{name}">{name}</span>{why}'
    return f'<div class="found-one passage">{said}<p>{score}{why}</p></div>'


def _mark(content: str, words: set[str]) -> passage.Marked:
    """The passage cut into pieces, those marked that are the words themselves."""
    pieces: passage.Marked = []
    last = 0
    for found in re.finditer(TOKEN, content):
        if found.group().lower() in words:
            pieces += [(content[last : found.start()], False), (found.group(), True)]
            last = found.end()
    pieces.append((content[last:], False))
    return passage.excerpt([piece for piece in pieces if piece[0]])
