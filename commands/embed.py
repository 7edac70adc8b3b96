"""Vectors of files and texts, written into a file, without a library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from commands.session import Bars, SpaceName, fail, read_space, say

cli = typer.Typer()


@cli.command()
def embed(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, and folders with all below.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="What to write: a .jsonl, .parquet or .npz file.")
    ] = Path("vectors.jsonl"),
    text: Annotated[
        list[str] | None, typer.Option(help="Words to embed as well; - reads lines from stdin.")
    ] = None,
    space: SpaceName = None,
) -> None:
    """Write the vectors of files and texts into a file; no library is needed."""
    from store.export import WRITERS, Block, embed_files, embed_lines, write_vectors

    if out.suffix.lower() not in WRITERS:
        raise typer.BadParameter(f"must be one of *{', *'.join(WRITERS)}", param_hint="--out")
    if not (paths or text):
        raise typer.BadParameter("name files, or words with --text", param_hint="PATHS")
    skipped = 0
    with Bars() as bars:
        loaded = read_space(context, space, bars)

        def told() -> Iterator[Block]:
            nonlocal skipped
            blocks = chain(
                embed_lines(loaded, _lines(text)) if text else (),
                embed_files(loaded, paths) if paths else (),
            )
            for done, block in enumerate(blocks, start=1):
                bars("Embedding", done, 0)
                if block.reason is not None:
                    skipped += 1
                    bars.print(f"skipped: {block.reason}")
                yield block

        try:
            count = write_vectors(out, told(), loaded)
        except KeyboardInterrupt:
            bars.stop()
            say(f"Stopped; {out} is as it was.")
            raise typer.Exit(1) from None
    if not count:
        fail(f"Nothing could be embedded; {out} is as it was.")
    vectors = "1 vector" if count == 1 else f"{count} vectors"
    files = "1 file" if skipped == 1 else f"{skipped} files"
    print(f"{vectors} of {loaded.dim} dimensions in {out}, {files} skipped.")


def _lines(texts: list[str]) -> Iterator[str]:
    for one in texts:
        if one == "-":
            yield from sys.stdin
        else:
            yield one
