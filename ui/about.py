"""The About tab: what it runs on, what it can and cannot, where things lie, whom to thank."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ui import cards
from ui.page import Page

CAN = {
    "embedded": (
        "It knows everyday things: animals, vehicles, food, tools, instruments, buildings, and "
        "the sounds of animals, people, machines, weather and music. A short, plain description "
        "works best. Texts are found by what they say, passage by passage.",
        "It does not know names of people, does not read text in pictures, does not count, does "
        "not understand speech, reads English, and “a dog without a lead” finds leads. Words that "
        "stand in a title or a text are found as such in any language. The nearest come first, "
        "however far away they are: the bars beside a hit tell how sure it is, and where nothing "
        "seems close, that is said. Both are estimates and can be wrong.",
    )
}
PARTS = {
    "image": "picture",
    "audio": "ten seconds of sound",
    "film": "shot of a film",
    "text": "passage of a text",
    "graph": "graph",
    "node": "node of a graph",
}
FORMATS = {
    "image": "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF",
    "audio": "WAV, FLAC, OGG, MP3, AIFF, Opus, M4A, AAC, WMA and more",
    "film": "MP4, WebM, MKV, MOV, AVI, OGV, MPEG, WMV and more",
    "text": "plain text, Markdown, HTML, CSV, PDF, Word (.docx)",
    "graph": "GraphML, GEXF, GML, and JSON that holds a graph",
    "node": "of the graphs",
}
HOW = {
    "image": "what they show",
    "audio": "how they sound; long ones by the stretch",
    "text": "what a passage says, and its very words",
    "graph": "its title and what its nodes say",
    "node": "their words and those of their neighbours",
}
SHOT = {"image": "what its shots show", "audio": "how it sounds at each moment"}
CAN_ANY = (
    "What this space knows is what its model was trained on. A short, plain description works "
    "best.",
    "The order is a guess: the nearest come first, however far away they are.",
)

WORDLESS = (
    "It finds pictures by pictures: choose one and see its like, or drop a file on the page. Words "
    "that stand in a title are found as such.",
    "It reads no words: what a picture shows is found with the space embedded, or with an "
    "open_clip model.",
)
WORDS_ALONE = (
    "It finds texts and the nodes of graphs by what their words usually stand beside.",
    "It holds no pictures, sounds or films, and takes a text for the words in it, in any order: "
    "“the dog bites the man” is “the man bites the dog”.",
)


def build(page: Page, _: gr.Tab) -> tuple[gr.HTML, Callable[[], str]]:
    """Draws the tab; returns its one component and what fills it."""
    about = gr.HTML("", elem_id="about", apply_default_css=False)
    return about, lambda: _text(page)


def _text(page: Page) -> str:
    library = page.library
    space = library.space
    can, cannot = CAN.get(space.name) or _can(space)
    means = "words and by each other" if space.reads_text else "each other"
    held = {kind: library.count(kind) for kind in library.modalities}
    *parts, last = (PARTS[kind] for kind in held)
    each = f"{', '.join(parts)} or {last}"
    facts = [
        ("Version", version()),
        ("Space", f"{space.name}; each {each} is a point in it, told by {space.dim} numbers"),
        ("Library", cards.counted({kind: n for kind, n in held.items() if kind != "node"})),
    ]
    if page.paths:
        facts.append(("Lies in", cards.plain(str(library.data))))
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in facts)
    return (
        f"<article><h1>Anyfind</h1><p class='lead'>Finds your {_listed(held)} by {means}. "
        "Everything happens on this machine: nothing you add and nothing you search for leaves "
        f"it.</p><dl>{rows}</dl>"
        f"<h2>Media</h2>{_media(held, space.modalities)}"
        f"<h2>What it can</h2><p>{can}</p><h2>What it cannot</h2><p>{cannot}</p>"
        f"<h2>Credits</h2><pre class='notice'>{escape(_notice())}</pre></article>"
    )


def _can(space: Any) -> tuple[str, str]:
    if not space.reads_text:
        return WORDLESS
    return CAN_ANY if space.modalities else WORDS_ALONE


def _listed(held: Mapping[str, int]) -> str:
    names = [cards.NOUNS[kind][1] for kind in held if kind != "node"]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _media(held: Mapping[str, int], towers: Collection[str]) -> str:
    """What the space can hold, with what is read and how it is found."""
    how = HOW | {"film": ", and ".join(how for kind, how in SHOT.items() if kind in towers)}
    rows = "".join(
        f"<tr><th>{cards.TITLES[kind]}</th><td>{FORMATS[kind]}</td><td>{how[kind]}</td>"
        f"<td>{count:,}</td></tr>"
        for kind, count in held.items()
    )
    return (
        "<table><thead><tr><th></th><th>formats</th><th>found by</th><th>held</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def version() -> str:
    """Anyfind's own."""
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
