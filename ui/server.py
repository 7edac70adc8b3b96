"""The web server: Gradio's page, the media of the library, and the way in for uploads."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Gradio asks its home for news on import and when a page is built, unless told not to before.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from fastapi import FastAPI

from ui import (
    about,
    classify,
    duplicates,
    inside,
    library,
    map,
    odd,
    pair,
    routes,
    search,
    theme,
)
from ui.bridge import assist
from ui.guards import LOOPBACK, Key, guard
from ui.intake import Intake
from ui.listener import Running, listen, start, stay
from ui.page import Page
from ui.service import Service
from ui.uploads import Uploads

if TYPE_CHECKING:
    from store.library import Library

TABS = (
    ("Search", search),
    ("Map", map),
    ("Classify", classify),
    ("Duplicates", duplicates),
    ("Compare", pair),
    ("Odd one out", odd),
    ("Inside", inside),
    ("Library", library),
    ("About", about),
)
"""Each module's `build(page, tab)` draws its tab, and returns the components that its second
result fills when the page is opened."""


QUEUE_SECONDS = 0.005
"""How long an event of the page may wait until Gradio's queue looks for it."""


def serve(
    library: Library,
    *,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    open_browser: bool,
    max_upload_mb: int,
    prevent_thread_lock: bool,
    mcp: bool,
) -> Running:
    """See `ui.serve`."""
    listening = listen(host, port)
    # Never below the data folder: Gradio serves what lies in its temporary folder.
    folder = Path(tempfile.mkdtemp(prefix="anyfind-page-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "gradio")
    uploads = Uploads(folder / "uploads")
    intake = Intake(library, uploads)
    page = Page(library, uploads, intake, local=host in LOOPBACK, script=theme.SCRIPT)
    service = Service(library.space)
    app = _app(page, service, auth=auth, max_upload=max_upload_mb * 1_000_000, mcp=mcp)
    closing = [
        lambda: shutil.rmtree(folder, ignore_errors=True),
        *(service.close, intake.close, page.close),
    ]
    running = start(app, listening, host, closing)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(running.address,), daemon=True).start()
    if not prevent_thread_lock:
        stay(running, "Anyfind")
    return running


def _app(
    page: Page, service: Service, *, auth: tuple[str, str] | None, max_upload: int, mcp: bool
) -> FastAPI:
    blocks = _blocks(page)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gate = routes.Gate(Key(auth))
    routes.add(app, page, gate, max_upload)
    service.add(app, gate)
    map.add(app, page, gate)
    # A page of another site must not reach this one through a name that leads to 127.0.0.1.
    hosts = [*LOOPBACK, "[::1]"] if page.local and auth is None else None
    guard(app, hosts)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        auth=auth,
        auth_message="Anyfind: sign in to search this library." if auth else None,
        blocked_paths=[Path(page.library.data).resolve().anchor],  # it serves no file at all
        allowed_paths=[],
        max_file_size=0,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=mcp,
        theme=theme.make(),
        head=theme.HEAD,
    )
    if mcp:
        assist(blocks.mcp_server_obj, about.version())
    gate.open(app)
    return app


def _blocks(page: Page) -> gr.Blocks:
    quietly: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(title="Anyfind", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(theme.BRAND, elem_id="brand", apply_default_css=False)
        with gr.Tabs(elem_id="tabs"):
            for title, part in TABS:
                with gr.Tab(title, id=title.lower()) as tab:
                    drawn, fill = part.build(page, tab)
                if part is about:  # nothing of it is needed before it is looked at
                    tab.select(fill, None, drawn, **quietly)
                else:
                    blocks.load(fill, None, drawn, **quietly)
    blocks.api_open = False  # what `queue(api_open=False)` sets, without building the app again
    # It would look for work a thousand times a second, which takes some 6 % of a core for ever,
    # and a hundred times for progress, of which the page's events tell none.
    blocks._queue.sleep_when_free = QUEUE_SECONDS
    blocks._queue.progress_update_sleep_when_free = 10 * QUEUE_SECONDS
    return blocks
