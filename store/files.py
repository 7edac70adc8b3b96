"""The files of the data folder beside the databases: previews and copied media."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL import Image

PREVIEW_QUALITY = 75
PREVIEW_SUFFIX = ".jpg"
OLDER_SUFFIX = ".webp"  # of previews that earlier versions made
UNSAFE = {".svg", ".svgz", ".html", ".htm", ".xml", ".xhtml", ".js", ".php", ".exe"}


class Files:
    """Where previews and copied media lie; everything is written whole or not at all."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.media = data / "media"
        self.previews = data / "previews"
        self.trash = data / "trash"
        shutil.rmtree(self.trash, ignore_errors=True)  # nobody can ask for it back any more
        for folder in (self.media, self.previews):
            folder.mkdir(parents=True, exist_ok=True)

    def preview(self, item: str) -> Path:
        """Where the preview of an item lies, or would."""
        older = self.previews / f"{item}{OLDER_SUFFIX}"
        return older if older.exists() else self.previews / f"{item}{PREVIEW_SUFFIX}"

    def write_preview(self, item: str, image: Image.Image) -> None:
        """Write an item's preview."""
        target = self.previews / f"{item}{PREVIEW_SUFFIX}"
        _write(target, lambda stream: save_preview(image, stream))

    def copy(self, item: str, source: Path) -> str:
        """Copy a medium into the library; returns its path relative to the data folder."""
        target = self.media / f"{item}{safe_suffix(source)}"

        def save(stream: BinaryIO) -> None:
            with open(source, "rb") as original:
                shutil.copyfileobj(original, stream, 1 << 20)
            stream.flush()
            os.fsync(stream.fileno())

        _write(target, save)
        return f"media/{target.name}"

    def delete(self, item: str, copy: str | None) -> None:
        """Remove an item's preview and its copied medium (a path as `copy` returned it)."""
        for path, _ in self._all(item, copy):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def keep(self, item: str, copy: str | None) -> None:
        """Have an item's copied medium and its preview in the trash as well, before `delete`."""
        for path, kept in self._all(item, copy):
            if path.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                _link(path, kept)

    def restore(self, item: str, copy: str | None) -> None:
        """Put back what `keep` put into the trash; it stays there until `forget`."""
        for path, kept in self._all(item, copy):
            if kept.exists():
                _link(kept, path)

    def forget(self, item: str, copy: str | None) -> None:
        """Delete what the trash holds of an item."""
        for _, kept in self._all(item, copy):
            with contextlib.suppress(OSError):
                kept.unlink(missing_ok=True)

    def _all(self, item: str, copy: str | None) -> Iterator[tuple[Path, Path]]:
        """Each file there may be of an item, and where the trash would have it."""
        names = [f"previews/{item}{suffix}" for suffix in (PREVIEW_SUFFIX, OLDER_SUFFIX)]
        for name in [*names, *([copy] if copy else [])]:
            yield self.data / name, self.trash / name

    def sweep(self, known: Callable[[list[str]], set[str]]) -> None:
        """Remove what a killed process left: half-written files, files of items never committed.

        `known` tells which of some ids are in the catalogue.
        """
        for folder in (self.media, self.previews):
            names = os.listdir(folder)
            ids = known([name.partition(".")[0] for name in names])
            for name in names:
                if name.endswith(".part") or name.partition(".")[0] not in ids:
                    with contextlib.suppress(OSError):
                        (folder / name).unlink()


def save_preview(image: Image.Image, stream: BinaryIO) -> None:
    """Write a preview as JPEG: larger than WebP, and made in a fifth of the time."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    # colours at half the size would turn the thin lines of a waveform grey
    rgb.save(stream, "JPEG", quality=PREVIEW_QUALITY, subsampling="4:4:4")


def safe_suffix(path: Path) -> str:
    """The file's suffix where it is a plain one that no browser would run, else ".bin"."""
    suffix = path.suffix.lower()
    plain = re.fullmatch(r"\.[a-z0-9]{1,5}", suffix, re.ASCII)
    return suffix if plain and suffix not in UNSAFE else ".bin"


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the disk knows no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as original:
            _write(target, lambda stream: shutil.copyfileobj(original, stream, 1 << 20))


def _write(target: Path, save: Callable[[BinaryIO], None]) -> None:
    part = target.with_name(f"{target.name}.{threading.get_ident()}.part")
    try:
        with open(part, "wb") as stream:
            save(stream)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def disk_space(folder: Path) -> int:
    """Bytes that the files below a folder take on disk (Chroma's can be sparse)."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(parent, name))
                blocks = getattr(status, "st_blocks", None)
                total += status.st_size if blocks is None else blocks * 512
    return total
