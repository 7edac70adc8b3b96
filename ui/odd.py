"""The Odd one out tab: which of several things does not belong, and what in the library stands
apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from analysis.oddity import FEWEST, Verdict, find_odd
from analysis.outliers import Outlier, find_outliers
from analysis.things import Thing
from store.library import LibraryError
from ui import cards, search, things
from ui.page import Page
from ui.query import Query

SHOWN = 8
"""Outliers of each medium."""
FARTHEST = 1.05
"""Times that an item lies farther from its neighbours than they from theirs, to stand apart."""
NONE = '<p class="none">None of these stands apart.</p>'
EXAMPLES = (
    ("breakfast", "cereal", "dinner", "lunch"),
    ("guitar", "violin", "piano", "spoon"),
    ("red", "green", "blue", "chair"),
)

log = logging.getLogger(__name__)


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[..., Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    seen = gr.State(-1)  # the library's version that the outliers are of
    with gr.Column(elem_id="odd"):
        gr.HTML("<h1>Which one does not belong?</h1>", apply_default_css=False)
        tray = things.build(
            page, "odd", "Add words, or find items", lambda query: _judge(page, query)
        )
        apart = gr.HTML(
            "",
            elem_id="apart",
            apply_default_css=False,
            js_on_load="anyfind.apart(element)",
            head=page.script,
        )

    def look(version: int) -> Iterator[tuple[Any, ...]]:
        now = page.intake.version
        if version == now:
            yield gr.skip(), gr.skip()
            return
        for html in _apart(page):
            yield cards.fresh(html), gr.skip()
        yield gr.skip(), now

    tab.select(
        look,
        [seen],
        [apart, seen],
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="outliers",
        concurrency_limit=1,
        trigger_mode="once",
    )
    gr.api(
        _endpoint(page),
        api_name="odd_one_out",
        concurrency_id="endpoint",
        concurrency_limit=4,
    )
    return [tray.answer], lambda: cards.fresh(_start(0))


def _start(count: int) -> str:
    missing = FEWEST - count
    told = (
        f"Put {FEWEST} things or more into the tray: words, pictures, sounds, or all mixed."
        if count == 0
        else f"{'One more thing is' if missing == 1 else 'Two more things are'} needed."
    )
    return things.empty(told, EXAMPLES if count == 0 else ())


def _judge(page: Page, query: Query) -> str:
    if len(query.parts) < FEWEST:
        return _start(len(query.parts))
    read = things.read(page, query)
    verdict = find_odd(page.library, read)
    odd = read[verdict.odd]
    drawn = [_drawn(page, query, at, thing, verdict) for at, thing in enumerate(read)]
    alone = drawn.pop(verdict.odd)
    name = escape(things.short(odd.label))
    share = things.words(verdict.shared, "No concept of the vocabulary tells them from it.")
    own = things.words(verdict.own, "It calls up nothing that the others do not.")
    return (
        f'<div class="verdict"><section class="lifted"><h2><b>{name}</b> does not belong'
        f'</h2>{alone}<p class="certain">{escape(_sure(verdict))}</p><h3>Only this one</h3>{own}'
        f'</section><section class="rest"><h2>The others share</h2>{share}'
        f'<div class="shelf">{"".join(drawn)}</div></section></div>'
    )


def _drawn(page: Page, query: Query, at: int, thing: Thing, verdict: Verdict) -> str:
    chance = ""
    if verdict.chances is not None:
        part = verdict.chances[at]
        told = f"Chance that this is the odd one: {percent(part)}"
        chance = (
            f'<div class="chance" title="{told}" role="img" aria-label="{told}"><span>'
            f'<i style="width:{100 * part:.1f}%"></i></span><small>{percent(part)}</small></div>'
        )
    odd = " odd-one" if at == verdict.odd else ""
    return f'<div class="candidate{odd}">{things.card(page, query, at, thing)}{chance}</div>'


def _sure(verdict: Verdict) -> str:
    """How sure, in words."""
    if verdict.sure is None:
        return "How sure is not known: nobody has measured this space."
    told = f"{percent(verdict.sure)} sure, if one of them is odd."
    if verdict.together is not None and verdict.together > 0.5:
        told += " They are all much alike: maybe none is."
    return told


def percent(part: float) -> str:
    """ "66 %"; never 0 or 100."""
    return f"{min(max(round(100 * part), 1), 99)} %"


# --- in the library ---------------------------------------------------------------------------


def _apart(page: Page) -> Iterator[str]:
    """The outliers of each medium, as far as they have been found."""
    kinds = [
        kind for kind in page.library.modalities if kind != "node" and page.library.count(kind)
    ]
    sections: list[str] = []
    for kind in kinds:
        yield _told(sections, f"Looking through {cards.NOUNS[kind][1]}…")
        try:
            found = find_outliers(page.library, kind, SHOWN)
        except LibraryError as error:
            yield _told(sections, str(error))
            return
        except Exception:
            log.exception("looking for outliers failed")
            yield _told(sections, search.FAULT)
            return
        if found:
            apart = [one for one in found if one.factor >= FARTHEST]
            sections.append(_section(page, kind, apart))
    few = "There are too few items of a medium for any of them to stand apart."
    yield _told(sections, "" if sections else few) if kinds else ""


def _told(sections: list[str], note: str) -> str:
    said = f'<p class="none" role="status">{escape(note)}</p>' if note else ""
    return (
        '<h2>In your library</h2><p class="lead">What lies farthest from its neighbours, '
        f'beside what is usual among them.</p><div class="found">{"".join(sections)}</div>{said}'
    )


def _section(page: Page, kind: str, apart: list[Outlier]) -> str:
    look = cards.Look(page.paths)
    shown = [
        f'<div class="outlier" style="--r:1.25">{cards.card(one.item, look=look)}'
        f'<p class="times">{one.factor:.2f} × as far as usual</p></div>'
        for one in apart
    ]
    grid = f'<div class="grid">{"".join(shown)}</div>' if shown else NONE
    return f'<section data-kind="{kind}"><h3>{cards.TITLES[kind]}</h3>{grid}</section>'


# --- for programs -----------------------------------------------------------------------------


def _endpoint(page: Page) -> Callable[..., dict[str, Any]]:
    def odd_one_out(named: list[str]) -> dict[str, Any]:
        """Which of several things does not belong.

        Args:
            named: Three things or more, each words or the id of an item as a search gave it.
        """

        def answer() -> dict[str, Any]:
            read = things.read_named(page, named)
            return find_odd(page.library, read).as_dict(read)

        return things.asked(answer)

    return odd_one_out
