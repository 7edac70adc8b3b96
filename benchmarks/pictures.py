"""Make a set of captioned pictures from free packages: clip-art, stamps, emoji and photographs.

    python -m benchmarks.pictures WORK [--only NAME ...]

Package by package, as `corpus.py` does for sounds: look up the size, download (`apt-get download`,
nothing is installed), unpack, keep the pictures that `pictures.toml` has a caption for, delete the
rest. The result, in WORK:

    pictures.csv    path,text,package,version,licence,source,kind: one row a picture and caption
    pictures/       RGB on white, at most 512 pixels; nothing of it belongs into the repository

A picture that shows several things has a row for each. `kind` is "drawing" or "photograph".
Needs Debian or a derivative with `rsvg-convert` (librsvg2-bin) installed and package lists up to
date (`apt-get update`). Stopped runs continue where they were.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw, ImageFile, ImageFont, ImageOps
from rich.console import Console
from rich.progress import track

from benchmarks.corpus import COLUMNS as SOUND_COLUMNS
from benchmarks.corpus import Row, caption, package_size, read_rcc, unpack

RECIPE = Path(__file__).with_suffix(".toml")
COLUMNS = [*SOUND_COLUMNS, "kind"]
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg", ".svgz"}
SIDE = 512  # pixels of a kept picture's longer side: more than any tower looks at
SAME_PICTURE = 0.99  # correlation of two thumbnails from which on they show one picture
EMOJI_SIZE = 109  # the only size that Noto Color Emoji's bitmaps come in

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Picture:
    source: str
    """The path in the package, an archive's inner path after the archive's."""
    title: str
    """What the package itself calls it: text beside it or within it, else the file's name."""
    read: Callable[[], bytes]


# --- packages ---------------------------------------------------------------------------------


def debian_packages(package: dict[str, Any]) -> list[str]:
    return [] if package.get("registry") == "pypi" else [package["name"], *package.get("with", ())]


def fetch(package: dict[str, Any], folder: Path) -> str:
    """Download a package, and those beside it, and unpack them into `folder`. Its version."""
    if package.get("registry") == "pypi":
        name, version = package["name"], package["version"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{name}=={version}"]
        folder.mkdir(parents=True)
        subprocess.run(command, cwd=folder, check=True)
        (wheel,) = folder.glob("*.whl")
        shutil.unpack_archive(wheel, folder / "tree", "zip")
        wheel.unlink()
        return str(version)
    versions = [unpack(name, folder / name) for name in debian_packages(package)]
    return versions[0]


def members(folder: Path) -> Iterator[tuple[str, Path, Callable[[], bytes]]]:
    """Every picture of a package, also in Qt's resource files, in path order.

    (the path in the package, the file or the archive that it is in, read)
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        name = str(path.relative_to(folder)).partition("tree/")[2].removeprefix("usr/share/")
        if path.suffix == ".svg" and path.with_suffix(".png").exists():
            continue  # the same drawing again
        if path.suffix.lower() in SUFFIXES:
            yield name, path, path.read_bytes
        elif path.suffix == ".rcc":
            for inner, content in read_rcc(path.read_bytes()):
                if Path(inner).suffix.lower() in SUFFIXES:
                    read = partial(bytes, content)
                    yield f"{name}/{inner}", path, read


def package_pictures(package: dict[str, Any], folder: Path) -> Iterator[Picture]:
    """The pictures of an unpacked package with their titles."""
    if package.get("titles") == "cldr":
        yield from emoji(folder)
        return
    for source, path, read in members(folder):
        title = Path(source).stem
        if package.get("titles") == "beside":
            beside = path.with_suffix(".txt")
            title = beside.read_text("utf-8").split("\n")[0] if beside.exists() else ""
        elif package.get("titles") == "svg":
            title = svg_title(read()) or title
        yield Picture(source, title, read)


def svg_title(data: bytes) -> str:
    """The title in an SVG file's metadata (Dublin Core, within the Work element), or ""."""
    work = re.search(rb"<cc:Work.*?(?=<dc:publisher|</cc:Work)", data, re.DOTALL)
    found = work and re.search(rb"<dc:title>(.*?)</dc:title>", work[0], re.DOTALL)
    return unescape(found[1].decode("utf-8", "replace")).strip() if found else ""


def emoji(folder: Path) -> Iterator[Picture]:
    """The emoji of one character that the font draws, named by Unicode's short names."""
    (file,) = folder.rglob("NotoColorEmoji.ttf")
    (names,) = folder.rglob("annotations/en.xml")
    font = ImageFont.truetype(str(file), EMOJI_SIZE)
    for entry in ElementTree.parse(names).getroot().iter("annotation"):
        text = (entry.get("cp") or "").removesuffix("\ufe0f")
        if entry.get("type") == "tts" and len(text) == 1 and ord(text) > 0x2000:
            source = f"{file.name}/U+{ord(text):04X}"
            yield Picture(source, entry.text or "", partial(draw_emoji, text, font))


def draw_emoji(text: str, font: Any) -> bytes:
    image = Image.new("RGBA", (136, 128))
    ImageDraw.Draw(image).text((0, 0), text, font=font, embedded_color=True)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


# --- captions ---------------------------------------------------------------------------------


def captions(picture: Picture, package: dict[str, Any]) -> list[str]:
    """What is seen, by the package's rules; [] where no rule matches or the title says nothing.

    Rules see the path without suffix and then, as if it was the file's name, the plain title.
    """
    noise = re.compile(package.get("noise", "$^"), re.IGNORECASE)
    path = str(Path(picture.source).with_suffix(""))
    title = plain(noise.sub(" ", picture.title)) or plain(noise.sub(" ", Path(path).name))
    return [t.strip() for t in caption(f"{path}/{title}", package["rules"]).split(";") if t.strip()]


def plain(title: str) -> str:
    """A title's noun: no article, no digits, no brackets, nothing after the first clause."""
    title = re.sub(r"([a-z])([A-Z])", r"\1 \2", re.sub(r"\(.*?\)", " ", title)).lower()
    title = re.split(r"[.!?,;:]|\s[-–—]\s|—", title.strip())[0]
    words = re.split(r"[^a-z'’]+", re.sub(r"^(a|an|the|some|our)\s", "", title))
    return " ".join(word for word in words if word)


# --- pictures ---------------------------------------------------------------------------------


def load(picture: Picture) -> Image.Image | None:
    """RGB on white, at most SIDE pixels, transparent margins cut off; None for what is empty or
    cannot be read.
    """
    data = picture.read()
    if Path(picture.source).suffix.lower() in (".svg", ".svgz"):
        drawn = render(data)
        if drawn is None:
            return None
        data = drawn
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if isinstance(opened, ImageFile.ImageFile):
                opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            image = ImageOps.exif_transpose(opened).convert("RGBA")
            image = image.crop(image.getchannel("A").getbbox())
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = Image.new("RGB", image.size, "white")
    out.paste(image, mask=image.getchannel("A"))
    low, high = out.convert("L").getextrema()
    return None if low == high or min(out.size) < 24 else out


def render(data: bytes) -> bytes | None:
    """An SVG file as PNG by rsvg-convert. Larger than SIDE: drawings may be small on their page."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    command = ["rsvg-convert", "--keep-aspect-ratio", "-w", str(2 * SIDE), "-h", str(2 * SIDE)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=30, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return done.stdout


# --- writing ----------------------------------------------------------------------------------


class Pictures:
    """The work folder. A package's rows are written when all of it is there."""

    def __init__(self, work: Path) -> None:
        self.work = work
        (work / "rows").mkdir(parents=True, exist_ok=True)

    def rows_file(self, package: str) -> Path:
        return self.work / "rows" / f"{package}.csv"

    def add(self, package: dict[str, Any], version: str, folder: Path) -> None:
        kept = self.work / "pictures" / package["name"]
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        rows: list[Row] = []
        count = 0
        for picture in package_pictures(package, folder):
            texts = captions(picture, package)
            image = load(picture) if texts else None
            if image is None:
                continue
            licence = first(package.get("licences", ()), picture.source) or package["licence"]
            kind = first(package.get("kinds", ()), picture.source) or package["kind"]
            name = re.sub(r"[^A-Za-z0-9]+", "-", Path(picture.source).stem)[-60:].strip("-")
            path = kept / f"{count:04d}-{name}{'.jpg' if kind == 'photograph' else '.png'}"
            image.save(path, quality=92)
            count += 1
            shared = [package["name"], version, licence, picture.source, kind]
            for text in texts:
                values = [str(path.relative_to(self.work)), text, *shared]
                rows.append(dict(zip(COLUMNS, values, strict=True)))
        write_table(self.rows_file(package["name"]), rows)

    def write_manifest(self, packages: list[str]) -> list[Row]:
        """Join the packages' rows, without pictures that come again or are in an earlier package.

        The same clip-art is in several packages: sets split by package would not be apart.
        """
        kept: list[Row] = []
        earlier = np.zeros((0, 3 * 16 * 16), dtype=np.float32)
        for file in (self.rows_file(name) for name in packages):
            rows = read_table(file) if file.exists() else []
            paths = sorted({row["path"] for row in rows})
            if not paths:
                continue
            found, first_places = np.unique(
                np.array([signature(self.work / path) for path in paths]), axis=0, return_index=True
            )
            fresh = (found @ earlier.T).max(axis=1, initial=-1) < SAME_PICTURE
            new = {paths[place] for place in first_places[fresh]}
            kept += [row for row in rows if row["path"] in new]
            earlier = np.concatenate([earlier, found[fresh]])
        write_table(self.work / "pictures.csv", kept)
        return kept


def signature(path: Path) -> Array:
    """16 x 16 pixels, float32 (768,), of mean 0 and length 1: a product is a correlation."""
    with Image.open(path) as image:
        small = np.asarray(image.resize((16, 16), Image.Resampling.BOX), dtype=np.float32)
    centred = small.ravel() - small.mean()
    out: Array = centred / max(1e-3, float(np.linalg.norm(centred)))
    return out


def first(rules: list[list[str]], path: str) -> str:
    """The value of the first rule whose expression is found in the path, or ""."""
    return next((new for pattern, new in rules if re.search(pattern, path.lower())), "")


def read_table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_table(path: Path, rows: list[Row]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path, help="folder for the pictures")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these packages")
    options = parser.parse_args()
    for program in ("apt-get", "dpkg-deb", "rsvg-convert"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: install it (rsvg-convert is in librsvg2-bin).")

    pictures = Pictures(options.work)
    packages = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["package"]
    wanted = [
        package
        for package in packages
        if (not options.only or package["name"] in options.only)
        and not pictures.rows_file(package["name"]).exists()
    ]
    sizes = {n: package_size(n) for p in wanted for n in debian_packages(p)}
    for name in [n for n, size in sizes.items() if size is None]:
        print(f"{name}: not known to apt here, left out", file=sys.stderr)
    total = sum(size or 0 for size in sizes.values())
    print(f"{len(wanted)} packages to download, {total / 1e6:.0f} MB", file=sys.stderr)

    with tempfile.TemporaryDirectory(dir=options.work) as scratch:
        for package in track(wanted, "packages", console=Console(stderr=True)):
            if all(sizes[name] for name in debian_packages(package)):
                folder = Path(scratch, package["name"])
                version = fetch(package, folder)
                pictures.add(package, version, folder)
                shutil.rmtree(folder)

    rows = pictures.write_manifest([package["name"] for package in packages])
    for name, kind in sorted({(row["package"], row["kind"]) for row in rows}):
        some = [row for row in rows if row["package"] == name and row["kind"] == kind]
        texts = {row["text"] for row in some}
        files = len({row["path"] for row in some})
        print(f"{name:28} {kind:10} {files:5} pictures {len(some):5} rows {len(texts):4} captions")
    print(f"{len({row['path'] for row in rows})} pictures, {len(rows)} rows,", end=" ")
    print(f"{len({row['text'] for row in rows})} captions")


if __name__ == "__main__":
    main()
