"""Library items as HTML: tiles, sound cards, and what the viewer tells of an item.

Everything that comes from a file goes through `escape`; nothing here is a template that would be
evaluated again in the browser.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from store.certainty import rate

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
MARGIN = 24 / 768  # of a waveform picture's width, free at both ends
TITLES = {"image": "Pictures", "audio": "Sounds"}

_serial = itertools.count(1)


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


def stretch(item: Item, hit: Hit | None) -> tuple[float, float] | None:
    """Seconds from and to which the hit lies in its sound; None where that is all of it."""
    if hit is None or hit.start is None or hit.end is None:
        return None
    whole = hit.start < 0.1 and hit.end > float(item.details.get("seconds", 0)) - 0.1
    return None if whole else (hit.start, hit.end)


def where(item: Item, hit: Hit | None) -> str:
    """Where in a sound the hit lies ("0:05–0:15 of 2:03"), or how long the sound is."""
    seconds = float(item.details.get("seconds", 0))
    part = stretch(item, hit)
    if part:
        return f"{clock(part[0])}–{clock(part[1])} of {clock(seconds)}"
    return clock(seconds)


def source(item: Item, hit: Hit | None = None) -> str:
    """The address of an item's original, with the stretch to play (a W3C media fragment)."""
    part = stretch(item, hit)
    fragment = f"#t={part[0]:g},{part[1]:g}" if part else ""
    return f"media/{item.id}{fragment}"


def _meter(hit: Hit | None) -> str:
    if hit is None or hit.sure is None:
        return ""
    bars, word = rate(hit.sure)
    return (
        f'<span class="sure" data-bars="{bars}" role="img" aria-label="How sure: {word}" '
        f'title="How sure: {word}"><i></i><i></i><i></i></span>'
    )


def _facts(item: Item, hit: Hit | None, rank: int | None, paths: bool) -> list[tuple[str, str]]:
    details = item.details
    facts: list[tuple[str, str]] = []
    if item.modality == "image":
        if "width" in details:
            facts.append(("Dimensions", f"{details['width']} × {details['height']} pixels"))
    else:
        facts.append(("Length", clock(float(details.get("seconds", 0)))))
        part = stretch(item, hit)
        if part:
            facts.append(("Best at", f"{clock(part[0])}–{clock(part[1])}"))
        if "rate" in details:
            channels = int(details.get("channels", 1))
            many = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
            facts.append(("Recording", f"{float(details['rate']) / 1000:g} kHz, {many}"))
    facts.append(("Size", size(item.bytes)))
    added = time.strftime("%d %B %Y, %H:%M", time.localtime(item.added))
    facts.append(("Added", added.lstrip("0")))
    if item.copied:
        facts.append(("Where", "in Anyfind's library, as a copy"))
    elif paths:
        facts.append(("Where", item.path))
    if rank is not None and hit is not None:
        facts.append(("Rank", f"{rank} among {NOUNS[item.modality][1]}"))
        if hit.sure is not None:
            facts.append(("How sure", rate(hit.sure)[1]))
        facts.append(("Standard score", f"{hit.score:+.2f}"))
    return facts


def _data(item: Item, hit: Hit | None, rank: int | None, paths: bool) -> str:
    start, end = stretch(item, hit) or (None, None)
    data: dict[str, Any] = {
        "id": item.id,
        "kind": item.modality,
        "title": item.title,
        "facts": _facts(item, hit, rank, paths),
        "missing": item.missing,
        "source": source(item, hit),
        "seconds": item.details.get("seconds"),
        "start": start,
        "end": end,
    }
    return escape(json.dumps(data), quote=True)


def _ratio(item: Item) -> float:
    """Width by height, within what a row of tiles bears."""
    width, height = float(item.details.get("width", 1)), float(item.details.get("height", 1))
    return min(max(width / max(height, 1), 0.6), 2.4)


def tile(item: Item, hit: Hit | None = None, rank: int | None = None, *, paths: bool) -> str:
    """A picture's thumbnail; choosing it opens the viewer."""
    title = escape(item.title, quote=True)
    lost = '<span class="lost">missing</span>' if item.missing else ""
    return (
        f'<div class="tile" style="--r:{_ratio(item):.3f}" data-id="{escape(item.id, quote=True)}">'
        f'<button type="button" class="open" data-item="{_data(item, hit, rank, paths)}" '
        f'aria-label="Open {title}">'
        f'<img src="preview/{escape(item.id, quote=True)}" alt="" loading="lazy" decoding="async">'
        f'{lost}</button><div class="under"><p class="name" title="{title}">{title}</p>'
        f"{_meter(hit)}</div></div>"
    )


def sound(item: Item, hit: Hit | None = None, rank: int | None = None, *, paths: bool) -> str:
    """A sound's waveform with the hit marked on it, and a player that starts at the hit."""
    title, id_ = escape(item.title, quote=True), escape(item.id, quote=True)
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
    return (
        f'<div class="sound" data-id="{id_}">'
        f'<button type="button" class="open" data-item="{_data(item, hit, rank, paths)}" '
        f'aria-label="Open {title}"><span class="wave">'
        f'<img src="preview/{id_}" alt="" loading="lazy" decoding="async">{mark}'
        f'<span class="head"></span></span></button>'
        f'<p class="line"><span class="name" title="{title}">{title}</span>{_meter(hit)}'
        f'<span class="when">{where(item, hit)}</span></p>{player}</div>'
    )


def card(item: Item, hit: Hit | None = None, rank: int | None = None, *, paths: bool) -> str:
    draw = tile if item.modality == "image" else sound
    return draw(item, hit, rank, paths=paths)


def nothing_close(text: str, held: Mapping[str, int]) -> str:
    """Says that the nearest of so many of each medium are far from the words; a long query is
    cut."""
    words = text if len(text) <= 60 else f"{text[:59]}…"
    return f"Nothing close to “{words}” among your {counted(held)}; the nearest are:"


def section(modality: str, cards: Sequence[str], note: str, far: str = "") -> str:
    """The hits of one medium under their heading; `far` says that none of them is close."""
    inside = "".join(cards) if cards else f'<p class="none">{escape(note)}</p>'
    beside = f"<small>{escape(note)}</small>" if cards else ""
    # On a phone the sounds lie far below the pictures.
    jump = '<button type="button" class="jump" data-jump>Sounds ↓</button>'
    jump = jump if modality == "image" else ""
    shape = "wall" if modality == "image" else "stack"
    said = f'<p class="far">{escape(far)}</p>' if far else ""
    return (
        f'<section class="{NOUNS[modality][1]}" aria-label="{TITLES[modality]}">'
        f"<h2>{TITLES[modality]} {beside}{jump}</h2>{said}"
        f'<div class="{shape}">{inside}</div></section>'
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
