"""The Classify tab: everything sorted under labels, and labels taught by examples."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from analysis.classification import (
    NONE,
    NONE_TITLE,
    Classified,
    choose_streams,
    classify,
    label_wordings,
    read_sets,
)
from analysis.probe import (
    SURE_FOLDS,
    Probe,
    Report,
    apply,
    load_probe,
    probe_names,
    save_probe,
    teach,
)
from analysis.table import as_dicts, write_table
from store.library import LibraryError
from store.streams import MODALITIES, STREAMS
from store.wordings import space_kind
from ui import cards, search
from ui.errors import TOLD
from ui.page import Page

if TYPE_CHECKING:
    from store.library import Item

SHOWN, MORE = 8, 24  # items of a label at first, and with every "Show more"
MOST_MARKS = 5_000
TOLD_BELOW = 0.9  # of how sure the first label is: the second is named as well

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelf:
    """What the page shows: items under labels, and what sorted them."""

    classified: Classified
    names: tuple[str, ...]
    """The labels that can be taught: those sorted under, and others that have no examples yet."""
    wordings: tuple[str, ...] = ()
    doubtful: bool = False
    probe: Probe | None = None
    report: Report | None = None
    name: str = ""
    """Under which the probe is kept."""


Answer = tuple[str, Any]  # results, and the shelf that they show


def media(page: Page) -> list[tuple[str, str]]:
    """What to sort; a film also by what is heard in it."""
    kinds = search.media(page)
    if {"film", "soundtrack"} <= set(page.library.streams):
        at = [kind for _, kind in kinds].index("film")
        kinds.insert(at + 1, ("Films by sound", "soundtrack"))
    return kinds


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[..., Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    shelf = gr.State(None)
    with gr.Column(elem_id="classify"):
        form = gr.HTML(
            _form(page),
            elem_id="sort-form",
            apply_default_css=False,
            js_on_load="anyfind.sorting(element, trigger, ['sort'])",
            head=page.script,
        )
        gr.Radio(  # its choice comes with what is asked, from the page's own script
            media(page),
            value="",
            show_label=False,
            container=False,
            label="Sort",
            elem_id="sort-in",
        )
        kept = gr.HTML("", elem_id="probes", apply_default_css=False)
        results = gr.HTML(
            "",
            elem_id="shelves",
            apply_default_css=False,
            js_on_load="anyfind.shelves(element, trigger, watch, "
            "['again', 'more', 'learn', 'keep', 'recall', 'table'])",
            head=page.script,
        )
        following = gr.HTML(
            "",
            elem_id="shelves-following",
            apply_default_css=False,
            js_on_load="anyfind.shelved(element, watch)",
            head=page.script,
        )
        table = gr.HTML(
            "",
            elem_id="sort-table",
            apply_default_css=False,
            js_on_load="anyfind.sheet(element, watch)",
            head=page.script,
        )

    def sort(event: gr.EventData) -> Answer:
        labels, wordings = _words(event.labels), tuple(str(event.wordings).splitlines())

        def act() -> Shelf:
            streams = _streams(page, event.medium)
            found = classify(page.library, labels, streams, wordings)
            return Shelf(found, found.labels, wordings)

        return _answer(page, act)

    def turn(shown: Shelf | None, event: gr.EventData) -> Answer:
        if shown is None:
            return gr.skip(), gr.skip()
        return _answer(page, lambda: replace(shown, doubtful=bool(event.doubtful)))

    def learn(shown: Shelf | None, event: gr.EventData) -> Answer:
        def act() -> Shelf:
            wordings = () if shown is None else shown.wordings
            probe, report = teach(page.library, _marks(page, event.marks), wordings)
            found = apply(page.library, probe, _streams(page, event.medium))
            before = found.labels if shown is None else shown.names
            names = tuple(dict.fromkeys([*before, *found.labels]))
            return Shelf(found, names, wordings, False, probe, report)

        return _answer(page, act)

    def recall(event: gr.EventData) -> Answer:
        def act() -> Shelf:
            name = str(event.name)
            probe = load_probe(page.library, name)
            found = apply(page.library, probe, _streams(page, event.medium))
            return Shelf(found, found.labels, probe=probe, name=name)

        return _answer(page, act)

    def keep(shown: Shelf | None, event: gr.EventData) -> tuple[Any, Any, str]:
        if shown is None or shown.probe is None:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            name = save_probe(page.library, shown.probe, str(event.name))
        except LibraryError as error:
            return cards.sentence(str(error)), gr.skip(), gr.skip()
        return *_answer(page, lambda: replace(shown, name=name)), _kept(page)

    def go_on(shown: Shelf | None, event: gr.EventData) -> str:
        return _following(page, shown, event.label, event.offset)

    def start() -> str:
        return cards.fresh(_guarded(lambda: _start(page)))

    def opened() -> tuple[str, str]:
        return _guarded(lambda: _kept(page)), start()

    def looked(shown: Shelf | None) -> Any:
        return gr.skip() if shown is not None else start()

    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_id": "classify",
        "concurrency_limit": 1,
    }
    last: dict[str, Any] = how | {"trigger_mode": "always_last"}
    shown = [results, shelf]
    form.sort(sort, None, shown, **last)
    results.again(turn, [shelf], shown, **last)
    results.learn(learn, [shelf], shown, **last)
    results.recall(recall, None, shown, **last)
    results.keep(keep, [shelf], [*shown, kept], **last)
    results.more(go_on, [shelf], following, trigger_mode="multiple", **how)
    results.table(partial(_table, page), [shelf], table, **last)
    tab.select(looked, [shelf], results, **last)
    gr.api(
        _endpoint(page),
        api_name="classify",
        concurrency_id="endpoint",
        concurrency_limit=4,
    )
    return [kept, results], opened


def _streams(page: Page, medium: Any) -> list[str]:
    kind = str(medium)
    if kind == "graph":
        return [name for name in ("graph", "node") if name in page.library.streams]
    return choose_streams(page.library, kind or None)


def _words(typed: Any) -> list[str]:
    """Labels as they were typed: separated by commas or lines."""
    return str(typed).replace("\n", ",").split(",")


def _marks(page: Page, marks: Any) -> dict[str, list[str]]:
    """What the page's marks say: ids of items that are still there, by label."""
    found: dict[str, list[str]] = {}
    if not isinstance(marks, Mapping):
        return found
    for id, label in list(marks.items())[:MOST_MARKS]:
        if page.library.get(str(id)) is not None:
            found.setdefault(str(label), []).append(str(id))
    return found


def _guarded(answer: Callable[[], str]) -> str:
    """The answer, or a sentence that says why there is none."""
    try:
        return answer()
    except TOLD as error:
        return cards.sentence(str(error))
    except Exception:
        log.exception("classifying failed")
        return cards.sentence(search.FAULT)


def _answer(page: Page, act: Callable[[], Shelf]) -> Answer:
    """The results of what was asked, and the shelf; or a sentence, and the shelf as it was."""
    kept: list[Shelf] = []

    def draw() -> str:
        kept.append(act())
        return _draw(page, kept[0])

    drawn = cards.fresh(_guarded(draw))
    return drawn, kept[0] if kept else gr.skip()


def _following(page: Page, shown: Shelf | None, label: Any, offset: Any) -> str:
    """Items of a label that follow those on the page."""
    if shown is None or not isinstance(label, int) or not isinstance(offset, int):
        return gr.skip()
    if not NONE <= label < len(shown.classified.labels) or offset < 0:
        return gr.skip()
    inside = _guarded(lambda: _cells(page, shown, label, offset, MORE))
    return cards.fresh(f'<div data-label="{label}">{inside}</div>')


def _table(page: Page, shown: Shelf | None) -> str:
    """All that is sorted as a table, which the browser saves."""
    if shown is None:
        return gr.skip()

    def text() -> str:
        lines = io.StringIO()
        write_table(page.library, shown.classified, lines, paths=page.paths)
        return f'<pre data-file="sorted.csv">{escape(lines.getvalue())}</pre>'

    return cards.fresh(_guarded(text))


# --- what is drawn ----------------------------------------------------------------------------


def _form(page: Page) -> str:
    sets = "".join(
        f'<button type="button" class="chip" data-set="{escape(", ".join(one.labels), quote=True)}"'
        f' data-media="{" ".join(one.media)}">{escape(one.name)}</button>'
        for one in read_sets()
        if set(one.media) & set(page.library.streams)
    )
    usual = "\n".join(label_wordings(space_kind(page.library.space.name), "image"))
    return (
        "<h1>Sort everything under labels of your own</h1>"
        '<form class="labels"><textarea id="labels" rows="1" aria-label="Labels" spellcheck="false"'
        ' placeholder="cats, dogs, food, holidays by the sea"></textarea>'
        '<button type="submit" class="primary">Sort</button></form>'
        f'<div class="chips" role="group" aria-label="Ready sets of labels">{sets}</div>'
        '<details class="wordings"><summary>Wording</summary><label>How a label is worded, one '
        "wording a line, {} being the label; empty: what suits each medium"
        f'<textarea id="wordings" rows="3" spellcheck="false" placeholder="{escape(usual)}">'
        "</textarea></label></details>"
    )


def _kept(page: Page) -> str:
    names = probe_names(page.library)
    if not names:
        return ""
    chips = "".join(
        f'<button type="button" class="chip" data-probe="{escape(name, quote=True)}">'
        f"{escape(name)}</button>"
        for name in names
    )
    return (
        '<div class="chips" role="group" aria-label="Taught before"><span>Taught before:</span>'
        f"{chips}</div>"
    )


def _start(page: Page) -> str:
    """Before anything is sorted."""
    if page.library.count() == 0:
        return (
            '<div class="empty small"><p>Your library is empty: there is nothing to sort yet.</p>'
            '<button type="button" class="primary" data-tab="Library">Add files</button></div>'
        )
    return (
        '<ol class="steps"><li><b>Name</b> some labels, or pick a ready set above.</li>'
        "<li><b>Look</b> at what was sorted under each, and how sure that is.</li>"
        "<li><b>Teach</b>: mark a few examples of each label, and it learns them.</li></ol>"
    )


def _draw(page: Page, shelf: Shelf) -> str:
    sorted_ = shelf.classified
    total = len(sorted_)
    if not total:
        return '<p class="none">There is nothing of this kind in the library to sort.</p>'
    labels = [*range(len(sorted_.labels)), NONE]
    counts = {label: sorted_.count(label) for label in labels}
    labels = [label for label in labels if label != NONE or counts[NONE] or _knows_none(shelf)]
    told = json.dumps([*shelf.names, NONE_TITLE])
    sections = "".join(_section(page, shelf, label, counts[label]) for label in labels)
    return (
        f'<div class="sorted" data-labels="{escape(told, quote=True)}">'
        f'<p class="heard" role="status">{total:,} sorted.</p>{_tally(shelf, labels, counts)}'
        f"{_tools(shelf)}{_teaching(shelf)}{_learnt(shelf)}{sections}</div>"
    )


def _knows_none(shelf: Shelf) -> bool:
    """Whether an item can be under none of the labels."""
    if shelf.probe is not None:
        return NONE_TITLE in shelf.probe.labels
    return any(part.sure for part in shelf.classified.parts)


def _tally(shelf: Shelf, labels: Sequence[int], counts: Mapping[int, int]) -> str:
    """How many are under each label; a line leads to its section."""
    most = max(counts.values()) or 1
    total = sum(counts.values())
    lines = "".join(
        f'<li><button type="button" data-to="{label}"><span class="label">'
        f"{escape(shelf.classified.title(label))}</span>"
        f'<span class="bar"><i style="width:{100 * counts[label] / most:.1f}%"></i></span>'
        f'<span class="count">{counts[label]:,}<small> · {100 * counts[label] / total:.0f} %'
        "</small></span></button></li>"
        for label in labels
    )
    by = "by the labels' words"
    if shelf.probe is not None:
        by = f"by “{escape(shelf.name)}”" if shelf.name else "by your examples"
    return f'<p class="by">{total:,} items sorted {by}</p><ol class="tally">{lines}</ol>'


def _tools(shelf: Shelf) -> str:
    pressed = "true" if shelf.doubtful else "false"
    return (
        '<div class="tools"><button type="button" class="quiet" data-teach aria-expanded="false">'
        "Teach by examples</button>"
        f'<button type="button" class="quiet" data-doubtful aria-pressed="{pressed}">'
        "Most doubtful first</button>"
        '<button type="button" class="quiet" data-table>Download as csv</button></div>'
    )


def _teaching(shelf: Shelf) -> str:
    """Where examples are marked, what was learnt, and keeping it; the marks are in the browser."""
    names = [*shelf.names, NONE_TITLE]
    chips = "".join(
        f'<button type="button" data-under="{escape(name, quote=True)}" aria-pressed="false">'
        f"{f'<kbd>{_key(at, len(names))}</kbd>' if _key(at, len(names)) else ''}"
        f"<span>{escape(name)}</span><b>0</b></button>"
        for at, name in enumerate(names)
    )
    return (
        '<div class="teach" hidden><p>Pick a label, then click what belongs under it below; or '
        "press its number on an item. Four or more of each are best; of what belongs under none "
        "as well.</p>"
        f'<div class="under-what" role="group" aria-label="Mark as">{chips}</div>'
        '<div class="acts"><button type="button" class="primary" data-learn>Learn</button>'
        '<button type="button" class="quiet" data-unmark>Take all marks off</button></div></div>'
    )


def _learnt(shelf: Shelf) -> str:
    """How well what was learnt does, and keeping it."""
    if shelf.probe is None:
        return ""
    report = "" if shelf.report is None else _report(shelf.probe, shelf.report)
    done = f"Kept as “{escape(shelf.name)}”." if shelf.name else ""
    return (
        f'<div class="learnt">{report}<form class="keeping"><input type="text" name="name" '
        f'maxlength="60" aria-label="Name" placeholder="a name to keep it by" '
        f'value="{escape(shelf.name, quote=True)}"><button type="submit" class="quiet">'
        "Keep</button>"
        f'<span role="status">{done}</span></form></div>'
    )


def _key(at: int, count: int) -> str:
    """The key that marks: 1 to 9, and 0 for none of these."""
    if at == count - 1:
        return "0"
    return str(at + 1) if at < 9 else ""


def _report(probe: Probe, report: Report) -> str:
    learnt = "not known" if report.accuracy is None else f"{report.accuracy:.0%} right"
    rows = (
        ("Words alone", f"{report.words:.0%} right", report.words),
        ("Your examples", learnt, report.accuracy or 0.0),
    )
    lines = "".join(
        f'<tr><th scope="row">{name}</th><td class="bar"><i style="width:{100 * share:.0f}%"></i>'
        f"</td><td>{told}</td></tr>"
        for name, told, share in rows
    )
    how = f"On your {sum(report.counts)} examples"
    how += (
        f", each judged by what was learnt without it ({report.folds} folds)."
        if report.folds
        else ". Give every label at least two, and what was learnt can be judged."
    )
    if not probe.sure and report.folds:
        how += f" With {SURE_FOLDS} or more of each it can tell how sure it is."
    return (
        f'<div class="report" role="status"><table class="accuracy"><caption>{how}</caption>{lines}'
        f"</table>{_confusion(probe.labels, report)}</div>"
    )


def _confusion(labels: Sequence[str], report: Report) -> str:
    if report.confusion is None:
        return ""
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in labels)
    rows = ""
    for name, row, count in zip(labels, report.confusion, report.counts, strict=True):
        cells = "".join(
            f'<td style="--share:{value / count:.2f}"{" class=right" if labels[at] == name else ""}'
            f">{value or ''}</td>"
            for at, value in enumerate(row.tolist())
        )
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return (
        '<div class="wide"><table class="confusion"><caption>Rows: your marks. Columns: what they '
        f"were taken for.</caption><tr><td></td>{head}</tr>{rows}</table></div>"
    )


def _section(page: Page, shelf: Shelf, label: int, count: int) -> str:
    title = escape(shelf.classified.title(label))
    inside = _cells(page, shelf, label, 0, SHOWN) if count else '<p class="none">Nothing.</p>'
    return (
        f'<section data-label="{label}" aria-label="{escape(title, quote=True)}"><h2>{title} '
        f'<small>{count:,}</small></h2><div class="grid">{inside}</div></section>'
    )


def _cells(page: Page, shelf: Shelf, label: int, offset: int, many: int) -> str:
    """Items of a label from a place on, and the button for those that follow."""
    members = shelf.classified.members(label, shelf.doubtful, offset, many)
    items = page.library.numbered([number for number, _, _ in members])
    look = cards.Look(page.paths)
    cells = []
    for number, part, at in members:
        if number in items:  # else it was removed meanwhile
            belief = float(part.belief[at]) if part.sure else None
            second = int(part.second[at])
            # where it is nearly sure, or says that no other suits, the second tells nothing
            told = second != NONE and (belief is None or belief < TOLD_BELOW)
            other = shelf.classified.title(second) if told else ""
            cells.append(_cell(items[number], belief, other, look))
    more = ""
    if offset + many < shelf.classified.count(label):
        more = (
            f'<button type="button" class="more" data-label="{label}" '
            f'data-offset="{offset + many}">Show more</button>'
        )
    return "".join(cells) + more


def _cell(item: Item, belief: float | None, second: str, look: cards.Look) -> str:
    told = ""
    if belief is not None:
        percent = min(99, max(1, round(100 * belief)))  # nobody is quite sure
        told = (
            f'<span class="meter"><i style="width:{percent}%"></i></span><span>{percent} %</span>'
        )
    other = f'<span class="other">or {escape(second)}</span>' if second else ""
    return (
        f'<div class="cell {item.modality}" data-id="{escape(item.id, quote=True)}">'
        f'{cards.card(item, look=look)}<p class="belief">{told}{other}</p></div>'
    )


# --- for programs -----------------------------------------------------------------------------


def _endpoint(page: Page) -> Callable[..., list[dict[str, Any]]]:
    def wrong(sentence: str) -> gr.Error:
        return gr.Error(sentence, print_exception=False)

    def classify_items(
        labels: list[str] | None = None,
        modality: str | None = None,
        k: int = 10,
        templates: list[str] | None = None,
        probe: str = "",
    ) -> list[dict[str, Any]]:
        """The library's items sorted under labels, and those that none of them fits.

        Args:
            labels: What to sort under, two labels or more, such as "a cat" and "a dog".
            modality: Sort one medium only: image, audio, film, text or node.
            k: How many items of each label to tell; all are counted.
            templates: Sentences with {} for the label, such as "a photo of {}", or the usual ones.
            probe: The name of a probe that was taught in the page, in place of labels.
        """
        lists = (labels or [], templates or [])
        if not all(isinstance(one, list) and all(isinstance(s, str) for s in one) for one in lists):
            raise wrong("labels and templates are lists of texts.")
        if isinstance(k, bool) or not isinstance(k, int | float) or not 0 <= k <= 10_000:
            raise wrong("k is a number from 0 to 10000.")
        if modality not in (*MODALITIES, *STREAMS, "", None):
            raise wrong(f"The modality is one of {', '.join(STREAMS)} or empty.")
        try:
            streams = choose_streams(page.library, modality or None)
            if probe:
                found = apply(page.library, load_probe(page.library, str(probe)), streams)
            else:
                found = classify(page.library, lists[0], streams, lists[1])
            told = as_dicts(page.library, found, int(k))
        except TOLD as error:
            raise wrong(str(error)) from None
        except Exception:
            log.exception("classifying failed")
            raise wrong(search.FAULT) from None
        for row in told:
            for item in row["items"]:
                del item["path"]  # nobody's business elsewhere
        return told

    classify_items.__name__ = "classify"  # how assistants call it
    return classify_items
