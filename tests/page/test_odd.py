"""The tabs Odd one out and Compare in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gradio_client import Client

from tests.media import makers
from tests.page.conftest import XSS, Serve, Served, renewed, search, tab


def put(page: Any, name: str, *words: str) -> None:
    """Type words into a tray, and wait for what is told of them."""
    changed(page, name, lambda: _type(page, name, ", ".join(words)))


def _type(page: Any, name: str, words: str) -> None:
    page.fill(f"#{name}-tray input[type=text]", words)
    page.press(f"#{name}-tray input[type=text]", "Enter")


def changed(page: Any, name: str, act: Callable[[], Any]) -> None:
    before = page.get_attribute(f"#{name}-answer .answer", "data-answer")
    act()
    renewed(page, before, f"#{name}-answer")
    # an answer to what lay there before may have come first
    page.wait_for_function(
        """(name) => Number(document.querySelector(`#${name}-answer [data-count]`)?.dataset.count)
            === document.querySelectorAll(`#${name}-tray li`).length""",
        arg=name,
    )


def go(page: Any, title: str, name: str) -> None:
    tab(page, title)
    page.wait_for_selector(f"#{name}-answer .answer")


def chips(page: Any, name: str) -> list[str]:
    return page.locator(f"#{name}-tray li .label").all_inner_texts()


def pick(page: Any, name: str, title: str) -> None:
    """Find an item by the tray's field, and take it."""
    page.fill(f"#{name}-tray input[type=text]", title)
    one = f'#{name}-offered [data-take][title="{title}"]'
    page.wait_for_selector(one)
    changed(page, name, lambda: page.click(one))


def test_the_odd_one_is_lifted_out(served: Served, visit: Any) -> None:
    page = visit(served)
    go(page, "Odd one out", "odd")
    assert "3 things or more" in page.inner_text("#odd-answer")
    put(page, "odd", "red", "blue")
    assert "One more thing" in page.inner_text("#odd-answer")
    pick(page, "odd", "red")
    assert chips(page, "odd") == ["red", "blue", "red"]
    assert page.inner_text("#odd .lifted h2") == "blue does not belong"
    assert page.locator("#odd .rest .candidate").count() == 2
    assert "nobody has measured" in page.inner_text("#odd .certain")
    page.click("#odd .rest .tile .open")  # an item opens, words do not
    assert page.inner_text("#viewer h2") == "red"
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector("#results .answer")
    go(page, "Odd one out", "odd")
    page.wait_for_selector("#odd .verdict")
    assert chips(page, "odd") == ["red", "blue", "red"], "kept for the session"
    changed(page, "odd", lambda: page.click("#odd-tray [data-out='1']"))
    assert chips(page, "odd") == ["red", "red"]
    changed(page, "odd", lambda: page.click("#odd-tray [data-clear]"))
    assert page.locator("#odd-answer [data-try]").count() == 3
    changed(page, "odd", lambda: page.click("#odd-answer [data-try] >> nth=0"))
    assert page.locator("#odd .candidate").count() == 4


def test_items_come_from_the_viewer_and_files_by_the_button(
    served: Served, visit: Any, tmp_path: Any
) -> None:
    makers.make_picture(tmp_path / "outside.png", "blue", (70, 64))
    page = visit(served)
    search(page, "red")
    page.click("#results .tile .open >> nth=0")
    page.click("#viewer [data-act='odd']")
    page.wait_for_selector("#odd-tray li")
    assert chips(page, "odd") == ["red"]
    assert page.locator("#odd-tray li img").count() == 1
    put(page, "odd", "red")
    changed(
        page,
        "odd",
        lambda: page.set_input_files("#odd-tray input[type=file]", tmp_path / "outside.png"),
    )
    assert page.inner_text("#odd .lifted h2") == "outside.png does not belong"
    page.wait_for_selector("#odd .lifted .plate img[src^='blob:']")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and nothing more")
    changed(
        page,
        "odd",
        lambda: page.set_input_files("#odd-tray input[type=file]", tmp_path / "broken.png"),
    )
    assert "broken.png" in page.inner_text("#odd-answer .say")


def test_two_things_stand_side_by_side(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "low")
    page.click("#results .sound .open >> nth=0")
    page.click("#viewer [data-act='pair']")
    page.wait_for_selector("#pair-tray li")
    assert chips(page, "pair") == ["hum"]
    pick(page, "pair", "siren")
    waves = [
        page.locator("#pair .side .wave").nth(at).bounding_box()["width"] - 2  # its border
        for at in (0, 1)
    ]
    assert waves[0] / waves[1] == pytest.approx(2 / 25, abs=0.02), "one scale of time"
    assert "too few" in page.inner_text("#pair .nearer") or page.locator("#pair .gauge").count()
    put(page, "pair", "red")
    assert chips(page, "pair") == ["siren", "red"], "the older gives way"
    changed(page, "pair", lambda: page.click("#pair-tray [data-clear]"))
    put(page, "pair", "red", "blue")
    assert "% of pairs of everyday words" in page.inner_text("#pair .nearer")
    columns = page.locator("#pair .columns section")
    assert "red" in columns.nth(0).locator("li").first.inner_text()
    assert "blue" in columns.nth(2).locator("li").first.inner_text()
    before = page.get_attribute("#results .answer", "data-answer")
    concept = columns.nth(0).locator(".chip").first
    said = concept.inner_text()
    concept.click()
    renewed(page, before)
    assert page.input_value("#q input") == said


def test_what_stands_apart_is_shown_when_the_tab_is(serve: Serve, visit: Any) -> None:
    served = serve(fill=False)
    for width in range(60, 80, 2):
        makers.make_picture(served.media / f"red {width}.png", "red", (width, 64))
    page = visit(served)
    go(page, "Odd one out", "odd")
    page.wait_for_selector("#apart .answer", state="attached")
    assert page.locator("#apart .outlier").count() == 0
    hostile = served.media / XSS.replace("/", "_")
    makers.make_picture(hostile, "blue", (64, 64))
    served.library.add([*sorted(served.media.glob("red *")), hostile])
    page = visit(served)
    go(page, "Odd one out", "odd")
    page.wait_for_selector("#apart .outlier")
    first = page.locator("#apart .outlier").first
    assert first.locator(".name").get_attribute("title") == hostile.stem
    assert page.title() == "Anyfind"
    put(page, "odd", XSS, "red")
    pick(page, "odd", "red 60")
    assert page.title() == "Anyfind"
    assert page.locator("#odd .lifted b").first.inner_text().startswith('"><img')


def test_a_phone_has_all_of_it(served: Served, visit: Any) -> None:
    page = visit(served, viewport={"width": 390, "height": 844})
    search(page, "red")
    page.click("#results .tile .open >> nth=0")
    page.click("#viewer [data-act='pair']")  # its tab may be in the menu of those without room
    page.wait_for_selector("#pair-tray li")
    put(page, "pair", "a very long thing with many words in it that hardly fits anywhere")
    page.wait_for_selector("#pair .columns")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_programs_can_ask(served: Served) -> None:
    client = Client(served.address, verbose=False, analytics_enabled=False)
    (red,) = (item for item in served.library.items("image") if item.title == "red")
    told = client.predict([red.id, "red", "low"], api_name="/odd_one_out")
    assert (told["odd"], told["place"], told["sure"]) == ("low", 2, None)
    told = client.predict("red", red.id, api_name="/compare")
    assert told["media"] == ["words", "image"]
    assert told["nearer"] > 0.5
    for name, given in [
        ("/odd_one_out", (["a"],)),
        ("/odd_one_out", ("a",)),
        ("/compare", ("", "")),
    ]:
        with pytest.raises(Exception, match=r"things|empty|list"):
            client.predict(*given, api_name=name)


def test_a_file_is_dropped_into_the_tray_that_is_seen(served: Served, visit: Any) -> None:
    page = visit(served)
    go(page, "Odd one out", "odd")
    put(page, "odd", "red")
    content = list((served.media / "green.png").read_bytes())
    drag = """([kind, content]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(content)], "dropped.png", { type: "image/png" }));
        const over = { dataTransfer: data, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent(kind, over));
    }"""
    page.evaluate(drag, ["dragenter", content])
    assert page.get_attribute("body", "data-drop") == "Drop to put it beside the others"
    changed(page, "odd", lambda: page.evaluate(drag, ["drop", content]))
    assert chips(page, "odd") == ["red", "dropped.png"]
    assert page.locator("body.dropping").count() == 0
    assert page.locator('#tabs [aria-selected="true"]').inner_text() == "Odd one out"
