"""The Map tab in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio_client import Client

from tests.page.conftest import XSS, Serve, Served, tab, until


def open_map(page: Any) -> Any:
    tab(page, "Map")
    page.wait_for_selector("#map .legend .key")
    page.wait_for_function("document.querySelector('#map-box canvas').clientWidth > 0")
    page.wait_for_timeout(100)
    return page.locator("#map canvas")


def place(page: Any, title: str) -> dict[str, float]:
    """Where an item lies, in pixels of the page."""
    return page.evaluate(
        """async (title) => {
          const data = (await (await fetch('map?have=-1')).json()).map;
          const box = [...document.querySelectorAll('#map *')].find((node) => node.chart);
          const [x, y] = box.chart.at(data.titles.indexOf(title));
          const corner = document.querySelector('#map canvas').getBoundingClientRect();
          return { x: x + corner.left, y: y + corner.top };
        }""",
        title,
    )


def test_hover_shows_and_click_opens(served: Served, visit: Any) -> None:
    page = visit(served)
    open_map(page)
    assert "9 items" in page.inner_text("#map .map-told")
    for _ in range(40):  # the view may still be moving into place
        at = place(page, "whistle")
        page.mouse.move(at["x"], at["y"])
        page.wait_for_timeout(100)
        if page.locator("#map .tip:not([hidden]) b:has-text('whistle')").count():
            break
    assert page.inner_text("#map .tip b") == "whistle"
    assert page.get_attribute("#map .tip img", "src").startswith("preview/")
    page.mouse.click(at["x"], at["y"])
    page.wait_for_selector("#viewer[open]")
    assert page.inner_text("#viewer h2") == "whistle"
    page.keyboard.press("Escape")
    page.focus("#map canvas")
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")


def test_lasso_selects_and_finds_more(served: Served, visit: Any) -> None:
    page = visit(served)
    canvas = open_map(page)
    box = canvas.bounding_box()
    page.click("#map [data-do=lasso]")
    right, bottom = box["x"] + box["width"] - 25, box["y"] + box["height"] - 25
    page.mouse.move(box["x"] + 25, box["y"] + 25)  # the corners are round
    page.mouse.down()
    for x, y in [(right, box["y"] + 25), (right, bottom), (box["x"] + 25, bottom)]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    page.wait_for_selector("#map .map-chosen .open")
    assert page.inner_text("#map .map-chosen h2") == "9 selected"
    assert page.get_attribute("#map [data-do=lasso]", "aria-pressed") == "false"
    page.click("#map .map-chosen button:has-text('More like these')")
    page.wait_for_selector("#results .term")
    assert page.locator("#results .term").count() > 1
    tab(page, "Map")
    page.click("#map .map-chosen button:has-text('Clear')")
    assert page.locator("#map .map-chosen .open").count() == 0


def test_colours_by_medium_and_label(served: Served, visit: Any) -> None:
    page = visit(served, viewport={"width": 390, "height": 844})
    open_map(page)
    page.click("#map [data-by=medium]")
    assert page.locator("#map .key span").all_inner_texts() == ["Pictures", "Sounds"]
    assert page.locator("#map .key small").all_inner_texts() == ["6", "3"]
    page.click("#map [data-by=label]")
    page.fill("#map .map-labels input", "red, <b>low</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .key:has-text('<b>low</b>')")
    page.click("#map .key >> nth=0")
    assert page.get_attribute("#map .key >> nth=0", "aria-pressed") == "true"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_exported_map_stands_alone(
    serve: Serve, visit: Any, browser: Any, tmp_path: Path
) -> None:
    served = serve()
    (served.media / XSS.replace("/", "")).write_bytes((served.media / "red.png").read_bytes()[:0])
    page = visit(served)
    open_map(page)
    with page.expect_download() as waiting:
        page.click("#map [data-do=export]")
    file = tmp_path / "map.html"
    waiting.value.save_as(file)
    text = file.read_text("utf-8")
    assert str(served.media) not in text
    assert str(served.library.data) not in text
    context = browser.new_context(offline=True)
    faults: list[str] = []
    alone = context.new_page()
    alone.on("pageerror", lambda error: faults.append(str(error)))
    alone.goto(file.as_uri())
    alone.wait_for_selector(".key")
    drawn = """() => {
      const canvas = document.querySelector('canvas');
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      return pixels.some((value) => value > 0);
    }"""
    alone.wait_for_function(drawn)
    assert faults == []
    context.close()


def test_an_empty_library_says_so(serve: Serve, visit: Any) -> None:
    served = serve(fill=False)
    page = visit(served)
    tab(page, "Map")
    page.wait_for_selector("#map .empty")
    page.click("#map .empty .primary")
    page.wait_for_selector("#drop", state="visible")


def test_the_endpoint_tells_points(served: Served) -> None:
    client = Client(served.address, verbose=False, analytics_enabled=False)
    points = client.predict(api_name="/map")
    assert len(points) == 9
    assert set(points[0]) == {"id", "modality", "title", "x", "y", "cluster"}
    until((served.library.data / "map.npz").exists)
