"""What the library holds more than once."""

from __future__ import annotations

import json

import typer

from commands.session import AsJson, Data, Medium, SpaceName, check_medium, open_library

cli = typer.Typer()


@cli.command()
def duplicates(
    context: typer.Context,
    medium: Medium = None,
    as_json: AsJson = False,
    data: Data = None,
    space: SpaceName = None,
) -> None:
    """Find what is there more than once: resized, cropped, trimmed, recoded, or the same file."""
    from analysis.duplicates import find_copies, find_duplicates

    medium = check_medium(medium)
    with open_library(context, data, space, networks=False) as (library, bars):
        groups = find_duplicates(library, medium, progress=bars)
        copies = find_copies(library, medium)
        bars.stop()
    if as_json:
        keys = ("id", "modality", "title", "path", "bytes", "details")
        told = {
            "near": [
                {
                    "agreement": group.agreement,
                    "items": [{key: getattr(item, key) for key in keys} for item in group.items],
                }
                for group in groups
            ],
            "exact": [{"id": item.id, "paths": list(map(str, paths))} for item, paths in copies],
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for group in groups:
        for at, item in enumerate(group.items):
            print(f"{'keep' if at == 0 else '    '}  {item.modality}  {item.title}  {item.id}")
            print(f"      {item.path}")
        print()
    for item, paths in copies:
        print(f"same  {item.modality}  {item.title}")
        for path in paths:
            print(f"      {path}")
        print()
    if not groups and not copies:
        print("No duplicates.")
