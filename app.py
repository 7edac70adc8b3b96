"""Anyfind: find pictures, sounds, films, texts and graphs by words or by each other.

The page, and the same verbs on the command line.

`python app.py` opens the page; `python app.py --help` lists the commands. Results go to stdout,
everything else to stderr. Exit codes: 0, 1 for a run that failed, 2 for wrong use.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands import (
    classify,
    duplicates,
    embed,
    evaluation,
    inside,
    library,
    map,
    odd,
    search,
    serving,
)
from commands.session import (
    Auth,
    Bars,
    Data,
    Host,
    Port,
    SpaceName,
    open_library,
    read_login,
    say,
)

if TYPE_CHECKING:
    from store.library import Library

cli = typer.Typer(
    help="Find your pictures, sounds, films and texts by words. Without a command: opens the page.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for group in (
    *(library, search, classify, odd, duplicates, map, inside),
    *(embed, serving, evaluation),
):
    cli.add_typer(group.cli)


@cli.callback(invoke_without_command=True)
def page(
    context: typer.Context,
    data: Data = None,
    space: SpaceName = None,
    host: Host = "127.0.0.1",
    port: Port = 7860,
    auth: Auth = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the web browser.")] = True,
    max_upload: Annotated[int, typer.Option(help="Largest upload in megabytes.", min=1)] = 500,
    mcp: Annotated[
        bool, typer.Option("--mcp", help="Let assistants of this machine search (MCP).")
    ] = False,
) -> None:
    """Open the page."""
    # what stands before a command holds for the command as well
    context.obj = {"data": data, "space": space}
    if context.invoked_subcommand is not None:
        return
    login = read_login(auth)
    from ui import serve

    address = f"http://{host}:{port}" if port else None
    with open_library(context, data, space, address=address) as (opened, bars):
        _offer_samples(opened, bars)
        bars.stop()
        serve(
            opened,
            host=host,
            port=port,
            auth=login,
            open_browser=browser and _has_screen(),
            max_upload_mb=max_upload,
            mcp=mcp,
        )


def main() -> None:
    """Run the command line; an expected error is one sentence on stderr and exit code 1."""
    # set before any import of the libraries that would look for a model hub or call home
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # NumPy's threads spin for 25 ms after each product, on cores that the networks could use; here
    # 2 to this power of the processor's cycles, a millisecond
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "21")
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be valid text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli()
    except Exception as error:
        if type(error).__name__ not in _EXPECTED or os.environ.get("ANYFIND_DEBUG"):
            raise
        say(str(error))
        sys.exit(1)


# By name, so that asking costs no import: SpaceError and the others live with what raises them.
_EXPECTED = {
    "AdapterError",
    "DeviceError",
    "LibraryBusy",
    "LibraryError",
    "MediaError",
    "PageError",
    "SpaceError",
    "WeightsError",
}


def _offer_samples(library: Library, bars: Bars) -> None:
    """Put the samples into an empty library, once: who takes them out does not get them again."""
    from store.samples import add_samples

    note = library.data / "samples"
    state = note.read_text("utf-8") if note.exists() else "new" if library.count() == 0 else "done"
    if state in ("new", "incomplete"):
        report = add_samples(library, bars)
        for _, reason in report.skipped:
            bars.print(reason)
        # what could not be fetched now is tried at the next start
        state = "incomplete" if report.skipped else "done"
    note.write_text(state, "utf-8")


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
