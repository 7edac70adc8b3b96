"""A tray of things, to be looked at beside each other: words, items and files.

The browser keeps what lies in it, for the session; the tabs that build on it draw the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from analysis.concepts import Weighed
from analysis.things import Thing, read_things
from store.library import Term
from ui import cards, icons, search
from ui.errors import TOLD
from ui.page import Page
from ui.query import Query, QueryError, read_query

FOUND = 8
"""Items that the tray's field offers."""
LONGEST = 60  # characters of a thing's name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tray:
    """The components of a tray."""

    field: gr.HTML
    offered: gr.HTML
    answer: gr.HTML


def build(page: Page, name: str, about: str, answer: Callable[[Query], str]) -> Tray:
    """Draws a tray called `name`, and below it what `answer` makes of the things in it; `about`
    says what to put into it."""
    field = gr.HTML(
        f'<div class="tray" data-tray="{name}"><div class="line"><ul></ul>'
        f'<span class="take"><input type="text" aria-label="{escape(about, quote=True)}" '
        f'placeholder="{escape(about, quote=True)}" autocomplete="off" spellcheck="false">'
        '<button type="button" data-file-for title="Add a file: choose it, or drop it here" '
        f'aria-label="Add a file">{icons.LENS}</button></span>'
        '<button type="button" class="clear" data-clear>Clear</button></div>'
        '<input type="file" multiple hidden></div>',
        elem_id=f"{name}-tray",
        apply_default_css=False,
        js_on_load=f"anyfind.tray(element, trigger, '{name}', ['look', 'judge'])",
        head=page.script,
    )
    offered = gr.HTML(
        "",
        elem_id=f"{name}-offered",
        elem_classes="offered",
        apply_default_css=False,
        js_on_load=f"anyfind.offered(element, '{name}')",
        head=page.script,
    )
    told = gr.HTML(
        "",
        elem_id=f"{name}-answer",
        elem_classes="judged",
        apply_default_css=False,
        js_on_load=f"anyfind.judged(element, watch, '{name}')",
        head=page.script,
    )

    def look(event: gr.EventData) -> str:
        return cards.fresh(search.guarded(lambda: _offer(page, str(event.words))))

    def judge(event: gr.EventData) -> str:
        asked = read_query({"parts": event.things})
        told = search.guarded(lambda: answer(asked))
        return cards.fresh(f'<div data-count="{len(asked.parts)}">{told}</div>')

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 1,
        "trigger_mode": "always_last",
    }
    field.look(look, None, offered, concurrency_id="offer things", **how)
    # a file may take long to read, and the concepts are encoded on the first use
    field.judge(judge, None, told, concurrency_id="judge things", **how)
    return Tray(field, offered, told)


def _offer(page: Page, words: str) -> str:
    """The items that words find, to be picked."""
    words = words.strip()[:200]
    if not words or not page.library.count():
        return ""
    hits = page.library.find([Term(words)], None, FOUND).hits
    picked = []
    for item in filter(None, (page.library.get(hit.id) for hit in hits)):
        name = escape(cards.name(item), quote=True)
        picked.append(
            f'<button type="button" data-take="{escape(item.id, quote=True)}" '
            f'data-kind="{item.modality}" data-preview="{cards.address(item, "preview")}" '
            f'title="{name}"><img src="{cards.address(item, "preview")}" alt="" loading="lazy">'
            f"<span>{name}</span></button>"
        )
    return f"<p>Enter takes the words; or take from your library:</p><div>{''.join(picked)}</div>"


def read(page: Page, query: Query) -> list[Thing]:
    """The things that a browser sent. Raises QueryError and what `analysis.things` raises."""
    read_ = read_things(page.library, search.read_terms(page, query))
    named = []
    for part, thing in zip(query.parts, read_, strict=True):
        upload = page.uploads.get(part.what) if part.by == "file" else None
        named.append(thing if upload is None else replace(thing, label=upload.name))
    return named


def card(page: Page, query: Query, at: int, thing: Thing) -> str:
    """A thing, drawn in the way of its medium; what was dropped is drawn by the browser."""
    if thing.item is not None:
        return cards.card(thing.item, look=cards.Look(page.paths))
    label = escape(short(thing.label))
    if query.parts[at].by == "file":
        token = escape(query.parts[at].what, quote=True)
        noun = cards.NOUNS[thing.medium][0]
        return (
            f'<div class="tile said-thing" data-upload="{token}"><div class="plate">'
            f'<span class="kind">{noun}</span></div><div class="under"><p class="name">{label}'
            "</p></div></div>"
        )
    return f'<div class="tile said-thing"><div class="plate"><b>{label}</b></div></div>'


def words(found: Weighed, none: str) -> str:
    """Concepts as chips, the stronger the larger; `none` where there are none."""
    if not found:
        return f'<p class="none">{escape(none)}</p>'
    most = max(weight for _, weight in found)
    chips = "".join(
        f'<li style="--w:{weight / most:.2f}"><button type="button" class="chip" '
        f'data-words-for="{escape(name, quote=True)}" title="Search for it">'
        f"{escape(name)}</button></li>"
        for name, weight in found
    )
    return f'<ul class="concepts">{chips}</ul>'


def short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def read_named(page: Page, raw: Any) -> list[Thing]:
    """What another program names: texts, and ids of items."""
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise QueryError("The things are a list of texts: words, or ids of items.")
    return read_things(
        page.library,
        [Term(one, "item" if page.library.get(one) is not None else "text") for one in raw],
    )


def asked(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an endpoint answers; what is wrong is one sentence."""
    try:
        return answer()
    except (*TOLD, QueryError) as error:
        raise gr.Error(str(error), print_exception=False) from None
    except Exception:
        log.exception("an endpoint failed")
        raise gr.Error(search.FAULT, print_exception=False) from None


def empty(text: str, examples: Sequence[Sequence[str]]) -> str:
    """What a tray is for, with some words to try."""
    chips = "".join(
        f'<button type="button" class="chip" data-try="{escape("|".join(one), quote=True)}">'
        f"{escape(', '.join(one))}</button>"
        for one in examples
    )
    return (
        f'<div class="empty small"><p>{escape(text)}</p><div class="chips" role="group" '
        f'aria-label="Examples">{chips}</div></div>'
    )
