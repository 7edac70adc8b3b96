"""One server and one browser a module; real Library, real Chroma, real Chromium, a fake space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from store.library import Library
from tests.fakes import FakeSpace
from tests.media import makers

# gradio_client asks the hub who is calling, with every Client; these tests are offline.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
CHROMIUM = os.environ.get("ANYFIND_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",
]
DESK = {"width": 1280, "height": 800}
XSS = '"><img src=x onerror="document.title=1"> ${document.title=2} `{{title}}`.png'


@dataclass
class Served:
    """A page being served, and the library behind it."""

    library: Library
    address: str
    media: Path  # the folder the library was filled from
    login: tuple[str, str] | None = None


def make_media(folder: Path) -> Path:
    """Six pictures and three sounds; "high" lies in the last ten seconds of "siren.wav"."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, colour in enumerate(("red", "#00ff00", "blue")):
        name = {"#00ff00": "green"}.get(colour, colour)
        makers.make_picture(folder / f"{name}.png", colour, (96 + 8 * number, 64))
        makers.make_halves(folder / f"half {name}.png", (64 + 8 * number, 96))
    makers.make_tone(folder / "hum.wav", 100, 2)
    makers.make_tone(folder / "whistle.wav", 800, 2)
    siren = np.concatenate([makers.tone(700, 15, 8000), makers.tone(3000, 10, 8000)])
    makers.write_sound(folder / "siren.wav", siren, 8000)
    return folder


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serves a page for the length of a module."""
    from ui import serve as serve_page

    open_: list[Any] = []

    def start(
        space: Any = None, *, fill: bool = True, data: Path | None = None, **options: Any
    ) -> Served:
        """Of a new library, or of a copy of that in `data`."""
        folder = tmp_path_factory.mktemp("page")
        if data is not None:
            shutil.copytree(data, folder / "data")
        library = Library(folder / "data", space or FakeSpace())
        open_.append(library)
        media = make_media(folder / "media")
        if fill:
            library.add([media])
        running = serve_page(library, port=0, prevent_thread_lock=True, **options)
        open_.append(running)
        return Served(library, running.address, media, options.get("auth"))

    yield start
    for one in reversed(open_):
        one.close()


@pytest.fixture(scope="module")
def served(serve: Serve) -> Served:
    return serve()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (Debian: apt install chromium)")
    with (
        playwright.sync_playwright() as running,
        running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as chromium,
    ):
        yield chromium


class Window:
    """A page that one test after the other loads anew.

    Building the page takes Chromium a second, and two in a context that has not compiled its
    scripts yet. What a load does not renew is cleared: what is stored, sizes, colours, routes.
    """

    def __init__(self, browser: Any) -> None:
        self.context = browser.new_context(viewport=DESK)
        self.context.set_default_timeout(15_000)
        self.page = self.context.new_page()

    def renew(self, viewport: dict[str, int], color_scheme: str) -> None:
        self.page.set_viewport_size(viewport)
        self.page.emulate_media(color_scheme=color_scheme)
        self.page.mouse.move(0, 0)

    def clear(self) -> None:
        """Leave no other page, no sound, no wish to be told and nothing stored behind."""
        for page in self.context.pages:
            if page != self.page:
                page.close()
        self.page.unroute_all()
        self.page.evaluate("() => { sessionStorage.clear(); localStorage.clear(); }")
        self.page.goto("about:blank")
        self.context.clear_cookies()
        self.context.clear_permissions()


@pytest.fixture(scope="session")
def window(browser: Any) -> Window:
    return Window(browser)


class Watch:
    """What pages ask of others, and their scripts' errors."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: list[str] = []

    def request(self, request: Any) -> None:
        self.asked.append(request.url)

    def error(self, error: Any) -> None:
        self.faults.append(str(error))

    def check(self) -> None:
        """Nothing was asked of other hosts, and no script failed."""
        urls = [url for url in self.asked if not url.startswith(("data:", "blob:", "about:"))]
        assert {urlsplit(url).hostname for url in urls} <= {"127.0.0.1"}
        assert self.faults == []
        self.asked.clear()


@contextmanager
def visits(browser: Any, window: Window | None = None) -> Iterator[Callable[..., Any]]:
    """Opens pages; afterwards: nothing asked of others, no script failed.

    The first is loaded into the window if there is one, and others, or those that want more than
    a size or dark colours, have a fresh context of their own.
    """
    contexts: list[Any] = []
    watch = Watch()
    free = window

    def go(served: Served, *, ready: str = "#results .answer", **options: Any) -> Any:
        nonlocal free
        viewport = options.pop("viewport", DESK)
        color_scheme = options.pop("color_scheme", "light")
        if free is not None and not options:
            context, page, free = free.context, free.page, None
            window.renew(viewport, color_scheme)
        else:
            context = browser.new_context(viewport=viewport, color_scheme=color_scheme, **options)
            context.set_default_timeout(15_000)
            contexts.append(context)
            page = context.new_page()
        context.on("request", watch.request)
        page.on("pageerror", watch.error)
        page.goto(served.address)
        page.wait_for_selector(ready)
        return page

    yield go
    for context in contexts:
        context.close()
    if window is not None and free is None:
        window.clear()
        window.context.remove_listener("request", watch.request)
        window.page.remove_listener("pageerror", watch.error)
    watch.check()


@pytest.fixture
def visit(browser: Any, window: Window) -> Iterator[Callable[..., Any]]:
    with visits(browser, window) as go:
        yield go


def until(true: Callable[[], Any]) -> None:
    """Wait for what no browser can wait for itself."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def search(page: Any, text: str) -> None:
    """Type a query, press Enter, and wait for its answer."""
    before = page.get_attribute("#results .answer", "data-answer")
    page.fill("#q input", text)
    page.press("#q input", "Enter")
    renewed(page, before)


def renewed(page: Any, before: str | None, box: str = "#results") -> None:
    page.wait_for_function(
        """([box, before]) => {
            // there is none for a moment while the page puts the new one in
            const now = document.querySelector(box + ' .answer')?.dataset.answer;
            return now !== undefined && now !== before;
        }""",
        arg=[box, before],
    )


def answered(page: Any, act: Callable[[], Any]) -> None:
    """Do something and wait for the results to be renewed."""
    before = page.get_attribute("#results .answer", "data-answer")
    act()
    renewed(page, before)


def titles(page: Any, kind: str = ".tile") -> list[str]:
    return page.locator(f"#results {kind} .name").all_inner_texts()


def tab(page: Any, name: str) -> None:
    """Go to a tab, which may be in the menu of those that there is no room for."""
    page.wait_for_selector('#tabs button[role="tab"]')
    button = page.locator(f'#tabs button[role="tab"]:has-text("{name}")')
    if button.count() == 0:
        page.click("#tabs .overflow-menu > button")
        button = page.locator(f'#tabs .overflow-dropdown button:has-text("{name}")')
    button.click()
