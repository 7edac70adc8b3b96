"""The Compare tab: two things side by side, how like they are, what they share and what not."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from analysis.pairing import Pairing, compare
from analysis.things import Thing
from ui import cards, things
from ui.page import Page
from ui.query import Query, QueryError

EXAMPLES = (("a cat", "a dog"), ("a bank", "a river"), ("a violin", "a trumpet"))


def build(page: Page, _: gr.Tab) -> tuple[list[Any], Callable[..., Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    with gr.Column(elem_id="pair"):
        gr.HTML("<h1>What do two things have in common?</h1>", apply_default_css=False)
        tray = things.build(
            page, "pair", "Add words, or find items", lambda query: _judge(page, query)
        )
    gr.api(
        _endpoint(page),
        api_name="compare",
        concurrency_id="endpoint",
        concurrency_limit=4,
    )
    return [tray.answer], lambda: cards.fresh(_start(0))


def _start(count: int) -> str:
    if count == 1:
        return things.empty("One more: type words, pick an item or drop a file.", ())
    return things.empty(
        "Put two things into the tray: words, pictures, sounds, any two of them.", EXAMPLES
    )


def _judge(page: Page, query: Query) -> str:
    if len(query.parts) < 2:
        return _start(len(query.parts))
    query = Query(query.parts[-2:])
    left, right = things.read(page, query)
    found = compare(page.library, left, right)
    longest = max(_seconds(left), _seconds(right))
    sides = []
    for at, thing in enumerate((left, right)):
        # sounds on one scale of time
        part = _seconds(thing) / longest if _seconds(thing) else 1.0
        sides.append(
            f'<div class="side" style="--part:{max(part, 0.04):.3f}">'
            f"{things.card(page, query, at, thing)}</div>"
        )
    one, other = (escape(things.short(thing.label)) for thing in (left, right))
    nothing = "Nothing that the other has not as well."
    return (
        f'<div class="pairing-answer"><div class="sides">{"".join(sides)}</div>'
        f'{_likeness(found, left, right)}<div class="columns">'
        f"<section><h3>Only <b>{one}</b></h3>{things.words(found.left, nothing)}</section>"
        '<section class="middle"><h3>Both</h3>'
        f"{things.words(found.shared, 'No concept of the vocabulary.')}</section>"
        f"<section><h3>Only <b>{other}</b></h3>{things.words(found.right, nothing)}</section>"
        "</div></div>"
    )


def _seconds(thing: Thing) -> float:
    """How long a sound lasts; 0 for everything else."""
    if thing.item is None or thing.item.modality != "audio":
        return 0.0
    return float(thing.item.details.get("seconds", 0))


def _likeness(found: Pairing, left: Thing, right: Thing) -> str:
    """The share of pairs that are less like, as a bar and a sentence."""
    if found.nearer is None:
        return (
            '<p class="nearer">How like they are cannot be told: the library has too few '
            f"{escape(_pairs(left, right))} to compare with.</p>"
        )
    told = escape(nearer(found, left, right), quote=True)
    return (
        f'<div class="nearer"><span class="gauge" role="img" aria-label="{told}">'
        f'<i style="width:{100 * found.nearer:.1f}%"></i></span><p>{told}</p></div>'
    )


def nearer(found: Pairing, left: Thing, right: Thing) -> str:
    """ "Nearer to each other than 91 % of pairs of pictures in your library." """
    part = min(max(round(100 * (found.nearer or 0), 1), 0.1), 99.9)
    number = f"{part:.0f}" if 1 <= part < 99 else f"{part:.1f}"
    return f"Nearer to each other than {number} % of {_pairs(left, right)}."


def _pairs(left: Thing, right: Thing) -> str:
    """The pairs that they are measured on."""
    nouns = [
        "everyday words" if thing.towers == {"text"} else f"{cards.NOUNS[thing.medium][1]}"
        for thing in (left, right)
    ]
    if nouns == ["everyday words"] * 2:
        return "pairs of everyday words"
    if nouns[0] == nouns[1]:
        return f"pairs of {nouns[0]} in your library"
    yours = [noun if noun == "everyday words" else f"your {noun}" for noun in nouns]
    return f"pairs of {' and '.join(yours)}"


def _endpoint(page: Page) -> Callable[..., dict[str, Any]]:
    def compare_things(a: str, b: str) -> dict[str, Any]:
        """How like two things are, and in what.

        Args:
            a: Words, or the id of an item as a search gave it.
            b: The other one, likewise.
        """

        def answer() -> dict[str, Any]:
            if not isinstance(a, str) or not isinstance(b, str):
                raise QueryError("a and b are texts: words, or ids of items.")
            left, right = things.read_named(page, [a, b])
            return compare(page.library, left, right).as_dict(left, right)

        return things.asked(answer)

    compare_things.__name__ = "compare"  # how assistants call it
    return compare_things
