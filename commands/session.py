"""What the commands share: their common options, the library they open, and how they report."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from encoders.space import Space
    from store.library import Hit, Library, Report

LONG = 5.0  # seconds, from which on work is told of where no bar can be shown

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the library [ANYFIND_DATA].", show_default="user data"),
]
SpaceName = Annotated[
    str | None,
    typer.Option(
        "--space",
        help="embedded, an open_clip MODEL/PRETRAINED, local-dir:PATH, glove:FILE, word2vec:FILE "
        "or resnet:MODEL [ANYFIND_SPACE].",
        show_default="embedded",
    ),
]
Medium = Annotated[
    str | None,
    typer.Option("--in", help="Look in one medium only: image, audio, film, text, graph or node."),
]
Top = Annotated[int, typer.Option("--top", "-k", help="How many results.", min=1, max=10_000)]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)]
Auth = Annotated[
    str | None, typer.Option(help="Ask for a login: USER:PASSWORD.", envvar="ANYFIND_AUTH")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def open_library(
    context: typer.Context,
    data: Path | None,
    space: str | None,
    address: str | None = None,
    networks: bool = True,
) -> Iterator[tuple[Library, Bars]]:
    """The library, and the bars that show what it is doing, now and while it closes."""
    from store.library import Library, default_data

    folder = data or context.obj["data"] or default_data()
    with Bars() as bars:
        loaded = read_space(context, space, bars, networks)
        with Library(folder, loaded, address=address, progress=bars) as library:
            yield library, bars


def read_space(
    context: typer.Context,
    name: str | None,
    bars: Bars,
    networks: bool = True,
) -> Space:
    """The space asked for; with its networks fetched and converted, unless they are not needed."""
    from encoders import load_space

    chosen = name or context.obj["space"] or os.environ.get("ANYFIND_SPACE") or "embedded"
    space = load_space(chosen, bars)
    if networks:
        space.build()
    return space


def read_login(auth: str | None) -> tuple[str, str] | None:
    """The name and the password of --auth."""
    if auth is None:
        return None
    user, colon, password = auth.partition(":")
    if not (user and colon and password):
        raise typer.BadParameter("write it as USER:PASSWORD", param_hint="--auth")
    return user, password


def check_medium(medium: str | None) -> str | None:
    from store.streams import MODALITIES

    if medium not in (None, *MODALITIES):
        raise typer.BadParameter(f"it is one of {', '.join(MODALITIES)}", param_hint="--in")
    return medium


def print_hits(library: Library, hits: list[Hit], as_json: bool, skipped: int = 0) -> None:
    from store.certainty import rate

    if as_json:
        print(json.dumps([hit.as_dict() for hit in hits], indent=2, ensure_ascii=False))
    else:
        for rank, hit in enumerate(hits, start=skipped + 1):
            span = "" if hit.start is None else f"  {clock(hit.start)}-{clock(hit.end or 0)}"
            span += "".join(f"  {key} {value}" for key, value in hit.place.items())
            sure = "" if hit.sure is None else f"  ({rate(hit.sure)[1]})"
            sure += "  (exact words)" if hit.exact else ""
            print(f"{rank:>3}  {hit.modality}  {hit.title}{span}{sure}")
            print(f"     {hit.path}")
            if hit.text:
                print(f"     {textwrap.shorten(hit.text, 160, placeholder='…')}")
    if not hits:
        if library.count():
            say("Nothing in the library fits, or nothing comes after what was skipped.")
        else:
            say("The library is empty: add files with `index PATH...`, or try `samples`.")


def nothing_usable(report: Report) -> bool:
    return bool(report.skipped) and not (report.added or report.present)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def fail(sentence: str) -> None:
    say(sentence)
    raise typer.Exit(1)


class Bars:
    """Progress bars on stderr, one for each thing that is being done; none for what is quick.

    Where stderr is no terminal, what takes longer than LONG is told in a line.
    An instance is a `Progress`: call it with (what, done, total); a total of 0 is not known yet.
    """

    def __init__(self) -> None:
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}
        self._waiting: dict[str, threading.Timer] = {}
        self._lock = threading.RLock()  # the library reports from threads of its own

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            if not sys.stderr.isatty():
                self._tell(what, 0 < total <= done)
                return
            bars = self._bars()
            if what not in self._tasks:
                self._tasks[what] = bars.add_task(what, total=None)
            bars.update(self._tasks[what], completed=done, total=total or None)

    def _tell(self, what: str, ended: bool) -> None:
        if ended and what in self._waiting:
            self._waiting[what].cancel()
        elif not ended and what not in self._waiting:
            timer = threading.Timer(LONG, say, [f"{what} ..."])
            timer.daemon = True
            timer.start()
            self._waiting[what] = timer

    def stop(self) -> None:
        """Take the bars off the screen; the next thing that is reported brings them back."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = None
            self._tasks = {}
            for timer in self._waiting.values():
                timer.cancel()
            self._waiting = {}

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        if self._progress is None:
            say(line)
        else:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _bars(self) -> Any:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress
