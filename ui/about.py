"""The About tab: what it runs on, what it can and cannot, where things lie, whom to thank."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from html import escape
from pathlib import Path

import gradio as gr

from ui import cards
from ui.page import Page

CAN = {
    "embedded": (
        "It knows everyday things: animals, vehicles, food, tools, instruments, buildings, and "
        "the sounds of animals, people, machines, weather and music. A short, plain description "
        "works best.",
        "It does not know names of people, does not read text in pictures, does not count, does "
        "not understand speech, and “a dog without a lead” finds leads. The nearest come first, "
        "however far away they are: the bars beside a hit tell how sure it is, and where nothing "
        "seems close, that is said. Both are estimates and can be wrong.",
    )
}
CAN_ANY = (
    "What this space knows is what its model was trained on. A short, plain description works "
    "best.",
    "The order is a guess: the nearest come first, however far away they are.",
)


def build(page: Page) -> tuple[gr.HTML, Callable[[], str]]:
    """Draws the tab; returns its one component and what fills it."""
    about = gr.HTML("", elem_id="about", apply_default_css=False)
    return about, lambda: _text(page)


def _text(page: Page) -> str:
    library = page.library
    space = library.space
    can, cannot = CAN.get(space.name, CAN_ANY)
    held = {kind: library.count(kind) for kind in cards.NOUNS}
    each = " or ".join(cards.NOUNS[kind][0] for kind in held if kind in space.modalities)
    facts = [
        ("Version", _version()),
        ("Space", f"{space.name}; each {each} is a point in it, told by {space.dim} numbers"),
        ("Library", cards.counted(held)),
    ]
    if page.paths:
        facts.append(("Lies in", cards.plain(str(library.data))))
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in facts)
    return (
        "<article><h1>Anyfind</h1><p class='lead'>Finds your pictures and sounds by words. "
        "Everything happens on this machine: nothing you add and nothing you search for leaves "
        f"it.</p><dl>{rows}</dl>"
        f"<h2>What it can</h2><p>{can}</p><h2>What it cannot</h2><p>{cannot}</p>"
        f"<h2>Credits</h2><pre class='notice'>{escape(_notice())}</pre></article>"
    )


def _version() -> str:
    try:
        return importlib.metadata.version("anyfind")
    except importlib.metadata.PackageNotFoundError:
        return "from a source folder"


def _notice() -> str:
    """NOTICE, from the source folder or from the installed distribution."""
    beside = Path(__file__).resolve().parent.parent / "NOTICE"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    try:
        files = importlib.metadata.files("anyfind") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "NOTICE":
            return file.read_text(encoding="utf-8")
    return "The file NOTICE, which names them, did not come with this installation."
