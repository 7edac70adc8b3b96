"""Every format of films, texts and graphs: added, found by words and by a picture, opened at the
right second, place or node, and removed without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.library import Item, Library, Term
from store.streams import STREAMS
from tests.media import makers
from tests.page.conftest import Serve, Served, answered, search, visits

FIRST = 3  # hits, among which what is looked for must be
SHOTS = [("white", 2.0), ("blue", 3.0)]
# What each film is made with, and what a browser calls that; None: no browser plays it.
FILMS = {
    "shots.mp4": ("libx264", 'video/mp4; codecs="avc1.42E01E, mp4a.40.2"'),
    "shots.mkv": ("libx264", 'video/x-matroska; codecs="avc1.42E01E, flac"'),
    "shots.webm": ("libvpx", 'video/webm; codecs="vp8, opus"'),
    "shots.mov": ("libx264", 'video/mp4; codecs="avc1.42E01E"'),
    "shots.avi": ("mpeg4", None),
}
FILLING = " ".join(["They went on through the tall grass, past the water, under a wide sky."] * 5)
PARAGRAPHS = [
    f"It was early in the morning. {FILLING}",
    f"Then it was noon. {FILLING}",
    f"A giraffe stood in the rain. {FILLING}",
    f"At last it was night. {FILLING}",
]
TEXTS = {
    "tale.txt": "line 5",
    "tale.md": "line 7",
    "tale.html": "line 4",
    "tale.pdf": "page 3",
    "tale.docx": "paragraph 3",
    "tale.csv": "line 4",
}
GRAPHS = {**makers.ZOOS, "edges.csv": makers.make_edges}


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    """Of each medium some other things; they are not what is looked for."""
    served = serve(fill=False)
    folder = served.media.parent / "others"
    folder.mkdir()
    for colour in ("red", "#00ff00", "#00c000", "#c00000"):
        shots = [("white", 1.0), (colour, 1.0)]
        makers.make_film(folder / f"{colour.strip('#')}.webm", shots, rate=5, sound=None)
        makers.make_text(folder / f"{colour.strip('#')}.txt", [f"A zebra. {FILLING}", FILLING])
        ends = "\n".join(f"{colour},{animal}" for animal in ("Ant", "Bee", "Wasp"))
        (folder / f"{colour.strip('#')}.csv").write_text(f"source,target\n{ends}\n")
    makers.make_picture(folder / "blue.png", "blue")
    served.library.add([folder])
    served.media = folder
    return served


@pytest.fixture(scope="module")
def page(served: Served, browser: Any) -> Iterator[Any]:
    """One page for all formats: what one leaves behind, the next would find."""
    with visits(browser) as go:
        yield go(served)


def traces(library: Library) -> tuple[Any, ...]:
    """All that a library keeps: rows, words, vectors, previews and copies."""
    assert library.settle()
    index = library._keeper._index
    assert index is not None
    files = {path for folder in ("media", "previews") for path in (library.data / folder).iterdir()}
    stats = library.stats()
    [[words]] = library._catalogue._rows("SELECT count(*) FROM words")
    vectors = {name: index.count(name) for name in STREAMS}
    return stats.items, stats.segments, words, vectors, files


@pytest.fixture
def add(served: Served, page: Any, tmp_path: Path) -> Iterator[Any]:
    """Adds the file of one format, as a copy; afterwards it is removed, and nothing is left."""
    library = served.library
    before = traces(library)
    added: list[Item] = []

    def put(name: str, make: makers.Maker) -> Item:
        make(tmp_path / name)
        report = library.add([tmp_path / name], copy=True)
        assert not report.skipped
        added.extend(report.added)
        [item] = added
        assert library.preview(item.id).exists()
        assert Path(item.path).parent == library.data / "media"
        return item

    yield put
    page.keyboard.press("Escape")
    assert library.remove([item.id for item in added])
    assert traces(library) == before
    assert {path.name for path in tmp_path.iterdir()}, "the original stays"


def look(page: Any, words: str, medium: str, title: str, kind: str) -> Any:
    """Search in one medium; the card of that title, which is among the first."""
    search(page, words)
    if not page.is_checked(f"#media label:has-text('{medium}') input"):
        answered(page, lambda: page.click(f"#media label:has-text('{medium}')"))
    cards = page.locator(f"#results .{kind}")
    names = cards.locator(".name").all_inner_texts()[:FIRST]
    assert title in names
    return cards.nth(names.index(title))


def facts(page: Any) -> dict[str, str]:
    names = page.locator("#viewer dt").all_inner_texts()
    return dict(zip(names, page.locator("#viewer dd").all_inner_texts(), strict=True))


def found_by_picture(served: Served, item: Item, modality: str, k: int) -> None:
    picture = Term(served.media / "blue.png", "file")
    hits = served.library.find([picture], modality, k=k).hits
    assert item.id in {hit.id.partition("#")[0] for hit in hits}


@pytest.mark.parametrize("name", FILMS)
def test_films(served: Served, page: Any, add: Any, name: str) -> None:
    codec, kind = FILMS[name]
    item = add(name, lambda path: makers.make_film(path, SHOTS, codec=codec, gop=10))
    found_by_picture(served, item, "film", FIRST)
    card = look(page, "blue", "Films", "shots", "tile.film")
    assert card.locator(".when").inner_text() == "0:02–0:05 of 0:05"
    card.locator(".open").press("Enter")
    assert facts(page)["Best at"] == "0:02–0:05"
    if kind and page.evaluate("kind => document.createElement('video').canPlayType(kind)", kind):
        page.wait_for_function("document.querySelector('#viewer video')?.currentTime > 2.05")
        assert page.locator("#viewer video").evaluate("video => video.currentTime") <= 5.1
    else:  # its poster, and that it wants another player
        page.wait_for_selector("#viewer .unplayed:has-text('may not play')")
        assert page.locator("#viewer .stage img").evaluate("image => image.naturalWidth") > 0
        assert page.locator("#viewer a:has-text('the original')").count() == 1


@pytest.mark.parametrize("name", TEXTS)
def test_texts(served: Served, page: Any, add: Any, name: str) -> None:
    item = add(name, lambda path: makers.make_text(path, PARAGRAPHS))
    found_by_picture(served, item, "text", 10)
    title = "Said" if name == "tale.md" else "tale"  # as it calls itself
    card = look(page, "a giraffe", "Texts", title, "passage")
    assert card.locator(".when").inner_text() == TEXTS[name]
    card.locator(".open").press("Enter")
    assert facts(page)["Passage"] == TEXTS[name]
    assert page.locator("#viewer blockquote mark").all_inner_texts() == ["giraffe"]
    page.wait_for_selector("#viewer .leaf p:has-text('Then it was noon.')")
    page.wait_for_selector("#viewer .leaf p:has-text('At last it was night.')")
    original = page.get_attribute("#viewer a:has-text('the original')", "href")
    assert original.endswith("#page=3" if name == "tale.pdf" else item.id)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(served: Served, page: Any, add: Any, name: str) -> None:
    item = add(name, GRAPHS[name])
    found_by_picture(served, item, "node", 50)
    card = look(page, "Tiger", "Graphs", "Tiger", "tile.node")
    card.locator(".open").press("Enter")
    viewer = page.locator("#viewer")
    assert viewer.locator("h2").inner_text() == "Tiger"
    beside = viewer.locator(".neighbours button").all_inner_texts()
    assert sorted(beside) == ["Goldfish", "Lion"]
    viewer.locator("svg g[data-node]:has-text('Goldfish')").click()
    page.wait_for_selector("#viewer h2:has-text('Goldfish')")
    page.click("#viewer .whole")
    page.wait_for_selector("#viewer[data-kind='graph'] .stage img")
    # one has no edge, of which alone the list tells
    assert facts(page)["Nodes"] == ("4" if name == "edges.csv" else "5")
