"""The Map tab: the library in two dimensions. The drawing is the browser's (atlas.js, map.js); what
it draws comes by the addresses below."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from analysis.atlas import LABELS, Atlas, choose_labels, described, draw_atlas, read_points
from analysis.layout import Stopped
from store.library import LibraryError
from ui import cards
from ui.errors import TOLD
from ui.page import Page
from ui.poster import columns, draw_poster
from ui.routes import Gate
from ui.work import FAULT, Work

SHOWN = 60  # items of a selection that are shown as cards
LONGEST = 80  # letters of a label

log = logging.getLogger(__name__)

TOOLS = """<header class="map-bar">
<div class="map-by" role="radiogroup" aria-label="Colour by">
<button type="button" role="radio" data-by="medium" aria-checked="false">Media</button>
<button type="button" role="radio" data-by="cluster" aria-checked="true">Clusters</button>
<button type="button" role="radio" data-by="label" aria-checked="false">Labels</button></div>
<form class="map-labels" hidden><input type="text" maxlength="600" aria-label="Labels"
placeholder="animals, music, buildings" autocomplete="off"
><button class="quiet">Colour</button></form>
<span class="gap"></span>
<button type="button" class="quiet" data-do="lasso" aria-pressed="false"
title="Draw around items (or drag with Shift held)">Lasso</button>
<button type="button" class="quiet" data-do="fit" title="Show the whole map (0)">Whole map</button>
<button type="button" class="quiet" data-do="anew" title="Lay the map out again">Make anew</button>
<a class="quiet" data-do="export" href="map.html" download="anyfind-map.html"
title="The map as one HTML file">Export</a></header>
<p class="map-told" role="status"></p>
<div class="atlas"></div>
<section class="map-chosen" aria-label="Selected" hidden></section>"""


def build(page: Page, _: gr.Tab) -> tuple[list[Any], Callable[[], tuple[Any, ...]]]:
    """Draws the tab, which fetches what it shows when it is first seen."""
    page.works["map"] = Work("anyfind-map")
    with gr.Column(elem_id="map"):
        gr.HTML(
            TOOLS,
            elem_id="map-box",
            apply_default_css=False,
            js_on_load="anyfind.map(element)",
            head=page.script,
        )
    gr.api(
        _endpoint(page),
        api_name="map",
        concurrency_id="map",
        concurrency_limit=1,
    )
    return [], lambda: ()


def _begin(page: Page, anew: bool) -> None:
    version = page.intake.version

    def task(progress: Any, stopped: Callable[[], bool]) -> Any:
        try:
            atlas = draw_atlas(page.library, anew=anew, progress=progress, stopped=stopped)
        except Stopped:
            raise LibraryError("The map was stopped.") from None
        return version, columns(page.library, atlas), atlas

    page.works["map"].start(task)


def add(app: FastAPI, page: Page, gate: Gate) -> None:
    """Puts the map's addresses into the app."""

    @app.get("/map")
    def state(request: Request, have: int = -1) -> Response:
        gate(request)
        now = page.works["map"].state()
        fresh = now.result is not None and now.result[0] == page.intake.version
        if not now.busy and not now.error and not fresh:
            _begin(page, False)
            now = page.works["map"].state()
        told: dict[str, Any] = {
            "busy": now.busy,
            "what": now.what,
            "done": now.done,
            "total": now.total,
            "error": now.error,
            "serial": now.serial,
        }
        if now.result is not None and now.serial != have:
            told["map"] = now.result[1]
        return JSONResponse(told)

    @app.post("/map")
    def anew(request: Request) -> Response:
        gate(request)
        _begin(page, True)
        return JSONResponse({})

    @app.get("/map/labels")
    def labels(request: Request, of: str = "") -> Response:
        gate(request)
        names = _labels(of)
        if len(names) < 2:
            raise HTTPException(400, "Type two labels or more, with commas between them.")
        now = page.works["map"].state()
        if now.result is None:
            raise HTTPException(409, "The map is not ready yet.")
        try:
            points = read_points(page.library)
            chosen = dict(
                zip(
                    points.numbers.tolist(),
                    choose_labels(page.library, points, names).tolist(),
                    strict=True,
                )
            )
            items = page.library.numbered(points.numbers)
        except TOLD as error:
            raise HTTPException(400, str(error)) from None
        by_id = {item.id: chosen[number] for number, item in items.items()}
        return JSONResponse({"names": names, "of": by_id})

    @app.get("/map/cards")
    def chosen(request: Request, ids: str = "") -> Response:
        gate(request)
        look = cards.Look(page.paths)
        found = [page.library.get(id) for id in ids.split(",")[:SHOWN] if id]
        shown = "".join(cards.card(item, look=look) for item in found if item is not None)
        return Response(cards.plain(shown), media_type="text/html")

    @app.get("/map.html")
    def export(request: Request) -> Response:
        gate(request)
        now = page.works["map"].state()
        if now.result is None:
            raise HTTPException(409, "The map is not ready yet: open its tab first.")
        headers = {"Content-Disposition": 'attachment; filename="anyfind-map.html"'}
        poster = draw_poster(page.library, now.result[2])
        return Response(poster, media_type="text/html", headers=headers)


def _labels(text: str) -> list[str]:
    names = [" ".join(cards.plain(name).split())[:LONGEST] for name in text.split(",")]
    return list(dict.fromkeys(filter(None, names)))[:LABELS]


def _endpoint(page: Page) -> Callable[..., list[dict[str, Any]]]:
    def map_items(anew: bool = False) -> list[dict[str, Any]]:
        """Where the items lie on the map of the library.

        Args:
            anew: Draw the map again, also where the one that was kept is up to date.
        """
        try:
            atlas: Atlas = draw_atlas(page.library, anew=bool(anew))
            return described(atlas, page.library.numbered(atlas.numbers))
        except TOLD as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            log.exception("the map failed")
            raise gr.Error(FAULT, print_exception=False) from None

    map_items.__name__ = "map"  # how assistants call it
    return map_items
