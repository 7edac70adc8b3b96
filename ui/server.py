"""The web server: Gradio's page, the media of the library, and the way in for uploads."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Gradio asks its home for news on import and when a page is built, unless told not to before.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI

from ui import PageError, about, duplicates, library, map, routes, search, theme
from ui.intake import Intake
from ui.page import Page
from ui.uploads import Uploads

if TYPE_CHECKING:
    from store.library import Library

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
START_SECONDS = 60

TABS = (
    ("Search", search),
    ("Library", library),
    ("Map", map),
    ("Duplicates", duplicates),
    ("About", about),
)
"""Each module's `build(page, tab)` draws its tab, and returns the components that its second
result fills when the page is opened."""


class Running:
    """A page being served. `close` stops it and waits for the file in hand."""

    def __init__(self, server: uvicorn.Server, thread: threading.Thread, address: str) -> None:
        self.address = address
        self._server = server
        self._thread = thread
        self._closing: list[object] = []

    def wait(self) -> None:
        """Blocks until the page is closed, or until Ctrl-C or SIGTERM, which close it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            while self._thread.is_alive():
                self._thread.join(timeout=0.5)
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stops serving, adding and removes what was uploaded and not added. Idempotent."""
        # The streams of open pages are cut off, which uvicorn reports with tracebacks.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(timeout=10)
        while self._closing:
            self._closing.pop()()  # type: ignore[operator]

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    library: Library,
    *,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    open_browser: bool,
    max_upload_mb: int,
    prevent_thread_lock: bool,
) -> Running:
    """See `ui.serve`."""
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    # Never below the data folder: Gradio serves what lies in its temporary folder.
    folder = Path(tempfile.mkdtemp(prefix="anyfind-page-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "gradio")
    uploads = Uploads(folder / "uploads")
    intake = Intake(library, uploads)
    page = Page(library, uploads, intake, local=host in LOOPBACK, script=theme.SCRIPT)
    app = _app(page, auth=auth, max_upload=max_upload_mb * 1_000_000)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # the page's event streams never end by themselves
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="anyfind-page", daemon=True
    )
    running = Running(server, thread, f"http://{_shown(host)}:{port}")
    running._closing += [lambda: shutil.rmtree(folder, ignore_errors=True), intake.close]
    running._closing.append(page.close)
    thread.start()
    _await(server, thread, running)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(running.address,), daemon=True).start()
    if not prevent_thread_lock:
        print(f"Anyfind is at {running.address} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        running.wait()
    return running


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is one sentence and port 0 is known at once."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise PageError(
            f"The page cannot be served at {host}:{port} ({error}); choose another port or host."
        ) from error
    return listening


def _shown(host: str) -> str:
    """A host as a browser on this machine writes it."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _await(server: uvicorn.Server, thread: threading.Thread, running: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            running.close()
            raise PageError("The page's server did not start; its log has the details.")
        time.sleep(0.01)


def _app(page: Page, *, auth: tuple[str, str] | None, max_upload: int) -> FastAPI:
    blocks = _blocks(page)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gate = routes.Gate()
    routes.add(app, page, gate, max_upload)
    map.add(app, page, gate)
    # A page of another site must not reach this one through a name that leads to 127.0.0.1.
    hosts = [*LOOPBACK, "[::1]"] if page.local and auth is None else None
    routes.guard(app, hosts)
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
        mcp_server=False,
        theme=theme.make(),
        head=theme.HEAD,
    )
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
    return blocks
