"""Films, texts and graphs on the page, composed queries, filters, and one list of all media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.media import makers
from tests.page.conftest import Serve, Served, answered, renewed, search, tab, titles

POEM = """The first line of a poem about nothing at all, long enough to stand alone as a passage of
its own, with so many words that nothing else is joined to it, and a few more words beside, said
slowly, one after the other, until there are enough of them to fill what a passage may hold.

A giraffe stood in the rain. Its neck was wet, its feet were wet, and nobody came to bring it a
towel, though several zebras passed on the other side of the water and looked, and one of them even
stopped and thought about it for a while before it walked on with the others into the trees.
"""
LABELS = ("Apple <b>", "Bread", "Cheese", "Dill", "Egg")


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    """A film (red, then blue), a poem, a web page, a graph of five nodes, and fifteen pictures."""
    served = serve(fill=False)
    folder = served.media.parent / "all"
    folder.mkdir()
    makers.make_film(folder / "shots.webm", [("red", 2.0), ("blue", 3.0)], rate=5, sound=None)
    makers.make_film(folder / "old.avi", [("white", 1.0)], rate=5, sound=None)
    (folder / "poem.txt").write_text(POEM)
    (folder / "page.html").write_text("<title>A page</title><p>A <i>unicorn</i> on a page.</p>")
    nodes = "".join(
        f'node [ id {n} label "{label.replace("<", "&lt;")}" ]' for n, label in enumerate(LABELS)
    )
    ends = ((0, 1), (0, 2), (1, 2), (2, 3))
    edges = "".join(f"edge [ source {a} target {b} ]" for a, b in ends)
    (folder / "food.gml").write_text(f"graph [ {nodes} {edges} ]")
    for number in range(30):
        makers.make_picture(folder / f"n{number}.png", (255 - number, 0, 0), (24, 24))
    makers.make_tone(folder / "hum.wav", 100, 2)
    served.library.add([folder])
    served.media = folder
    assert served.library.count() == 36
    return served


def look_in(page: Any, medium: str) -> None:
    answered(page, lambda: page.click(f"#media label:has-text('{medium}')"))


def filters(page: Any) -> list[str]:
    return page.locator("#results .term.filter .label").all_inner_texts()


def chips(page: Any) -> list[str]:
    return page.locator("#results .term .label").all_inner_texts()


def test_a_film_is_played_from_the_second_of_the_hit(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "blue")
    look_in(page, "Films")
    card = page.locator("#results .tile.film").first
    assert card.locator(".name").inner_text() == "shots"
    assert card.locator(".when").inner_text() == "0:02–0:05 of 0:05"
    card.locator(".open").press("Enter")
    video = page.locator("#viewer video")
    assert video.get_attribute("src").endswith("#t=2,5")
    reached = page.wait_for_function(
        """() => {
            const now = document.querySelector('#viewer video')?.currentTime;
            return now > 0.1 && now;
        }"""
    )
    assert 2 <= reached.json_value() <= 5
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('#viewer video').paused")
    page.keyboard.press(" ")
    page.wait_for_function("!document.querySelector('#viewer video').paused")
    page.keyboard.press("ArrowRight")  # what a browser cannot play is shown as its poster
    assert page.inner_text("#viewer h2") == "old"
    assert "may not play" in page.inner_text("#viewer .unplayed")


def test_a_passage_is_found_and_opened(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "giraffes in the rain")
    look_in(page, "Texts")
    card = page.locator("#results .passage").first
    assert card.locator(".said").inner_text().startswith("A giraffe stood in the rain.")
    assert card.locator("mark").all_inner_texts() == ["giraffe", "rain"]
    assert card.locator(".when").inner_text() == "line 5"
    card.locator(".open").click()
    assert page.locator("#viewer blockquote mark").all_inner_texts() == ["giraffe", "rain"]
    page.wait_for_selector("#viewer .leaf p")
    assert page.inner_text("#viewer .leaf p").startswith("The first line of a poem")
    with page.context.expect_page() as opened:
        page.click("#viewer a:has-text('Open the original')")
    assert opened.value.evaluate("document.contentType") == "text/plain"
    page.keyboard.press("Escape")
    search(page, "unicorn")
    card = page.locator("#results .passage").first
    assert card.locator(".name").inner_text() == "A page"  # as it calls itself
    assert card.locator(".exact").inner_text() == "exact words"
    card.locator(".open").click()
    assert page.locator("#viewer a:has-text('Save the original')").count() == 1


def test_a_node_is_found_and_its_neighbour_reached(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "Apple")
    look_in(page, "Graphs")
    assert titles(page, ".tile.graph") == ["food"]
    assert titles(page, ".tile.node")[0] == LABELS[0]  # as text: nothing in it is markup
    page.locator("#results .tile.node .open").first.press("Enter")
    viewer = page.locator("#viewer")
    assert viewer.locator("h2").inner_text() == LABELS[0]
    assert set(viewer.locator(".neighbours button").all_inner_texts()) == {"Bread", "Cheese"}
    viewer.locator("svg g[data-node]:has-text('Cheese')").click()
    page.wait_for_selector("#viewer h2:has-text('Cheese')")
    viewer.locator(".neighbours button:has-text('Dill')").press("Enter")
    page.wait_for_selector("#viewer h2:has-text('Dill')")
    page.click("#viewer .trail")
    assert viewer.locator("h2").inner_text() == "Cheese"
    page.click("#viewer .whole")
    page.wait_for_selector("#viewer h2:has-text('food')")
    assert page.locator("#viewer .stage img").count() == 1
    page.click("#viewer .trail")
    answered(page, lambda: page.click("#viewer [data-act='similar']"))
    assert chips(page) == ["More like Cheese"]
    card = page.locator("#results .tile.node:has-text('Dill')")
    card.locator("g[data-node]").first.click()  # in the small drawing as well
    page.wait_for_selector("#viewer h2:has-text('Cheese')")


def test_a_query_is_put_together(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "blue")
    assert page.locator("#results .terms").is_hidden()  # the simple case is simple
    picture = page.locator("#results .tile.image").first
    name = picture.locator(".name").inner_text()
    picture.hover()
    answered(page, lambda: picture.locator("[data-steer='1']").click())
    assert chips(page) == ["blue", f"More like {name}"]
    assert page.locator("#results .term img").count() == 1
    assert name not in titles(page)
    weight = page.locator("#results .term .weight").first
    assert weight.inner_text() == "×1"
    for amount in ("×2", "×½", "×1"):
        answered(page, page.locator("#results .term .weight").first.click)
        assert page.locator("#results .term .weight").first.inner_text() == amount
    page.fill("#add-words", "low")
    answered(page, lambda: page.click("[data-words='-0.5']"))
    assert chips(page)[2] == "Less low"
    page.fill("#q input", "red")  # the box is the first of them
    answered(page, lambda: page.press("#q input", "Enter"))
    assert chips(page) == ["red", f"More like {name}", "Less low"]
    page.reload()
    page.wait_for_selector("#results .term")
    assert len(chips(page)) == 3
    assert page.input_value("#q input") == "red"
    answered(page, lambda: page.click("[data-drop='0']"))
    assert page.input_value("#q input") == ""
    assert chips(page) == [f"More like {name}", "Less low"]
    page.focus("#results .open >> nth=0")
    answered(page, lambda: page.keyboard.press("Escape"))  # back to the query before
    assert page.input_value("#q input") == "red"
    page.click("#results .open >> nth=0")
    answered(page, lambda: page.click("#viewer [data-act='less']"))
    assert len(chips(page)) == 4
    search(page, "")
    assert page.locator("#results .chips").count() == 1


def test_a_file_can_be_one_of_the_parts(served: Served, visit: Any, tmp_path: Path) -> None:
    page = visit(served)
    makers.make_picture(tmp_path / "sky.png", "blue", (40, 40))
    search(page, "red")
    page.click("#combine")
    with page.expect_file_chooser() as chooser:
        page.click("[data-file]")
    answered(page, lambda: chooser.value.set_files(tmp_path / "sky.png"))
    assert chips(page) == ["red", "More like sky.png"]
    answered(page, lambda: page.set_input_files("#by-file-input", served.media / "poem.txt"))
    assert chips(page) == ["More like poem.txt"]
    assert page.locator("#results .passage").count() + page.locator(".tile.text").count() == 2


def test_a_filter_is_set_and_cleared(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "red")
    assert page.locator("#filter form").is_hidden()
    page.click("#choose")
    page.wait_for_function("document.querySelector('#folders option')")
    assert page.locator("#folders option").first.get_attribute("value") == str(served.media)
    page.fill("#filter [name='title']", "n1")
    answered(page, lambda: page.keyboard.press("Enter"))
    assert filters(page) == ["title has “n1”"]
    assert sorted(titles(page)) == sorted(["n1", *(f"n{n}" for n in range(10, 20))])
    page.select_option("#filter [name='added']", "today")
    page.wait_for_function("document.querySelectorAll('#results .term.filter').length === 2")
    page.fill("#filter [name='longer']", "soon")
    page.keyboard.press("Enter")
    page.wait_for_selector("#results .say")
    assert "“soon” is not a length" in page.inner_text("#results .say")
    answered(page, lambda: page.click("[data-unfilter='longer']"))
    answered(page, lambda: page.click("[data-unfilter='title']"))
    assert filters(page) == ["added today"]
    answered(page, lambda: page.uncheck("#filter [name='exact']"))
    assert filters(page) == ["added today", "without exact words"]
    page.fill("#filter [name='folder']", "/nowhere")
    answered(page, lambda: page.keyboard.press("Enter"))
    assert "fits the filter" in page.inner_text("#results .empty")
    answered(page, lambda: page.click("#results .empty button"))
    assert filters(page) == []
    assert page.input_value("#filter [name='folder']") == ""
    assert page.is_checked("#filter [name='exact']")
    page.fill("#filter [name='longer']", "0:03")
    answered(page, lambda: page.keyboard.press("Enter"))
    assert titles(page) == ["shots"]
    assert page.locator("#results section").count() == 1  # what is empty is not shown


def test_apart_and_together_with_more_of_both(served: Served, visit: Any) -> None:
    page = visit(served)
    assert page.locator("#layout").is_hidden()  # nothing has been asked
    search(page, "red")
    headings = [h.split("\n")[0].split(" ")[0] for h in page.locator("h2").all_inner_texts()]
    assert headings == ["Pictures", "Sounds", "Films", "Texts", "Graphs", "Nodes"]
    assert page.locator("#results .pictures .tile").count() == 12
    before = page.get_attribute("#results .answer", "data-answer")
    page.click("#results .pictures .more")
    page.wait_for_selector("#results .pictures .more", state="detached")
    assert page.get_attribute("#results .answer", "data-answer") == before  # nothing was redrawn
    shown = titles(page, ".tile.image")
    assert len(shown) == len(set(shown)) == 30
    page.locator("#results .pictures .open").last.press("Enter")
    assert "30 among pictures" in page.inner_text("#viewer")
    page.keyboard.press("Escape")
    answered(page, lambda: page.click("#layout label:has-text('Together')"))
    assert page.locator("#results section").count() == 1
    cards = page.locator("#results [data-id]").count()
    assert cards == 24
    page.click("#results .more")
    page.wait_for_function("document.querySelectorAll('#results [data-id]').length > 24")
    page.wait_for_selector("#results .more", state="detached")
    ids = page.locator("#results [data-id]").evaluate_all("all => all.map(c => c.dataset.id)")
    assert len(ids) == len(set(ids)) == 36 + len(LABELS)
    kinds = {one["modality"] for one in map(vars, map(served.library.get, ids))}
    assert kinds == {"image", "audio", "film", "text", "graph", "node"}
    look_in(page, "Sounds")
    assert page.locator("#layout").is_hidden()


def test_keys_walk_through_all_media(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "red")
    answered(page, lambda: page.click("#layout label:has-text('Together')"))
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.closest('#q')")
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('[data-id]')?.dataset.id"
    ids = page.locator("#results [data-id]").evaluate_all("all => all.map(c => c.dataset.id)")
    for place in range(1, 8):
        page.keyboard.press("ArrowRight")
        assert page.evaluate(focused) == ids[place]
    page.keyboard.press("ArrowDown")
    assert ids.index(page.evaluate(focused)) > 7
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == ids[7]
    before = page.get_attribute("#results .answer", "data-answer")
    page.keyboard.press("-")  # less like this
    renewed(page, before)
    assert page.locator("#results .term.away").count() == 1
    page.focus("#results .open >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer[open]", state="detached")
    assert len(chips(page)) == 2  # only the viewer was closed
    answered(page, lambda: page.keyboard.press("Escape"))
    assert chips(page) == ["red"]


def test_the_library_and_the_start_show_all_media(served: Served, visit: Any) -> None:
    page = visit(served)
    for kind in ("image", "film", "text", "graph"):
        assert page.locator(f"#results .tile.{kind}").count()
    tab(page, "Library")
    page.wait_for_selector("#shelf .cell.graph")
    assert page.inner_text("#counts h1") == "30 pictures, 1 sound, 2 films, 2 texts and 1 graph"
    page.click("#shelf .cell.text .open >> nth=0")
    assert page.locator("#viewer .stage.text img").count() == 1
    page.keyboard.press("Escape")
    tab(page, "About")
    page.wait_for_selector("#about tbody tr")
    rows = page.locator("#about tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == [
        *("Pictures", "Sounds", "Films", "Texts", "Graphs", "Nodes")
    ]


@pytest.mark.parametrize("width", [390])
def test_nothing_sticks_out_on_a_phone(served: Served, visit: Any, width: int) -> None:
    page = visit(served, viewport={"width": width, "height": 780}, has_touch=True)

    def fits() -> bool:
        return page.evaluate("document.documentElement.scrollWidth") <= width

    search(page, "red")
    page.click("#combine")
    page.fill("#add-words", "a thing with a very long name that goes on and on")
    answered(page, lambda: page.press("#add-words", "Enter"))
    page.click("#choose")
    page.fill("#filter [name='title']", "o")
    answered(page, lambda: page.keyboard.press("Enter"))
    assert fits()
    page.click("#choose")
    answered(page, lambda: page.click("#layout label:has-text('Together')"))
    assert fits()
    for medium in ("Films", "Texts", "Graphs"):
        look_in(page, medium)
        assert fits()
        page.locator("#results .open").last.press("Enter")
        assert fits()
        page.keyboard.press("Escape")


class TestOriginals:
    def fetch(self, served: Served, title: str) -> httpx.Response:
        [item] = [one for one in served.library.items() if one.title == title]
        return httpx.get(f"{served.address}/media/{item.id}")

    @pytest.mark.parametrize(
        ("title", "kind", "place"),
        [
            ("shots", "video/webm", "inline"),
            ("old", "application/octet-stream", "attachment"),
            ("poem", "text/plain; charset=", "inline"),
            ("page", "application/octet-stream", "attachment"),
            ("food", "application/octet-stream", "attachment"),
        ],
    )
    def test_what_may_be_shown_in_place(
        self, served: Served, title: str, kind: str, place: str
    ) -> None:
        answer = self.fetch(served, title)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-disposition"].startswith(place)
        assert "sandbox" in answer.headers["content-security-policy"]

    def test_a_text_that_became_a_web_page_is_text(self, served: Served, tmp_path: Path) -> None:
        path = tmp_path / "soon.txt"
        path.write_text("Only words, for now.")
        served.library.add([path])
        path.write_text("<html><script>alert(1)</script>")
        answer = self.fetch(served, "soon")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"
        [item] = [one for one in served.library.items() if one.title == "soon"]
        served.library.remove([item.id])

    def test_an_item_is_told(self, served: Served) -> None:
        [graph] = served.library.items("graph")
        node = served.library.items("node", newest_first=False)[0]
        answer = httpx.get(f"{served.address}/item/{node.id.replace('#', '%23')}")
        assert answer.json()["net"]["graph"] == graph.id
        assert httpx.get(f"{served.address}/item/{graph.id}").json()["title"] == "food"
        for path in ("item/" + "0" * 32, "around/" + "0" * 32, f"around/{graph.id}"):
            assert httpx.get(f"{served.address}/{path}?said=a").status_code == 404
        assert (
            httpx.get(f"{served.address}/preview/{node.id.replace('#', '%23')}").status_code == 404
        )
