from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store.library import Library, LibraryBusy

OTHER = """
import sys
from pathlib import Path
from store.library import Library, LibraryBusy
from tests.fakes import FakeSpace
try:
    library = Library(Path(sys.argv[1]), FakeSpace(), address="http://127.0.0.1:9")
except LibraryBusy as error:
    print(error.pid, error.address, error, sep="|")
else:
    print("open", flush=True)
    sys.stdin.read()
    library.close()
"""


def other(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_another_process_is_told_who_holds_the_library(
    open_library: Callable[..., Library], tmp_path: Path
) -> None:
    open_library(address="http://127.0.0.1:7860")
    told = other(tmp_path / "data").communicate()[0].strip().split("|")
    assert told[:2] == [str(os.getpid()), "http://127.0.0.1:7860"]
    assert told[2].startswith(f"The library in {tmp_path / 'data'} is in use by process")
    assert "close it" in told[2]


def test_a_killed_process_holds_nothing(
    open_library: Callable[..., Library], tmp_path: Path
) -> None:
    with other(tmp_path / "data") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(LibraryBusy) as caught:
            open_library()
        assert (caught.value.pid, caught.value.address) == (process.pid, "http://127.0.0.1:9")
        process.kill()
        process.wait()
    assert (tmp_path / "data" / "lock.json").exists()  # stale, and harmless
    open_library()


def test_the_same_process_cannot_open_it_twice(open_library: Callable[..., Library]) -> None:
    library = open_library()
    with pytest.raises(LibraryBusy):
        open_library()
    library.close()
    open_library()


def test_a_note_that_cannot_be_read_is_no_trouble(
    open_library: Callable[..., Library], tmp_path: Path
) -> None:
    open_library()
    for text in ("", "[1]", "{}"):
        (tmp_path / "data" / "lock.json").write_text(text)
        with pytest.raises(LibraryBusy, match="another process") as caught:
            open_library()
        assert caught.value.pid is None
