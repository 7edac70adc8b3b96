"""The Duplicates tab: what is there more than once, side by side; keep one, remove the rest."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from analysis.duplicates import Group, Stopped, find_copies, find_duplicates, wasted
from store.library import LibraryError
from ui import cards, icons
from ui.errors import TOLD
from ui.page import Page
from ui.work import FAULT, Work, WorkState

if TYPE_CHECKING:
    from store.library import Item

POLL_SECONDS = 0.5
GROUPS, MEMBERS, COPIES = 40, 12, 100  # shown at a time

log = logging.getLogger(__name__)

HEAD = (
    "<h1>Duplicates</h1><p>The same picture in another size, crop or coding, the same sound "
    "trimmed or recoded, the same text again. What is merely similar is not among them.</p>"
)


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[[], tuple[Any, ...]]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    work = page.works["duplicates"] = Work("anyfind-duplicates")
    removed = gr.State([])  # the ids of what this window removed last
    with gr.Column(elem_id="duplicates"):
        gr.HTML(HEAD, elem_id="duplicates-head", apply_default_css=False)
        told = gr.HTML(
            "",
            elem_id="duplicates-told",
            apply_default_css=False,
            js_on_load="anyfind.duplicates(element, trigger, watch, ['look', 'stop', 'undo'])",
            head=page.script,
        )
        listed = gr.HTML(
            "",
            elem_id="duplicates-list",
            apply_default_css=False,
            js_on_load="anyfind.pairs(element, trigger, watch, ['keep'])",
            head=page.script,
        )
        timer = gr.Timer(POLL_SECONDS, active=False)

    def draw(gone: list[str], note: str = "") -> tuple[Any, ...]:
        state = work.state()
        return (
            cards.fresh(_bar(page, state, gone, note)),
            _list(page, state) if not state.busy else gr.skip(),
            gr.Timer(active=state.busy),
            gone,
        )

    def poll(gone: list[str]) -> tuple[Any, ...]:
        return draw(gone)

    def look(gone: list[str]) -> tuple[Any, ...]:
        work.start(_task(page))
        return draw(gone)

    def stop(gone: list[str]) -> tuple[Any, ...]:
        work.stop()
        return draw(gone)

    def opened() -> tuple[Any, ...]:
        return draw([])

    def selected(gone: list[str]) -> tuple[Any, ...]:
        state = work.state()
        if not state.busy and (state.result is None or state.result[0] != page.intake.version):
            work.start(_task(page))
        return draw(gone)

    def keep(gone: list[str], event: gr.EventData) -> tuple[Any, ...]:
        ids = [str(id) for id in event.ids][:1000]
        known = {item.id for group in _groups(page, work.state()) for item in group.items}
        chosen = [id for id in ids if id in known]
        before = page.library.aside
        away, note = _tried("removing", lambda: page.library.set_aside(chosen))
        aside = page.library.aside
        if away or aside != before:  # an error may come after the removal
            gone = aside
            _changed(page, work)
        return draw(gone, note)

    def undo(gone: list[str]) -> tuple[Any, ...]:
        if page.library.aside != gone:  # then this would bring back what another window removed
            return draw(gone)
        back, note = _tried("bringing back", page.library.restore)
        if page.library.aside:  # nothing came back
            return draw(gone, note)
        _changed(page, work)
        return draw([], note or f"{_items(len(back))} brought back.")

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_id": "duplicates",
        "concurrency_limit": 1,
    }
    drawn = [told, listed, timer, removed]
    timer.tick(poll, [removed], drawn, **how)
    told.look(look, [removed], drawn, **how)
    told.stop(stop, [removed], drawn, **how)
    told.undo(undo, [removed], drawn, **how)
    listed.keep(keep, [removed], drawn, **how)
    tab.select(selected, [removed], drawn, **how)
    gr.api(
        _endpoint(page),
        api_name="duplicates",
        concurrency_id="duplicates endpoint",
        concurrency_limit=1,
    )
    return drawn, opened


def _task(page: Page) -> Callable[..., Any]:
    version = page.intake.version

    def task(progress: Any, stopped: Callable[[], bool]) -> Any:
        try:
            groups = find_duplicates(page.library, progress=progress, stopped=stopped)
            return version, groups, find_copies(page.library)
        except Stopped:
            raise LibraryError("Stopped.") from None

    return task


def _tried(what: str, act: Callable[[], list[str]]) -> tuple[list[str], str]:
    """The ids that it was done to, and what is to be said when it failed."""
    try:
        return act(), ""
    except LibraryError as error:
        return [], str(error)
    except Exception:
        log.exception("%s failed", what)
        return [], FAULT


def _changed(page: Page, work: Work) -> None:
    """The library is another one, but what is left of the groups still holds."""
    page.intake.changed()
    work.retell(lambda result: result and (page.intake.version, *result[1:]))


def _groups(page: Page, state: WorkState) -> list[Group]:
    """The groups that were found, of the items that are still there."""
    if state.result is None:
        return []
    left = []
    for group in state.result[1]:
        items = [item for item in group.items if page.library.get(item.id) is not None]
        if len(items) > 1:
            left.append(Group(items, group.agreement))
    return left


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"


def _bar(page: Page, state: WorkState, gone: list[str], note: str) -> str:
    """What is going on, and what can be undone."""
    parts = []
    if state.busy:
        part = 100 * state.done / state.total if state.total else 0
        width = f' style="width:{part:.1f}%"' if state.total else ""
        count = f"{state.done:,} of {state.total:,}" if state.total else ""
        parts.append(
            f'<div class="intake" role="status"><header><h2>{escape(state.what)}…</h2>'
            f'<small>{count}</small><button type="button" class="quiet" data-do="stop">Stop'
            f'</button></header><div class="bar {"" if state.total else "unknown"}" '
            f'role="progressbar" aria-label="Looking for duplicates" aria-valuemin="0" '
            f'aria-valuemax="100" aria-valuenow="{part:.0f}"><i{width}></i></div></div>'
        )
    elif state.result is not None and state.result[0] != page.intake.version:
        parts.append(
            '<p class="say">The library has changed since. '
            '<button type="button" class="quiet" data-do="look">Look again</button></p>'
        )
    if state.error and not state.busy:
        again = '<button type="button" class="quiet" data-do="look">Look for duplicates</button>'
        parts.append(f'<p class="say">{escape(state.error)} {again}</p>')
    if note:
        parts.append(f'<p class="say" role="alert">{escape(note)}</p>')
    if gone and gone != page.library.aside:
        parts.append(
            f'<p class="say" role="status">{_items(len(gone))} that you removed cannot be brought '
            "back any more, because something else has been removed since.</p>"
        )
    elif gone:
        parts.append(
            f'<p class="say done undo" role="status">{_items(len(gone))} removed from the library. '
            "Files in your own folders stay where they are."
            '<button type="button" class="primary" data-do="undo">Undo</button></p>'
        )
    return "".join(parts)


def _list(page: Page, state: WorkState) -> str:
    if state.result is None:
        return cards.fresh("")
    try:
        groups = _groups(page, state)
        copies = state.result[2]
        if not groups and not copies:
            return cards.fresh(
                f'<div class="empty">{icons.EMPTY}<h2>No duplicates</h2><p>Nothing in the library '
                "is there twice, neither as it is nor in another size, crop or coding.</p></div>"
            )
        sections = "".join(_group(page, group) for group in groups[:GROUPS])
        more = ""
        if len(groups) > GROUPS:
            more = f'<p class="none">{len(groups) - GROUPS:,} more groups follow these.</p>'
        extra = sum(len(group.items) - 1 for group in groups)
        head = ""
        if groups:
            head = (
                f"<h2>{len(groups):,} group{'' if len(groups) == 1 else 's'}, "
                f"{_items(extra)} too many</h2>"
            )
        return cards.fresh(head + sections + more + _copies(page, copies))
    except TOLD as error:
        return cards.sentence(str(error))


def _group(page: Page, group: Group) -> str:
    """Its items side by side; the one that is kept is chosen by a radio button."""
    shown = group.items[:MEMBERS]
    facts = [_facts(page, item) for item in shown]
    names = list(dict.fromkeys(key for fact in facts for key in fact))
    differ = {key for key in names if len({fact.get(key) for fact in facts}) > 1}
    look = cards.Look(page.paths)
    mark = escape(group.items[0].id, quote=True)
    cells = []
    for at, (item, fact) in enumerate(zip(shown, facts, strict=True)):
        rows = "".join(
            f'<dt>{key}</dt><dd class="{"differs" if key in differ else "same"}">'
            f"{escape(fact.get(key, '—'))}</dd>"
            for key in names
        )
        id, title = escape(item.id, quote=True), escape(cards.name(item), quote=True)
        cells.append(
            f'<div class="copy {item.modality}">{cards.card(item, look=look)}'
            f'<label class="keep"><input type="radio" name="keep-{mark}" value="{id}" '
            f'{"checked" if at == 0 else ""} aria-label="Keep {title}"><span>Keep</span></label>'
            f"<dl>{rows}</dl></div>"
        )
    ids = escape(" ".join(item.id for item in group.items), quote=True)
    hidden = len(group.items) - len(shown)
    note = f'<p class="none">and {hidden:,} more, which are removed as well</p>' if hidden else ""
    rest = len(group.items) - 1
    return (
        f'<section class="group" data-ids="{ids}" aria-label="Duplicates">'
        f'<div class="copies">{"".join(cells)}</div>{note}<div class="acts">'
        f'<button type="button" class="danger" data-keep>Keep the chosen one, remove '
        f"{'the other' if rest == 1 else f'the other {rest:,}'}</button>"
        '<button type="button" class="quiet" data-apart>Not duplicates</button></div></section>'
    )


def _facts(page: Page, item: Item) -> dict[str, str]:
    details = item.details
    facts: dict[str, str] = {}
    if "width" in details:
        facts["Pixels"] = f"{details['width']} × {details['height']}"
    if "seconds" in details:
        facts["Length"] = cards.clock(float(details["seconds"]))
    if item.modality == "audio" and "rate" in details:
        facts["Rate"] = f"{float(details['rate']) / 1000:g} kHz"
    if item.modality == "text":
        facts["Words"] = f"{int(details.get('words', 0)):,}"
    facts["Size"] = cards.size(item.bytes)
    facts["Format"] = os.path.splitext(item.path)[1].lstrip(".").upper() or "—"
    if item.copied:
        facts["Folder"] = "in the library, a copy"
    elif page.paths:
        facts["Folder"] = os.path.dirname(item.path)
    return facts


def _copies(page: Page, copies: Sequence[Any]) -> str:
    """Files with the same bytes: one item of the library, so there is nothing to remove from it."""
    if not copies:
        return ""
    lines = []
    for item, paths in copies[:COPIES]:
        where = "".join(f"<li>{escape(str(path))}</li>" for path in paths) if page.paths else ""
        lines.append(
            f"<details><summary>{escape(cards.name(item))} <small>{len(paths)} files, "
            f"{cards.size(item.bytes)} each</small></summary><ul>{where}</ul></details>"
        )
    more = len(copies) - COPIES
    rest = f'<p class="none">and {more:,} more</p>' if more > 0 else ""
    return (
        f'<section class="exact-copies"><h2>The same file in several places '
        f"<small>{len(copies):,}, {cards.size(wasted(copies))} more than needed</small></h2>"
        "<p>In the library each is one item. Anyfind never deletes files of your own: these are "
        f"their places.</p>{''.join(lines)}{rest}</section>"
    )


def _endpoint(page: Page) -> Callable[..., list[list[dict[str, Any]]]]:
    def duplicates(modality: str = "") -> list[list[dict[str, Any]]]:
        """Groups of items that are the same thing, in other sizes, qualities or cuts.

        Args:
            modality: Look in one medium only: image, audio, film or text.
        """
        try:
            groups = find_duplicates(page.library, modality or None)
        except TOLD as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            log.exception("looking for duplicates failed")
            raise gr.Error(FAULT, print_exception=False) from None
        keys = ("id", "modality", "title", "bytes", "details")
        return [
            [{key: getattr(item, key) for key in keys} for item in group.items] for group in groups
        ]

    return duplicates
