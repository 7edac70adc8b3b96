"""The web page. Importing this package is cheap: Gradio is loaded when the page is served."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.library import Library
    from ui.server import Running


class PageError(Exception):
    """The page cannot be served; the message is one sentence that says why and what to do."""


def serve(
    library: Library,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    open_browser: bool = False,
    max_upload_mb: int = 500,
    prevent_thread_lock: bool = False,
) -> Running:
    """Serve the page of a library.

    Returns once the page answers; without `prevent_thread_lock` it blocks until Ctrl-C and
    closes the page itself. Port 0 takes any free port. Raises PageError.
    """
    # A fifth of Gradio's long import went into looking for garbage among what lives for ever.
    collecting = gc.isenabled()
    gc.disable()
    try:
        from ui.server import serve as serve_page
    finally:
        if collecting:
            gc.enable()
    return serve_page(
        library,
        host=host,
        port=port,
        auth=auth,
        open_browser=open_browser,
        max_upload_mb=max_upload_mb,
        prevent_thread_lock=prevent_thread_lock,
    )


__all__ = ["PageError", "serve"]
