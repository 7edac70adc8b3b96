"""The Library tab in a real browser: files in, files out, and searching meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.library import Library
from tests.fakes import FakeSpace
from tests.media import makers
from tests.page.conftest import Serve, Served, search, tab, titles, until
from ui.intake import Intake, State
from ui.library import _progress
from ui.uploads import Uploads


def finish(page: Any) -> str:
    """Wait for the report of what was added."""
    page.wait_for_selector("#progress [data-close]")
    return page.inner_text("#progress h2")


def shelf(page: Any) -> list[str]:
    return page.locator("#shelf .cell .name").all_inner_texts()


def test_upload_find_and_remove(served: Served, visit: Any, tmp_path: Path) -> None:
    page = visit(served)
    makers.make_picture(tmp_path / "snow.png", "white", (90, 60))
    makers.make_tone(tmp_path / "hiss.wav", 9000, 1)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    shutil.copy(served.media / "red.png", tmp_path / "again.png")
    tab(page, "Library")
    page.wait_for_selector("#shelf .cell")
    names = ("snow.png", "torn.jpg", "again.png", "hiss.wav")
    page.set_input_files("#drop-input", [tmp_path / name for name in names])
    page.wait_for_function("document.querySelectorAll('#progress li').length === 4")
    assert finish(page) == "2 added, 1 already there, 1 skipped"
    first = page.locator("#progress li").first  # what was skipped stands first, with its reason
    assert first.locator(".file").inner_text() == "torn.jpg"
    assert "torn.jpg" in first.locator(".reason").inner_text()
    assert "anyfind-page" not in page.inner_text("#progress")
    page.wait_for_function("document.querySelector('#counts').innerText.includes('7 pictures')")
    assert {"snow", "hiss"} <= {name.partition(".")[0] for name in shelf(page)}
    [item] = [one for one in served.library.items() if one.title.startswith("snow")]
    assert item.copied
    assert Path(item.path).is_relative_to(served.library.data)

    tab(page, "Search")
    search(page, "white")
    assert titles(page)[0].startswith("snow")

    tab(page, "Library")
    cell = page.locator(f"#shelf .cell:has([data-id='{item.id}'])")
    cell.hover()
    cell.locator("input").check()
    assert page.inner_text("#picked b") == "1 selected"
    page.click("#picked .danger")
    assert "Remove 1 item" in page.inner_text("#confirm")
    page.click("#confirm .danger")
    page.wait_for_selector(f"#shelf [data-id='{item.id}']", state="detached")
    assert "Removed 1 item." in page.inner_text("#progress")
    assert served.library.get(item.id) is None
    assert not Path(item.path).exists()
    assert page.locator("#picked").is_hidden()

    tab(page, "Search")
    page.wait_for_function(
        f"!document.querySelector('#results [data-id=\"{item.id}\"]')"
    )  # the old answer is renewed too
    search(page, "white")
    assert not any(name.startswith("snow") for name in titles(page))


def test_removing_asks_first(served: Served, visit: Any) -> None:
    page = visit(served)
    tab(page, "Library")
    page.wait_for_selector("#shelf .cell")
    count = served.library.count()
    page.locator("#shelf .cell").first.hover()
    page.locator("#shelf .pick input").first.check()
    page.click("#picked .danger")
    page.click("#confirm .quiet")
    page.wait_for_selector("#confirm", state="detached")
    assert served.library.count() == count


def test_an_item_is_removed_from_the_viewer(served: Served, visit: Any, tmp_path: Path) -> None:
    makers.make_picture(tmp_path / "cloud.png", "white", (88, 60))
    [item] = served.library.add([tmp_path / "cloud.png"]).added
    page = visit(served)
    search(page, "white")
    page.click("#results .tile:has-text('cloud') .open")
    page.click("#viewer [data-act=remove]")
    page.click("#confirm [value=no]")
    assert served.library.get(item.id) is not None
    page.click("#results .tile:has-text('cloud') .open")
    page.click("#viewer [data-act=remove]")
    page.click("#confirm [value=yes]")
    page.wait_for_selector("#toast:has-text('cloud')")
    assert "cloud" not in titles(page)
    tab(page, "Library")
    page.wait_for_selector("#shelf .cell")
    page.wait_for_function(
        "count => document.querySelectorAll('#shelf .cell').length === count",
        arg=served.library.count(),
    )
    assert not any("cloud" in name for name in shelf(page))
    assert served.library.get(item.id) is None
    assert (tmp_path / "cloud.png").exists()


def test_a_folder_of_this_machine_is_added_in_place(
    served: Served, visit: Any, tmp_path: Path
) -> None:
    page = visit(served)
    (tmp_path / "deep").mkdir()
    makers.make_picture(tmp_path / "deep" / "grass.png", "#00ff00", (80, 40))
    tab(page, "Library")
    page.fill("#folder input", str(tmp_path))
    page.click("#add-folder")
    assert finish(page) == "1 added"
    [item] = [one for one in served.library.items() if one.title.startswith("grass")]
    assert not item.copied
    page.fill("#folder input", str(tmp_path / "nowhere"))
    page.press("#folder input", "Enter")
    page.wait_for_selector("#progress .say")
    assert "There is no folder" in page.inner_text("#progress")
    page.fill("#folder input", "deep")
    page.press("#folder input", "Enter")
    page.wait_for_function(
        "document.querySelector('#progress').innerText.includes('not a whole path')"
    )
    served.library.remove([item.id])


def test_the_list_has_pages_and_kinds(serve: Serve, visit: Any) -> None:
    served = serve()
    for number in range(70):
        makers.make_picture(served.media / f"n{number}.png", (number, 10, 10), (24, 24))
    served.library.add([served.media])
    page = visit(served)
    tab(page, "Library")
    page.wait_for_selector("#shelf .pages")
    assert page.locator("#shelf .cell").count() == 60
    assert page.inner_text("#shelf .pages span") == "1–60 of 79"
    page.click("#shelf .pages button:has-text('Older')")
    page.wait_for_function("document.querySelectorAll('#shelf .cell').length === 19")
    page.click("#shelf-in label:has-text('Sounds')")
    page.wait_for_function("document.querySelectorAll('#shelf .cell').length === 3")
    page.click("#shelf .open >> nth=0")
    assert page.locator("#viewer audio").count() == 1
    page.click("#viewer [data-act='similar']")  # leads to the Search tab
    page.wait_for_selector("#results .term.toward")


class SlowSpace(FakeSpace):
    """Takes its time for every batch of two pictures."""

    batch_size = 2
    seconds = 0.0

    def encode(self, modality: str, prepared: Sequence[np.ndarray]) -> np.ndarray:
        if modality == "image":
            time.sleep(self.seconds)
        return super().encode(modality, prepared)


class HeldSpace(FakeSpace):
    """Encodes no picture before it may."""

    def __init__(self) -> None:
        self.encoding = threading.Event()
        self.go = threading.Event()

    def encode(self, modality: str, prepared: Sequence[np.ndarray]) -> np.ndarray:
        self.encoding.set()
        assert self.go.wait(30)
        return super().encode(modality, prepared)


def test_searching_stays_quick_while_files_are_added(
    serve: Serve, visit: Any, tmp_path: Path
) -> None:
    space = SlowSpace()
    served = serve(space)
    space.seconds = 4
    page = visit(served)
    search(page, "red")
    for number in range(8):
        makers.make_picture(tmp_path / f"n{number}.png", (9, 9, number), (24, 24))
    tab(page, "Library")
    page.set_input_files("#drop-input", sorted(tmp_path.iterdir()))
    page.wait_for_selector("#progress [role='progressbar']")
    tab(page, "Search")
    for text in ("blue", "green", "red"):
        began = time.monotonic()
        search(page, text)
        assert time.monotonic() - began < 3  # less than one batch, which it would wait for
        assert titles(page)[0] == text
    tab(page, "Library")
    assert page.locator("#progress [data-stop]").count() == 1, "it was over too soon to tell"
    page.click("#progress [data-stop]")
    assert "stopped" in finish(page).lower()
    assert served.library.count("image") < 14


def put(uploads: Uploads, intake: Intake, path: Path, drop: str) -> None:
    upload = uploads.start(path.name)
    shutil.copy(path, upload.path)
    uploads.keep(upload)
    intake.put(upload, drop)


def test_what_is_given_after_a_stop_is_added(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, colour in (("red", "red"), ("late", "white"), ("blue", "blue")):
        makers.make_picture(tmp_path / f"{name}.png", colour, (24, 24))
    makers.make_picture(tmp_path / "folder" / "green.png", "#00ff00", (24, 24))
    space = HeldSpace()
    with Library(tmp_path / "data", space) as library:
        uploads = Uploads(tmp_path / "uploads")
        intake = Intake(library, uploads)
        put(uploads, intake, tmp_path / "red.png", "one")
        assert space.encoding.wait(30)
        intake.stop()
        put(
            uploads, intake, tmp_path / "late.png", "one"
        )  # was on its way when all of its drop was stopped
        assert [(row.name, row.state) for row in intake.state().rows] == [
            ("red.png", "waiting"),
            ("late.png", "stopped"),
        ]
        put(uploads, intake, tmp_path / "blue.png", "two")
        intake.put(tmp_path / "folder")
        assert not intake.state().stopping
        space.go.set()
        until(lambda: not intake.state().busy)
        intake.close()
        assert {"blue", "green"} <= {item.title for item in library.items()}
        assert "late" not in {item.title for item in library.items()}
        state = intake.state()
        assert (state.added, state.skipped, state.stopping) == (2, 0, False)
        assert not list((tmp_path / "uploads").iterdir())


def test_a_drop_after_a_stop_is_another_one(serve: Serve, visit: Any, tmp_path: Path) -> None:
    space = HeldSpace()
    served = serve(space, fill=False)
    for name, colour in (("first", "red"), ("second", "#00ff00"), ("third", "blue")):
        makers.make_picture(tmp_path / f"{name}.png", colour, (24, 24))
    page = visit(served)
    held: dict[str, Any] = {}
    page.route("**/upload?*name=second*", lambda route: held.update(second=route))
    tab(page, "Library")
    page.set_input_files("#drop-input", [tmp_path / "first.png", tmp_path / "second.png"])
    page.click("#progress [data-stop]")
    page.wait_for_selector("#progress h2:has-text('Stopping')")
    page.set_input_files("#drop-input", tmp_path / "third.png")  # while "second" is being sent
    page.wait_for_selector("#progress .file:text-is('third.png')")
    held["second"].continue_()
    page.wait_for_selector("#progress .stopped:has-text('second.png')")
    space.go.set()
    assert finish(page) == "1 added"
    assert "third" in {item.title for item in served.library.items()}


def test_names_that_are_no_text_are_shown(served: Served, visit: Any, tmp_path: Path) -> None:
    try:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
        makers.make_picture(path, "red", (31, 31))
    except (OSError, UnicodeError):
        pytest.skip("this file system wants names that are text")
    page = visit(served)
    tab(page, "Library")
    page.fill("#folder input", str(tmp_path))
    page.click("#add-folder")
    assert finish(page) == "1 added"
    assert page.inner_text("#progress .file") == "caf?.png"
    page.click("#shelf .open >> nth=0")
    assert page.inner_text("#viewer h2") == "caf?"
    served.library.remove([item.id for item in served.library.items() if item.title == "caf?"])


def test_a_folder_that_is_no_text_is_shown() -> None:
    told = _progress(State(busy=True, folder="/caf\udce9", error="/caf\udce9 is full."))
    assert told.encode().count(b"caf?") == 2


def test_a_page_opened_meanwhile_shows_the_progress(
    serve: Serve, visit: Any, tmp_path: Path
) -> None:
    space = SlowSpace()
    served = serve(space)
    first = visit(served)
    second = visit(served)
    space.seconds = 0.8
    for number in range(4):
        makers.make_picture(tmp_path / f"n{number}.png", (9, 9, number), (24, 24))
    tab(first, "Library")
    first.set_input_files("#drop-input", sorted(tmp_path.iterdir()))
    first.wait_for_selector("#progress [role='progressbar']")
    second.reload()
    tab(second, "Library")
    assert finish(second) == "4 added"
    second.wait_for_function("document.querySelector('#counts').innerText.includes('10 pictures')")


def test_too_large_an_upload_is_refused(serve: Serve, visit: Any, tmp_path: Path) -> None:
    page = visit(serve(max_upload_mb=1))
    (tmp_path / "huge.wav").write_bytes(bytes(1_200_000))
    tab(page, "Library")
    page.set_input_files("#drop-input", tmp_path / "huge.wav")
    page.wait_for_selector("#toast")
    assert "larger than 1 MB" in page.inner_text("#toast")
