"""The Search tab in a real browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gradio_client import Client

from encoders.adapter import AdapterError
from encoders.space import SpaceError
from encoders.weights import WeightsError
from store import search as search_module
from store.certainty import Certainty
from tests.fakes import FakeSpace
from tests.media import makers
from tests.page.conftest import Serve, Served, answered, search, tab, titles


def test_words_find_the_right_picture_and_sound_first(served: Served, visit: Any) -> None:
    page = visit(served)
    assert page.evaluate("document.activeElement.closest('#q') !== null")  # ready to type
    search(page, "blue")
    assert titles(page)[0] == "blue"
    search(page, "low")
    assert titles(page, ".sound")[0] == "hum"
    assert page.locator("#results .tile").count() == 6  # both media, each in its own order


def test_the_start_shows_examples_and_the_newest(served: Served, visit: Any) -> None:
    page = visit(served)
    assert page.locator("#results .tile").count() == 6
    assert "6 pictures and 3 sounds" in page.inner_text("#results .held")
    answered(page, lambda: page.click("#results .chip >> nth=1"))
    assert page.input_value("#q input") == "a dog barking"
    assert page.locator("#results .query").count() == 1


def test_medium_and_count_narrow_the_answer(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "red")
    answered(page, lambda: page.click("#media label:has-text('Sounds')"))
    assert page.locator("#results .tile").count() == 0
    assert page.locator("#results .sound").count() == 3
    answered(page, lambda: page.click("#media label:has-text('Pictures')"))
    assert titles(page)[0] == "red"
    assert page.locator("#results .sound").count() == 0


def test_sound_plays_from_where_the_hit_lies(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "high")
    card = page.locator("#results .sound").first
    assert card.locator(".name").inner_text() == "siren"
    assert card.locator(".when").inner_text() == "0:15–0:25 of 0:25"
    audio = card.locator("audio")
    assert audio.get_attribute("src").endswith("#t=15,25")
    assert audio.get_attribute("preload") == "none"
    at = audio.evaluate(
        """async (audio) => {
            audio.muted = true;
            await audio.play();
            await new Promise((done) => setTimeout(done, 300));
            return audio.currentTime;
        }"""
    )
    assert 15 <= at < 17
    mark = card.locator(".mark").bounding_box()
    wave = card.locator(".wave").bounding_box()
    left = (mark["x"] - wave["x"]) / wave["width"]
    assert left == pytest.approx(24 / 768 + (1 - 48 / 768) * 0.6, abs=0.01)


def test_viewer_tells_the_details(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "red")
    page.click("#results .tile .open >> nth=0")
    viewer = page.locator("#viewer")
    assert viewer.locator("h2").inner_text() == "red"
    told = dict(
        zip(
            viewer.locator("dt").all_inner_texts(),
            viewer.locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    assert told["Dimensions"] == "96 × 64 pixels"
    assert told["Where"] == str(served.media / "red.png")
    assert told["Rank"] == "1 among pictures"
    assert "%" not in viewer.inner_text()
    page.wait_for_function("document.querySelector('#viewer img').src.includes('media/')")


def test_how_sure_a_hit_is_stands_beside_it(
    served: Served, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # by the cosine's place above everyday queries alone, and for pictures alone
    models = {"image": Certainty((0.0, 2.0, 0.0), -4.0, 0.5)}
    monkeypatch.setattr(search_module, "read_certainty", lambda kind, name: models.get(name))
    page = visit(served)
    search(page, "red")
    bars = page.locator("#results .tile .sure")
    shown = [bar.get_attribute("data-bars") for bar in bars.all()]
    assert len(shown) == 6
    assert shown[0] == "3"
    assert shown == sorted(shown, reverse=True)
    assert bars.first.get_attribute("aria-label") == "How sure: likely"
    assert page.locator("#results .sound .sure").count() == 0  # nobody measured
    assert page.locator("#results .far").count() == 0
    page.click("#results .tile .open >> nth=0")
    assert "How sure\nlikely" in page.inner_text("#viewer")
    assert "%" not in page.inner_text("#viewer")
    answered(page, lambda: page.click("#viewer [data-act='similar']"))
    assert page.locator("#results .sure").count() == 0  # of likeness nothing is known
    client = Client(served.address, verbose=False, analytics_enabled=False)
    picture, *_ = client.predict("red", "image", 2, api_name="/search")
    assert {"sure", "place", "text", "exact"} < set(picture)
    assert 0.5 < picture["sure"] <= 1
    assert client.predict("low", "audio", 1, api_name="/search")[0]["sure"] is None


def test_what_is_not_there_is_said(
    served: Served, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"image": Certainty((0.0, 2.0, 0.0), -4.0, 0.5)}
    monkeypatch.setattr(search_module, "read_certainty", lambda kind, name: models.get(name))
    page = visit(served)
    search(page, "<b>zebra</b> " + "x" * 300)
    said = page.locator("#results .pictures .far")
    assert said.inner_text().startswith("Nothing close to “<b>zebra</b> xxx")
    assert said.inner_text().endswith("…” among your 6 pictures; the nearest are:")
    assert said.inner_text() in page.locator("#results .heard").text_content()
    assert page.locator("#results .sounds .far").count() == 0
    assert page.locator("#results .tile").count() == 6  # shown all the same, but dimmed
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        tile = page.locator("#results .tile .open").first
        assert float(tile.evaluate("open => getComputedStyle(open).opacity")) < 0.7
        sound = page.locator("#results .sound .open").first
        assert float(sound.evaluate("open => getComputedStyle(open).opacity")) == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_more_like_this_looks_in_both_media(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "red")
    page.click("#results .tile .open >> nth=0")
    answered(page, lambda: page.click("#viewer [data-act='similar']"))
    assert page.inner_text("#results .term .label") == "More like red"
    assert "red" not in titles(page)  # itself left out
    assert page.locator("#results .tile").count() == 5
    assert page.locator("#results .sound").count() == 3
    answered(page, lambda: page.keyboard.press("Escape"))
    assert titles(page)[0] == "red"


def test_keyboard_alone_is_enough(served: Served, visit: Any) -> None:
    page = visit(served)
    page.keyboard.type("green")
    answered(page, lambda: page.keyboard.press("Enter"))
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('[data-id]')?.querySelector('.name').innerText"
    shown = titles(page)
    assert page.evaluate(focused) == shown[0] == "green"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == shown[1]
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert page.inner_text("#viewer h2") == shown[1]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#viewer h2") == shown[0]
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer[open]", state="detached")
    page.wait_for_function(f"{focused} === {shown[0]!r}")  # back where it was opened
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.closest('#q')")


def test_a_picture_finds_its_like(served: Served, visit: Any, tmp_path: Any) -> None:
    page = visit(served)
    makers.make_picture(tmp_path / "sky & sea.png", "blue", (200, 100))
    answered(page, lambda: page.set_input_files("#by-file-input", tmp_path / "sky & sea.png"))
    assert page.inner_text("#results .term .label") == "More like sky & sea.png"
    assert titles(page)[0] == "blue"
    answered(page, lambda: page.click("#media label:has-text('Pictures')"))  # asks again
    assert titles(page)[0] == "blue"


def test_a_sound_finds_its_like_when_dropped_anywhere(served: Served, visit: Any) -> None:
    page = visit(served)
    wav = (served.media / "hum.wav").read_bytes()
    answered(
        page,
        lambda: page.evaluate(
            """(bytes) => {
                const carried = new DataTransfer();
                carried.items.add(new File([new Uint8Array(bytes)], "drone.wav"));
                document.body.dispatchEvent(
                    new DragEvent("drop", { dataTransfer: carried, bubbles: true }));
            }""",
            list(wav),
        ),
    )
    assert page.inner_text("#results .term .label") == "More like drone.wav"
    assert titles(page, ".sound")[0] == "hum"


class CountingSpace(FakeSpace):
    """Counts what it encodes, and says what is wrong where it is told to."""

    encoded = 0
    wrong: Exception | None = None

    def encode(self, modality: str, prepared: Sequence[np.ndarray]) -> np.ndarray:
        self.encoded += len(prepared)
        return super().encode(modality, prepared)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        if self.wrong is not None:
            raise self.wrong
        return super().encode_texts(texts)


def test_a_file_is_embedded_once_for_both_media(serve: Serve, visit: Any) -> None:
    space = CountingSpace()
    served = serve(space)
    page = visit(served)
    before = space.encoded
    answered(page, lambda: page.set_input_files("#by-file-input", served.media / "red.png"))
    assert page.locator("#results .tile").count() == 6
    assert page.locator("#results .sound").count() == 3
    assert space.encoded == before + 1


def test_what_the_space_says_is_shown(serve: Serve, visit: Any) -> None:
    space = CountingSpace()
    served = serve(space)
    page = visit(served)
    client = Client(served.address, verbose=False, analytics_enabled=False)
    for kind in (SpaceError, AdapterError, WeightsError):
        space.wrong = kind(f"There is no text tower ({kind.__name__}).")
        search(page, "red")
        assert page.inner_text("#results .say") == str(space.wrong)
        with pytest.raises(Exception, match=rf"no text tower \({kind.__name__}\)"):
            client.predict("red", "image", 2, api_name="/search")


def test_a_broken_file_is_answered_with_a_sentence(
    served: Served, visit: Any, tmp_path: Any
) -> None:
    page = visit(served)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    answered(page, lambda: page.set_input_files("#by-file-input", tmp_path / "torn.jpg"))
    said = page.inner_text("#results .say")
    assert "torn.jpg" in said
    assert "Traceback" not in said
    assert "anyfind-page" not in said  # where uploads wait is nobody's business


def test_titles_are_text_and_never_markup(served: Served, visit: Any) -> None:
    from tests.page.conftest import XSS

    path = served.media.parent / "evil.png"
    makers.make_picture(path, "white", (70, 70))
    added = served.library.add([path], titles={path: XSS}).added
    page = visit(served)
    search(page, "white")
    assert titles(page)[0] == XSS
    page.click("#results .tile .open >> nth=0")
    assert page.inner_text("#viewer h2") == XSS
    answered(page, lambda: page.click("#viewer [data-act='similar']"))
    assert page.inner_text("#results .term b") == XSS
    tab(page, "Library")
    page.wait_for_selector("#shelf .tile")
    page.set_input_files(
        "#drop-input", {"name": XSS, "mimeType": "image/png", "buffer": b"no picture"}
    )
    page.wait_for_selector("#progress .skipped .reason")
    assert page.inner_text("#progress .skipped .file") == XSS
    assert page.locator("img[src='x']").count() == 0
    assert page.title() == "Anyfind"
    served.library.remove([item.id for item in added])


def test_a_title_holding_a_template_is_not_run(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "${document.title='run'} {{value}} `")
    assert page.title() == "Anyfind"
    assert page.locator("#results .query").count() == 1


def test_the_address_keeps_the_words(served: Served, visit: Any) -> None:
    page = visit(served)
    search(page, "blue & low?")
    search(page, "red")
    assert page.url.endswith("?q=red")
    answered(page, page.go_back)
    assert page.input_value("#q input") == "blue & low?"
    assert titles(page)[0] == "blue"
    page.reload()
    page.wait_for_selector("#results .query")
    assert titles(page)[0] == "blue"
    assert page.input_value("#q input") == "blue & low?"


def test_odd_queries_get_an_answer(served: Served, visit: Any) -> None:
    page = visit(served)
    for text in ("кошка", "猫の写真", "x" * 10_000, "<b>bold</b>"):
        search(page, text)
        assert page.locator("#results .query").count() == 1
    search(page, "   ")  # nothing to look for: back to the start
    assert page.locator("#results .chips").count() == 1


@pytest.mark.parametrize("width", [360])
def test_nothing_sticks_out_on_a_phone(served: Served, visit: Any, width: int) -> None:
    page = visit(served, viewport={"width": width, "height": 780}, has_touch=True)
    search(page, "high")
    for act in (
        lambda: None,
        lambda: page.click("#results .sound .open >> nth=0"),
        lambda: page.keyboard.press("Escape"),
        lambda: tab(page, "Library"),
        lambda: tab(page, "About"),
    ):
        act()
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_is_dark(served: Served, visit: Any) -> None:
    page = visit(served, color_scheme="dark")
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert red < 40


def test_missing_original_is_said(served: Served, visit: Any) -> None:
    path = served.media.parent / "gone.png"
    makers.make_picture(path, "red", (50, 50))
    [item] = served.library.add([path]).added
    path.unlink()
    page = visit(served)
    tile = page.locator(f"#results [data-id='{item.id}']")
    assert tile.locator(".lost").inner_text() == "missing"
    tile.locator(".open").click()
    assert "gone from where it lay" in page.inner_text("#viewer .gone")
    served.library.remove([item.id])


def test_an_empty_library_says_what_to_do(serve: Serve, visit: Any) -> None:
    page = visit(serve(fill=False))
    assert "Your library is empty" in page.inner_text("#results")
    search(page, "anything")
    assert "Your library is empty" in page.inner_text("#results")
    page.click("#results [data-tab]")
    page.wait_for_selector("#drop", state="visible")


def test_a_name_opens_its_item(served, visit):
    page = visit(served)
    search(page, "red")
    for kind in (".tile", ".sound"):
        page.locator(f"#results {kind} .name").first.click()
        page.wait_for_selector("#viewer[open]")
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer", state="hidden")
