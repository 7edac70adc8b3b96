"""The Library tab: put files in, watch them arrive, look through what is there, take it out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from store.library import LibraryError
from ui import cards, icons, search
from ui.intake import State
from ui.page import Page

if TYPE_CHECKING:
    from store.library import Library

Drawn = tuple[str, str, int, int]  # heading, list, offset, the library's version

PAGE_SIZE = 60
POLL_SECONDS = 0.5
SKIPS_SHOWN = 100
MARKS = {"added": "Added", "present": "Already there", "skipped": "Skipped", "stopped": "Stopped"}

log = logging.getLogger(__name__)


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[[], tuple[Any, ...]]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    seen = gr.State(-1)  # the library's version that the list shows
    offset = gr.State(0)
    with gr.Column(elem_id="library"):
        summary = gr.HTML("", elem_id="counts", apply_default_css=False)
        drop = gr.HTML(
            f"""<label id="drop" for="drop-input" tabindex="0" role="button">{icons.ADD}
            <b>Drop files here</b><span>pictures, sounds, films, texts or graphs; or choose them:
            they are copied into the library</span><span id="sending" role="status"></span></label>
            <input type="file" id="drop-input" multiple hidden>""",
            elem_id="dropzone",
            apply_default_css=False,
            js_on_load="anyfind.drop(element, trigger, ['arrived'])",
            head=page.script,
        )
        if page.local:
            with gr.Row(elem_id="folder-row"):
                folder = gr.Textbox(
                    elem_id="folder",
                    show_label=False,
                    label="Folder",
                    container=False,
                    max_lines=1,
                    scale=1,
                    placeholder="…or a folder of this machine; its files stay where they are",
                )
                add = gr.Button("Add folder", elem_id="add-folder", scale=0, min_width=120)
        progress = gr.HTML(
            "",
            elem_id="progress",
            apply_default_css=False,
            js_on_load="anyfind.progress(element, trigger, ['stop'])",
            head=page.script,
        )
        with gr.Row(elem_id="shelf-filters"):
            modality = gr.Radio(
                search.media(page),
                value="",
                show_label=False,
                container=False,
                label="Show",
                elem_id="shelf-in",
            )
        shelf = gr.HTML(
            "",
            elem_id="shelf",
            apply_default_css=False,
            js_on_load="anyfind.shelf(element, trigger, watch, ['remove', 'turn', 'fresh'])",
            head=page.script,
        )
        timer = gr.Timer(POLL_SECONDS, active=False)

    def draw(modality: str, start: int) -> Drawn:
        return _draw(page, modality, start)

    def again(modality: str, start: int, version: int) -> tuple[Any, ...]:
        return (gr.skip(),) * 4 if version == page.intake.version else draw(modality, start)

    def poll(modality: str, start: int, version: int) -> tuple[Any, ...]:
        state = page.intake.state()
        listed = again(modality, start, version)
        return _progress(state), gr.Timer(active=state.busy), *listed

    def add_folder(text: str, modality: str, start: int, version: int) -> tuple[Any, ...]:
        problem = _add(page, text)
        if problem:
            return gr.skip(), cards.sentence(problem), *(gr.skip(),) * 5
        return "", *poll(modality, start, version)

    def stop(modality: str, start: int, version: int) -> tuple[Any, ...]:
        page.intake.stop()
        return poll(modality, start, version)

    def remove(modality: str, start: int, event: gr.EventData) -> tuple[Any, ...]:
        told = _remove(page, [str(item_id) for item_id in event.ids][:PAGE_SIZE])
        return told, *draw(modality, start)

    def turn(modality: str, event: gr.EventData) -> Drawn:
        return draw(modality, int(event.offset))

    def opened() -> tuple[Any, ...]:
        told, *rest = poll("", 0, -1)
        # An old report is of no interest to who opens the page afresh.
        return (told if page.intake.state().busy else ""), *rest

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_id": "library",
        "concurrency_limit": 1,  # in the order they were asked for
    }
    listed = [summary, shelf, offset, seen]
    state = [modality, offset, seen]
    polled = [progress, timer, *listed]
    timer.tick(poll, state, polled, **how)
    drop.arrived(poll, state, polled, trigger_mode="always_last", **how)
    progress.stop(stop, state, polled, **how)
    shelf.remove(remove, [modality, offset], [progress, *listed], **how)
    for event in (shelf.fresh, tab.select):  # something may have been removed elsewhere
        event(again, state, listed, trigger_mode="always_last", **how)
    shelf.turn(turn, [modality], listed, trigger_mode="always_last", **how)
    modality.change(lambda kind: draw(kind, 0), [modality], listed, **how)
    if page.local:
        for trigger in (folder.submit, add.click):
            trigger(add_folder, [folder, *state], [folder, *polled], **how)

    return polled, opened


def _draw(page: Page, modality: str, start: int) -> Drawn:
    """The heading, a page of the list, its offset, and the library's version it is of."""
    version = page.intake.version
    try:
        library = page.library
        kinds = [kind for kind in library.modalities if kind != "node"]
        heading = cards.counted({kind: library.count(kind) for kind in kinds})
        return f"<h1>{heading}</h1>", *_shelf(library, modality or None, start, page.paths), version
    except LibraryError as error:
        return cards.sentence(str(error)), "", 0, version


def _remove(page: Page, ids: list[str]) -> str:
    """Take items out of the library; what to say of it."""
    try:
        gone = page.library.remove(ids)
    except LibraryError as error:
        return cards.sentence(str(error))
    except Exception:
        log.exception("removing failed")
        return cards.sentence("These could not be removed; Anyfind's log has the details.")
    page.intake.changed()
    return cards.sentence(f"Removed {len(gone)} {'item' if len(gone) == 1 else 'items'}.", "done")


def _add(page: Page, text: str) -> str:
    """Queue a folder (or one file) of this machine; the sentence to show when that can't be."""
    text = text.strip().strip("\"'")
    if not text:
        return "Type the path of a folder first."
    path = Path(text).expanduser()
    try:
        if not path.is_absolute():
            return f"“{text}” is not a whole path; begin it with / or ~ (on Windows with C:\\)."
        if not path.exists():
            return f"There is no folder “{text}” on this machine."
    except (OSError, ValueError):
        return f"“{text[:200]}” cannot be looked into; check the path and its permissions."
    page.intake.put(path)
    return ""


def _progress(state: State) -> str:
    """The bar while files arrive, and the report afterwards."""
    if not state.busy and not state.rows and not state.error and not state.folder:
        return cards.fresh("")
    total = max(state.total, state.done)
    percent = 100 * state.done / total if total else 0
    if state.busy:
        title = "Stopping…" if state.stopping else f"Adding {escape(state.folder) or 'files'}…"
        count = f"{state.done:,} of {total:,}" if total else f"{state.done:,} so far"
        width = f' style="width:{percent:.1f}%"' if total else ""
        bar = (
            f'<div class="bar {"" if total else "unknown"}" role="progressbar" '
            f'aria-label="Adding files" aria-valuenow="{percent:.0f}" aria-valuemin="0" '
            f'aria-valuemax="100"><i{width}></i></div>'
        )
        button = "" if state.stopping else '<button type="button" data-stop>Stop</button>'
        head = f"<header><h2>{title}</h2><small>{count}</small>{button}</header>{bar}"
    else:
        button = '<button type="button" data-close>Close</button>'
        head = f"<header><h2>{_report(state)}</h2>{button}</header>"
    if state.error:
        head += f'<p class="say sorry" role="alert">{escape(state.error)}</p>'
    latest = state.rows[::-1]
    rows = "".join(
        f'<li class="{row.state}"><span class="file">{escape(row.name)}</span>'
        f'<span class="mark">{MARKS.get(row.state, "")}</span>'
        f'<span class="reason">{escape(row.reason)}</span></li>'
        for row in sorted(latest, key=_urgency)[:SKIPS_SHOWN]
    )
    return cards.fresh(f'<div class="intake" role="status">{head}<ul>{rows}</ul></div>')


def _urgency(row: Any) -> int:
    """What was skipped comes first: it is what the reader may want to mend."""
    return {"skipped": 0, "waiting": 2}.get(row.state, 1)


def _report(state: State) -> str:
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (state.added, "added"),
            (state.present, "already there"),
            (state.skipped, "skipped"),
        )
        if count
    ]
    report = ", ".join(parts) or ("stopped" if state.stopping else "nothing to add found")
    report = report[0].upper() + report[1:]
    return f"{report}; stopped before the end" if state.stopping and parts else report


def _shelf(library: Library, modality: str | None, start: int, paths: bool) -> tuple[str, int]:
    """A page of the library, newest first, and its offset."""
    total = library.count(modality)
    start = max(0, min(start, (total - 1) // PAGE_SIZE * PAGE_SIZE))
    if total == 0:
        text = (
            f"There are no {cards.NOUNS[modality][1]} in the library yet."
            if modality
            else "The library is empty: drop some files above."
        )
        return cards.fresh(f'<p class="none">{text}</p>'), 0
    items = library.items(modality, offset=start, limit=PAGE_SIZE)
    look = cards.Look(paths)
    shown = "".join(_picked(cards.card(item, look=look), item) for item in items)
    pages = ""
    if total > PAGE_SIZE:
        last = min(start + PAGE_SIZE, total)
        back = "" if start else " disabled"
        on = "" if last < total else " disabled"
        pages = (
            f'<nav class="pages" aria-label="Pages">'
            f'<button type="button" data-turn="{max(0, start - PAGE_SIZE)}"{back}>Newer</button>'
            f"<span>{start + 1:,}–{last:,} of {total:,}</span>"
            f'<button type="button" data-turn="{start + PAGE_SIZE}"{on}>Older</button></nav>'
        )
    return cards.fresh(f'<div class="grid">{shown}</div>{pages}'), start


def _picked(card: str, item: Any) -> str:
    """A card with the box that picks it for removing."""
    title = escape(cards.name(item), quote=True)
    return (
        f'<div class="cell {item.modality}">{card}<label class="pick">'
        f'<input type="checkbox" data-pick-id="{escape(item.id, quote=True)}" '
        f'aria-label="Select {title}"></label></div>'
    )
