"""The Inside tab in a real browser."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from tests.media import makers
from tests.page.conftest import XSS, Serve, Served, tab
from ui import ways
from ui.intake import Intake
from ui.page import Page
from ui.uploads import Uploads


@pytest.fixture(scope="module")
def served(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    started = serve()
    folder = tmp_path_factory.mktemp("texts")
    for number, word in enumerate(("red", "green", "blue")):
        lines = [f"The {word} one, number {number} {at}. " * 20 for at in range(10)]
        (folder / f"{word}.txt").write_text("\n\n".join(lines))
    makers.make_picture(folder / "hostile.png", "#ff00ff")
    started.library.add(
        [folder], titles={folder / "hostile.png": XSS, folder / "red.txt": f"red {XSS}"}
    )
    return started


def look(page: Any, words: str) -> None:
    page.fill("#inside-q input", words)
    page.press("#inside-q input", "Enter")
    page.wait_for_selector(f"#inside-seen blockquote:text-is('{words}')")


def rows(page: Any, count: int) -> Any:
    page.wait_for_function(
        "count => document.querySelectorAll('#inside-ways .way').length === count"
        " && !document.querySelector('#inside-ways .working')",
        arg=count,
    )
    return page.locator("#inside-ways .way")


@pytest.fixture
def page(served: Served, visit: Any) -> Any:
    opened = visit(served)
    tab(opened, "Inside")
    opened.wait_for_selector("#inside-seen .chips")
    return opened


def test_words_show_their_numbers_and_the_older_ways(page: Any) -> None:
    look(page, "KX-4417-B")
    assert "16" in page.inner_text("#inside-seen dl")
    assert page.locator("#inside-seen .concepts li").count() == 12
    assert page.locator("#inside-seen .changes figure.other").count() == 1
    found = rows(page, 5)
    page.wait_for_selector("#inside-seen canvas")
    painted = page.evaluate(
        """() => {
            const canvas = document.querySelector('#inside-seen canvas');
            const pen = canvas.getContext('2d');
            return new Set(pen.getImageData(0, 0, canvas.width, canvas.height).data).size;
        }"""
    )
    assert painted > 3  # more than one colour
    page.click("#inside-in label:has-text('Example sentences')")
    page.wait_for_selector("#inside-ways .tfidf mark:text-is('4417')")
    assert found.locator("h3").first.inner_text().startswith("One-hot")


def test_own_texts_come_first_where_there_are_enough(page: Any) -> None:
    look(page, "number green")
    found = rows(page, 5)
    assert "passages of your texts" in page.inner_text("#inside-ways .note")
    first = found.first.locator(".found-one").first
    assert first.locator("mark").first.inner_text() == "green"
    first.locator(".open").click()
    assert page.inner_text("#viewer h2") == "green"


def test_a_concept_leads_on(page: Any) -> None:
    page.click("#inside-seen .chip >> nth=0")
    page.wait_for_selector("#inside-seen .looked")
    name = page.inner_text("#inside-seen .concepts button >> nth=2")
    page.click("#inside-seen .concepts button >> nth=2")
    page.wait_for_selector(f"#inside-seen blockquote:text-is('{name}')")
    assert page.input_value("#inside-q input") == name


def test_the_viewer_leads_inside_a_picture(served: Served, visit: Any) -> None:
    opened = visit(served)
    opened.click("#results .tile .open >> nth=1")
    opened.click("#viewer [data-act=inside]")
    opened.wait_for_selector("#inside-seen .thing.image")
    assert opened.locator("#inside-seen .changes img").count() >= 5
    found = rows(opened, 3)
    assert found.nth(0).locator(".tile").count() >= 1
    assert found.nth(2).locator(".tile").count() >= 5
    assert not opened.is_visible("#inside-in")


def test_a_dropped_file_is_looked_into(page: Any, tmp_path: Path) -> None:
    makers.make_picture(tmp_path / "dropped.png", "red")
    page.set_input_files("#inside-file-input", tmp_path / "dropped.png")
    page.wait_for_selector("#inside-seen .thing.image h2:text-is('dropped.png')")
    rows(page, 3)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    page.set_input_files("#inside-file-input", tmp_path / "broken.png")
    page.wait_for_selector("#inside-seen .say")
    assert "broken.png" in page.inner_text("#inside-seen .say")


def test_a_file_of_word_vectors(page: Any, tmp_path: Path) -> None:
    look(page, "number green")
    rows(page, 5)
    path = tmp_path / "own.txt"
    path.write_text("green 1 0 0\nred 0.9 0.1 0\nblue 0 0 1\nnumber 0.1 0.5 0.1\n")
    page.fill("#inside-vectors input", str(path))
    page.press("#inside-vectors input", "Enter")
    page.wait_for_selector("#inside-ways .wordfile h3:has-text('own.txt')")
    page.fill("#inside-vectors input", str(tmp_path / "gone.txt"))
    page.press("#inside-vectors input", "Enter")
    page.wait_for_selector("#inside-ways .say:has-text('gone.txt')")


def test_a_phone_shows_all_without_scrolling_aside(served: Served, visit: Any) -> None:
    opened = visit(served, viewport={"width": 390, "height": 844})
    tab(opened, "Inside")
    look(opened, "red")
    rows(opened, 5)
    for theme in ("light", "dark"):
        opened.emulate_media(color_scheme=theme)
        opened.wait_for_function(
            "dark => document.body.classList.contains('dark') === dark", arg=theme == "dark"
        )
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390


def test_hostile_titles_and_words_stay_text(page: Any, served: Served) -> None:
    hostile = next(item for item in served.library.items("image") if "onerror" in item.title)
    page.evaluate("id => anyfind.acts.inside.run({ id })", hostile.id)
    page.wait_for_selector("#inside-seen .thing.image")
    assert XSS.partition(" ")[0] in page.inner_text("#inside-seen h2")
    page.fill("#inside-q input", XSS)
    page.press("#inside-q input", "Enter")
    page.wait_for_selector("#inside-seen blockquote")
    rows(page, 5)
    assert page.title() == "Anyfind"


def test_an_empty_library_has_examples(serve: Serve, visit: Any) -> None:
    opened = visit(serve(fill=False))
    tab(opened, "Inside")
    opened.wait_for_selector("#inside-seen .chips")
    look(opened, "puppy")
    found = rows(opened, 5)
    assert "example sentences" in opened.inner_text("#inside-ways .note")
    assert found.first.locator("mark").first.inner_text() == "puppy"
    opened.click("#inside-in label:has-text('Your pictures')")
    opened.wait_for_selector("#inside-ways .say:has-text('no pictures')")


def test_other_programs_ask_as_well(served: Served) -> None:
    client = Client(served.address, verbose=False)
    found = client.predict("red", api_name="/inside")
    assert found["dim"] == 16
    red = next(item for item in served.library.items("image") if item.title == "red")
    assert client.predict("", red.id, api_name="/inside")["title"] == "red"
    rows = client.predict("puppy", "", "example", 2, api_name="/methods")
    assert [row["method"] for row in rows][:3] == ["onehot", "counts", "tfidf"]
    pictures = client.predict("", red.id, "", 2, api_name="/methods")
    assert [row["method"] for row in pictures] == ["colours", "corners", "network"]
    low = served.library.items("audio")[0]
    for wrong in (("", "nothing"), ("", low.id), ("red", "", "nonsense"), ("red", "", "", 0)):
        with pytest.raises(Exception, match=r"no item|only|gallery|number"):
            client.predict(*wrong, api_name="/methods")


@pytest.mark.parametrize("ended", ["question", "page"])
def test_nothing_is_learnt_for_nobody(served: Served, tmp_path: Path, ended: str) -> None:
    uploads = Uploads(tmp_path)
    intake = Intake(served.library, uploads)
    page = Page(served.library, uploads, intake, local=True, script="")
    rooms = ways.Rooms(served.library)
    before = set(threading.enumerate())
    drawn = ways.compare(page, rooms, ("example", ""), "puppy", None)
    assert any("Training Word2Vec" in html for html in drawn)
    [worker] = (one for one in set(threading.enumerate()) - before if one.name == "anyfind-methods")
    if ended == "question":
        drawn.close()  # type: ignore[attr-defined]
    else:
        page.close()
    worker.join(20)
    assert not worker.is_alive()
    comparison = rooms.comparison(("example", ""), intake.version, None)
    states = {method.name: comparison.fitted(method) for method in comparison.methods}
    assert states["tfidf"]
    assert not states["word2vec"]
    intake.close()
