"""Sorting under labels, and teaching labels by examples."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.session import AsJson, Data, SpaceName, open_library, say

if TYPE_CHECKING:
    from analysis.classification import Classified
    from analysis.probe import Probe, Report
    from store.library import Library

cli = typer.Typer()

What = Annotated[
    str | None,
    typer.Option(
        "--in", help="Sort one medium only: image, audio, film, soundtrack, text, graph or node."
    ),
]
Templates = Annotated[
    list[str] | None,
    typer.Option("--template", help="How to word a label, {} being the label; may be repeated."),
]


@cli.command()
def classify(
    context: typer.Context,
    labels: Annotated[list[str] | None, typer.Argument(help="What to sort under.")] = None,
    medium: What = None,
    template: Templates = None,
    probe: Annotated[
        str | None, typer.Option(help="Sort by a probe that `teach` kept, not by words.")
    ] = None,
    top: Annotated[int, typer.Option(help="Items shown of each label.", min=0, max=10_000)] = 5,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write all: path, title, label, confidence.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Sort the library under labels, or under none of them."""
    from analysis import classification
    from analysis.probe import apply, load_probe
    from analysis.table import as_dicts

    _check_medium(medium)
    if bool(labels) == bool(probe):
        raise typer.BadParameter("name some labels, or a probe with --probe")
    with open_library(context, data, space, networks=not probe) as (library, bars):
        streams = classification.choose_streams(library, medium)
        if probe:
            found = apply(library, load_probe(library, probe), streams)
        else:
            found = classification.classify(library, labels or [], streams, template or [])
        bars.stop()
        if table is not None:
            _write(library, found, table)
        told = as_dicts(library, found, top)
        if as_json:
            print(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            _print(told)
        if not len(found):
            say("There is nothing of this kind in the library.")


@cli.command("teach")
def learn(
    context: typer.Context,
    examples: Annotated[
        Path, typer.Argument(help="CSV with the columns label, and path or id, of indexed files.")
    ],
    name: Annotated[str, typer.Option(help="Under which it is kept, for `classify --probe`.")],
    template: Templates = None,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Learn labels from examples, and say how well that does beside words alone."""
    from analysis.probe import save_probe, teach

    marked = _read_examples(examples)
    with open_library(context, data, space) as (library, bars):
        probe, report = teach(library, marked, template or [])
        kept = save_probe(library, probe, name)
        bars.stop()
    if as_json:
        print(json.dumps(_report(probe, report, kept), indent=2, ensure_ascii=False))
        return
    print(f"Kept as {kept}; {sum(report.counts)} examples.")
    print(f"words alone     {report.words:.3f} right")
    if report.accuracy is None:
        print("with examples   not known: give every label at least two")
    else:
        print(f"with examples   {report.accuracy:.3f} right, in {report.folds} folds")
        _print_confusion(probe, report)


@cli.command()
def probes(
    context: typer.Context,
    remove: Annotated[str | None, typer.Option(help="Delete the probe of this name.")] = None,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """List the probes that were kept, or delete one."""
    from analysis.probe import probe_names, remove_probe

    with open_library(context, data, space, networks=False) as (library, _):
        if remove is not None:
            remove_probe(library, remove)
            print("1 removed.")
            return
        for name in probe_names(library):
            print(name)


def _check_medium(medium: str | None) -> None:
    from store.streams import STREAMS

    if medium not in (None, *STREAMS):
        raise typer.BadParameter(f"it is one of {', '.join(STREAMS)}", param_hint="--in")


def _write(library: Library, found: Classified, table: Path) -> None:
    from analysis.table import write_table
    from store.library import LibraryError

    try:
        with table.open("w", newline="", encoding="utf-8") as file:
            write_table(library, found, file)
    except OSError as error:
        raise LibraryError(f"{table} cannot be written: {error.strerror or error}.") from error
    say(f"Written to {table}.")


def _print(told: list[dict[str, Any]]) -> None:
    from analysis.classification import NONE_TITLE

    for row in told:
        print(f"{row['count']:>7}  {row['label'] or NONE_TITLE}")
        for item in row["items"]:
            sure = "" if item["confidence"] is None else f"{item['confidence']:.2f}"
            print(f"{'':9}{sure:>4}  {item['modality']}  {item['title']}")


def _print_confusion(probe: Probe, report: Report) -> None:
    assert report.confusion is not None
    wide = max(map(len, probe.labels))
    print("rows: the examples' labels; columns, in that order: what they were taken for")
    for label, row in zip(probe.labels, report.confusion.tolist(), strict=True):
        print(f"  {label:<{wide}}" + "".join(f"{count:>6}" for count in row))


def _report(probe: Probe, report: Report, kept: str) -> dict[str, Any]:
    return {
        "name": kept,
        "labels": list(probe.labels),
        "examples": list(report.counts),
        "words": report.words,
        "accuracy": report.accuracy,
        "folds": report.folds,
        "confusion": None if report.confusion is None else report.confusion.tolist(),
    }


def _read_examples(file: Path) -> dict[str, list[str]]:
    """Ids of items by label; a path stands for the item of the file's bytes, wherever it lies."""
    from store.ingest import hash_file
    from store.library import LibraryError

    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines)
            columns = set(table.fieldnames or ())
            rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LibraryError(f"{file} cannot be read as a CSV file ({error}).") from error
    if "label" not in columns or not columns & {"path", "id"}:
        raise LibraryError(f"{file} needs the columns label, and path or id, in its first line.")
    found: dict[str, list[str]] = {}
    for row in rows:
        label, id = (row.get("label") or "").strip(), (row.get("id") or "").strip()
        if not label:
            continue
        if not id:
            path = file.parent / os.path.expanduser((row.get("path") or "").strip())
            try:
                id = hash_file(path)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise LibraryError(f"{path} cannot be read: {reason}.") from error
        found.setdefault(label, []).append(id)
    return found
