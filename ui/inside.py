"""The Inside tab: one vector and what it holds and lost, and the same query by older ways."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from analysis.comparison import AMONG, usual_gallery
from analysis.inside import (
    Subject,
    look_inside,
    read_file,
    read_item,
    read_words,
)
from ui import cards, icons, vector, ways
from ui.errors import TOLD
from ui.page import Page
from ui.query import QueryError, read_query
from ui.search import FAULT

if TYPE_CHECKING:
    from store.library import Item

EXAMPLES = ["a man bites a dog", "puppy", "vehicle repair", "KX-4417-B", "a loan from the bank"]
GALLERIES = [("Your texts", "text"), ("Your pictures", "image"), ("Example sentences", "example")]
NEWEST = 8  # items offered before anything is looked into
MOST_NEAR = 50  # that the endpoint gives

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What is looked into: words, an item (by its id) or an upload (by its token)."""

    by: str = ""
    what: str = ""

    def as_json(self) -> str:
        return json.dumps({"parts": [{"by": self.by, "what": self.what}]})


def build(page: Page, _: gr.Tab) -> tuple[list[Any], Callable[..., Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    rooms = ways.Rooms(page.library)
    asked = gr.State(Asked().as_json())
    with gr.Column(elem_id="inside"):
        gr.HTML(
            "<h1>Inside an embedding</h1><p>What a text, a picture or a sound becomes as numbers, "
            "what those hold of it, what they lost, and how older ways would have done.</p>",
            elem_id="inside-promise",
            apply_default_css=False,
        )
        words, beside = _box(page)
        seen = gr.HTML(
            "",
            elem_id="inside-seen",
            apply_default_css=False,
            js_on_load="anyfind.inside(element, trigger, watch, ['ask'])",
            head=page.script,
        )
        choice, among, vectors, older = _older(page)

    def show(raw: str) -> tuple[Any, ...]:
        """What was asked, the vector, whether older ways and their choices are shown; no rows."""
        one = _read(raw)
        if not one.what:
            return one.as_json(), _start(page), gr.update(visible=False), gr.skip(), gr.skip(), ""
        try:
            found = look_inside(page.library, _subject(page, one), rooms.concepts)
        except Exception as error:
            return (
                one.as_json(),
                ways.sorry(error),
                gr.update(visible=False),
                gr.skip(),
                gr.skip(),
                "",
            )
        old = _query(found.subject) is not None
        choosing = gr.update(visible=not _is_picture(found.subject))
        file = gr.update(visible=page.local and not _is_picture(found.subject))
        return one.as_json(), vector.draw(found), gr.update(visible=old), choosing, file, ""

    def compare(raw: str, among: str, vectors: str) -> Iterator[str]:
        one = _read(raw)
        if not one.what or among not in AMONG:
            yield ""
            return
        try:
            subject = _subject(page, one)
        except Exception:  # that was said above
            yield ""
            return
        query = _query(subject)
        if query is None:
            yield ""
            return
        if _is_picture(subject):
            among = "image"
        own = subject.item.id if subject.item else None
        file = vectors.strip() if page.local and among != "image" else ""
        yield from ways.compare(page, rooms, (among, file), query, own)

    def by_words(text: str) -> tuple[Any, ...]:
        return show(Asked("text", text.strip()).as_json())

    def ask(event: gr.EventData) -> tuple[Any, ...]:
        one = _read(json.dumps(event.query))
        typed = one.what if one.by == "text" else ""
        return typed, *show(one.as_json())

    def opened() -> tuple[Any, ...]:
        usual = usual_gallery(page.library)
        return Asked().as_json(), _start(page), gr.update(visible=False), usual, gr.skip(), ""

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 1,
    }
    look: dict[str, Any] = how | {"concurrency_id": "inside", "trigger_mode": "always_last"}
    filled = [asked, seen, choice, among, vectors, older]
    rows: dict[str, Any] = how | {"concurrency_id": "methods", "trigger_mode": "always_last"}
    asking = [
        words.submit(by_words, [words], filled, **look),
        beside.go(by_words, [words], filled, **look),
        seen.ask(ask, None, [words, *filled], **look),
    ]
    running = [event.then(compare, [asked, among, vectors], older, **rows) for event in asking]
    for chosen in (among.input, vectors.submit):
        running.append(chosen(compare, [asked, among, vectors], older, **rows))
    # the rows of the last question are not waited for
    for trigger in (words.submit, beside.go, seen.ask):
        trigger(None, None, None, cancels=running)
    for told in _endpoints(page, rooms):
        gr.api(
            told,
            api_name=told.__name__,
            concurrency_id="methods endpoint",
            concurrency_limit=1,
        )
    return filled, opened


def _box(page: Page) -> tuple[gr.Textbox, gr.HTML]:
    """For words, and beside them what takes a file."""
    with gr.Row(elem_id="inside-box"):
        words = gr.Textbox(
            elem_id="inside-q",
            show_label=False,
            label="Words to look into",
            container=False,
            lines=1,
            max_lines=1,
            placeholder="Words, or a sentence",
            scale=1,
            html_attributes=gr.InputHTMLAttributes(
                autocomplete="off", spellcheck=False, enterkeyhint="go"
            ),
        )
        beside = gr.HTML(
            f"""<button type="button" id="inside-file" aria-label="Look into a file"
    title="Look into a file: choose it, or drop it here">{icons.LENS}</button>
            <input type="file" id="inside-file-input" hidden><button type="button"
            id="inside-go" aria-label="Look inside"
    title="Look inside">{icons.ARROW}</button>""",
            elem_id="inside-beside",
            apply_default_css=False,
            js_on_load="anyfind.insideBox(element, trigger, ['go'])",
            head=page.script,
        )
    return words, beside


def _older(page: Page) -> tuple[gr.Column, gr.Radio, gr.Textbox, gr.HTML]:
    """The heading of the older ways with the choice of what to look among and of a file of vectors
    of words, and their rows."""
    with gr.Column(elem_id="inside-among", visible=False) as choice:
        gr.HTML(
            "<h2>The same through older ways</h2><p>One query, one row for each method, the "
            "oldest first. Cosines of different methods cannot be compared; what they find "
            "can.</p>",
            apply_default_css=False,
        )
        among = gr.Radio(
            GALLERIES,
            value="example",
            show_label=False,
            container=False,
            label="Look among",
            elem_id="inside-in",
        )
        vectors = gr.Textbox(
            elem_id="inside-vectors",
            show_label=False,
            label="File of word vectors",
            container=False,
            max_lines=1,
            visible=page.local,  # paths are nobody's business elsewhere
            placeholder="Instead of Word2Vec trained here: a GloVe or word2vec file",
        )
    older = gr.HTML(
        "",
        elem_id="inside-ways",
        apply_default_css=False,
        js_on_load="anyfind.insideWays(element, watch)",
        head=page.script,
    )
    return choice, among, vectors, older


def _read(raw: str) -> Asked:
    """From the browser; what makes no sense asks for nothing."""
    parts = read_query(raw).parts
    return Asked(parts[0].by, parts[0].what) if parts else Asked()


def _subject(page: Page, asked: Asked) -> Subject:
    if asked.by == "item":
        return read_item(page.library, asked.what)
    if asked.by == "text":
        return read_words(page.library, asked.what)
    upload = page.uploads.get(asked.what)
    if upload is None:
        raise QueryError("The file you looked into is no longer here; drop it in again.")
    try:
        return read_file(page.library, upload.path, upload.name)
    except TOLD as error:
        raise QueryError(str(error).replace(str(upload.path), upload.name)) from error


def _is_picture(subject: Subject) -> bool:
    return isinstance(subject.content, Image.Image)


def _query(subject: Subject) -> Any:
    """What the older ways are asked; None for sounds, of which they know nothing."""
    return subject.content if isinstance(subject.content, str | Image.Image) else None


# --- before anything is looked into -----------------------------------------------------------


def _start(page: Page) -> str:
    chips = "".join(
        f'<button type="button" class="chip" data-inside-words="{escape(text, quote=True)}">'
        f"{escape(text)}</button>"
        for text in EXAMPLES
    )
    kinds = ("image", "audio", "film", "text", "graph")
    held = [kind for kind in kinds if page.library.count(kind)]
    items = [
        item
        for kind in held
        for item in page.library.items(kind, limit=NEWEST if kind == "image" else 2)
    ]
    own = ""
    if items:
        tiles = "".join(_offer(item) for item in items)
        own = f'<p class="or">or something of your library</p><div class="offers">{tiles}</div>'
    return cards.fresh(f'<div class="chips" role="group" aria-label="Examples">{chips}</div>{own}')


def _offer(item: Item) -> str:
    title = escape(cards.name(item), quote=True)
    return (
        f'<button type="button" class="offer {item.modality}" title="{title}" '
        f'aria-label="Look inside {title}" data-inside-item="{escape(item.id, quote=True)}">'
        f'<img src="{cards.address(item, "preview")}" alt="" loading="lazy"></button>'
    )


# --- from other programs ----------------------------------------------------------------------


def _endpoints(page: Page, rooms: ways.Rooms) -> Sequence[Callable[..., Any]]:
    def wrong(error: Exception) -> gr.Error:
        if not isinstance(error, (*TOLD, QueryError)):
            log.error("looking inside failed", exc_info=error)
        told = str(error) if isinstance(error, (*TOLD, QueryError)) else FAULT
        return gr.Error(told, print_exception=False)

    def inside(text: str = "", id: str = "") -> dict[str, Any]:
        """The vector of words or of an item: its numbers, nearest concepts, and what it lost.

        Args:
            text: Words to look into, or nothing.
            id: In place of words, the id of an item as a search gave it.
        """
        try:
            one = Asked("item", str(id)) if id else Asked("text", str(text))
            return look_inside(page.library, _subject(page, one), rooms.concepts).as_dict()
        except Exception as error:
            raise wrong(error) from None

    def methods(
        text: str = "", id: str = "", among: str = "", k: int = ways.NEIGHBOURS
    ) -> list[dict[str, Any]]:
        """What is near to words or to an item by each of the older methods and by the network.

        Args:
            text: Words to look for, or nothing.
            id: In place of words, the id of an item as a search gave it.
            among: What to look among: text, image or example; the usual one if left out.
            k: How many neighbours of each method.
        """
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_NEAR:
            raise wrong(QueryError(f"k is a number from 1 to {MOST_NEAR}."))
        try:
            one = Asked("item", str(id)) if id else Asked("text", str(text))
            subject = _subject(page, one)
            query = _query(subject)
            if query is None:
                raise QueryError("Older ways are compared for words and pictures only.")
            if _is_picture(subject):
                among = "image"
            kind = among or usual_gallery(page.library)
            comparison = rooms.comparison((kind, ""), page.intake.version, None)
            own = subject.item.id if subject.item else None
            return [comparison.as_dict(row) for row in comparison.ask(query, k, own)]
        except Exception as error:
            raise wrong(error) from None

    return inside, methods
