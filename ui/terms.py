"""The query as it stands above the results: a chip for each part and for each filter that holds."""

from __future__ import annotations

from html import escape

from ui import cards, icons, network
from ui.page import Page
from ui.query import AGES, Part, Query, describe

SHOWN = {0.5: "½", 1.0: "1", 2.0: "2"}

BUTTONS = (
    '<button type="button" id="combine" aria-expanded="false" '
    f'title="Add words or a file to the query">{icons.COMBINE}<span>Combine</span></button>'
    '<button type="button" id="choose" aria-expanded="false" aria-controls="filter" '
    f'title="Folder, title, date, length, size">{icons.FILTER}<span>Filter</span></button>'
)


def bar(page: Page, query: Query) -> str:
    """The chips, and a field that adds words. It also tells the browser what was asked.

    Shown where the query is more than words in the box, or where the reader combines.
    """
    alone = len(query.parts) == 1
    chips = "".join(_chip(page, part, place, alone) for place, part in enumerate(query.parts))
    filters = "".join(
        f'<span class="term filter"><span class="label">{escape(label)}</span>'
        f'<button type="button" data-unfilter="{" ".join(names)}" '
        f'aria-label="Clear: {escape(label, quote=True)}">×</button></span>'
        for names, label in describe(query.chosen, paths=page.paths)
    )
    if not query.exact:
        filters += (
            '<span class="term filter"><span class="label">without exact words</span>'
            '<button type="button" data-exact aria-label="Exact words again">×</button></span>'
        )
    field = (
        '<span class="adding"><input type="text" id="add-words" placeholder="add words" '
        'aria-label="Words to add" autocomplete="off" spellcheck="false">'
        '<button type="button" data-words="1" title="More like these words" '
        'aria-label="Add: more like these words">+</button>'
        '<button type="button" data-words="-0.5" title="Less like these words" '
        'aria-label="Add: less like these words">−</button>'
        '<button type="button" data-file title="Add a file: choose it, or drop it here" '
        f'aria-label="Add a file">{icons.LENS}</button></span>'
    )
    plain = " plain" if query.plain and query.words == query.wanted else ""
    plain = plain if not query.parts or query.words else ""
    back = '<button type="button" class="back" data-back>Back <kbd>Esc</kbd></button>'
    return (
        f'<div class="terms{plain}{"" if filters else " unfiltered"}" role="group" '
        f'aria-label="The query" data-query="{escape(query.as_json(), quote=True)}">'
        f'<div class="line">{chips if query.parts else ""}{field if query.parts else ""}'
        f"{filters}</div>{back}</div>"
    )


def _chip(page: Page, part: Part, place: int, alone: bool) -> str:
    label, picture = escape(part.what), ""
    sense, way = ("more", "toward") if part.weight > 0 else ("less", "away")
    if part.by == "item":
        item = page.library.get(part.what)
        label = (
            f"{sense.capitalize()} like <b>{escape(cards.name(item) if item else 'an item')}</b>"
        )
        if item is not None:
            address = cards.address(item, "preview")
            node = item.modality == "node"
            picture = network.draw(item) if node else f'<img src="{address}" alt="">'
    elif part.by == "file":
        upload = page.uploads.get(part.what)
        name = escape(upload.name if upload else "a file that is gone")
        label = f"{sense.capitalize()} like <b>{name}</b>"
    elif part.weight < 0:
        label = f"Less <b>{label}</b>"
    amount = SHOWN[abs(part.weight)]
    weight = (
        f'<button type="button" class="weight" data-weigh="{place}" '
        f'title="Counts {amount}: click to change" aria-label="Weight {amount}">×{amount}</button>'
    )
    return (
        f'<span class="term {way}">{picture}<span class="label">{label}</span>'
        f"{'' if alone else weight}"
        f'<button type="button" data-drop="{place}" aria-label="Take out">×</button></span>'
    )


def form(paths: bool) -> str:
    """The filter's fields, by the names that `ui.query` reads."""
    folder = (
        '<label class="wide">Folder<input type="text" name="folder" list="folders" '
        'placeholder="any"></label><datalist id="folders"></datalist>'
    )
    ages = "".join(
        f'<option value="{key}">{label.removeprefix("added ")}</option>'
        for key, (label, _) in AGES.items()
    )

    def pair(what: str, low: str, high: str, kind: str, hint: str) -> str:
        inputs = "–".join(
            f'<input type="{kind}" name="{name}" aria-label="{what}, {end}" '
            f'placeholder="{end} {hint}">'
            for name, end in ((low, "from"), (high, "to"))
        )
        return f'<div class="pair"><span>{what}</span><div>{inputs}</div></div>'

    return (
        '<form hidden aria-label="Filter">'
        f"{folder if paths else ''}"
        '<label class="wide">Title contains<input type="text" name="title" placeholder="anything">'
        "</label>"
        f'<label>Added<select name="added"><option value="">any time</option>{ages}'
        "</select></label>"
        f"{pair('Added between', 'after', 'before', 'date', '')}"
        f"{pair('Length of sounds and films', 'longer', 'shorter', 'text', 'm:ss')}"
        f"{pair('Size', 'larger', 'smaller', 'text', 'MB')}"
        '<label class="check"><input type="checkbox" name="exact" checked>Find exact words too'
        "</label>"
        '<div class="acts"><button type="submit" class="primary">Apply</button>'
        '<button type="button" class="quiet" data-unfilter="">Clear</button></div></form>'
    )
