"""Takes the README's pictures of the page: the sample library, the real space, a real browser.

    python -m benchmarks.screenshot                 # writes assets/screenshot.png and its siblings
    python -m benchmarks.screenshot --all FOLDER    # and how it looks dark, on a phone, opened

Films, texts and a graph are made beside the sample library: films of its pictures and sounds.
Needs `pip install -e '.[test]'` and a Chromium (`apt install chromium`, or ANYFIND_CHROMIUM).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

QUERY = "a cat"
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}
ASSETS = Path(__file__).resolve().parent.parent / "assets"
COLOURS = 160  # of the smaller pictures, so that together they stay small

FILMS = {
    "Cats at home": ("sleeping_cat", "persian_cat", "siamese_cat"),
    "The laboratory": ("lamp", "lightning", "tower"),
    "To the stars": ("astronaut", "rocket", "galaxies"),
    "Breakfast in the garden": ("grass", "dahlia", "coffee"),
    "Old stones": ("bricks", "temple", "coins"),
}
SOUNDS = {
    "Cats at home": "cat_meow",
    "The laboratory": "thunder",
    "Breakfast in the garden": "birdsong",
}
TEXTS = {
    "Garden diary.md": """# Garden diary

The rain kept on until noon, so the seedlings went out a day later than planned. Two rows of peas,
one of carrots, and the old apple tree got a ladder and a good look: no blossom below the crown.

In the evening the blackbird sang from the roof again. The cat of the neighbours sat under the
bench and listened as well, with other thoughts.

## June

Dahlias, at last. The first one is orange and as large as a saucer. The lettuce has bolted in the
heat, and the snails have found the beans; a board laid out at night gathers most of them.
""",
    "On clocks and bells.txt": """Towns told the time by bells long before they had clocks.

A church bell rang for prayer, for fire and for the opening of the gates, and people knew each by
its stroke. The first mechanical clocks had no face: they only struck a bell, and the word clock
itself comes from an old word for bell.

A pendulum made clocks exact. Before it, a good clock lost a quarter of an hour a day; with it, less
than a minute. What kept it from the sea was the sea: a ship rolls, and a pendulum does not like
that. So the ship's clock got a balance wheel and a spring.

Trains wanted one time for all towns on a line. Until then noon was when the sun stood highest, and
every church tower had a noon of its own.
""",
    "Coffee notes.txt": """Grind it just before brewing, as coarse as sand for the press, as fine as
flour for the small cup. Water just off the boil. A cup of coffee that tastes sour was brewed
too short, one that tastes bitter too long.

The beans are the seeds of a cherry. Roasting turns them from green to brown; the crack that is
heard half-way is water leaving as steam.
""",
    "How rockets leave.md": """# How rockets leave

A rocket throws gas backwards and is pushed forwards; it needs no air to push against. Most of its
weight at launch is fuel, and most of that is spent on the first few kilometres, where the air is
thick.

Stages fall away when their tanks are empty. What arrives in orbit is a few hundredths of what stood
on the pad, with the astronauts in the tip of it.
""",
}
LINKS = {
    "Piano": "Organ Harpsichord Violin Drum Singer",
    "Organ": "Church Flute Harpsichord",
    "Church": "Bell Choir",
    "Bell": "Clock Drum",
    "Choir": "Singer",
    "Violin": "Guitar Flute Cello",
    "Cello": "Harpsichord",
    "Guitar": "Singer Drum Lute",
    "Lute": "Harpsichord Singer",
    "Flute": "Bird",
    "Bird": "Singer",
    "Clock": "Metronome",
    "Metronome": "Piano",
}
KINDS = {
    "Piano": "keyboard instrument with hammers and strings",
    "Organ": "keyboard instrument with pipes and wind",
    "Church": "building with a tower and an organ",
    "Bell": "cup of bronze that is struck",
    "Violin": "bowed string instrument",
    "Guitar": "plucked string instrument",
    "Drum": "skin that is struck",
    "Flute": "pipe that is blown",
}
OTHERS = {"films": "thunder and lightning", "texts": "church bell", "node": "organ pipes"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--query", default=QUERY)
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder for the pictures")
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
            _take(browser, running.address, chosen.query, chosen.out / "screenshot.png")
            print(library.add([make_examples(Path(folder) / "files")]).summary(), file=sys.stderr)
            _take_media(browser, running.address, chosen.out)
            _take_verbs(browser, running.address, chosen.out)
            if chosen.all:
                chosen.all.mkdir(parents=True, exist_ok=True)
                _take_all(browser, running.address, chosen.query, chosen.all)


def make_examples(folder: Path) -> Path:
    """Films of the samples' pictures and sounds, a few texts and a graph."""
    folder.mkdir(parents=True, exist_ok=True)
    for title, slugs in FILMS.items():
        make_film(folder / f"{title}.mp4", slugs, SOUNDS.get(title))
    for name, text in TEXTS.items():
        (folder / name).write_text(text, "utf-8")
    names = sorted({*LINKS, *(other for others in LINKS.values() for other in others.split())})
    nodes = "".join(
        f'<node id="{name.lower()}"><data key="name">{name}</data>'
        f'<data key="kind">{KINDS.get(name, "")}</data></node>'
        for name in names
    )
    edges = "".join(
        f'<edge source="{name.lower()}" target="{other.lower()}"/>'
        for name, others in LINKS.items()
        for other in others.split()
    )
    (folder / "What sounds like what.graphml").write_text(
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="name" for="node" attr.name="name" attr.type="string"/>'
        '<key id="kind" for="node" attr.name="kind" attr.type="string"/>'
        f'<graph edgedefault="undirected">{nodes}{edges}</graph></graphml>',
        "utf-8",
    )
    return folder


def make_film(path: Path, slugs: tuple[str, ...], sound: str | None, seconds: int = 4) -> None:
    """Each picture seen for so many seconds while the camera moves over it, with a sound."""
    import av

    from store.samples import read_samples

    samples = {sample.slug: sample.path for sample in read_samples()}
    rate, width, height = 12, 640, 360
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        heard: Any = container.add_stream("aac", rate=44_100) if sound else None
        at = 0
        for slug in slugs:
            with Image.open(samples[slug]) as opened:
                picture = opened.convert("RGB")
            wide = picture.resize((760, round(760 * picture.height / picture.width)))
            wide = wide if wide.height >= 400 else wide.resize((760, 400))
            for step in range(rate * seconds):
                left = round((760 - width) * step / (rate * seconds))
                top = (wide.height - height) // 2
                frame = av.VideoFrame.from_image(wide.crop((left, top, left + width, top + height)))
                frame.pts, frame.time_base = at, Fraction(1, rate)
                at += 1
                container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if heard is not None and sound is not None:
            _add_sound(container, heard, samples[sound], seconds * len(slugs))


def _add_sound(container: Any, stream: Any, path: Path, seconds: int) -> None:
    import av

    from media import SAMPLE_RATE, open_media

    with open_media(path) as opened:
        parts = [np.asarray(part.content, np.float32) for part in opened.segments()]
    samples = np.concatenate([parts[0], np.zeros(SAMPLE_RATE * seconds, np.float32)])
    frame = av.AudioFrame.from_ndarray(
        samples[None, : SAMPLE_RATE * seconds], format="flt", layout="mono"
    )
    frame.sample_rate = SAMPLE_RATE
    resampler = av.AudioResampler(stream.format, stream.layout, SAMPLE_RATE, 1024)
    for part in [*resampler.resample(frame), None]:
        container.mux(stream.encode(part))


def _open(browser: Any, address: str, query: str = "", **how: Any) -> Any:
    how.setdefault("viewport", DESKTOP)
    page = browser.new_context(**how).new_page()
    page.goto(f"{address}/?q={quote(query)}" if query else address)
    page.wait_for_selector("#results .found")
    _settle(page)
    return page


def _settle(page: Any) -> None:
    page.wait_for_function("[...document.images].slice(0, 3).every((image) => image.complete)")
    page.wait_for_timeout(900)  # the other previews are a few kilobytes each


def _look_in(page: Any, medium: str) -> None:
    before = page.get_attribute("#results .answer", "data-answer")
    page.click(f"#media label:has-text('{medium}')")
    page.mouse.move(2, 2)
    page.wait_for_function(
        "before => document.querySelector('#results .answer').dataset.answer !== before",
        arg=before,
    )
    _settle(page)


def _save(page: Any, path: Path, colours: int = 0) -> None:
    page.screenshot(path=path)
    if colours:
        with Image.open(path) as full:
            full.convert("RGB").quantize(colours).save(path, optimize=True)
    print(path, f"{path.stat().st_size:,} bytes")


def _take(browser: Any, address: str, query: str, path: Path) -> None:
    page = _open(browser, address, query)
    _save(page, path)
    page.context.close()


def _take_media(browser: Any, address: str, folder: Path) -> None:
    """One picture each of films, texts and a node."""
    for name, medium, query in (
        ("films", "Films", OTHERS["films"]),
        ("texts", "Texts", OTHERS["texts"]),
        ("node", "Graphs", OTHERS["node"]),
    ):
        page = _open(browser, address, query, viewport={"width": 1120, "height": 640})
        _look_in(page, medium)
        if name == "node":
            page.press("#results .tile.node .open >> nth=0", "Enter")
            page.wait_for_timeout(400)
        _save(page, folder / f"screenshot-{name}.png", COLOURS)
        page.context.close()


def _take_verbs(browser: Any, address: str, folder: Path) -> None:
    """One picture each of the map, of things sorted under labels, and of two compared."""
    size = {"viewport": {"width": 1120, "height": 720}}
    page = _open(browser, address, **size)
    page.evaluate("anyfind.tab('Classify')")
    page.fill("#labels", "a cat, a rocket, a person, food, a building")
    page.press("#labels", "Enter")
    page.wait_for_selector("#shelves .cell .open")
    page.mouse.move(2, 2)
    _settle(page)
    _save(page, folder / "screenshot-classify.png", COLOURS)
    page.evaluate("anyfind.tab('Compare')")
    for title in ("A Persian kitten", "A Siamese cat"):
        page.fill("#pair-tray input[type=text]", title)
        page.wait_for_timeout(900)  # what is offered follows the typing
        page.click(f'#pair-offered [data-take][title="{title}"]')
        page.wait_for_timeout(900)
    page.wait_for_selector("#pair-answer .open >> nth=1")
    page.mouse.move(2, 2)
    page.wait_for_timeout(900)
    _save(page, folder / "screenshot-compare.png", COLOURS)
    page.evaluate("anyfind.tab('Map')")
    page.wait_for_selector("#map .legend .key", timeout=240_000)
    page.wait_for_timeout(2_500)
    _save(page, folder / "screenshot-map.png", COLOURS)
    page.context.close()


def _take_all(browser: Any, address: str, query: str, folder: Path) -> None:
    for name, how in {
        "desktop": {"viewport": {"width": 1280, "height": 900}},
        "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
        "phone": {"viewport": PHONE, "has_touch": True},
    }.items():
        page = _open(browser, address, **how)
        page.screenshot(path=folder / f"{name}-start.png", full_page=True)
        page.context.close()
        page = _open(browser, address, query, **how)
        page.screenshot(path=folder / f"{name}-found.png", full_page=True)
        for kind in ("tile.image", "tile.film", "sound", "passage", "tile.node"):
            page.press(f"#results .{kind} .open >> nth=0", "Enter")
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{kind.removeprefix('tile.')}.png")
            page.keyboard.press("Escape")
        page.click("#layout label:has-text('Together')")
        page.wait_for_selector("#results .everything")
        _settle(page)
        page.screenshot(path=folder / f"{name}-together.png", full_page=True)
        page.focus("#results .open >> nth=0")
        page.keyboard.press("+")
        page.wait_for_selector("#results .term.toward .net, #results .term.toward img")
        page.fill("#add-words", "at night")
        page.click("[data-words='-0.5']")
        page.wait_for_selector("#results .term.away")
        page.click("#choose")
        page.fill("#filter [name='title']", "a")
        page.keyboard.press("Enter")
        page.wait_for_selector("#results .term.filter")
        _settle(page)
        page.screenshot(path=folder / f"{name}-composed.png")
        for medium in ("Films", "Texts", "Graphs"):
            _look_in(page, medium)
            page.screenshot(path=folder / f"{name}-{medium.lower()}.png")
        for tab in ("Library", "About"):
            page.click(f'#tabs button[role="tab"]:has-text("{tab}")')
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{tab.lower()}.png")
        page.context.close()
    print(folder)


if __name__ == "__main__":
    main()
