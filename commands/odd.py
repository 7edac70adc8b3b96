"""What does not belong with others: among things that are named, and in the library. And two
things beside each other."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.search import looks_like_id
from commands.session import (
    AsJson,
    Data,
    Medium,
    SpaceName,
    check_medium,
    open_library,
    say,
)

if TYPE_CHECKING:
    from analysis.concepts import Weighed
    from store.records import Term

cli = typer.Typer()

Thing = Annotated[str, typer.Argument(help="Words, the path of a file, or an id.")]


@cli.command()
def odd(
    context: typer.Context,
    things: Annotated[
        list[str],
        typer.Argument(help="Three or more: words, paths of files, ids.", metavar="THING..."),
    ],
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Tell which of several things does not belong with the others, how sure, and why."""
    from analysis.oddity import find_odd
    from analysis.things import read_things

    with open_library(context, data, space) as (library, bars):
        read = read_things(library, _terms(things))
        verdict = find_odd(library, read)
        bars.stop()
    if as_json:
        print(json.dumps(verdict.as_dict(read), indent=2, ensure_ascii=False))
        return
    sure = "" if verdict.sure is None else f"  ({verdict.sure:.0%} sure, if one of them is odd)"
    print(f"{read[verdict.odd].label}{sure}")
    _print_words("the others share", verdict.shared)
    _print_words("it alone", verdict.own)
    if verdict.together is not None and verdict.together > 0.5:
        say("They are all much alike: maybe none of them is odd.")


@cli.command()
def compare(
    context: typer.Context,
    a: Thing,
    b: Thing,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Tell how like two things are, what they share, and what sets them apart."""
    from analysis.pairing import compare as pair
    from analysis.things import read_things

    with open_library(context, data, space) as (library, bars):
        left, right = read_things(library, _terms([a, b]))
        found = pair(library, left, right)
        bars.stop()
    if as_json:
        print(json.dumps(found.as_dict(left, right), indent=2, ensure_ascii=False))
        return
    if found.nearer is None:
        say("How like they are cannot be told: the library holds too few things of their media.")
    else:
        print(f"nearer to each other than {found.nearer:.1%} of {found.pairs:,} pairs")
    _print_words("both", found.shared)
    _print_words(f"only {left.label}", found.left)
    _print_words(f"only {right.label}", found.right)


@cli.command()
def outliers(
    context: typer.Context,
    medium: Medium = None,
    top: Annotated[int, typer.Option(help="How many of each medium.", min=1, max=10_000)] = 10,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """List what lies farthest from its neighbours, beside what is usual among them."""
    from analysis.outliers import find_outliers

    medium = check_medium(medium)
    found = []
    with open_library(context, data, space, networks=False) as (library, bars):
        kinds = [medium] if medium else [kind for kind in library.modalities if kind != "node"]
        for kind in kinds:
            found += find_outliers(library, kind, top, bars)
        bars.stop()
        empty = not library.count()
    if as_json:
        told = [
            {
                "id": one.item.id,
                "factor": one.factor,
                "modality": one.item.modality,
                "title": one.item.title,
                "path": one.item.path,
            }
            for one in found
        ]
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(f"{one.factor:5.2f}  {one.item.modality}  {one.item.title}")
            print(f"       {one.item.path}")
    if empty:
        say("The library is empty: add files with `index PATH...`, or try `samples`.")
    elif not found:
        say("There are too few items of a medium for any of them to stand apart.")


def _terms(names: Sequence[str]) -> list[Term]:
    """What is named: a file, if there is one; an item, if it looks like an id; else words."""
    from store.records import Term

    found = []
    for name in names:
        path = Path(os.path.expanduser(name))
        if os.path.isfile(path):
            found.append(Term(path, "file"))
        else:
            found.append(Term(name, "item" if looks_like_id(name) else "text"))
    return found


def _print_words(what: str, found: Weighed) -> None:
    if found:
        print(f"{what}: {', '.join(name for name, _ in found)}")
