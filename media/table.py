"""Tables of comma- or tab-separated values: each row a paragraph of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from .draft import clean
from .lines import check_words
from .medium import MediaError
from .passages import Paragraph

_LONGEST_ROW = 1 << 20  # characters of a line of a table
_MOST_COLUMNS = 1000


def read_table(path: Path, reader: io.TextIOWrapper, suffix: str) -> Iterator[Paragraph]:
    """A paragraph a row, "column: value; column: value", numbered as a spreadsheet does."""

    def lines() -> Iterator[str]:
        number = 0
        while line := reader.readline(_LONGEST_ROW):
            number += 1
            check_words(path, line, number)
            if len(line) == _LONGEST_ROW:
                raise MediaError(path, f"has a line of over {_LONGEST_ROW:,} characters: cut it")
            yield line.replace("\0", "")

    source = lines()
    first = list(islice(source, 20))
    rows = csv.reader(chain(first, source), delimiter=_delimiter(first, suffix))
    names: list[str] | None = None
    found = False
    number = 0
    try:
        for number, row in enumerate(rows, 1):  # told where it cannot be read
            cells = [clean(cell) for cell in row[:_MOST_COLUMNS]]
            if not any(cells):
                continue
            if names is None:
                names = cells if _is_header(cells) else []
                if names:
                    continue
            found = True
            pairs = [
                f"{names[place]}: {cell}" if place < len(names) and names[place] else cell
                for place, cell in enumerate(cells)
                if cell
            ]
            yield Paragraph("; ".join(pairs), "line", ((0, number),), alone=True)
    except csv.Error as error:
        raise MediaError(
            path, f"is damaged after row {number:,} (a quotation mark that is never closed?)"
        ) from error
    if not found:
        raise MediaError(path, "is a table without rows")


def _delimiter(lines: list[str], suffix: str) -> str:
    """What parts the columns: what gives the first rows the same number of cells, and most."""
    if suffix == ".tsv":
        return "\t"

    def agreement(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0, 0
        width = max(set(widths), key=widths.count) if widths else 0
        return (widths.count(width) if width > 1 else 0), width

    return max(",;\t|", key=agreement)


def _is_header(cells: list[str]) -> bool:
    """Names of columns: all different, and none of them a number."""
    return (
        all(cells[:-1])
        and len(set(cells)) == len(cells)
        and not any(re.fullmatch(r"[-+]?[\d.,:/ %-]+", cell) for cell in cells)
        and all(len(cell) <= 100 for cell in cells)
    )
