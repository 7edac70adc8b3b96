"""One vector as HTML: the thing, its numbers, its nearest concepts, and what it lost."""

from __future__ import annotations

import base64
import io
import json
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from analysis.inside import Inside, Subject
from ui import cards

THUMB = 200  # pixels of a changed picture
WAVE = 90  # bars of a sound's outline


def draw(found: Inside) -> str:
    """All of it."""
    one = f"<div>{_head(found)}{_numbers(found)}</div>"
    # a space that reads no words has no concepts to tell it by
    known = f"{_concepts(found)}{_lost(found)}" if found.concepts else ""
    return cards.fresh(f'<div class="looked">{one}{known}</div>')


def _head(found: Inside) -> str:
    subject = found.subject
    kind = cards.NOUNS[subject.modality][0] if subject.modality != "words" else "words"
    dim = len(found.vector)
    facts = [("What it is", kind), ("Numbers", f"{dim:,}")]
    many = len(subject.rows)
    if many > 1:
        facts.append(
            (
                "Length",
                f"{found.length:.2f}, scaled to 1: the mean of {many:,} parts, each 1 long; the "
                "less alike they are, the shorter",
            )
        )
    else:
        facts.append(("Length", "scaled to 1, so that only the direction counts"))
    facts.append(("Carried by", f"{found.carrying:,} numbers make 90 % of its square length"))
    size = 4 * dim
    part = f", 1/{round(subject.bytes / size):,} of it" if subject.bytes >= 2 * size else ""
    facts.append(
        ("Size", f"{cards.size(subject.bytes)} became {cards.size(size)}{part}"),
    )
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in facts)
    return (
        f'<section class="thing {subject.modality}">{_portrait(subject)}<div>'
        f"<h2>{escape(_cut(subject.title, 200))}</h2><dl>{rows}</dl></div></section>"
    )


def _portrait(subject: Subject) -> str:
    if isinstance(subject.content, Image.Image):
        return f'<img class="portrait" src="{_inline(subject.content, 480)}" alt="">'
    if subject.item is not None and subject.modality in ("audio", "film", "graph"):
        return f'<img class="portrait" src="{cards.address(subject.item, "preview")}" alt="">'
    if isinstance(subject.content, str):
        return f"<blockquote>{escape(_cut(subject.content, 400))}</blockquote>"
    return ""


def _numbers(found: Inside) -> str:
    values = [round(float(x), 4) for x in found.vector]
    blocks = [
        {"name": b.name, "start": b.start, "stop": b.stop, "share": round(100 * b.share)}
        for b in found.blocks
    ]
    told = escape(json.dumps({"values": values, "blocks": blocks}), quote=True)
    share = "; per cent of its square length" if len(blocks) > 1 else ""
    return (
        f"<section><h2>Its numbers <small>{len(values):,}, each a cell{share}</small></h2>"
        f'<div class="vector" data-vector="{told}"></div>'
        '<p class="legend"><i class="below"></i>below 0<i class="none"></i>0'
        '<i class="over"></i>above 0<span class="told" aria-live="off"></span></p></section>'
    )


def _concepts(found: Inside) -> str:
    top = max(found.reachable, 1e-6)
    rows = "".join(
        f'<li><button type="button" data-inside-words="{escape(c.text, quote=True)}" '
        f'title="Look inside these words">{escape(c.text)}</button><span class="meter">'
        f'<i style="width:{100 * min(max(c.cosine / top, 0), 1):.1f}%"></i></span>'
        f"<small>{c.cosine:.2f}</small></li>"
        for c in found.concepts
    )
    least = ""
    if found.reachable < 0.95:
        least = (
            f" Words and {_plural(found.subject)} share only a part of their numbers, so no cosine "
            f"here can be above {found.reachable:.2f}; a full bar is that."
        )
    return (
        f"<section><h2>Nearest concepts <small>of {found.among:,}</small></h2>"
        f'<ol class="concepts">{rows}</ol><p class="note">The cosine of both vectors: 1 is the '
        f"same direction, 0 nothing in common.{least} What is near to everything comes later."
        "</p></section>"
    )


def _plural(subject: Subject) -> str:
    return "words" if subject.modality == "words" else cards.NOUNS[subject.modality][1]


def _lost(found: Inside) -> str:
    subject, first = found.subject, found.concepts[0]
    most = f" (at most {found.reachable:.2f} for words)" if found.reachable < 0.95 else ""
    sentences = (
        f"No way leads back from the numbers. The nearest words are “{first.text}”, at a cosine of "
        f"{first.cosine:.2f}{most}: a distance of {1 - first.cosine:.2f}, where itself has none. "
        "What they do not say is lost to words."
    )
    shown = [(c.cosine, _changed(c.what, c.cosine, c.content, "")) for c in found.changes]
    what = ""
    if shown:
        other = ""
        if found.neighbour is not None:
            item, cosine = found.neighbour
            noun = cards.NOUNS[item.modality][0]
            name = f"another {noun}: {cards.name(item)}"
            shown.append((cosine, _changed(name, cosine, item, "other")))
            other = f"any other {noun} of your library"
        elif subject.modality == "words":
            shown.append((first.cosine, _changed("other words", first.cosine, first.text, "other")))
            other = "any other words here"
        if other:
            other = f" All before the framed one are nearer to the original than {other} is."
        its = "Its first part" if len(subject.rows) > 1 else "The same"
        shown.sort(key=lambda one: -one[0])
        what = (
            f'<p class="note">{its}, changed, and the cosine with what it was: what a vector does '
            f'not notice, it has lost.{other}</p><div class="changes {subject.tower}">'
            f"{''.join(html for _, html in shown)}</div>"
        )
    elif subject.content is None:
        what = '<p class="note">Its file is gone, so nothing of it can be changed and compared.</p>'
    return (
        f'<section><h2>What it lost</h2><p class="lost-words">{escape(sentences)}</p>{what}'
        f"{_unseen(subject)}</section>"
    )


def _unseen(subject: Subject) -> str:
    if subject.tower != "audio":
        return ""
    return (
        '<p class="note">Older ways are shown for words and pictures: look inside one of those.</p>'
    )


def _changed(what: str, cosine: float, content: Any, kind: str) -> str:
    body = ""
    if isinstance(content, Image.Image):
        body = f'<img src="{_inline(content, THUMB)}" alt="">'
    elif isinstance(content, str):
        body = f"<q>{escape(_cut(content, 140))}</q>"
    elif isinstance(content, np.ndarray):
        body = _wave(content)
    elif content.modality not in ("text", "node"):  # their previews are too small to be read
        body = f'<img src="{cards.address(content, "preview")}" alt="">'
    return (
        f'<figure class="{kind}">{body}<figcaption>{escape(_cut(what, 80))}'
        f'<span class="meter"><i style="width:{100 * min(max(cosine, 0), 1):.1f}%"></i></span>'
        f"<small>{cosine:.3f}</small></figcaption></figure>"
    )


def _wave(samples: np.ndarray) -> str:
    """A sound's outline."""
    parts = np.array_split(np.abs(samples), WAVE)
    peaks = [float(part.max()) if len(part) else 0.0 for part in parts]
    bars = "".join(
        f'<rect x="{at}" y="{20 - 19 * min(peak, 1):.1f}" width="0.7" '
        f'height="{max(38 * min(peak, 1), 0.4):.1f}"/>'
        for at, peak in enumerate(peaks)
    )
    return (
        f'<svg class="outline" viewBox="0 0 {WAVE} 40" preserveAspectRatio="none" '
        f'aria-hidden="true">{bars}</svg>'
    )


def _inline(picture: Image.Image, side: int) -> str:
    """A small picture as an address of its own."""
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    kept = io.BytesIO()
    small.save(kept, "WEBP", quality=75)
    return f"data:image/webp;base64,{base64.b64encode(kept.getvalue()).decode()}"


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
