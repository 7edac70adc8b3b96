"""One query by every way of finding, old and new, on one gallery."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.gallery import (
    Gallery,
    example_sentences,
    gather_passages,
    gather_pictures,
    has_passages,
)
from analysis.methods import Method, Network, Picture, Row, picture_methods, text_methods
from store.library import Library, LibraryError
from store.records import Progress
from store.wordings import encode_queries, read_wordings, space_kind

AMONG = ("text", "image", "example")
"""What can be looked through: the library's texts, its pictures, or the example sentences."""

READS = (
    "What a text means, learned from very many others: other words for the same thing are near. "
    "Names and codes that it has never read say little to it."
)
LOOKS = (
    "What a picture shows, learned from very many others: the same sort of thing in other colours, "
    "from another side. It is asked by words as well."
)


class Comparison:
    """The ways of finding on one gallery, each fitted when it is first asked; may be used from any
    thread."""

    def __init__(
        self,
        library: Library,
        among: str,
        vectors: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Gathers the gallery. LibraryError where there is nothing, or `vectors`, a file of vectors
        of words to use in place of Word2Vec, is none."""
        if among not in AMONG:
            raise LibraryError(f'There is no gallery "{among}": it is one of {", ".join(AMONG)}.')
        self.among = among
        self._library = library
        self._lock = threading.Lock()
        self._fitted: set[str] = set()
        if among == "image":
            self.gallery = gather_pictures(library, progress=progress)
            network = Network(LOOKS, self.gallery.vectors, self._encode_pictures)
            self.methods = picture_methods(network)
        else:
            gather = gather_passages if among == "text" else _examples
            self.gallery = gather(library, progress=progress)
            network = Network(READS, self.gallery.vectors, self._encode_words)
            self.methods = text_methods(network, vectors)
        if not len(self.gallery):
            what = {"text": "texts", "image": "pictures"}[among]
            raise LibraryError(f"There are no {what} in the library yet: add some, then try again.")
        self._places = {content: place for place, content in enumerate(self.gallery.contents)}

    def ask(
        self,
        query: str | Picture,
        k: int = 6,
        without: str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Row]:
        """A row for each method, oldest first; the item `without` is left out.

        Pictures can be asked by a picture of the gallery or another, and by words, which the older
        ways do not know: their vectors are empty then.
        """
        items = self.gallery.items
        own = [at for at, item in enumerate(items) if without and item and item.id == without]
        for method in self.methods:
            if self.among == "image" and isinstance(query, str) and method.name != "network":
                yield Row(method, np.zeros(0, np.float32), (), 0.0)
                continue
            self._fit(method, progress)
            yield method.ask(query, k, own)

    def fitted(self, method: Method) -> bool:
        """Whether it need not learn before it answers."""
        return method.name in self._fitted

    def as_dict(self, row: Row) -> dict[str, Any]:
        """A row, ready for JSON."""
        near = []
        for one in row.near:
            item, content = self.gallery.items[one.place], self.gallery.contents[one.place]
            near.append(
                {
                    "id": item.id if item else None,
                    "title": item.title if item else None,
                    "text": content if isinstance(content, str) else None,
                    "cosine": round(one.score, 4),
                    "why": [list(pair) for pair in one.why],
                }
            )
        return {
            "method": row.method.name,
            "title": row.method.title,
            "dim": len(row.vector),
            "filled": row.filled,
            "unknown": list(row.unknown),
            "milliseconds": round(1000 * row.seconds, 2),
            "near": near,
        }

    def _fit(self, method: Method, progress: Progress | None) -> None:
        with self._lock:
            if not self.fitted(method):
                method.fit(self.gallery.contents, progress)
                self._fitted.add(method.name)

    def _encode_words(self, texts: Sequence[Any], tower: str = "text") -> np.ndarray:
        space = self._library.space
        wordings = read_wordings(space_kind(space.name))
        return encode_queries(space, texts, {tower: wordings[tower]})[tower]

    def _encode_pictures(self, contents: Sequence[Any]) -> np.ndarray:
        return np.concatenate([self._encode_picture(content) for content in contents])

    def _encode_picture(self, content: str | Picture) -> np.ndarray:
        from PIL import Image

        if isinstance(content, str):
            return self._encode_words([content], "image")
        if isinstance(content, Path) and content in self._places:
            known: np.ndarray = self.gallery.vectors[[self._places[content]]]
            return known
        picture = Image.open(content) if isinstance(content, Path) else content
        space = self._library.space
        return space.encode("image", [space.prepare("image", picture.convert("RGB"))])


def usual_gallery(library: Library) -> str:
    """What words are best compared on: the library's texts where there are some, else examples."""
    return "text" if has_passages(library) else "example"


def _examples(library: Library, progress: Progress | None = None) -> Gallery:
    if progress:
        progress("Reading the example sentences", 0, 0)
    return example_sentences(library)
