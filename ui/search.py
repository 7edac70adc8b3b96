"""The Search tab: words, items and files put together into a query, and what lies nearest to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from store.library import Term
from store.streams import MODALITIES
from ui import cards, icons, terms
from ui.errors import TOLD
from ui.page import Page
from ui.query import Part, Query, QueryError, read_filter, read_query

if TYPE_CHECKING:
    from store.library import Answer, Filter, Hit

EXAMPLES = ["a cat", "a dog barking", "a rocket", "piano", "a cup of coffee", "rain"]
APART, ALONE = 12, 24  # hits shown first: of each medium, and of one or of all in one list
NEWEST = 48  # items shown before the first search
LESS = -0.5  # as on the command line: all of it would lead to what has nothing to do with either
LAYOUTS = [("Apart", "apart"), ("Together", "together")]

FAULT = "Something went wrong inside Anyfind; its log has the details."

log = logging.getLogger(__name__)

UNSEEN = -1
Shown = tuple[str, str, int]  # results, what was asked, the library's version they are of


def media(page: Page) -> list[tuple[str, str]]:
    """What to look in: all, or one of the media that the space can hold; nodes are in graphs."""
    held = [kind for kind in page.library.modalities if kind != "node"]
    return [("All", ""), *((cards.TITLES[kind], kind) for kind in held)]


def build(page: Page, tab: gr.Tab) -> tuple[list[Any], Callable[..., Any]]:
    """Draws the tab; returns its components and what fills them when the page is opened."""
    query = gr.State(Query().as_json())
    seen = gr.State(UNSEEN)  # the library's version that the results show
    kinds = [title.lower() for title, kind in media(page) if kind]
    words_too = page.library.space.reads_text
    means = "words" if words_too else "what they look like"
    with gr.Column(elem_id="search"):
        gr.HTML(
            f"<h1>Find {', '.join(kinds[:-1])} and {kinds[-1]} by {means}</h1>",
            elem_id="promise",
            apply_default_css=False,
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
                placeholder="What are you looking for?"
                if words_too
                else "Drop a picture, or type a name",
                scale=1,
                html_attributes=gr.InputHTMLAttributes(
                    autocomplete="off", autocorrect="off", spellcheck=False, enterkeyhint="search"
                ),
            )
            beside = gr.HTML(
                f"""<button type="button" id="by-file" aria-label="Search by a file"
                title="Search by a file: choose it, or drop it anywhere here"
                >{icons.LENS}</button><input type="file" id="by-file-input" hidden
                ><button type="button" id="go" aria-label="Search"
                title="Search">{icons.ARROW}</button>""",
                elem_id="beside",
                apply_default_css=False,
                js_on_load="anyfind.box(element, trigger, ['go'])",
                head=page.script,
            )
        with gr.Row(elem_id="filters"):
            modality = gr.Radio(
                media(page),
                value="",
                show_label=False,
                container=False,
                label="Look in",
                elem_id="media",
            )
            layout = gr.Radio(
                LAYOUTS,
                value=LAYOUTS[0][1],
                show_label=False,
                container=False,
                label="Show the media",
                elem_id="layout",
            )
            gr.HTML(terms.BUTTONS, elem_id="refine", apply_default_css=False)
        gr.HTML(
            terms.form(page.paths),
            elem_id="filter",
            apply_default_css=False,
            js_on_load="anyfind.filter(element)",
            head=page.script,
        )
        results = gr.HTML(
            "",
            elem_id="results",
            apply_default_css=False,
            js_on_load="anyfind.results(element, trigger, watch, ['ask', 'read', 'more'])",
            head=page.script,
        )
        following = gr.HTML(
            "",
            elem_id="following",
            apply_default_css=False,
            js_on_load="anyfind.following(element, watch)",
            head=page.script,
        )

    def answer(asked: Query, modality: str, layout: str) -> str:
        head = terms.bar(page, asked)
        return cards.fresh(head + guarded(lambda: _answer(page, asked, modality, layout)))

    def show(asked: str, modality: str, layout: str) -> Shown:
        version = page.intake.version
        return answer(read_query(asked), modality, layout), asked, version

    def by_words(text: str, asked: str, modality: str, layout: str) -> Shown:
        return show(read_query(asked).retyped(text).as_json(), modality, layout)

    def ask(modality: str, layout: str, event: gr.EventData) -> tuple[str, str, str, int]:
        asked = read_query(event.query)
        return asked.words, *show(asked.as_json(), modality, layout)

    def again(asked: str, modality: str, layout: str, version: int) -> Any:
        # The tab is also selected while the page opens, when nothing is shown yet.
        if version in (UNSEEN, page.intake.version):
            return (gr.skip(),) * 3
        return show(asked, modality, layout)

    def go_on(asked: str, event: gr.EventData) -> str:
        kind, offset, told = str(event.kind), event.offset, str(event.answer)
        if kind not in ("", *MODALITIES) or not isinstance(offset, int) or offset < 0:
            return gr.skip()
        inside = guarded(lambda: _following(page, read_query(asked), kind, offset))
        return cards.fresh(f'<div data-for="{escape(told, quote=True)}">{inside}</div>')

    def opened(request: gr.Request) -> tuple[str, str, str, int]:
        asked = read_query(str(request.query_params.get("query", "")))
        if not asked.parts:
            asked = asked.retyped(str(request.query_params.get("q", "")))
        return asked.words, *show(asked.as_json(), "", LAYOUTS[0][1])

    # One at a time: answers come in the order of the questions. A file may take long to read, so
    # searching by one has a queue of its own.
    how: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": 1,
    }
    last: dict[str, Any] = how | {"trigger_mode": "always_last"}
    found = [results, query, seen]
    given = [modality, layout]
    quick = last | {"concurrency_id": "search"}
    words.submit(by_words, [words, query, *given], found, **quick)
    beside.go(by_words, [words, query, *given], found, **quick)
    results.ask(ask, given, [words, *found], **quick)
    results.read(ask, given, [words, *found], concurrency_id="search by file", **last)
    results.more(go_on, [query], following, concurrency_id="search", trigger_mode="multiple", **how)
    gr.on([modality.change, layout.change], show, [query, *given], found, **quick)
    tab.select(again, [query, *given, seen], found, **quick)
    gr.api(
        _endpoint(page),
        api_name="search",
        concurrency_id="endpoint",
        concurrency_limit=4,
    )
    return [words, *found], opened


def guarded(answer: Callable[[], str]) -> str:
    """The answer, or a sentence that says why there is none."""
    try:
        return answer()
    except (*TOLD, QueryError) as error:
        return cards.sentence(str(error))
    except Exception:
        log.exception("a search failed")
        return cards.sentence(FAULT)


def _answer(page: Page, query: Query, modality: str, layout: str) -> str:
    library = page.library
    if not query.parts or library.count() == 0:
        return _start(page, modality or None)
    asked, chosen = read_terms(page, query), read_filter(query.chosen, paths=page.paths)
    if not modality and layout == "together":
        return _together(page, query, asked, chosen)
    kinds = _kinds(page, modality)
    answers = {
        kind: library.find(asked, kind, _count(modality), chosen=chosen, exact=query.exact)
        for kind in kinds
    }
    shown = [kind for kind in kinds if answers[kind].hits] or ([modality] if modality else [])
    sections = []
    for place, kind in enumerate(shown):
        jump = place == 0 and len(shown) > 1
        sections.append(_section(page, query, kind, answers[kind], jump=jump))
    far = [_far(page, query, kind, answers[kind]) for kind in shown]
    told = cards.counted({kind: len(answer.hits) for kind, answer in answers.items()})
    return _found(query, sections, shown, " ".join([f"{told} found.", *filter(None, far)]))


def _together(page: Page, query: Query, asked: Sequence[Term], chosen: Filter | None) -> str:
    """All media in one list."""
    answer = page.library.find(asked, None, ALONE, chosen=chosen, exact=query.exact)
    far = ""
    among = {hit.modality for hit in answer.hits}
    if among and among <= answer.far:
        far = cards.nothing_close(query.wanted, _held(page, sorted(among, key=MODALITIES.index)))
    shown = _cards(page, query, "", answer.hits, 1)
    note = "nearest first" if query.chosen else f"nearest of {page.library.count():,}"
    more = cards.more("", ALONE) if answer.more else ""
    sections = [cards.section("", shown, note, far=far, more=more)] if shown else []
    heard = f"{len(shown)} found. {far}"
    return _found(query, sections, [""], heard.strip())


def _found(query: Query, sections: Sequence[str], kinds: Sequence[str], heard: str) -> str:
    if not sections:
        why = "Nothing in the library fits the filter." if query.chosen else "Nothing was found."
        sections = [
            f'<div class="empty small"><p>{why}</p><button type="button" class="primary" '
            'data-unfilter="">Clear the filter</button></div>'
        ]
    shape = "both" if "audio" in kinds and len(kinds) > 1 else "one"
    return (
        f'<p class="heard" role="status">{escape(heard)}</p><div class="found query {shape}" '
        f'style="--rows:{max(1, len(sections) - 1)}">{"".join(sections)}</div>'
    )


def _kinds(page: Page, modality: str) -> list[str]:
    """The media to look in, a graph's nodes with it."""
    wanted = {"": page.library.modalities, "graph": ["graph", "node"]}
    return wanted.get(modality, [modality])


def _held(page: Page, kinds: Sequence[str]) -> dict[str, int]:
    return {kind: page.library.count(kind) for kind in kinds}


def _count(modality: str) -> int:
    return ALONE if modality else APART


def _far(page: Page, query: Query, kind: str, answer: Answer) -> str:
    if kind not in answer.far:
        return ""
    return cards.nothing_close(query.wanted, _held(page, [kind]))


def _section(page: Page, query: Query, kind: str, answer: Answer, *, jump: bool) -> str:
    total = page.library.count(kind)
    nouns = cards.NOUNS[kind][1]
    if not total:
        return (
            f'<div class="empty small"><p>There are no {nouns} in the library yet.</p>'
            '<button type="button" class="primary" data-tab="Library">Add files</button></div>'
        )
    if not answer.hits:
        why = "fits the filter" if query.chosen else "was found"
        return cards.section(kind, [], f"None of your {cards.number(total, kind)} {why}.")
    shown = _cards(page, query, kind, answer.hits, 1)
    few = not answer.more and len(answer.hits) == total
    note = "nearest first" if few or query.chosen else f"nearest of {total:,}"
    more = cards.more(kind, len(answer.hits)) if answer.more else ""
    far = _far(page, query, kind, answer)
    return cards.section(kind, shown, note, far=far, more=more, jump=jump)


def _cards(page: Page, query: Query, kind: str, hits: Sequence[Hit], first: int) -> list[str]:
    look = cards.Look(page.paths, query.wanted, "" if kind else "everything", steered=True)
    shown = []
    for rank, hit in enumerate(hits, start=first):
        item = page.library.get(hit.id)
        if item is not None:  # removed since
            shown.append(cards.card(item, hit, rank, look=look))
    return shown


def _following(page: Page, query: Query, kind: str, offset: int) -> str:
    """More hits of a medium, or of all, and the button for those that follow them."""
    answer = page.library.find(
        read_terms(page, query),
        kind or None,
        ALONE,
        offset=offset,
        chosen=read_filter(query.chosen, paths=page.paths),
        exact=query.exact,
    )
    more = cards.more(kind, offset + ALONE) if answer.more else ""
    return "".join(_cards(page, query, kind, answer.hits, offset + 1)) + more


def read_terms(page: Page, query: Query) -> list[Term]:
    """What the library is asked. Raises QueryError where an item or a file is gone."""
    found = []
    for part in query.parts:
        if part.by == "item" and page.library.get(part.what) is None:
            raise QueryError("This item is no longer in the library; search again.")
        if part.by == "file":
            found.append(Term(_parts(page, part), "file", part.weight))
        else:
            found.append(Term(part.what, part.by, part.weight))
    return found


def _parts(page: Page, part: Part) -> Any:
    """An uploaded file's vectors, made once: a query is asked of each medium, and asked again."""
    upload = page.uploads.get(part.what)
    if upload is None:
        raise QueryError("The file you searched by is no longer here; drop it in again.")
    if upload.token not in page.vectors:
        try:
            page.vectors[upload.token] = page.library.embed_parts(upload.path)
        except Exception as error:
            page.uploads.drop(upload)
            if isinstance(error, TOLD):
                raise QueryError(str(error).replace(str(upload.path), upload.name)) from error
            raise
    return page.vectors[upload.token]


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
    every = [kind for kind in library.modalities if kind != "node"]
    if library.count() == 0:
        return (
            f'<div class="empty">{icons.EMPTY}<h2>Your library is empty</h2>'
            "<p>Add pictures, sounds, films, texts or graphs, then find them here by what they "
            "show, how they sound and what they say.</p>"
            '<button type="button" class="primary" data-tab="Library">Add files</button></div>'
        )
    look = cards.Look(page.paths)
    held = _held(page, every)
    kinds = [modality] if modality else [kind for kind in every if held[kind]]
    if modality and not held[modality]:
        return (
            f'<div class="empty small"><p>There are no {cards.NOUNS[modality][1]} in the library '
            'yet.</p><button type="button" class="primary" data-tab="Library">Add files</button>'
            "</div>"
        )
    sections = []
    for place, kind in enumerate(kinds):
        items = library.items(kind, limit=NEWEST if kind == "image" else 12)
        shown = [cards.card(item, look=look) for item in items]
        jump = place == 0 and len(kinds) > 1
        sections.append(cards.section(kind, shown, "newest first", jump=jump))
    shape = "both" if "audio" in kinds and len(kinds) > 1 else "one"
    examples = _examples() if library.space.reads_text else ""
    return (
        f'{examples}<p class="held">{cards.counted(held)} in your library</p>'
        f'<div class="found {shape}" style="--rows:{max(1, len(sections) - 1)}">'
        f"{''.join(sections)}</div>"
    )


def _endpoint(page: Page) -> Callable[..., list[dict[str, Any]]]:
    kinds = ", ".join(f'"{kind}"' for kind in MODALITIES)

    def wrong(sentence: str) -> gr.Error:
        return gr.Error(sentence, print_exception=False)

    def search(
        text: str,
        modality: str | None = None,
        k: int = 10,
        offset: int = 0,
        plus: list[str] | None = None,
        minus: list[str] | None = None,
        like: list[str] | None = None,
        exact: bool = True,
        folder: str = "",
    ) -> list[dict[str, Any]]:
        """What the library holds that is like a text, like items, or both; best first.

        Args:
            text: Words to look for, such as "a dog barking"; may be empty if others are given.
            modality: Look in one medium only: image, audio, film, text, node or graph.
            k: How many hits, from 1 to 1000.
            offset: How many of the best to pass over, for what comes after them.
            plus: Further words whose meaning is added.
            minus: Words whose meaning is taken away.
            like: Ids of items, as found before, whose likeness is wanted as well.
            exact: Whether titles, names and passages that hold the words themselves count too.
            folder: Only files below this folder.
        """
        if modality not in (*MODALITIES, "", None):
            raise wrong(f"The modality is one of {kinds} or empty.")
        for value, least, most, told in (
            (k, 1, 1000, "k is a number from 1 to 1000."),
            (offset, 0, 1_000_000, "offset is a number from 0 on."),
        ):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise wrong(told)
            if not least <= value <= most:
                raise wrong(told)
        lists = [plus or [], minus or [], like or []]
        if not all(isinstance(one, list) and all(isinstance(s, str) for s in one) for one in lists):
            raise wrong("plus, minus and like are lists of texts.")
        asked = [Term(text)] if str(text).strip() or not any(lists) else []
        asked += [Term(words) for words in lists[0]]
        asked += [Term(words, weight=LESS) for words in lists[1]]
        asked += [Term(item, "item") for item in lists[2]]
        try:
            chosen = read_filter({"folder": str(folder)} if folder else {}, paths=page.paths)
            answer = page.library.find(
                asked, modality or None, int(k), offset=int(offset), chosen=chosen, exact=exact
            )
        except (*TOLD, QueryError) as error:
            raise wrong(str(error)) from None
        except Exception:
            log.exception("a search failed")
            raise wrong(FAULT) from None
        keys = ("id", "score", "modality", "title", "start", "end", "sure", "place", "text")
        found = [hit.as_dict() for hit in answer.hits]
        told = [{key: one[key] for key in (*keys, "exact")} for one in found]
        if page.paths:
            for one, hit in zip(told, found, strict=True):
                # Gradio's client would fetch what is called a path
                one["file"] = cards.plain(hit["path"])
        return told

    return search
