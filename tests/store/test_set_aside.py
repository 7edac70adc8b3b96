"""What is set aside comes back as it was, and nothing else is lost on the way."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from store.library import Library, LibraryError
from tests.fakes import FakeSpace
from tests.media import makers


def contents(library: Library) -> list[tuple[object, ...]]:
    found = []
    for item in library.items(newest_first=False):
        vectors = library.item_vectors(item.id)
        rows = {name: part.tolist() for name, part in vectors.items()}
        found.append((item, rows, library.preview(item.id).read_bytes()))
    return found


def trash(library: Library) -> set[Path]:
    return {path for path in (library.data / "trash").rglob("*") if path.is_file()}


@pytest.mark.parametrize("copy", [True, False])
def test_undo_brings_all_back(library: Library, folder: Path, copy: bool) -> None:
    library.add([folder], copy=copy)
    before = contents(library)
    hits = [(hit.id, hit.start) for hit in library.search("high", "audio", 5)]
    away = [before[1][0].id, before[3][0].id, "unknown"]
    assert library.set_aside(away) == away[:2]
    assert library.count() == len(before) - 2
    assert all(library.get(id) is None for id in away)
    assert library.restore() == away[:2]
    assert contents(library) == before
    assert [(hit.id, hit.start) for hit in library.search("high", "audio", 5)] == hits
    assert library.settle()
    assert library.restore() == []
    assert not trash(library)
    library.close()
    with Library(library.data, FakeSpace()) as again:
        assert contents(again) == before


def test_only_the_last_can_be_undone(library: Library, folder: Path) -> None:
    library.add([folder], copy=True)
    first, second, *_ = library.items()
    library.set_aside([first.id])
    library.set_aside([second.id])
    assert library.restore() == [second.id]
    assert library.get(first.id) is None
    assert not os.path.exists(first.path)
    assert os.path.exists(second.path)


def test_a_full_disk_leaves_the_previous_undo(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([folder], copy=True)
    before = contents(library)
    first, second, third, *_ = [item.id for item in library.items()]
    library.set_aside([first])
    kept = trash(library)
    keep = library._files.keep

    def fill_up(item: str, copy: str | None) -> None:
        if item == third:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        keep(item, copy)

    monkeypatch.setattr(library._files, "keep", fill_up)
    with pytest.raises(LibraryError, match="Nothing was removed"):
        library.set_aside([second, third])
    assert library.get(second) is not None
    assert library.aside == [first]
    assert trash(library) == kept
    assert library.set_aside(["unknown"]) == []
    assert library.restore() == [first]
    assert library.aside == []
    assert contents(library) == before


def test_what_is_gone_when_an_error_comes_after_can_be_undone(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([folder], copy=True)
    before = contents(library)
    away = [item.id for item in library.items()[:2]]

    def fail(*_: object) -> None:
        raise LibraryError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(library, "_follow", fail)
        with pytest.raises(LibraryError, match="full"):
            library.set_aside(away)
    assert library.get(away[0]) is None
    assert library.aside == away
    assert library.restore() == away
    assert contents(library) == before


def test_what_was_added_again_meanwhile_stays(library: Library, folder: Path) -> None:
    library.add([folder], copy=True)
    item = library.items()[0]
    library.set_aside([item.id])
    library.add([folder])
    assert library.restore() == []
    again = library.get(item.id)
    assert again is not None
    assert not again.copied


def test_graphs_come_back_with_their_nodes(open_library: Callable[..., Library], tmp_path: Path):
    (tmp_path / "net.csv").write_text("source,target\ncat,dog\ndog,bird\n")
    library = open_library()
    library.add([tmp_path / "net.csv"])
    nodes = library.count("node")
    assert nodes == 3
    (graph,) = library.items("graph")
    with pytest.raises(LibraryError, match="remove the graph"):
        library.set_aside([library.items("node")[0].id])
    library.set_aside([graph.id])
    assert library.count("node") == 0
    library.restore()
    assert library.count("node") == nodes
    assert library.search("dog", "node", 1)[0].title == "dog"


def _die(data: Path, moment: str) -> None:
    library = Library(data, FakeSpace())

    def end(*_: object) -> None:
        os._exit(9)  # as kill -9 would: nothing is closed

    owner, name = {
        "kept": (library._catalogue, "remove"),
        "removed": (library, "_follow"),
        "put back": (library._catalogue, "restore"),
        "restored": (library, "_empty_trash"),
    }[moment]
    if moment in ("kept", "removed"):
        setattr(owner, name, end)
        library.set_aside([library.items()[0].id])
    else:
        library.set_aside([library.items()[0].id])
        setattr(owner, name, end)
        library.restore()


@pytest.mark.parametrize("moment", ["kept", "removed", "put back", "restored"])
def test_a_killed_process_loses_nothing_else(tmp_path: Path, moment: str) -> None:
    data = tmp_path / "data"
    for colour in ("red", "blue", "white"):
        makers.make_picture(tmp_path / f"{colour}.png", colour, (64, 48))
    with Library(data, FakeSpace()) as library:
        library.add(sorted(tmp_path.glob("*.png")), copy=True)
        before = contents(library)
    # a process of its own: in a forked one ChromaDB's threads would be missing
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(data, moment))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    with Library(data, FakeSpace()) as library:
        gone = moment in ("removed", "put back")
        assert contents(library) == (before[:-1] if gone else before)
        for item in library.items():
            assert np.any(library.item_vectors(item.id)["image"])
            assert not item.missing
        known = {f"{item.id}.jpg" for item in library.items()}
        assert {path.name for path in (data / "previews").iterdir()} == known
        assert not (data / "trash").exists()
