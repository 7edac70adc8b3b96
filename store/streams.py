"""Streams: the vectors of one medium made by one tower; each is searched by itself.

What a picture's network makes of a film's shots lies elsewhere than what the audio adapter makes of
its sound, and a library's pictures must not drown its films: so each has a matrix and a collection
of its own, and their hits are compared afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.records import Space


@dataclass(frozen=True)
class Stream:
    """The vectors of `modality` that come from `tower`."""

    name: str
    modality: str
    tower: str


STREAMS = {
    stream.name: stream
    for stream in (
        Stream("image", "image", "image"),
        Stream("audio", "audio", "audio"),
        Stream("film", "film", "image"),
        Stream("soundtrack", "film", "audio"),
        Stream("text", "text", "text"),
        Stream("graph", "graph", "text"),
        Stream("node", "node", "text"),
    )
}

MODALITIES = tuple(dict.fromkeys(stream.modality for stream in STREAMS.values()))
"""The media, in the order in which people are told of them."""


def stream_name(modality: str, tower: str) -> str | None:
    """The stream of a medium's vectors from one tower; None where there is no such."""
    for stream in STREAMS.values():
        if (stream.modality, stream.tower) == (modality, tower or modality):
            return stream.name
    return None


def usable_streams(space: Space) -> list[str]:
    """The streams that a space can fill."""
    known = {*space.modalities, *(["text"] if space.reads_text else [])}
    return [stream.name for stream in STREAMS.values() if stream.tower in known]
