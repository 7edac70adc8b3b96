"""The Classify tab in a real browser."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from analysis import classification
from analysis.classification import Certainty
from tests.media import makers
from tests.page.conftest import XSS, Serve, Served, renewed, tab


def open_tab(page: Any) -> Any:
    tab(page, "Classify")
    page.wait_for_selector("#shelves .answer")
    return page


def sorted_anew(page: Any, act: Any) -> None:
    before = page.get_attribute("#shelves .answer", "data-answer")
    act()
    renewed(page, before, "#shelves")


def sort(page: Any, labels: str) -> None:
    page.fill("#labels", labels)
    sorted_anew(page, lambda: page.press("#labels", "Enter"))
    # what came may be what the tab shows when it is come to, which was still on its way
    page.wait_for_selector("#shelves :is(.steps, .empty)", state="detached")


def under(page: Any, label: str) -> list[str]:
    section = page.locator("#shelves section", has=page.locator(f"h2:has-text('{label}')"))
    section.first.wait_for()
    return section.locator(".name").all_inner_texts()


def mark(page: Any, title: str, key: str) -> None:
    cell = page.locator("#shelves .cell", has=page.locator(f".name[title='{title}']")).first
    cell.locator(".open").focus()
    page.keyboard.press(key)


@pytest.mark.parametrize("width", [390, 1280])
def test_items_are_sorted_under_typed_labels(served: Served, visit: Any, width: int) -> None:
    page = open_tab(visit(served, viewport={"width": width, "height": 844}))
    assert page.locator("#shelves .steps li").count() == 3
    sort(page, "red, blue,\nlow")
    assert "red" in under(page, "red")
    assert "blue" in under(page, "blue")
    assert "hum" in under(page, "low")
    counts = page.locator("#shelves .tally .count").all_inner_texts()
    assert sum(int(count.partition(" ")[0]) for count in counts) == 9
    assert page.locator("#shelves .meter").count() == 0  # nobody measured this space
    assert page.locator("#shelves .tally li").count() == 3  # nor when none suits
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#sort-in label:has-text('Sounds')")
    page.wait_for_function("!document.querySelector('#shelves .cell.image')")
    assert page.locator("#shelves .cell").count() == 3


def test_how_sure_and_none_of_these_are_told_where_known(
    served: Served, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    certainty = Certainty(slope=1.0, none=3.0, near=0.0)
    monkeypatch.setattr(classification, "read_certainty", lambda kind, tower: certainty)
    page = open_tab(visit(served))
    sort(page, "red, <b>zebra</b>")
    assert "red" in under(page, "red")
    assert "hum" in under(page, "None of these")
    assert page.locator("#shelves .meter").count() == page.locator("#shelves .cell").count() > 0
    assert page.locator("#shelves .tally .label").all_inner_texts() == [
        "red",
        "<b>zebra</b>",
        "None of these",
    ]
    first = page.locator("#shelves section[data-label='-1'] .belief").first.inner_text()
    sorted_anew(page, lambda: page.click("#shelves [data-doubtful]"))
    last = page.locator("#shelves section[data-label='-1'] .belief").first.inner_text()
    assert int(first.partition(" ")[0]) > int(last.partition(" ")[0])


def test_examples_are_marked_learnt_kept_and_used_again(served: Served, visit: Any) -> None:
    page = open_tab(visit(served))
    page.click("#sort-in label:has-text('Pictures')")
    sort(page, "warm, cold")
    page.click("#shelves [data-teach]")
    assert page.locator("#shelves [data-learn]").is_disabled()
    for title, key in (("red", "1"), ("half red", "1"), ("blue", "2"), ("half blue", "2")):
        mark(page, title, key)
    assert page.locator("#shelves .under-what b").all_inner_texts() == ["2", "2", "0"]
    cell = page.locator("#shelves .cell", has=page.locator(".name[title='green']"))
    page.click("#shelves [data-under='None of these']")
    cell.locator(".open").click()  # marks, and does not open the viewer
    assert cell.get_attribute("data-mark") == "None of these"
    assert page.locator("#viewer[open]").count() == 0
    cell.locator(".open").click()
    assert cell.get_attribute("data-mark") is None
    sorted_anew(page, lambda: page.click("#shelves [data-learn]"))
    assert "red" in under(page, "warm")
    assert "blue" in under(page, "cold")
    assert "2 folds" in page.inner_text("#shelves .accuracy caption")
    assert page.locator("#shelves .accuracy tr").count() == 2
    shown = page.locator("#shelves .confusion td").all_inner_texts()
    assert sum(int(cell or 0) for cell in shown) == 4
    page.fill("#shelves .keeping input", "../<i>hot</i>")
    sorted_anew(page, lambda: page.click("#shelves .keeping button"))
    page.wait_for_selector("#probes [data-probe]")
    assert page.inner_text("#probes [data-probe]") == "i-hot-i"
    sort(page, "a, b")
    page.click("#shelves [data-teach]")  # off
    sorted_anew(page, lambda: page.click("#probes [data-probe]"))
    assert "red" in under(page, "warm")
    page.click("#shelves .cell .open >> nth=0")
    page.wait_for_selector("#viewer[open]")


def test_a_ready_set_sorts_the_medium_that_it_suits(served: Served, visit: Any) -> None:
    page = open_tab(visit(served))
    sorted_anew(page, lambda: page.click("#sort-form .chip:has-text('Instruments')"))
    assert page.input_value("#labels").startswith("drums, a piano")
    # the labels and the medium may be answered one after the other
    page.wait_for_function(
        "['', '.audio'].every((kind) => "
        "document.querySelectorAll('#shelves .cell' + kind).length === 3)"
    )
    assert page.locator("#sort-in input:checked").get_attribute("value") == "audio"


def test_the_table_is_downloaded(served: Served, visit: Any) -> None:
    page = open_tab(visit(served, accept_downloads=True))
    sort(page, "=x red, blue")
    with page.expect_download() as download:
        page.click("#shelves [data-table]")
    assert download.value.suggested_filename == "sorted.csv"
    text = Path(download.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 9
    assert {row["label"] for row in rows} == {"'=x red", "blue"}
    assert str(served.media / "red.png") in {row["path"] for row in rows}


def test_what_cannot_be_sorted_is_said(serve: Serve, visit: Any) -> None:
    served = serve(fill=False)
    page = open_tab(visit(served))
    assert "Your library is empty" in page.inner_text("#shelves")
    sort(page, "red")
    page.wait_for_selector("#shelves :text('nothing of this kind')")
    sort(page, " , , ")
    assert "no labels" in page.inner_text("#shelves .say")
    page.click(".wordings summary")
    page.fill("#wordings", "a photo")
    sort(page, "red")
    assert "where the label goes" in page.inner_text("#shelves .say")


def test_hostile_titles_and_more_items(serve: Serve, visit: Any, tmp_path: Path) -> None:
    served = serve()
    for number in range(12):
        makers.make_picture(tmp_path / f"{number}.png", "red", (40 + number, 40))
    makers.make_picture(tmp_path / XSS.replace("/", ""), "red", (90, 90))
    served.library.add([tmp_path])
    page = open_tab(visit(served))
    sort(page, "red, low")
    section = page.locator("#shelves section[data-label='0']")
    before = section.locator(".cell").count()
    section.locator(".more").click()
    page.wait_for_function(
        "n => document.querySelectorAll('#shelves section[data-label=\"0\"] .cell').length > n",
        arg=before,
    )
    assert section.locator(".cell").count() == int(section.locator("h2 small").inner_text())
    assert page.title() == "Anyfind"


def test_programs_can_sort(served: Served) -> None:
    client = Client(served.address, verbose=False, analytics_enabled=False)
    found = client.predict(["red", "blue"], "image", 3, api_name="/classify")
    assert [row["label"] for row in found] == ["red", "blue", None]
    assert sum(row["count"] for row in found) == 6
    assert "red" in {item["title"] for item in found[0]["items"]}
    assert set(found[0]["items"][0]) == {"id", "modality", "title", "confidence", "second"}
    for arguments in ([[], "image"], [["a"], "smell"], [["a"], "image", -1], [[1], "image"]):
        with pytest.raises(Exception, match=r"labels|modality|k is"):
            client.predict(*arguments, api_name="/classify")
    with pytest.raises(Exception, match="no probe"):
        client.predict([], None, 1, [], "nothing", api_name="/classify")
