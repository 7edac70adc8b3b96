"""Serving other programs: the embedding service without the page, and assistants."""

from __future__ import annotations

import sys

import typer

from commands.session import (
    Auth,
    Bars,
    Data,
    Host,
    Port,
    SpaceName,
    open_library,
    read_login,
    read_space,
)

cli = typer.Typer()


@cli.command()
def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 7860,
    auth: Auth = None,
    space: SpaceName = None,
) -> None:
    """Serve embeddings at /v1/embeddings, without page and library."""
    from ui import serve_space

    login = read_login(auth)
    with Bars() as bars:
        loaded = read_space(context, space, bars)
    serve_space(loaded, host=host, port=port, auth=login)


@cli.command()
def mcp(context: typer.Context, data: Data = None, space: SpaceName = None) -> None:
    """Speak with an assistant over stdin and stdout (Model Context Protocol).

    Through the page of the library where one is open, else through one of its own.
    """
    from store.records import LibraryBusy
    from ui import serve
    from ui.bridge import bridge

    try:
        with open_library(context, data, space) as (library, bars):
            bars.stop()
            with serve(library, port=0, prevent_thread_lock=True, mcp=True) as running:
                bridge(running.address)
    except LibraryBusy as busy:
        if not busy.address:
            raise
        print(f"Anyfind is open at {busy.address}; asking there.", file=sys.stderr)
        bridge(busy.address)
