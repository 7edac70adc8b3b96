"""Takes the README's picture of the page: the sample library, the real space, a real browser.

    python -m benchmarks.screenshot                 # writes assets/screenshot.png
    python -m benchmarks.screenshot --all FOLDER    # and how it looks dark, on a phone, opened

Needs `pip install -e '.[test]'` and a Chromium (`apt install chromium`, or ANYFIND_CHROMIUM).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

QUERY = "a church"
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}
PICTURE = Path(__file__).resolve().parent.parent / "assets" / "screenshot.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="more pictures, for looking")
    chosen = parser.parse_args()

    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("ANYFIND_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no Chromium on this machine: apt install chromium.")
    from encoders.space import load_space
    from store.library import Library
    from store.samples import add_samples
    from ui import serve

    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder) / "library", load_space("embedded")) as library,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        print(add_samples(library).summary(), file=sys.stderr)
        with serve(library, port=0, prevent_thread_lock=True) as running:
            _take(browser, running.address, chosen.query, chosen.out, viewport=DESKTOP)
            if chosen.all:
                chosen.all.mkdir(parents=True, exist_ok=True)
                _take_all(browser, running.address, chosen.query, chosen.all)


def _open(browser: Any, address: str, query: str = "", **how: Any) -> Any:
    page = browser.new_context(**how).new_page()
    page.goto(f"{address}/?q={query}" if query else address)
    page.wait_for_selector("#results .found")
    page.wait_for_function("document.querySelector('#results img')?.complete")
    page.wait_for_timeout(1000)  # the other previews are a few kilobytes each
    return page


def _take(browser: Any, address: str, query: str, out: Path, **how: Any) -> None:
    page = _open(browser, address, query, **how)
    page.screenshot(path=out)
    page.context.close()
    print(out)


def _take_all(browser: Any, address: str, query: str, folder: Path) -> None:
    for name, how in {
        "desktop": {"viewport": DESKTOP},
        "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
        "phone": {"viewport": PHONE, "has_touch": True},
    }.items():
        page = _open(browser, address, **how)
        page.screenshot(path=folder / f"{name}-start.png")
        page.context.close()
        page = _open(browser, address, query, **how)
        page.screenshot(path=folder / f"{name}-found.png")
        for kind in ("tile", "sound"):
            page.click(f"#results .{kind} .open >> nth=0")
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{kind}.png")
            page.keyboard.press("Escape")
        for tab in ("Library", "About"):
            page.click(f'#tabs button[role="tab"]:has-text("{tab}")')
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{tab.lower()}.png")
        page.context.close()
    print(folder)


if __name__ == "__main__":
    main()
