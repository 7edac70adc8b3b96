"""Filling the library, looking into it, and taking out of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.session import AsJson, Data, SpaceName, fail, nothing_usable, open_library, say

cli = typer.Typer()


@cli.command()
def index(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with all below.")],
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Add files and folders; files stay where they are, unchanged ones are skipped."""
    with open_library(context, data, space) as (library, bars):
        stopped = False

        def show(event: Any) -> None:
            bars("Indexing", event.done, event.total or 0)
            if event.state == "skipped":
                gone = not os.path.lexists(event.path)
                where = f" It was looked for in {event.path.parent}." if gone else ""
                bars.print(f"skipped: {event.reason}{where}")

        try:
            report = library.add(paths, progress=show)
        except KeyboardInterrupt:
            stopped = True
        bars.stop()
    if stopped:
        say("Stopped; what was indexed so far is kept, and the same command goes on from there.")
        raise typer.Exit(1)
    print(report.summary())
    if nothing_usable(report):
        raise typer.Exit(1)


@cli.command()
def remove(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(help="Ids, as `search --json` prints them.")],
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Take items out of the library; files outside it are never deleted."""
    with open_library(context, data, space, networks=False) as (library, _):
        removed = set(library.remove(ids))
    unknown = [id for id in ids if id not in removed]
    print(f"{len(removed)} removed.")
    if unknown:
        fail(f"There is no item {', '.join(unknown)} in the library.")


@cli.command()
def stats(
    context: typer.Context,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Tell what the library holds, and where."""
    from store.streams import STREAMS

    with open_library(context, data, space, networks=False) as (library, _):
        numbers = library.stats()
    if as_json:
        print(json.dumps(vars(numbers), default=str, indent=2))
        return
    vectors = dict.fromkeys(numbers.items, 0)
    for stream, count in numbers.segments.items():
        vectors[STREAMS[stream].modality] += count
    for modality, count in numbers.items.items():
        print(f"{modality:<8} {count:>8} items {vectors[modality]:>8} vectors")
    print(f"space    {numbers.space} ({numbers.dim} dimensions)")
    print(f"data     {numbers.data} ({numbers.bytes / 1e6:.1f} MB)")


@cli.command()
def samples(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Take them out again.")] = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Put the sample library into the library, or take it out."""
    from store.samples import add_samples, remove_samples

    with open_library(context, data, space) as (library, bars):
        if remove:
            print(f"{len(remove_samples(library))} removed.")
            return
        report = add_samples(library, bars)
        bars.stop()
    for _, reason in report.skipped:
        say(reason)
    print(report.summary())
    if nothing_usable(report):
        raise typer.Exit(1)
