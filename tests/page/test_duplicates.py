"""The Duplicates tab in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from gradio_client import Client

from store.library import LibraryError
from tests.analysis.test_duplicates import scene
from tests.page.conftest import XSS, Serve, tab, until


def test_keep_one_remove_the_rest_and_undo(serve: Serve, visit: Any) -> None:
    served = serve(fill=False)
    image = scene(3)
    for path in served.media.iterdir():
        path.unlink()
    image.save(served.media / "large.png")
    image.resize((160, 120)).save(served.media / XSS.replace("/", ""))
    scene(4).save(served.media / "other.png")
    (served.media / "again.png").write_bytes((served.media / "other.png").read_bytes())
    served.library.add([served.media])
    page = visit(served)
    tab(page, "Duplicates")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector("#duplicates .group")
    assert page.locator("#duplicates .copy").count() == 2
    assert page.locator("#duplicates .copy .name").first.inner_text() == "large"
    assert page.locator("#duplicates .copy input").first.is_checked()
    differs = page.locator("#duplicates .copy >> nth=0").locator(".differs").all_inner_texts()
    assert "320 × 240" in differs
    assert "2 files" in page.inner_text("#duplicates .exact-copies")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.title() == "Anyfind"
    page.click("#duplicates .copy >> nth=1 >> input")
    page.click("#duplicates [data-keep]")
    page.wait_for_selector("#duplicates .undo")
    assert served.library.count() == 2
    assert page.locator("#duplicates .group").count() == 0
    assert all(item.title != "large" for item in served.library.items())
    page.click("#duplicates [data-do=undo]")
    page.wait_for_selector("#duplicates .group")
    until(lambda: served.library.count() == 3)
    assert (served.media / "large.png").exists()
    client = Client(served.address, verbose=False, analytics_enabled=False)
    (group,) = client.predict("image", api_name="/duplicates")
    assert group[0]["title"] == "large"
    assert "path" not in group[0]


def test_two_windows_undo_only_what_is_their_own(
    serve: Serve, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(fill=False)
    library = served.library
    for path in served.media.iterdir():
        path.unlink()
    for seed, widths in ((5, (320, 160)), (6, (320, 200, 160)), (7, (320, 160))):
        for width in widths:
            picture = scene(seed).resize((width, width * 3 // 4))
            picture.save(served.media / f"{seed} of {width}.png")
    library.add([served.media])
    undo = "#duplicates [data-do=undo]"
    group = "#duplicates .group:has-text('{} of')"
    windows = []
    for _ in range(2):
        page = visit(served)
        tab(page, "Duplicates")
        page.wait_for_selector(group.format(7))
        windows.append(page)
    first, second = windows

    # what is not a duplicate stays hidden in every redraw
    first.click(f"{group.format(7)} >> [data-apart]")
    assert first.locator(group.format(7)).count() == 0

    def fail(*_: object) -> None:
        raise LibraryError("The disk is full.")

    # the items are gone, whatever fails afterwards
    with monkeypatch.context() as patch:
        patch.setattr(library, "_follow", fail)
        first.click(f"{group.format(5)} >> [data-keep]")
        first.wait_for_selector(undo)
    assert "The disk is full." in first.inner_text("#duplicates-told")
    assert library.count() == 6
    first.wait_for_selector(group.format(5), state="detached")
    until(lambda: first.locator(group.format(7)).count() == 0)
    assert first.locator(group.format(6)).count() == 1

    second.click(f"{group.format(6)} >> [data-keep]")
    second.wait_for_selector(undo)
    assert second.locator(group.format(7)).count() == 1
    first.click(undo)
    first.wait_for_selector("#duplicates-told >> text=1 item that you removed")
    assert first.locator(undo).count() == 0
    assert library.count() == 4

    with monkeypatch.context() as patch:
        patch.setattr(library, "restore", fail)
        second.click(undo)
        second.wait_for_selector("#duplicates-told [role=alert]")
    assert "2 items removed" in second.inner_text("#duplicates .undo")
    second.click(undo)
    second.wait_for_selector("#duplicates-told >> text=2 items brought back.")
    assert library.count() == 6


def test_no_duplicates_are_said(serve: Serve, visit: Any) -> None:
    served = serve(fill=False)
    page = visit(served)
    tab(page, "Duplicates")
    page.wait_for_selector("#duplicates .empty")
    assert "No duplicates" in page.inner_text("#duplicates .empty")
