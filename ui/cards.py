"""Library items as HTML: tiles and cards, and what the viewer tells of an item.

Everything that comes from a file goes through `escape`; nothing here is a template that would be
evaluated again in the browser.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from store.certainty import rate
from ui import icons, network, passage

if TYPE_CHECKING:
    from store.library import Hit, Item

NOUNS = {
    "image": ("picture", "pictures"),
    "audio": ("sound", "sounds"),
    "film": ("film", "films"),
    "text": ("text", "texts"),
    "graph": ("graph", "graphs"),
    "node": ("node", "nodes"),
}
TITLES = {kind: plural.capitalize() for kind, (_, plural) in NOUNS.items()}
MARGIN = 24 / 768  # of a waveform picture's width, free at both ends
PLAYED = {".mp4", ".m4v", ".mov", ".webm", ".ogv", ".ogm", ".mkv", ".3gp"}
"""Films that a browser may play, depending on what is in them; it says so where it does not."""
SAVED = {".html", ".htm", ".xhtml", ".docx"}
"""Texts that are saved, not shown in place."""

_serial = itertools.count(1)


@dataclass(frozen=True)
class Look:
    """How items are shown: as the answer to which words, at which ranks of what, whether with
    paths of this machine, and whether a hit can be added to the query."""

    paths: bool
    wanted: str = ""
    among: str = ""
    steered: bool = False


def clock(seconds: float) -> str:
    """0:05, 12:34, 1:02:03; less than two seconds in tenths."""
    if seconds < 2:
        return f"{seconds:.1f} s" if seconds else "0:00"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours}:{minutes:02}:{whole % 60:02}"
    return f"{minutes}:{whole % 60:02}"


def size(count: float) -> str:
    """Bytes for people: 812 bytes, 1.2 MB."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):  # noqa: B007 (the one it ends with counts)
        count /= 1000
        if count < 1000:
            break
    return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"


def number(count: int, modality: str) -> str:
    """1 picture, 1,204 sounds."""
    return f"{count:,} {NOUNS[modality][count != 1]}"


def counted(held: Mapping[str, int]) -> str:
    """What a library holds by medium, in words; without the media it has none of."""
    parts = [number(count, kind) for kind, count in held.items() if count]
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "nothing yet"


def name(item: Item) -> str:
    """What an item is called: a text by its own title, where it has one."""
    own = item.details.get("title") if item.modality == "text" else None
    return str(own or item.title)


def stretch(item: Item, hit: Hit | None) -> tuple[float, float] | None:
    """Seconds from and to which the hit lies in its sound or film; None where that is all of it."""
    if hit is None or hit.start is None or hit.end is None:
        return None
    whole = hit.start < 0.1 and hit.end > float(item.details.get("seconds", 0)) - 0.1
    return None if whole else (hit.start, hit.end)


def where(item: Item, hit: Hit | None) -> str:
    """Where in it the hit lies ("0:05–0:15 of 2:03", "page 3"), or how long or large it is."""
    if item.modality == "text":
        found = passage.where(hit.place) if hit is not None else ""
        return found or f"{int(item.details.get('words', 0)):,} words"
    if item.modality == "graph":
        return f"{int(item.details.get('nodes', 0)):,} nodes"
    if item.modality == "node":
        return f"in {item.details.get('graph', 'a graph')}"
    if item.modality == "image":
        return ""
    seconds = float(item.details.get("seconds", 0))
    part = stretch(item, hit)
    if part:
        return f"{clock(part[0])}–{clock(part[1])} of {clock(seconds)}"
    return clock(seconds)


def address(item: Item, folder: str = "media") -> str:
    """Where an item's original or preview is had; a node's are its graph's."""
    return f"{folder}/{quote(network.graph_of(item.id), safe='')}"


def preview(item: Item, hit: Hit | None = None) -> str:
    """Where its preview is had; of a film, what is seen where the hit begins."""
    part = stretch(item, hit) if item.modality == "film" else None
    return address(item, "preview") + (f"?at={part[0]:.3f}" if part else "")


def source(item: Item, hit: Hit | None = None) -> str:
    """The address of an item's original, with the stretch to play (a W3C media fragment) or the
    page to open."""
    part = stretch(item, hit)
    fragment = f"#t={part[0]:g},{part[1]:g}" if part else ""
    if item.modality == "text" and hit is not None and "page" in hit.place:
        fragment = f"#page={hit.place['page']}"
    return address(item) + fragment


def _exact(hit: Hit | None) -> str:
    if hit is None or not hit.exact:
        return ""
    return '<span class="exact" title="Holds the words that you typed">exact words</span>'


def _meter(hit: Hit | None) -> str:
    if hit is None or hit.sure is None:
        return ""
    bars, word = rate(hit.sure)
    return (
        f'<span class="sure" data-bars="{bars}" role="img" aria-label="How sure: {word}" '
        f'title="How sure: {word}"><i></i><i></i><i></i></span>'
    )


def _facts(item: Item, hit: Hit | None, rank: int | None, look: Look) -> list[tuple[str, str]]:
    facts = _contents(item, hit)
    if item.modality != "node":
        facts.append(("Size", size(item.bytes)))
        added = time.strftime("%d %B %Y, %H:%M", time.localtime(item.added))
        facts.append(("Added", added.lstrip("0")))
        if item.copied:
            facts.append(("Where", "in Anyfind's library, as a copy"))
        elif look.paths:
            facts.append(("Where", item.path))
    if rank is not None and hit is not None:
        facts.append(("Rank", f"{rank} among {look.among or NOUNS[item.modality][1]}"))
        if hit.sure is not None:
            facts.append(("How sure", rate(hit.sure)[1]))
        if hit.exact:
            facts.append(("Exact words", "yes"))
    return facts


def _contents(item: Item, hit: Hit | None) -> list[tuple[str, str]]:
    """What is in an item, by its medium."""
    details = item.details
    facts: list[tuple[str, str]] = []
    pixels = f"{details.get('width', '?')} × {details.get('height', '?')} pixels"
    if item.modality == "image":
        facts.append(("Dimensions", pixels))
    elif item.modality in ("audio", "film"):
        facts.append(("Length", clock(float(details.get("seconds", 0)))))
        part = stretch(item, hit)
        if part:
            facts.append(("Best at", f"{clock(part[0])}–{clock(part[1])}"))
        if item.modality == "film":
            facts += [("Dimensions", pixels), ("Sound", "yes" if details.get("sound") else "none")]
        elif "rate" in details:
            channels = int(details.get("channels", 1))
            many = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
            facts.append(("Recording", f"{float(details['rate']) / 1000:g} kHz, {many}"))
    elif item.modality == "text":
        found = passage.where(hit.place) if hit is not None else ""
        pages = f", {details['pages']:,} pages" if "pages" in details else ""
        facts += [("Passage", found)] if found else []
        facts.append(("Length", f"{int(details.get('words', 0)):,} words{pages}"))
        facts += [("File", item.title)] if name(item) != item.title else []
        facts += [("Note", str(details["note"]))] if "note" in details else []
    elif item.modality == "graph":
        arrows = ", directed" if details.get("directed") else ""
        facts.append(("Nodes", f"{int(details.get('nodes', 0)):,}"))
        facts.append(("Edges", f"{int(details.get('edges', 0)):,}{arrows}"))
    else:
        facts.append(("Graph", str(details.get("graph", ""))))
        facts += [(key, str(value)) for key, value in details.get("attributes", {}).items()]
    return facts


def data(item: Item, hit: Hit | None, rank: int | None, look: Look) -> dict[str, Any]:
    """What the viewer shows of an item, ready for JSON."""
    start, end = stretch(item, hit) or (None, None)
    suffix = Path(item.path).suffix.lower()
    told: dict[str, Any] = {
        "id": item.id,
        "kind": item.modality,
        "title": name(item),
        "facts": _facts(item, hit, rank, look),
        "missing": item.missing,
        "source": source(item, hit),
        "preview": preview(item, hit),
        "seconds": item.details.get("seconds"),
        "start": start,
        "end": end,
        "steered": look.steered,
    }
    if item.modality == "film":
        told["plays"] = suffix in PLAYED
    if item.modality in ("graph", "node") or suffix in SAVED:
        told["saved"] = True
    if item.modality == "node":
        told["net"] = network.surroundings(item)
    if item.modality == "text" and hit is not None and hit.text:
        told["said"] = passage.mark(hit.text, look.wanted)
        told["place"] = hit.place
    return told


def _ratio(item: Item) -> float:
    """Width by height, within what a row of tiles bears."""
    usual = {"graph": (16, 9), "node": (4, 3), "text": (16, 9)}
    width, height = usual.get(item.modality, (1, 1))
    width, height = item.details.get("width", width), item.details.get("height", height)
    return min(max(float(width) / max(float(height), 1), 0.6), 2.4)


def _open(item: Item, hit: Hit | None, rank: int | None, look: Look, inside: str) -> str:
    """The button that opens the viewer."""
    told = escape(json.dumps(data(item, hit, rank, look)), quote=True)
    label = escape(f"Open {name(item)}", quote=True)
    return (
        f'<button type="button" class="open" data-item="{told}" aria-label="{label}">'
        f"{inside}</button>"
    )


def _steer(look: Look) -> str:
    """Adds a hit to the query; by the keyboard with + and - on the hit itself."""
    if not look.steered:
        return ""
    return (
        '<span class="steer"><button type="button" data-steer="1" tabindex="-1" '
        'title="More like this (+)" aria-label="Add: more like this">+</button>'
        '<button type="button" data-steer="-0.5" tabindex="-1" title="Less like this (−)" '
        'aria-label="Add: less like this">−</button></span>'
    )


def _image(item: Item, hit: Hit | None = None) -> str:
    return f'<img src="{preview(item, hit)}" alt="" loading="lazy" decoding="async">'


def tile(item: Item, hit: Hit | None, rank: int | None, look: Look) -> str:
    """A thumbnail, poster or drawing; choosing it opens the viewer."""
    title = escape(name(item), quote=True)
    inside = network.draw(item) if item.modality == "node" else _image(item, hit)
    inside += _exact(hit)
    when = escape(where(item, hit))
    if item.modality == "film":
        inside += f'<span class="play">{icons.PLAY}</span><span class="when">{when}</span>'
        when = ""
    if item.missing:
        inside += '<span class="lost">missing</span>'
    when = f'<p class="when">{when}</p>' if when else ""
    return (
        f'<div class="tile {item.modality}" style="--r:{_ratio(item):.3f}" '
        f'data-id="{escape(item.id, quote=True)}">{_open(item, hit, rank, look, inside)}'
        f'{_steer(look)}<div class="under"><p class="name" title="{title}">{title}</p>'
        f"{_meter(hit)}</div>{when}</div>"
    )


def sound(item: Item, hit: Hit | None, rank: int | None, look: Look) -> str:
    """A sound's waveform with the hit marked on it, and a player that starts at the hit."""
    title = escape(name(item), quote=True)
    seconds = float(item.details.get("seconds", 0))
    part = stretch(item, hit)
    mark = ""
    if part and seconds > 0:
        left, right = (100 * (MARGIN + (1 - 2 * MARGIN) * at / seconds) for at in part)
        mark = f'<span class="mark" style="left:{left:.2f}%;width:{right - left:.2f}%"></span>'
    if item.missing:
        player = '<p class="gone">The original file is gone.</p>'
    else:
        player = (
            f'<audio controls preload="none" src="{source(item, hit)}" '
            f'aria-label="Play {title}"></audio>'
        )
    inside = f'<span class="wave">{_image(item)}{mark}<span class="head"></span></span>'
    return (
        f'<div class="sound" data-id="{escape(item.id, quote=True)}">'
        f"{_open(item, hit, rank, look, inside)}{_steer(look)}"
        f'<p class="line"><span class="name" title="{title}">{title}</span>{_exact(hit)}'
        f'{_meter(hit)}<span class="when">{where(item, hit)}</span></p>{player}</div>'
    )


def said(item: Item, hit: Hit, rank: int | None, look: Look) -> str:
    """A passage with the query's words marked, and where it stands."""
    title = escape(name(item), quote=True)
    pieces = passage.excerpt(passage.mark(hit.text or "", look.wanted))
    words = "".join(f"<mark>{escape(t)}</mark>" if marked else escape(t) for t, marked in pieces)
    lost = '<span class="gone">missing</span>' if item.missing else ""
    inside = f'<span class="said">{words}</span>'
    return (
        f'<div class="passage" data-id="{escape(item.id, quote=True)}">'
        f"{_open(item, hit, rank, look, inside)}{_steer(look)}"
        f'<p class="line"><span class="name" title="{title}">{title}</span>{lost}{_exact(hit)}'
        f'{_meter(hit)}<span class="when">{escape(where(item, hit))}</span></p></div>'
    )


def card(item: Item, hit: Hit | None = None, rank: int | None = None, *, look: Look) -> str:
    """An item in the way of its medium."""
    if item.modality == "audio":
        return sound(item, hit, rank, look)
    if item.modality == "text" and hit is not None and hit.text:
        return said(item, hit, rank, look)
    return tile(item, hit, rank, look)


def nothing_close(text: str, held: Mapping[str, int]) -> str:
    """Says that the nearest of so many of each medium are far from the words; a long query is
    cut."""
    words = text if len(text) <= 60 else f"{text[:59]}…"
    return f"Nothing close to “{words}” among your {counted(held)}; the nearest are:"


SHAPES = {"audio": "stack", "text": "stack", "": "grid"}
"""How a medium's cards are laid out, beside in a wall; "" is all media in one list."""


def section(
    kind: str, cards: Sequence[str], note: str, *, far: str = "", more: str = "", jump: bool = False
) -> str:
    """The hits of one medium under their heading, or of all media ("").

    Where there are none, `note` says why. `far` says that none of them is close; `more` is a
    button.
    """
    inside = "".join(cards) if cards else f'<p class="none">{escape(note)}</p>'
    beside = f"<small>{escape(note)}</small>" if cards else ""
    # On a phone the others lie far below the first.
    button = '<button type="button" class="jump" data-jump>Next ↓</button>' if jump else ""
    told = f'<p class="far">{escape(far)}</p>' if far else ""
    title, place = TITLES.get(kind, "Everything"), NOUNS[kind][1] if kind else "everything"
    return (
        f'<section class="{place}" data-kind="{kind}" aria-label="{title}">'
        f"<h2>{title} {beside}{button}</h2>{told}"
        f'<div class="{SHAPES.get(kind, "wall")}">{inside}</div>{more}</section>'
    )


def more(kind: str, offset: int) -> str:
    """The button for the hits that follow."""
    return (
        f'<button type="button" class="more" data-more="{kind}" data-offset="{offset}">'
        "Show more</button>"
    )


def sentence(text: str, kind: str = "sorry") -> str:
    """A sentence to the reader, in the place of a result."""
    return fresh(f'<p class="say {kind}" role="alert">{escape(text)}</p>')


def fresh(html: str) -> str:
    """Marks an answer as new: the page ends its waiting on every change, even to the same hits."""
    return f'<div class="answer" data-answer="{next(_serial)}">{plain(html)}</div>'


def plain(text: str) -> str:
    """Text that can be sent: what is none, as in a file's name that is not UTF-8, becomes "?"."""
    return text.encode("utf-8", "replace").decode()
