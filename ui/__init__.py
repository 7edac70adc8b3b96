"""The web page. Importing this package is cheap: Gradio is loaded when the page is served."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.library import Library
    from store.records import Space
    from ui.listener import Running


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
    mcp: bool = False,
) -> Running:
    """Serve the page of a library, and the embedding service of its space.

    Returns once the page answers; without `prevent_thread_lock` it blocks until Ctrl-C and
    closes the page itself. Port 0 takes any free port. `mcp` offers the page's endpoints to
    assistants at /gradio_api/mcp/. Raises PageError.
    """
    if mcp:
        if host not in ("127.0.0.1", "localhost", "::1") or auth is not None:
            # they sign in nowhere
            raise PageError("--mcp is for assistants of this machine: leave --host and --auth out.")
        check_mcp()
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
        mcp=mcp,
    )


def serve_space(
    space: Space,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    prevent_thread_lock: bool = False,
) -> Running:
    """Serve the embedding service of a space alone, without page and library, as `serve` does.

    Gradio is not even loaded.
    """
    from ui.service import serve_space as serve_it

    return serve_it(space, host=host, port=port, auth=auth, prevent_thread_lock=prevent_thread_lock)


def check_mcp() -> None:
    """Raises PageError where the package that speaks with assistants is missing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        usable = version("mcp").startswith("1.")
    except PackageNotFoundError:
        usable = False
    if not usable:  # Gradio would only warn
        raise PageError("Assistants need the package mcp 1: run `pip install 'anyfind[mcp]'`.")


__all__ = ["PageError", "check_mcp", "serve", "serve_space"]
