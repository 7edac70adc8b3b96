"""What the server hands out and what it keeps: endpoint, media, login, closed doors."""

from __future__ import annotations

import io
import os
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from store.library import Library
from tests.fakes import FakeSpace
from tests.media import makers
from tests.page.conftest import Serve, Served, search, titles, until
from ui import PageError
from ui import serve as serve_page


@pytest.fixture(scope="module")
def guarded(serve: Serve) -> Served:
    return serve(auth=("ann", "s3cret!"))


def get(served: Served, path: str, **options: Any) -> httpx.Response:
    return httpx.get(served.address + path, **options)


def named(served: Served, title: str) -> Any:
    return next(item for item in served.library.items() if item.title.startswith(title))


def sign_in(page: Any, served: Served) -> None:
    user, password = served.login or ("", "")
    page.locator("input").first.fill(user)
    page.fill("input[type='password']", password)
    page.keyboard.press("Enter")
    page.wait_for_selector("#results .tile")


class TestEndpoint:
    @pytest.fixture(scope="class")
    def client(self, served: Served) -> Client:
        return Client(served.address, verbose=False, analytics_enabled=False)

    def test_best_first(self, client: Client, served: Served) -> None:
        hits = client.predict("red", "image", 2, api_name="/search")
        assert [set(hit) for hit in hits] == [
            {
                *("id", "score", "modality", "title", "start", "end"),
                *("sure", "place", "text", "exact", "file"),
            }
        ] * 2
        assert hits[0]["id"] == named(served, "red").id
        assert hits[0]["modality"] == "image"
        assert hits[0]["score"] > hits[1]["score"]

    def test_a_name_that_is_no_text(self, serve: Serve, tmp_path: Path) -> None:
        served = serve(fill=False)
        makers.make_picture(tmp_path / "plain.png", "red", (40, 40))
        os.rename(tmp_path / "plain.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
        served.library.add([tmp_path])
        client = Client(served.address, verbose=False, analytics_enabled=False)
        [hit] = client.predict("red", "image", 2, api_name="/search")
        assert "caf" in hit["file"]

    def test_a_sound_tells_where(self, client: Client) -> None:
        [hit] = client.predict("high", "audio", 1, api_name="/search")
        assert (hit["title"].split(".")[0], hit["start"], hit["end"]) == ("siren", 15, 25)

    @pytest.mark.parametrize("modality", ["", None])
    def test_both_media(self, client: Client, modality: Any) -> None:
        hits = client.predict("red", modality, 9, api_name="/search")
        assert {hit["modality"] for hit in hits} == {"image", "audio"}

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            (("", "image", 5), "query is empty"),
            (("a", "smell", 5), 'The modality is one of "image", "audio", "film"'),
            (("a", "image", 0), "k is a number"),
            (("a", "image", "many"), "k is a number"),
            (("a", "image", 5, -1), "offset is a number"),
            (("a", "image", 5, 0, "red"), "lists of texts"),
            (("a", "image", 5, 0, [], [], ["0" * 32]), "There is no item"),
        ],
    )
    def test_wrong_use_is_told_in_a_sentence(
        self, client: Client, query: tuple[Any, ...], sentence: str
    ) -> None:
        with pytest.raises(Exception, match=sentence):
            client.predict(*query, api_name="/search")

    def test_a_composed_query(self, client: Client, served: Served) -> None:
        def ask(**more: Any) -> list[str]:
            hits = client.predict(api_name="/search", **{"text": "", "modality": "image"} | more)
            return [hit["title"].split(".")[0] for hit in hits]

        assert ask(plus=["red"], minus=["blue"], k=1) == ["red"]
        assert ask(like=[named(served, "green").id], plus=["green"], k=1) != ["green"]
        assert ask(text="red", k=2, offset=1) == ask(text="red", k=3)[1:]
        assert ask(text="red", folder=str(served.media.parent / "elsewhere")) == []
        assert len(ask(text="red", folder=str(served.media))) == 6

    def test_exact_words_can_be_left_out(self, client: Client) -> None:
        [hit] = client.predict("whistle", None, 1, api_name="/search")
        assert (hit["title"], hit["exact"]) == ("whistle", True)
        hits = client.predict("whistle", None, 9, exact=False, api_name="/search")
        assert not any(hit["exact"] for hit in hits)

    def test_nothing_else_is_offered(self, client: Client) -> None:
        told = client.view_api(return_format="dict", print_info=False)
        assert set(told["named_endpoints"]) == {
            "/search",
            "/classify",
            "/odd_one_out",
            "/compare",
            "/inside",
            "/methods",
            "/duplicates",
            "/map",
        }
        assert told["unnamed_endpoints"] == {}


class TestMedia:
    def test_original(self, served: Served) -> None:
        item = named(served, "red")
        answer = get(served, f"/media/{item.id}")
        assert answer.content == (served.media / "red.png").read_bytes()
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("inline")

    def test_a_part_of_a_sound(self, served: Served) -> None:
        whole = (served.media / "siren.wav").read_bytes()
        path = f"/media/{named(served, 'siren').id}"
        answer = get(served, path, headers={"Range": "bytes=1000-1999"})
        assert answer.status_code == 206
        assert answer.content == whole[1000:2000]
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["content-range"] == f"bytes 1000-1999/{len(whole)}"
        assert get(served, path, headers={"Range": "bytes=0-"}).status_code == 206

    @pytest.mark.parametrize(
        ("title", "name"),
        [("", "red%20one.png"), ("Sunset", "Sunset.png"), ("ä/b.PNG", "%C3%A4%2Fb.PNG")],
    )
    def test_it_is_saved_under_its_title(self, served: Served, title: str, name: str) -> None:
        path = served.media.parent / "red one.png"
        makers.make_picture(path, "red", (35, 33))
        [item] = served.library.add([path], titles={path: title}).added
        answer = get(served, f"/media/{item.id}")
        assert answer.headers["content-disposition"] == f"inline; filename*=UTF-8''{name}"
        served.library.remove([item.id])

    @pytest.mark.parametrize("login", [False, True])
    def test_it_opens_by_itself(
        self, request: pytest.FixtureRequest, visit: Any, login: bool
    ) -> None:
        served = request.getfixturevalue("guarded" if login else "served")
        page = visit(served, ready="input[type='password']" if login else "#results .tile")
        if login:
            sign_in(page, served)
        refused: list[str] = []
        page.context.on("console", lambda message: refused.append(message.text))
        opened: dict[str, Any] = {}
        for card in (".tile", ".sound"):
            page.click(f"#results {card} .open >> nth=0")
            with page.context.expect_page() as new:
                page.click("#viewer a:has-text('Open the original')")
            opened[card] = new.value
            page.keyboard.press("Escape")
        # No script runs there, not even Playwright's own that would wait for this.
        until(lambda: opened[".sound"].evaluate("document.querySelector('video')?.duration > 1"))
        until(lambda: opened[".tile"].evaluate("document.images[0]?.naturalWidth > 0"))
        assert refused == []

    def test_nothing_runs_in_it(self, served: Served) -> None:
        item = named(served, "red")
        policy = get(served, f"/media/{item.id}").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert policy.endswith("sandbox allow-same-origin")
        assert "script" not in policy

    def test_preview(self, served: Served) -> None:
        answer = get(served, f"/preview/{named(served, 'siren').id}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content[:3] == b"\xff\xd8\xff"
        assert "max-age" in answer.headers["cache-control"]

    def test_what_is_seen_at_a_moment_of_a_film(self, served: Served) -> None:
        path = served.media.parent / "two shots.mp4"
        makers.make_film(path, [("red", 3.0), ("blue", 3.0)])
        [film] = served.library.add([path]).added
        try:
            pictures = []
            for at in ("1", "4", "nan", "1e9", "-1"):
                answer = get(served, f"/preview/{film.id}?at={at}")
                assert answer.headers["content-type"] == "image/jpeg"
                image = Image.open(io.BytesIO(answer.content)).convert("RGB")
                pictures.append(image.getpixel((100, 80)))
            assert np.argmax(pictures[0]) == 0
            assert np.argmax(pictures[1]) == 2
            poster = get(served, f"/preview/{film.id}").content
            path.write_bytes(b"damaged")
            assert get(served, f"/preview/{film.id}?at=4").content == poster
            assert get(served, f"/preview/{film.id}?at=now").status_code == 422
        finally:
            served.library.remove([film.id])

    @pytest.mark.parametrize("kind", ["media", "preview"])
    @pytest.mark.parametrize(
        "name", ["0" * 32, "..%2f..%2fcatalogue.sqlite3", "%2e%2e", "x" * 5000, "%00", "a%0Ab"]
    )
    def test_only_items(self, served: Served, kind: str, name: str) -> None:
        assert get(served, f"/{kind}/{name}").status_code == 404

    def test_a_file_that_became_a_web_page_is_not_shown(self, served: Served) -> None:
        path = served.media.parent / "soon a page.png"
        makers.make_picture(path, "red", (33, 33))
        [item] = served.library.add([path]).added
        path.write_text("<html><script>alert(1)</script>")
        answer = get(served, f"/media/{item.id}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        path.unlink()
        assert get(served, f"/media/{item.id}").json()["detail"] == "The original file is gone."
        served.library.remove([item.id])


class TestClosedDoors:
    @pytest.mark.parametrize("form", ["/gradio_api/file={}", "/file={}", "/gradio_api/file/{}"])
    def test_no_file_of_this_machine(self, served: Served, form: str) -> None:
        data = served.library.data
        for path in (
            Path.cwd() / "pyproject.toml",
            data / "catalogue.sqlite3",
            served.media / "red.png",
            Path(os.environ["GRADIO_TEMP_DIR"]),
            "pyproject.toml",
            "http://127.0.0.1/",
        ):
            assert get(served, form.format(path)).status_code in (403, 404)
        assert (data / "catalogue.sqlite3").exists()

    def test_gradio_itself_would_refuse_as_well(self, served: Served) -> None:
        """The routes above are shut before Gradio; this looks behind them."""
        from gradio.utils import is_allowed_file

        data = served.library.data
        path = data / "catalogue.sqlite3"
        allowed, _ = is_allowed_file(path, [path.anchor], [], [os.environ["GRADIO_TEMP_DIR"]])
        assert not allowed
        assert not Path(os.environ["GRADIO_TEMP_DIR"]).is_relative_to(data)

    @pytest.mark.parametrize(
        "path",
        ["/gradio_api/upload", "/gradio_api/proxy=http://x", "/gradio_api/runs", "/monitoring"],
    )
    def test_what_the_page_does_not_need_is_shut(self, served: Served, path: str) -> None:
        assert httpx.post(served.address + path).status_code in (404, 405)
        assert get(served, path).status_code == 404

    def test_another_site_cannot_upload_or_borrow_a_name(self, served: Served) -> None:
        answer = httpx.post(f"{served.address}/upload?name=a.png&drop=one", content=b"x")
        assert answer.status_code == 400
        assert get(served, "/", headers={"Host": "evil.example:7860"}).status_code == 400

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_another_site_cannot_use_the_queue(self, served: Served, site: str) -> None:
        body = {"data": ["red", "image", 1, 0, [], [], [], True, ""], "session_hash": "abc"}
        for path in ("queue/join", "call/search"):
            address = f"{served.address}/gradio_api/{path}"
            answer = httpx.post(address, json=body, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
        own = httpx.post(address, json=body, headers={"Sec-Fetch-Site": "same-origin"})
        assert own.status_code == 200

    def test_the_browser_is_told_to_speak_to_nobody_else(self, served: Served) -> None:
        policy = get(served, "/").headers["content-security-policy"]
        assert "connect-src 'self'" in policy
        assert "default-src 'self'" in policy

    def test_another_site_cannot_remove(self, served: Served) -> None:
        address = f"{served.address}/remove/{named(served, 'red').id}"
        assert httpx.post(address).status_code == 400  # an old browser does not say who asks
        headers = {"X-Anyfind": "remove"}
        answer = httpx.post(address, headers=headers | {"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        answer = httpx.post(f"{served.address}/remove/{'0' * 32}", headers=headers)
        assert answer.status_code == 404
        assert named(served, "red")

    def test_uploads_do_not_stay(self, served: Served) -> None:
        waiting = Path(os.environ["GRADIO_TEMP_DIR"]).parent / "uploads"
        before = set(waiting.glob("*")) if waiting.exists() else set()
        answer = httpx.post(
            f"{served.address}/upload?name=..%2F..%2Fbad.png&drop=one",
            content=b"not a picture",
            headers={"X-Anyfind": "upload"},
        )
        assert answer.status_code == 200
        for _ in range(100):
            if set(waiting.glob("*")) == before:
                break
            threading.Event().wait(0.05)
        assert set(waiting.glob("*")) == before
        assert not list(waiting.parent.parent.glob("bad.png"))

    def test_the_server_asks_nobody_outside(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names: list[str] = []
        real = socket.getaddrinfo

        def ask(host: Any, *rest: Any, **more: Any) -> Any:
            names.append(str(host))
            return real(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", ask)
        served = serve(fill=False)
        assert get(served, "/").status_code == 200
        assert set(names) <= {"127.0.0.1"}


class TestLogin:
    @pytest.mark.parametrize(
        "path",
        [
            *("/media/{}", "/preview/{}", "/item/{}", "/around/{}?said=a", "/folders"),
            *("/gradio_api/info", "/config", "/gradio_api/config"),
        ],
    )
    def test_nothing_without_it(self, guarded: Served, path: str) -> None:
        item = named(guarded, "red")
        assert get(guarded, path.format(item.id)).status_code in (401, 404)

    def test_nothing_is_removed_without_it(self, guarded: Served) -> None:
        address = f"{guarded.address}/remove/{named(guarded, 'red').id}"
        assert httpx.post(address, headers={"X-Anyfind": "remove"}).status_code == 401
        assert named(guarded, "red")

    def test_no_upload_without_it(self, guarded: Served) -> None:
        answer = httpx.post(
            f"{guarded.address}/upload?name=a.png", content=b"x", headers={"X-Anyfind": "upload"}
        )
        assert answer.status_code == 401

    def test_no_search_without_it(self, guarded: Served) -> None:
        body = {"data": ["red", "image", 3], "session_hash": "abc", "fn_index": 0}
        for path in ("queue/join", "call/search", "run/search", "api/search"):
            answer = httpx.post(f"{guarded.address}/gradio_api/{path}", json=body)
            assert answer.status_code in (401, 404), path

    def test_the_page_without_it_holds_nothing(self, guarded: Served) -> None:
        assert named(guarded, "red").id not in get(guarded, "/").text
        assert str(guarded.library.data) not in get(guarded, "/").text

    def test_client(self, guarded: Served) -> None:
        options: dict[str, Any] = {"verbose": False, "analytics_enabled": False}
        client = Client(guarded.address, auth=guarded.login, **options)
        [hit] = client.predict("red", "image", 1, api_name="/search")
        assert hit["title"].startswith("red")
        with pytest.raises(Exception, match=r"credentials|login|auth"):
            Client(guarded.address, auth=("ann", "wrong"), **options)

    def test_browser(self, guarded: Served, visit: Any) -> None:
        page = visit(guarded, ready="input[type='password']")
        sign_in(page, guarded)
        search(page, "red")
        assert titles(page)[0] == "red"
        page.wait_for_function("document.querySelector('#results .tile img').naturalWidth > 0")


def test_paths_are_not_told_to_other_machines(serve: Serve, visit: Any) -> None:
    served = serve(host="0.0.0.0")
    page = visit(served)
    search(page, "red")
    assert str(served.media) not in page.content()
    assert page.locator("#folder").count() == 0


def test_a_taken_port_is_one_sentence(served: Served, tmp_path: Path) -> None:
    port = int(served.address.rsplit(":", 1)[1])
    with (
        Library(tmp_path / "data", FakeSpace()) as library,
        pytest.raises(PageError, match=rf"cannot be served at 127\.0\.0\.1:{port}"),
    ):
        serve_page(library, port=port, prevent_thread_lock=True)


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    with Library(tmp_path / "data", FakeSpace()) as library:
        running = serve_page(library, port=0, prevent_thread_lock=True)
        folder = Path(os.environ["GRADIO_TEMP_DIR"]).parent
        assert httpx.get(running.address).status_code == 200
        running.close()
        running.close()
        assert not folder.exists()
        with pytest.raises(httpx.ConnectError):
            httpx.get(running.address)
