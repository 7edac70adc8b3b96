"""Looking inside a vector, and the same query by older ways."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.session import AsJson, Data, SpaceName, open_library, say

if TYPE_CHECKING:
    from analysis.inside import Subject
    from store.library import Library

cli = typer.Typer()

Thing = Annotated[str, typer.Argument(help="Words, a file of any medium, or the id of an item.")]


@cli.command()
def inside(
    context: typer.Context,
    thing: Thing,
    top: Annotated[int, typer.Option(help="How many concepts.", min=1, max=100)] = 12,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """See what a vector holds of words, a file or an item, and what it lost."""
    from analysis.inside import Concepts, look_inside

    with open_library(context, data, space) as (library, bars):
        found = look_inside(library, read_thing(library, thing), Concepts(library, bars), top)
        bars.stop()
        if as_json:
            print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
            return
        parts = len(found.subject.rows)
        mean = f", the mean of {parts} ({found.length:.3f} long before)" if parts > 1 else ""
        print(f"{found.subject.title}  ({found.subject.modality})")
        print(f"  {len(found.vector)} numbers of length 1{mean}")
        print(f"  {found.carrying} of them make 90 % of the square length")
        for block in found.blocks:
            size = block.stop - block.start
            print(f"  {block.name}: {size} numbers, {block.share:.1%} of the square length")
        print(f"nearest concepts of {found.among}, cosines of at most {found.reachable:.2f}")
        for concept in found.concepts:
            print(f"  {concept.cosine:6.3f}  {concept.text}")
        if found.changes:
            print("changed, and the cosine with what it was")
        for change in found.changes:
            print(f"  {change.cosine:6.3f}  {change.what}")
        if found.neighbour:
            item, cosine = found.neighbour
            print(f"nearest other {item.modality}")
            print(f"  {cosine:6.3f}  {item.title}")


@cli.command()
def methods(
    context: typer.Context,
    query: Thing,
    among: Annotated[
        str | None,
        typer.Option(
            "--in",
            help="Look among the library's text or image, or among the example sentences: example.",
            show_default="what fits",
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="A GloVe or word2vec file, in place of Word2Vec trained here."),
    ] = None,
    top: Annotated[int, typer.Option(help="How many results of each.", min=1, max=1_000)] = 5,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find by older ways and by the network: words counted, Word2Vec, colours, corners."""
    from PIL import Image

    from analysis.comparison import AMONG, Comparison, usual_gallery
    from store.library import LibraryError

    if among not in (None, *AMONG):
        raise typer.BadParameter(f"it is one of {', '.join(AMONG)}", param_hint="--in")
    with open_library(context, data, space) as (library, bars):
        subject = read_thing(library, query)
        asked = subject.content
        if not isinstance(asked, str | Image.Image):
            raise LibraryError("Older ways are compared for words and pictures only.")
        if isinstance(asked, Image.Image):
            if among not in (None, "image"):
                raise LibraryError("A picture is compared with pictures: leave out --in.")
            among = "image"
        kind = among or usual_gallery(library)
        comparison = Comparison(library, kind, vectors, bars)
        own = subject.item.id if subject.item else None
        rows = [comparison.as_dict(row) for row in comparison.ask(asked, top, own, bars)]
        bars.stop()
        say(f"Among {len(comparison.gallery):,} of {_named(kind)}:")
        if as_json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return
        for row in rows:
            _print_row(row)


def read_thing(library: Library, thing: str) -> Subject:
    """A file where there is one of this name, else the item of this id, else words."""
    from analysis.inside import read_file, read_item, read_words

    file = Path(os.path.expanduser(thing))
    try:
        is_file = file.is_file()
    except (OSError, ValueError):  # words can be longer than any name
        is_file = False
    if is_file:
        return read_file(library, file)
    return read_item(library, thing) if library.get(thing) else read_words(library, thing)


def _named(among: str) -> str:
    return {
        "text": "the passages of the library's texts",
        "image": "the library's pictures",
        "example": "the example sentences that come along",
    }[among]


def _print_row(row: dict[str, Any]) -> None:
    if not row["dim"]:
        print(f"{row['title']}: knows no words, give it a picture")
        return
    print(
        f"{row['title']}: {row['dim']:,} numbers, {row['filled']:,} not 0, "
        f"{row['milliseconds']:.1f} ms"
    )
    if row["unknown"]:
        print(f"     never met: {', '.join(row['unknown'])}")
    for rank, near in enumerate(row["near"], start=1):
        said = textwrap.shorten(near["text"] or near["title"], 100, placeholder="…")
        why = ", ".join(a if a == b else f"{a} > {b}" for a, b in near["why"][:6])
        print(f"{rank:>3}  {near['cosine']:.3f}  {said}{f'  [{why}]' if why else ''}")
    if not row["near"]:
        print("     nothing")
