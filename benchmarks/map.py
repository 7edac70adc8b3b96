"""The map: how long it takes to lay out, and how smoothly the page draws it.

    python -m benchmarks.map [--points 20000] [--chromium PATH]

Points of a hundred random clusters in the dimensions of the embedded space are laid out as a
library's are; then the page draws as many in headless Chromium, without a graphics card, while it
is dragged and zoomed: the times between its frames.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from analysis.atlas import find_clusters
from analysis.layout import AXES, lay_out, main_axes
from benchmarks.machine import describe_machine
from tests.fakes import FakeSpace

DIM, CLUSTERS = 768, 100


def lay(count: int) -> np.ndarray:
    chance = np.random.default_rng(0)
    middles = chance.standard_normal((CLUSTERS, DIM))
    rows = middles[chance.integers(0, CLUSTERS, count)] + 1.5 * chance.standard_normal((count, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    start = time.perf_counter()
    mean, axes = main_axes(rows, AXES)
    low = (rows - mean) @ axes.T
    print(f"main axes of {count:,} x {DIM}: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    places = lay_out(low, lambda what, done, total: None)
    print(f"laid out, its process and its compiling included: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    found = find_clusters(places)
    print(f"HDBSCAN: {time.perf_counter() - start:.1f} s, {found.max() + 1} clusters")
    return places


def draw(count: int, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    from store.library import Library
    from ui import serve

    chance = np.random.default_rng(1)
    clusters = chance.integers(0, CLUSTERS, count)
    places = chance.uniform(-0.9, 0.9, (CLUSTERS, 2))[clusters]
    places += 0.05 * chance.standard_normal((count, 2))
    told: dict[str, Any] = {
        "ids": [f"{at:032x}" for at in range(count)],
        "titles": [f"item {at}" for at in range(count)],
        "kinds": ["image"] * count,
        "x": places[:, 0].round(4).tolist(),
        "y": places[:, 1].round(4).tolist(),
        "clusters": clusters.tolist(),
        "names": [f"cluster {at}" for at in range(CLUSTERS)],
        "placed": 0,
    }
    answer = {"busy": False, "error": "", "serial": 1, "map": told}
    frames = """async (kind) => {
      const canvas = document.querySelector('#map canvas');
      const box = canvas.getBoundingClientRect();
      const middle = [box.left + box.width / 2, box.top + box.height / 2];
      const send = (type, x, y, more = {}) => canvas.dispatchEvent(new PointerEvent(type,
        { clientX: x, clientY: y, pointerId: 1, bubbles: true, pointerType: 'mouse', ...more }));
      canvas.setPointerCapture = () => {};
      const times = [];
      let last = performance.now();
      if (kind === 'drag') send('pointerdown', ...middle);
      for (let step = 0; step < 120; step += 1) {
        const turn = step / 10;
        const [x, y] = [middle[0] + 90 * Math.sin(turn), middle[1] + 60 * Math.cos(turn)];
        if (kind === 'drag') send('pointermove', x, y);
        else canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: step < 60 ? -60 : 60,
          clientX: middle[0], clientY: middle[1], bubbles: true, cancelable: true }));
        await new Promise(requestAnimationFrame);
        times.push(performance.now() - last);
        last = performance.now();
      }
      if (kind === 'drag') send('pointercancel', ...middle);
      return times;
    }"""
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder), FakeSpace()) as library:
        running = serve(library, port=0, prevent_thread_lock=True)
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.route("**/map?have=*", lambda route: route.fulfill(json=answer))
            page.goto(running.address)
            page.wait_for_selector("#results .answer")
            page.click('#tabs button[role="tab"]:has-text("Map")')
            page.wait_for_selector("#map .key")
            page.wait_for_timeout(1000)
            for kind in ("drag", "zoom"):
                times = np.array(page.evaluate(frames, kind)[5:])
                print(
                    f"{count:,} points, {kind}: {np.median(times):.1f} ms a frame in the median, "
                    f"{np.quantile(times, 0.95):.1f} ms at 95 %"
                )
            browser.close()
        running.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    print(describe_machine())
    draw(options.points, options.chromium)
    lay(options.points)


if __name__ == "__main__":
    main()
