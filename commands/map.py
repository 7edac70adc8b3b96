"""The library as a map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands.session import AsJson, Data, SpaceName, fail, open_library, say

cli = typer.Typer()


@cli.command("map")
def map_(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Write the map as one HTML file, which needs nothing else.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Lay it out again, not only what is new.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Lay the library out in two dimensions, so that what is alike lies together."""
    from analysis.atlas import described, draw_atlas

    with open_library(context, data, space, networks=False) as (library, bars):
        atlas = draw_atlas(library, anew=anew, progress=bars)
        bars.stop()
        points = described(atlas, library.numbered(atlas.numbers))
        if out is not None:
            from ui.poster import draw_poster

            try:
                out.write_text(draw_poster(library, atlas), "utf-8")
            except OSError as error:
                fail(f"{out} cannot be written ({error.strerror or error}).")
            say(f"Wrote {out}.")
    if as_json:
        print(json.dumps(points, ensure_ascii=False))
    elif out is None:
        sizes = {name: sum(point["cluster"] == name for point in points) for name in atlas.names}
        print(f"{len(points)} items in {len(sizes)} clusters")
        for name, size in sizes.items():
            print(f"{size:>7}  {name}")
