"""Each verb in a real browser, over the sample library and in the space that comes along.

One page is opened for all tests of this module, each of which goes to its own tab. Laying out the
map takes longest: that begins first and goes on beside the others. Removing a duplicate would
begin it anew, and comes last.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from encoders import load_space
from store.samples import read_samples
from tests.page.conftest import Serve, Served, Window, search, tab, titles, until, visits
from tests.page.test_classify import mark, open_tab, sort, sorted_anew, under
from tests.page.test_inside import look, rows
from tests.page.test_map import place
from tests.page.test_odd import changed, go, pick

SAMPLES = {sample.slug: sample for sample in read_samples()}
TITLES = {slug: sample.title for slug, sample in SAMPLES.items()}
CATS = {TITLES[slug] for slug in ("cat", "sleeping_cat", "persian_cat", "siamese_cat")}
PEOPLE = {TITLES[slug] for slug in ("astronaut", "cameraman", "admiral", "inventor")}
SURFACES = {TITLES[slug] for slug in ("bricks", "grass", "gravel", "handwriting")}
COPY = "smaller"  # a picture of the library once more: the file that the test makes
NOTES = [
    *("Our mechanic mended the car: its engine had stopped.", "The van has new brakes."),
    *("We cooked noodles with basil for supper.", "There was apple cake with cream."),
    *("The roses need water every evening.", "The hedge wants cutting before the birds nest."),
    *("Invoice KX-4417-B: two shelves and screws.", "The orchestra played Haydn."),
    *("The vet says that our puppy is healthy.", "Four kittens were born under the stairs."),
    *("The train to Vienna left an hour late.", "We sailed around the island in the wind."),
    *("My sister broke her arm in a fall.", "The dentist pulled out a tooth."),
    *("The bank refused the loan.", "Taxes are due by the end of May."),
    *("It rained, and the cellar was flooded.", "The choir sings on Sunday."),
    *("The printer is out of paper again.", "The telescope showed us Saturn."),
    *("Grandmother knitted a scarf of red wool.", "Our team lost in the last minute."),
]
NAMES = ".concepts .chip"


@pytest.fixture(scope="module")
def served(serve: Serve, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The samples, one of them as a smaller JPEG as well, and a table of notes."""
    started = serve(load_space(), fill=False, data=samples)
    folder = tmp_path_factory.mktemp("own")
    cat = Image.open(SAMPLES["cat"].path).convert("RGB")
    cat.resize((cat.width * 2 // 3, cat.height * 2 // 3)).save(folder / f"{COPY}.jpg", quality=60)
    with (folder / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["note"], *([note] for note in NOTES)])
    assert started.library.add([folder]).counts["added"] == 2
    return started


@pytest.fixture(scope="module")
def page(served: Served, browser: Any, window: Window) -> Iterator[Any]:
    with visits(browser, window) as go_to:
        opened = go_to(served)
        with opened.expect_response(re.compile("/map[?]")):
            tab(opened, "Map")
        tab(opened, "Search")
        yield opened


def percent(text: str) -> float:
    found = re.search(r"([\d.]+) ?%", text)
    assert found is not None, text
    return float(found.group(1))


def show_all(page: Any, label: str) -> None:
    more = page.locator(f"#shelves section[aria-label='{label}'] .more")
    more.click()
    more.wait_for(state="detached")


def test_search(page: Any) -> None:
    search(page, "a cat")
    assert set(titles(page)[:5]) == CATS | {COPY}
    search(page, "feline")  # no title says so
    assert titles(page)[0] in CATS | {COPY}
    search(page, "piano")
    assert titles(page, ".sound")[0] == TITLES["piano"]


def test_classify(page: Any, served: Served) -> None:
    open_tab(page)
    sort(page, "animal, food, vehicle, music")
    page.wait_for_selector("#shelves .tally")
    counts = page.locator("#shelves .tally .count").all_inner_texts()
    assert sum(int(count.partition(" ")[0]) for count in counts) == served.library.count()
    assert page.locator("#shelves .meter").count() == page.locator("#shelves .cell").count() > 0
    assert TITLES["coffee"] in under(page, "food")
    assert TITLES["rocket"] in under(page, "vehicle")
    assert "notes" not in under(page, "music")
    for label in ("animal", "music"):
        show_all(page, label)
    animals = set(under(page, "animal"))
    assert CATS | {COPY, *(TITLES[slug] for slug in ("cow", "dog", "horse"))} <= animals
    assert {TITLES[slug] for slug in ("drums", "guitar", "organ", "piano")} <= set(
        under(page, "music")
    )
    assert not animals & PEOPLE


def test_teach(page: Any) -> None:
    open_tab(page)
    sort(page, "a cat, a person")
    page.wait_for_selector("#shelves .tally .label:text-is('a person')")
    sorted_anew(page, lambda: page.click("#sort-in label:has-text('Pictures')"))
    assert TITLES["lamp"] not in under(page, "a person")  # by words alone
    show_all(page, "None of these")
    page.click("#shelves [data-teach]")
    for key, marked in (("1", CATS), ("2", PEOPLE), ("0", SURFACES)):
        for title in marked:
            mark(page, title, key)
    assert page.locator("#shelves .under-what b").all_inner_texts() == ["4", "4", "4"]
    sorted_anew(page, lambda: page.click("#shelves [data-learn]"))
    page.click("#shelves [data-teach]")  # off
    assert "12 examples" in page.inner_text("#shelves .accuracy caption")
    words, learnt = map(percent, page.locator("#shelves .accuracy tr").all_inner_texts())
    assert learnt >= words
    assert learnt > 100 / 3
    # what was not marked
    assert COPY in under(page, "a cat")
    assert TITLES["lamp"] in under(page, "a person")
    assert set(under(page, "a cat")) >= CATS


def test_odd_one_out(page: Any) -> None:
    go(page, "Odd one out", "odd")
    changed(page, "odd", lambda: page.click("#odd-answer [data-try^='breakfast']"))
    assert page.inner_text("#odd .lifted h2") == "cereal does not belong"
    assert "meals" in page.locator(f"#odd .rest {NAMES}").all_inner_texts()
    changed(page, "odd", lambda: page.click("#odd-tray [data-clear]"))
    for slug in ("cat", "siamese_cat", "rocket"):
        pick(page, "odd", TITLES[slug])
    assert page.inner_text("#odd .lifted h2") == f"{TITLES['rocket']} does not belong"
    assert "cats" in page.locator(f"#odd .rest {NAMES}").all_inner_texts()
    assert percent(page.inner_text("#odd .certain")) > 100 / 3


def test_what_stands_apart(page: Any) -> None:
    go(page, "Odd one out", "odd")
    page.wait_for_selector("#apart [data-kind=image] .outlier")
    page.wait_for_selector("#apart [data-kind=audio] .none")
    page.wait_for_function(
        "[...document.querySelectorAll('#apart .outlier img')].every((one) => one.naturalWidth)"
    )
    pictures = page.locator("#apart [data-kind=image] .outlier")
    assert TITLES["retina"] in pictures.locator(".name").all_inner_texts()
    told = pictures.locator(".times").all_inner_texts()
    factors = [float(one.partition(" ")[0]) for one in told]
    assert factors == sorted(factors, reverse=True)
    assert min(factors) >= 1.05


def test_compare(page: Any) -> None:
    go(page, "Compare", "pair")
    for slug in ("cat", "siamese_cat"):
        pick(page, "pair", TITLES[slug])
    near = page.inner_text("#pair .nearer")
    assert "of pairs of pictures in your library" in near
    assert percent(near) > 80
    columns = page.locator("#pair .columns section")
    assert "cats" in columns.nth(1).locator(NAMES).all_inner_texts()
    pick(page, "pair", TITLES["rocket"])  # in the place of the first
    assert percent(page.inner_text("#pair .nearer")) < 80
    assert "cats" in columns.nth(0).locator(NAMES).all_inner_texts()
    assert "spacecraft" in columns.nth(2).locator(NAMES).all_inner_texts()


def test_inside_a_picture(page: Any) -> None:
    tab(page, "Inside")
    page.click(f"#inside-seen .offer[title='{TITLES['siamese_cat']}']")
    page.wait_for_selector("#inside-seen .thing.image")
    concepts = page.locator("#inside-seen .concepts button").all_inner_texts()
    assert sum("cat" in name for name in concepts) > len(concepts) / 2
    page.wait_for_selector("#inside-seen canvas")
    assert page.locator("#inside-seen .vector figcaption b").all_inner_texts()[0] == "Things seen"
    colours = """() => {
        const canvas = document.querySelector('#inside-seen canvas');
        const pen = canvas.getContext('2d');
        return new Set(pen.getImageData(0, 0, canvas.width, canvas.height).data).size;
    }"""
    assert page.evaluate(colours) > 3
    ways = rows(page, 3)
    nearest = ways.nth(2).locator(".name").all_inner_texts()
    assert set(nearest[:4]) == CATS - {TITLES["siamese_cat"]} | {COPY}
    assert set(ways.nth(0).locator(".name").all_inner_texts()[:4]) != set(nearest[:4])


def test_inside_words_and_older_ways_on_own_texts(page: Any) -> None:
    tab(page, "Inside")
    look(page, "vehicle repair")
    ways = rows(page, 5)
    assert f"Among {len(NOTES)} passages of your texts" in page.inner_text("#inside-ways .note")
    assert "car" in " ".join(page.locator("#inside-seen .concepts button").all_inner_texts())
    counted = page.locator("#inside-ways .tfidf")
    assert "none of these words" in counted.locator(".nothing").inner_text()
    assert "mechanic" in ways.last.locator(".said").first.inner_text()
    look(page, "KX-4417-B")
    rows(page, 5)
    assert "Invoice" in counted.locator(".said").first.inner_text()


def test_map(page: Any, served: Served) -> None:
    tab(page, "Map")
    page.wait_for_selector("#map .legend .key", timeout=60_000)
    count = served.library.count()
    assert f"{count} items in " in page.inner_text("#map .map-told")
    sizes = page.locator("#map .key small").all_inner_texts()
    assert sum(map(int, sizes)) == count
    map_ = page.evaluate("async () => (await (await fetch('map?have=-1')).json()).map")
    assert len(map_["x"]) == count
    of = dict(zip(map_["titles"], map_["clusters"], strict=True))
    (cluster,) = {of[title] for title in CATS}
    assert "cat" in map_["names"][cluster]
    assert set(map_["names"]) <= set(page.locator("#map .key span").all_inner_texts())

    tip = page.locator("#map .tip:not([hidden]) b")

    def told() -> bool:  # the view may still be moving into place
        point = place(page, TITLES["cat"])
        page.mouse.move(point["x"], point["y"])
        page.wait_for_timeout(100)
        return bool(tip.count())

    until(told)
    title = tip.inner_text()  # cats lie so close together that another may cover it
    assert title in CATS | {COPY}
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#viewer[open]")
    assert page.inner_text("#viewer h2") == title
    page.keyboard.press("Escape")


def test_duplicates(page: Any, served: Served) -> None:
    library = served.library
    count = library.count()
    tab(page, "Duplicates")
    page.wait_for_selector("#duplicates .group")
    assert page.locator("#duplicates .group").count() == 1
    assert page.locator("#duplicates .copy .name").all_inner_texts() == [TITLES["cat"], COPY]
    assert page.locator("#duplicates .copy input").first.is_checked()  # the larger one
    (copy,) = (item for item in library.items("image") if item.title == COPY)
    page.click("#duplicates [data-keep]")
    page.wait_for_selector("#duplicates .undo")
    assert page.locator("#duplicates .group").count() == 0
    assert library.get(copy.id) is None
    assert library.count() == count - 1
    assert Path(copy.path).exists()
    page.click("#duplicates [data-do=undo]")
    page.wait_for_selector("#duplicates .group")
    until(lambda: library.count() == count)
    assert library.get(copy.id) is not None


def test_odd_one_out_of_several_files(page: Any) -> None:
    go(page, "Odd one out", "odd")
    clear = page.locator("#odd-tray [data-clear]")
    if clear.is_visible():
        changed(page, "odd", clear.click)
    sounds = [SAMPLES[slug].path for slug in ("cow", "sheep", "organ", "dog", "pig", "horse")]
    page.set_input_files("#odd-tray input[type=file]", sounds)
    page.wait_for_selector("#odd-tray li >> nth=5")
    page.wait_for_selector("#odd-answer [data-count='6'] .lifted", timeout=3_000)
    assert page.inner_text("#odd .lifted h2") == f"{sounds[2].name} does not belong"


def test_a_concept_has_a_bar_of_how_near_it_is(page: Any) -> None:
    tab(page, "Inside")
    look(page, "a cat")
    assert page.locator("#inside-seen .concepts .meter").first.bounding_box()["width"] > 20
