"""Exact words: which words of a query must be found, and how their ranking joins the vectors'.

A name such as IMG_2041 means nothing to a text tower, and a word in a title is worth more than a
likeness. The words are looked up in the catalogue's full-text table (BM25), and both rankings are
joined by reciprocal rank fusion (Cormack et al. 2009).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import TypeVar

RANK_CONSTANT = 60
"""Of the fusion: a hit at rank r of a ranking counts 1 / (RANK_CONSTANT + r). As in the paper."""

MOST_WORDS = 32
"""A longer query is a text, which nothing holds word by word."""

_IDLE = """
a an and are as at be by for from has have i in into is it its me my of on or our that the their
there these this those to was we were with your
sound sounds picture pictures photo photos photograph image film text
"""
IDLE = frozenset(_IDLE.split())
"""Words that say nothing by themselves of what is looked for."""

Key = TypeVar("Key", bound=Hashable)


def word_query(text: str) -> str | None:
    """The FTS5 query for items that hold all of a text's words; None where there is none to ask."""
    plain = text.encode("utf-8", "replace").decode()
    found = re.findall(r"[^\s\"'\0]+", plain)
    words = [word for word in found if any(c.isalnum() for c in word)]
    telling = [word for word in words if word.lower().strip(".,;:!?()") not in IDLE]
    if not telling or len(words) > MOST_WORDS:
        return None
    return " ".join(f'"{word}"' for word in telling)


def fuse(*rankings: Sequence[Key]) -> list[tuple[Key, float]]:
    """One ranking of several, by reciprocal rank fusion: [(key, score)], best first.

    Ties stand in the order of the first ranking that has them.
    """
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda one: -one[1])
