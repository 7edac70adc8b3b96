"""Finding what fits words, files, or both."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.session import (
    AsJson,
    Data,
    Medium,
    SpaceName,
    Top,
    check_medium,
    open_library,
    print_hits,
    say,
)

cli = typer.Typer()


@cli.command()
def search(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help="What to look for; not needed with --like.")
    ] = None,
    plus: Annotated[
        list[str] | None, typer.Option(help="More words, to be met as well; WORDS^0.5 counts half.")
    ] = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="Words to lead away from; WORDS^1 counts fully.")
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option(help="A file or an id to be like; FILE^2 counts twice.")
    ] = None,
    medium: Medium = None,
    top: Top = 10,
    skip: Annotated[int, typer.Option(help="Leave out so many of the first.", min=0)] = 0,
    exact: Annotated[bool, typer.Option(help="Look for the very words as well.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Only what lies in this folder.")] = None,
    title: Annotated[str | None, typer.Option(help="Only titles that hold this text.")] = None,
    after: Annotated[str | None, typer.Option(help="Only what was added since YYYY-MM-DD.")] = None,
    before: Annotated[str | None, typer.Option(help="Only what was added before it.")] = None,
    longer: Annotated[float | None, typer.Option(help="Only what lasts so many seconds.")] = None,
    shorter: Annotated[float | None, typer.Option(help="Only what lasts no longer.")] = None,
    larger: Annotated[int | None, typer.Option(help="Only files of so many bytes.")] = None,
    smaller: Annotated[int | None, typer.Option(help="Only files no larger.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find what fits words, files, or both, best first."""
    from store.records import Filter, Term

    medium = check_medium(medium)
    if text is None and not (plus or like):
        raise typer.BadParameter("say what to look for, or name a file with --like")
    text = text or ""
    terms = [Term(text)] if text.strip() or not (plus or like) else []
    terms += [Term(words, weight=weight) for words, weight in map(_weighted, plus or ())]
    terms += [Term(words, weight=-weight) for words, weight in map(_less, minus or ())]
    for name, weight in map(_weighted, like or ()):
        file = os.path.expanduser(name)
        is_file = os.path.exists(file) or not looks_like_id(name)
        what = Path(file) if is_file else name
        terms.append(Term(what, "file" if is_file else "item", weight))
    chosen = Filter(
        folder=os.path.abspath(os.path.expanduser(folder)) if folder else None,
        title=title,
        added_after=_day(after, "--after"),
        added_before=_day(before, "--before"),
        longer=longer,
        shorter=shorter,
        larger=larger,
        smaller=smaller,
    )
    with open_library(context, data, space) as (library, bars):
        answer = library.find(terms, medium, top, offset=skip, chosen=chosen, exact=exact)
        bars.stop()
        among = {hit.modality for hit in answer.hits}
        if among and among <= answer.far:
            from ui.cards import nothing_close

            say(
                nothing_close(text, {m: library.count(m) for m in library.modalities if m in among})
            )
        print_hits(library, answer.hits, as_json, skip)


@cli.command()
def similar(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file of any medium; it need not be indexed.")],
    medium: Medium = None,
    top: Top = 10,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find what is like a file, best first."""
    medium = check_medium(medium)
    with open_library(context, data, space) as (library, bars):
        hits = library.similar(file, medium, top)
        bars.stop()
        print_hits(library, hits, as_json)


def _weighted(text: str, usual: float = 1.0) -> tuple[str, float]:
    """ "a dog^0.5" as ("a dog", 0.5); what has no weight gets the usual one."""
    words, hat, weight = text.rpartition("^")
    try:
        return (words, float(weight)) if hat and words else (text, usual)
    except ValueError:
        return text, usual


def _less(text: str) -> tuple[str, float]:
    # Half: all of it would lead to what has nothing to do with either.
    return _weighted(text, 0.5)


def looks_like_id(name: str) -> bool:
    digits = name.partition("#")[0]
    return len(digits) == 32 and all(c in "0123456789abcdef" for c in digits)


def _day(text: str | None, option: str) -> float | None:
    """The beginning of a day, in seconds since 1970."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise typer.BadParameter("write it as YYYY-MM-DD", param_hint=option) from None
