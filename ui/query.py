"""What the page asks: parts with their weights, and a filter; as the browser sends and keeps it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from store.library import Filter

WEIGHTS = (0.5, 1.0, 2.0)
MOST_PARTS = 20
LONGEST = 20_000  # characters of a part; a library asks for no more than the first few hundred

FIELDS = (
    *("folder", "title", "added", "after", "before"),
    *("longer", "shorter", "larger", "smaller"),
)
"""Of the filter, as the reader fills them in."""
AGES = {
    "today": ("added today", 0),
    "week": ("added in the last 7 days", 7),
    "month": ("added in the last 30 days", 30),
    "year": ("added in the last 365 days", 365),
}
"""What `added` can be beside empty: what it is called, and from how many days ago on."""


class QueryError(ValueError):
    """The query cannot be asked; the message is one sentence."""


@dataclass(frozen=True)
class Part:
    """Words, an item (by its id) or an uploaded file (by its token); a negative weight leads away
    from it."""

    by: str
    what: str
    weight: float = 1.0


@dataclass(frozen=True)
class Query:
    """The parts of a query, the filter's fields as typed, and whether exact words count as well."""

    parts: tuple[Part, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    exact: bool = True

    @property
    def words(self) -> str:
        """What stands in the box: the first part, where it is words to be found."""
        first = self.parts[0] if self.parts else None
        return first.what if first and first.by == "text" and first.weight > 0 else ""

    @property
    def plain(self) -> bool:
        """Whether it is words in the box, or nothing at all."""
        return len(self.parts) <= 1 and not (self.parts and (self.parts[0].weight != 1))

    @property
    def wanted(self) -> str:
        """All words that are to be found, to be marked."""
        return " ".join(p.what for p in self.parts if p.by == "text" and p.weight > 0)

    def retyped(self, text: str) -> Query:
        """With other words in the box; what was asked for without any gives way to them."""
        text = text.strip()
        rest = self.parts[1:] if self.words and text else ()
        weight = self.parts[0].weight if rest else 1.0
        first = (Part("text", text, weight),) if text else ()
        return Query((*first, *rest), self.chosen, self.exact)

    def as_json(self) -> str:
        """One text for one query, as `read_query` reads it."""
        parts = [{"by": p.by, "what": p.what, "weight": p.weight} for p in self.parts]
        return json.dumps({"parts": parts, "chosen": dict(self.chosen), "exact": self.exact})


def read_query(raw: Any) -> Query:
    """A query from a browser, or from `Query.as_json`; what makes no sense is left out."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError:
            raw = None
    if not isinstance(raw, dict):
        return Query()
    parts, chosen = raw.get("parts"), raw.get("chosen")
    found = list(_parts(parts if isinstance(parts, list) else []))
    fields = chosen if isinstance(chosen, dict) else {}
    typed = {name: _plain(fields.get(name), 1_000) for name in FIELDS}
    if typed["added"] not in AGES:
        typed["added"] = ""
    return Query(
        tuple(found),
        {name: text for name, text in typed.items() if text},
        raw.get("exact") is not False,
    )


def _parts(raw: list[Any]) -> Iterator[Part]:
    for one in raw[:MOST_PARTS]:
        if not isinstance(one, dict) or one.get("by") not in ("text", "item", "file"):
            continue
        what, weight = _plain(one.get("what"), LONGEST), one.get("weight", 1)
        usable = isinstance(weight, int | float) and abs(weight) in WEIGHTS
        if what:
            yield Part(one["by"], what, float(weight) if usable else 1.0)


def _plain(raw: Any, most: int) -> str:
    """Text that can be written down: half a character becomes "?"."""
    return str(raw or "").strip()[:most].encode("utf-8", "replace").decode()


def read_filter(chosen: Mapping[str, str], *, paths: bool) -> Filter | None:
    """The library's filter; None where nothing is asked. Raises QueryError.

    Without `paths` nothing is told of folders: they are nobody's business elsewhere.
    """
    if not chosen:
        return None
    after, before = _day(chosen.get("after")), _day(chosen.get("before"))
    if chosen.get("added"):
        midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        age = midnight - timedelta(days=AGES[chosen["added"]][1])
        after = max(after or 0.0, age.timestamp())
    folder = chosen.get("folder")
    if folder and not paths:
        raise QueryError("Folders can be asked for on the machine itself only.")
    try:
        folder = os.path.abspath(Path(folder).expanduser()) if folder else None
    except RuntimeError:
        raise QueryError(f"There is no user of whom “{folder}” could be a folder.") from None
    return Filter(
        folder=folder,
        title=chosen.get("title"),
        added_after=after,
        added_before=None if before is None else _next_day(before),
        longer=_seconds(chosen.get("longer")),
        shorter=_seconds(chosen.get("shorter")),
        larger=_bytes(chosen.get("larger")),
        smaller=_bytes(chosen.get("smaller")),
    )


def describe(chosen: Mapping[str, str], *, paths: bool) -> list[tuple[list[str], str]]:
    """The filter for people: [(the fields it is made of, "shorter than 1:30")]."""

    def given(*names: str) -> list[str]:
        return [name for name in names if chosen.get(name)]

    told = []
    if chosen.get("folder") and paths:
        told.append((["folder"], f"in {chosen['folder']}"))
    if chosen.get("title"):
        told.append((["title"], f"title has “{chosen['title']}”"))
    if chosen.get("added"):
        told.append((["added"], AGES[chosen["added"]][0]))
    for names, what, unit in (
        (("after", "before"), "added", ""),
        (("longer", "shorter"), "length", ""),
        (("larger", "smaller"), "size", " MB"),
    ):
        low, high = (chosen.get(name, "") for name in names)
        if low or high:
            span = f"{low}–{high}" if low and high else f"from {low}" if low else f"up to {high}"
            told.append((given(*names), f"{what} {span}{unit}"))
    return told


def _day(text: str | None) -> float | None:
    """The beginning of a day (YYYY-MM-DD), in seconds since 1970."""
    if not text:
        return None
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise QueryError(f"“{text}” is not a day: write it as 2026-01-31.") from None


def _next_day(start: float) -> float:
    try:
        return (datetime.fromtimestamp(start) + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        return start


def _seconds(text: str | None) -> float | None:
    """ "90", "1:30" or "1:02:03"."""
    if not text:
        return None
    total = 0.0
    for part in text.split(":"):
        value = _number(part)
        if value is None or text.count(":") > 2:
            raise QueryError(f"“{text}” is not a length: write 90, 1:30 or 1:02:03.")
        total = 60 * total + value
    return total


def _bytes(text: str | None) -> int | None:
    """From megabytes."""
    if not text:
        return None
    value = _number(text)
    if value is None or value > 1e9:
        raise QueryError(f"“{text}” is not a size: write it in megabytes, such as 0.5 or 20.")
    return round(value * 1e6)


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if value >= 0 and math.isfinite(value) else None
