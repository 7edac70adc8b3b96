"""The Search tab: words, or a picture or sound dropped in, and what lies nearest to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from store.library import Term
from ui import cards, icons
from ui.errors import TOLD
from ui.page import Page

if TYPE_CHECKING:
    from store.library import Hit

EXAMPLES = ["a cat", "a dog barking", "a rocket", "piano", "a cup of coffee", "rain"]
MEDIA = [("All", ""), ("Pictures", "image"), ("Sounds", "audio")]
COUNTS = [12, 24, 48]
NEWEST = 48  # items shown before the first search

FAULT = "Something went wrong inside Anyfind; its log has the details."

log = logging.getLogger(__name__)

UNSEEN = -1
Query = dict[str, str]  # {"by": "text" | "item" | "file" | "", "what": words, id or token}
Shown = tuple[str, Query, int]  # results, what was asked, the library's version they are of


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[[], Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    query = gr.State({"by": "", "what": ""})
    seen = gr.State(UNSEEN)  # the library's version that the results show
    with gr.Column(elem_id="search"):
        gr.HTML(
            "<h1>Find pictures and sounds by words</h1>", elem_id="promise", apply_default_css=False
        )
        with gr.Row(elem_id="box"):
            words = gr.Textbox(
                elem_id="q",
                show_label=False,
                label="Search",
                container=False,
                autofocus=True,
                lines=1,
                max_lines=1,
                placeholder="What are you looking for?",
                scale=1,
                html_attributes=gr.InputHTMLAttributes(
                    autocomplete="off", autocorrect="off", spellcheck=False, enterkeyhint="search"
                ),
            )
            beside = gr.HTML(
                f"""<button type="button" id="by-file" aria-label="Search by a picture or a sound"
                title="Search by a picture or a sound: choose it, or drop it anywhere here"
                >{icons.LENS}</button><input type="file" id="by-file-input" hidden
                accept="image/*,audio/*"><button type="button" id="go" aria-label="Search"
                title="Search">{icons.ARROW}</button>""",
                elem_id="beside",
                apply_default_css=False,
                js_on_load="anyfind.box(element, trigger, ['file', 'go'])",
                head=page.script,
            )
        with gr.Row(elem_id="filters"):
            modality = gr.Radio(
                MEDIA, value="", show_label=False, container=False, label="Look in", elem_id="media"
            )
            count = gr.Radio(
                COUNTS, value=12, show_label=False, container=False, label="Show", elem_id="count"
            )
        results = gr.HTML(
            "",
            elem_id="results",
            apply_default_css=False,
            js_on_load="anyfind.results(element, trigger, watch, ['similar', 'back', 'pick'])",
            head=page.script,
        )

    def answer(query: Query, modality: str, count: int) -> str:
        try:
            return _answer(page, query, modality or None, int(count))
        except TOLD as error:
            return cards.sentence(str(error))
        except Exception:
            log.exception("a search failed")
            return cards.sentence(FAULT)

    def show(query: Query, modality: str, count: int) -> Shown:
        version = page.intake.version
        return answer(query, modality, count), query, version

    def by_words(text: str, modality: str, count: int) -> Shown:
        text = text.strip()
        return show({"by": "text" if text else "", "what": text}, modality, count)

    def pick(modality: str, count: int, event: gr.EventData) -> tuple[str, str, Query, int]:
        return str(event.text), *by_words(str(event.text), modality, count)

    def by_item(modality: str, count: int, event: gr.EventData) -> Shown:
        return show({"by": "item", "what": str(event.id)}, modality, count)

    def by_file(modality: str, count: int, event: gr.EventData) -> Shown:
        return show({"by": "file", "what": str(event.token)}, modality, count)

    def again(query: Query, modality: str, count: int, version: int) -> Any:
        # The tab is also selected while the page opens, when nothing is shown yet.
        if version in (UNSEEN, page.intake.version):
            return (gr.skip(),) * 3
        return show(query, modality, count)

    def opened(request: gr.Request) -> tuple[str, str, Query, int]:
        text = str(request.query_params.get("q", ""))
        return text, *by_words(text, "", COUNTS[0])

    # One at a time: answers come in the order of the questions. A file may take long to read, so
    # searching by one has a queue of its own.
    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 1,
        "trigger_mode": "always_last",
    }
    found = [results, query, seen]
    given = [modality, count]
    quick = how | {"concurrency_id": "search"}
    words.submit(by_words, [words, *given], found, **quick)
    beside.go(by_words, [words, *given], found, **quick)
    results.back(by_words, [words, *given], found, **quick)
    results.pick(pick, given, [words, *found], **quick)
    results.similar(by_item, given, found, **quick)
    gr.on([modality.change, count.change], show, [query, *given], found, **quick)
    tab.select(again, [query, *given, seen], found, **quick)
    beside.file(by_file, given, found, concurrency_id="search by file", **how)
    gr.api(
        _endpoint(page),
        api_name="search",
        api_description="The nearest pictures or sounds to a text, best first.",
        concurrency_id="endpoint",
        concurrency_limit=4,
    )
    return [words, *found], opened


def _answer(page: Page, query: Query, modality: str | None, count: int) -> str:
    library = page.library
    if query["by"] == "":
        return _start(page, modality)
    kinds = [modality] if modality else ["image", "audio"]
    if library.count() == 0:
        return _start(page, modality)
    address, nothing = "", set()
    if query["by"] == "text":
        head = ""
        address = f' data-q="{escape(query["what"], quote=True)}"'
        answers = {kind: library.find([Term(query["what"])], kind, count) for kind in kinds}
        hits = {kind: answer.hits for kind, answer in answers.items()}
        nothing = {kind for kind, answer in answers.items() if kind in answer.far}
    elif query["by"] == "item":
        item = library.get(query["what"])
        if item is None:
            return cards.sentence("This item is no longer in the library; search again.")
        head = _like(item.title, item.id)
        hits = {kind: library.similar(item.id, kind, count) for kind in kinds}
    else:
        upload = page.uploads.get(query["what"])
        if upload is None:
            return cards.sentence("The file you searched by is no longer here; drop it in again.")
        head = _like(upload.name, None)
        try:
            vector = library.embed(upload.path)
        except Exception as error:
            page.uploads.drop(upload)
            if isinstance(error, TOLD):
                return cards.sentence(str(error).replace(str(upload.path), upload.name))
            raise
        hits = {kind: library.nearest(vector, kind, count) for kind in kinds}
    far = {}
    for kind in kinds:
        if kind in nothing:
            far[kind] = cards.nothing_close(query["what"], {kind: library.count(kind)})
    sections = [_section(page, kind, hits[kind], far.get(kind, "")) for kind in kinds]
    shape = "both" if all(hits[kind] for kind in kinds) and len(kinds) == 2 else "one"
    told = cards.counted({kind: len(found) for kind, found in hits.items()})
    heard = escape(" ".join([f"{told} found.", *far.values()]))
    return cards.fresh(
        f'{head}<p class="heard" role="status">{heard}</p>'
        f'<div class="found query {shape}"{address}>{"".join(sections)}</div>'
    )


def _section(page: Page, kind: str, hits: list[Hit], far: str) -> str:
    shown = []
    for rank, hit in enumerate(hits, start=1):
        item = page.library.get(hit.id)
        if item is not None:  # removed since
            shown.append(cards.card(item, hit, rank, paths=page.paths))
    total = page.library.count(kind)
    if not total:
        return cards.section(kind, [], f"There are no {cards.NOUNS[kind][1]} in the library yet.")
    note = f"nearest {len(shown)} of {total:,}" if len(shown) < total else "nearest first"
    return cards.section(kind, shown, note, far)


def _like(title: str, item_id: str | None) -> str:
    picture = f'<img src="preview/{escape(item_id, quote=True)}" alt="">' if item_id else ""
    return (
        f'<div class="like">{picture}<p>More like <b>{escape(title)}</b></p>'
        f'<button type="button" class="back" data-back>Back <kbd>Esc</kbd></button></div>'
    )


def _examples() -> str:
    chips = "".join(
        f'<button type="button" class="chip" data-pick="{escape(text, quote=True)}">'
        f"{escape(text)}</button>"
        for text in EXAMPLES
    )
    return f'<div class="chips" role="group" aria-label="Examples">{chips}</div>'


def _start(page: Page, modality: str | None) -> str:
    """Before the first search: examples, and the newest of the library."""
    library = page.library
    if library.count() == 0:
        return cards.fresh(
            f'<div class="empty">{icons.EMPTY}<h2>Your library is empty</h2>'
            "<p>Add pictures and sounds, then find them here by what they show and how they "
            "sound.</p>"
            '<button type="button" class="primary" data-tab="Library">Add files</button></div>'
        )
    kinds = [modality] if modality else ["image", "audio"]
    sections = []
    for kind in kinds:
        items = library.items(kind, limit=NEWEST if kind == "image" else 12)
        if items:
            shown = [cards.card(item, paths=page.paths) for item in items]
            sections.append(cards.section(kind, shown, "newest first"))
    shape = "both" if len(sections) == 2 else "one"
    held = cards.counted({kind: library.count(kind) for kind in ("image", "audio")})
    return cards.fresh(
        f'{_examples()}<p class="held">{held} in your library</p>'
        f'<div class="found {shape}">{"".join(sections)}</div>'
    )


def _endpoint(page: Page) -> Callable[..., list[dict[str, Any]]]:
    def search(
        text: str, modality: Literal["image", "audio", ""] | None = None, k: int = 10
    ) -> list[dict[str, Any]]:
        if modality not in ("image", "audio", "", None):
            raise gr.Error('The modality is "image", "audio" or empty.', print_exception=False)
        if isinstance(k, bool) or not isinstance(k, int | float) or not 1 <= k <= 1000:
            raise gr.Error("k is a number from 1 to 1000.", print_exception=False)
        try:
            hits = page.library.search(str(text), modality or None, int(k))
        except TOLD as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            log.exception("a search failed")
            raise gr.Error(FAULT, print_exception=False) from None
        keys = ("id", "score", "modality", "title", "start", "end", "sure")
        return [{key: hit.as_dict()[key] for key in keys} for hit in hits]

    return search
