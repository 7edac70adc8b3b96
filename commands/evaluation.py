"""The spaces there are, and how well one does on somebody's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands.session import AsJson, Bars, SpaceName, fail, read_space, say

cli = typer.Typer()


@cli.command()
def models() -> None:
    """List the spaces that --space takes by name."""
    import open_clip

    from encoders.space import FAMILIES

    print("embedded")

    for model, pretrained in open_clip.list_pretrained():
        print(f"{model}/{pretrained}")
    say("Also local-dir:PATH for a saved open_clip model, and MODEL/FILE for weights in a file.")
    for family in FAMILIES.values():
        say(f"{family.form}: {family.about}.")


@cli.command("eval")
def evaluate(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="CSV with the columns path and text.")],
    template: Annotated[
        str | None,
        typer.Option(help="Wording of the queries; {} is the text.", show_default="per medium"),
    ] = None,
    as_json: AsJson = False,
    space: SpaceName = None,
) -> None:
    """Measure how well texts find files: recall, precision and average precision on your data."""
    from store.evaluation import evaluate as measure

    with Bars() as bars:
        result = measure(manifest, read_space(context, space, bars), template, bars)
    for _, reason in result.skipped:
        say(f"left out: {reason}")
    if as_json:
        print(json.dumps(result.media, indent=2))
    else:
        for modality, metrics in result.media.items():
            print(modality)
            for name, value in metrics.items():
                print(
                    f"  {name:<14} {value:.3f}"
                    if isinstance(value, float)
                    else f"  {name:<14} {value}"
                )
    if not result.media:
        fail("None of the files could be read.")
