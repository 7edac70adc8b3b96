"""Files in, decoded media out; or a MediaError that says which file and why.

    with open_media(Path("cat.jpg")) as media:
        for segment in media.segments():
            ...segment.content
        media.preview().save("preview.jpg")

Adding a medium is one file like picture.py and one entry in `_MEDIA`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from . import film, graph, limits, picture, sound, text
from .medium import Media, MediaError, Medium, Segment, quote
from .picture import look_closer
from .sound import SAMPLE_RATE

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "SAMPLE_RATE",
    "SUFFIXES",
    "Media",
    "MediaError",
    "Segment",
    "is_candidate",
    "look_closer",
    "open_media",
    "picture_at",
    "quote",
]

# Texts come before pictures and sounds: some of those begin with letters ("BM", "caff").
# Graphs come before texts: some are tables.
_MEDIA: tuple[Medium, ...] = (graph.MEDIUM, text.MEDIUM, picture.MEDIUM, film.MEDIUM, sound.MEDIUM)

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {suffix: medium.modality for medium in _MEDIA for suffix in medium.suffixes}
)

_HEAD = 4096  # bytes enough to know any of the formats by

# First bytes (from the offset) of what people are likely to try, and what to tell them.
_REFUSED = (
    (0, b"{\\rtf", "is an RTF document: save it as .docx"),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "is an old Office file (.doc) or an encrypted one: save it as .docx, without a password",
    ),
    (0, b"PK\x03\x04", "is a zip archive: unpack it and add what is inside"),
    (0, b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (0, b"8BPS", "is a Photoshop file: export it as PNG or JPEG"),
    (0, b"MThd", "is a MIDI file, which holds notes but no sound: render it to WAV or MP3"),
)
_SYSTEM = {
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "is not there",
    errno.ELOOP: "is a link that leads back to itself",
    errno.EACCES: "may not be read: change its permissions",
    errno.EPERM: "may not be read: change its permissions",
    errno.ENAMETOOLONG: "has a name too long for this system",
}


def is_candidate(path: Path) -> bool:
    """Is this file worth opening when walking a folder? By name alone; hidden files are not."""
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


def open_media(path: Path) -> Media:
    """Open a file of any medium, known by its content whatever its name where that tells.

    Raises MediaError for what is not usable. Close what is returned, or use it in a `with`.
    """
    path = Path(path)
    file = _open_regular(path)
    try:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise MediaError(path, "is empty (0 bytes)")
        if size > limits.MAX_BYTES:
            raise MediaError(
                path,
                f"is larger ({size:,} bytes) than the limit of {limits.MAX_BYTES:,} bytes "
                "(ANYFIND_MAX_BYTES)",
            )
        head = file.read(_HEAD)
        file.seek(0)
        return _medium(path, head).open(path, file, head)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise _unreadable(path, error) from error
        raise


def picture_at(path: Path, seconds: float) -> Image.Image | None:
    """What is seen in a film at a moment, small; None where that cannot be had within seconds.

    Raises MediaError for what is no film that can be read.
    """
    with _open_regular(path) as file:
        return film.picture_at(path, file, seconds)


def _medium(path: Path, head: bytes) -> Medium:
    suffix = path.suffix.lower()
    for medium in _MEDIA:
        if medium.recognise(head, suffix):
            return medium
    for offset, magic, reason in _REFUSED:
        if head.startswith(magic, offset):
            raise MediaError(path, reason)
    if said := _text(head, suffix):
        raise MediaError(path, said)
    # These may start anywhere, as a recording of a broadcast does: there the name decides.
    for medium in (film.MEDIUM, sound.MEDIUM):
        if suffix in medium.suffixes:
            return medium
    named = {"image": "a picture", "text": "a text", "graph": "a graph"}.get(
        SUFFIXES.get(suffix, "")
    )
    if named:
        raise MediaError(path, f"is damaged, or not {named} of a known format")
    raise MediaError(path, "is not of a format that is known here")


def _text(head: bytes, suffix: str) -> str | None:
    """The reason to refuse these first bytes if they are text; None if they are not."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", "replace").lstrip("\ufeff")
    else:
        body = head.removeprefix(b"\xef\xbb\xbf")
        if any(byte < 9 or 13 < byte < 27 for byte in body):
            return None
        text = body.decode("utf-8", "replace")
    start = text.lstrip().lower()
    if start.startswith("<") and "<svg" in start:
        return "is an SVG drawing, which can hold programs, so it is not opened: export it as PNG"
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<script")):
        return "is a web page under another name: rename it to .html"
    if suffix in SUFFIXES:
        return "holds plain text, not what its name says: rename it to .txt"
    return "is a text of a kind that is not read: save it as .txt"


def _open_regular(path: Path) -> BinaryIO:
    """Open for reading, without ever waiting: pipes and devices are refused."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if "\0" in str(path):
        raise MediaError(path, "is not the name of a file")
    try:
        _check_kind(path, os.stat(path).st_mode)
        file = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    try:  # once more: it may have been swapped since
        _check_kind(path, os.fstat(file.fileno()).st_mode)
    except MediaError:
        file.close()
        raise
    return file


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise MediaError(path, "is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise MediaError(path, "is a pipe or a device, not a file")


def _unreadable(path: Path, error: OSError) -> MediaError:
    if error.errno == errno.ENOENT and path.is_symlink():
        return MediaError(path, "is a link to a file that is not there")
    said = (error.strerror or "the system refused").lower()
    return MediaError(path, _SYSTEM.get(error.errno or 0, f"cannot be read ({said})"))
