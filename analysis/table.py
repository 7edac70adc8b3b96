"""Sorted items as a table for a spreadsheet, and as data for programs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, TextIO

from analysis.classification import NONE, Classified
from store.library import Library

COLUMNS = ("path", "title", "label", "confidence")
AT_ONCE = 5_000  # items looked up at a time
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""


def write_table(library: Library, classified: Classified, file: TextIO, paths: bool = True) -> None:
    """Write one line an item, by COLUMNS; without `paths` that column stays empty.

    The confidence is empty where none is known. No cell is a formula: one that would be begins
    with an apostrophe, as spreadsheets themselves mark text.
    """
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    for path, title, label, confidence in _lines(library, classified):
        cells = (path if paths else "", title, label)
        table.writerow([*map(_harmless, cells), confidence])


def as_dicts(library: Library, classified: Classified, k: int) -> list[dict[str, Any]]:
    """Each label, and last none of these (label None), with how many items are under it and the
    surest k of them, ready for JSON."""
    told = []
    for label in [*range(len(classified.labels)), NONE]:
        first = classified.members(label, limit=k)
        items = library.numbered(number for number, _, _ in first)
        rows = [
            {
                "id": items[number].id,
                "modality": items[number].modality,
                "title": items[number].title,
                "path": items[number].path,
                "confidence": round(float(part.belief[at]), 3) if part.sure else None,
                "second": None if part.second[at] == NONE else classified.title(part.second[at]),
            }
            for number, part, at in first
            if number in items  # else it was removed meanwhile
        ]
        name = None if label == NONE else classified.labels[label]
        told.append({"label": name, "count": classified.count(label), "items": rows})
    return told


def _lines(library: Library, classified: Classified) -> Iterator[tuple[str, str, str, str]]:
    for part in classified.parts:
        for start in range(0, len(part.numbers), AT_ONCE):
            numbers = part.numbers[start : start + AT_ONCE]
            items = library.numbered(numbers)
            for at, number in enumerate(numbers.tolist(), start=start):
                if number in items:  # else it was removed meanwhile
                    item, label = items[number], classified.title(int(part.first[at]))
                    confidence = f"{part.belief[at]:.3f}" if part.sure else ""
                    yield item.path, item.title, label, confidence


def _harmless(cell: str) -> str:
    plain = cell.encode("utf-8", "replace").decode()
    return f"'{plain}" if plain.startswith(FORMULA) else plain
