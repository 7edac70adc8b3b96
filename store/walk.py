"""Files and folders to the files worth opening: lazy, sorted, safe with loops of symbolic links."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """A file to try (`named` is as the caller wrote it), or a folder and why it cannot be read."""

    path: Path
    named: Path
    reason: str | None = None


def walk(
    paths: Iterable[Path], wanted: Callable[[Path], bool], without: Path | None = None
) -> Iterator[Found]:
    """Every named file, and below named folders, recursively, the `wanted` files.

    Hidden entries are left out, as is the folder `without`. A folder reached twice through
    symbolic links is walked once.
    """
    visited: set[tuple[int, int]] = set()
    barred = os.path.realpath(without) if without is not None else None
    for named in paths:
        path = Path(os.path.abspath(named))
        if os.path.isdir(path):  # never raises, whatever the name
            yield from _walk_folder(path, wanted, visited, barred)
        else:
            yield Found(path, Path(named))


def _walk_folder(
    folder: Path,
    wanted: Callable[[Path], bool],
    visited: set[tuple[int, int]],
    barred: str | None,
) -> Iterator[Found]:
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited or os.path.realpath(folder) == barred:
                continue
            visited.add((status.st_dev, status.st_ino))
            files, folders = _list(folder, wanted)
        except OSError as error:
            yield Found(
                folder, folder, f"The folder {folder.name} cannot be read: {error.strerror}."
            )
            continue
        for name in files:
            yield Found(folder / name, folder / name)
        waiting += [folder / name for name in reversed(folders)]


def _list(folder: Path, wanted: Callable[[Path], bool]) -> tuple[list[str], list[str]]:
    """Names of the wanted files and of the folders in a folder, sorted."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.name)
            elif wanted(Path(entry.path)):
                files.append(entry.name)
    return sorted(files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
