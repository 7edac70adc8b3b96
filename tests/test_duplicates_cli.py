"""`duplicates` and `map` on real networks and a real library."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from store.samples import read_samples
from tests.commands import run_here

SAMPLES = {sample.slug: sample for sample in read_samples()}


def test_duplicates_and_map(tmp_path: Path) -> None:
    data, media = tmp_path / "data", tmp_path / "media"
    media.mkdir()
    for slug in ("cat", "coffee", "rocket", "sleeping_cat"):
        Image.open(SAMPLES[slug].path).convert("RGB").save(media / f"{slug}.png")
    cat = Image.open(media / "cat.png")
    cat.resize((cat.width * 2 // 3, cat.height * 2 // 3)).save(media / "small.jpg", quality=50)
    cat.crop((15, 10, cat.width - 20, cat.height - 15)).save(media / "cut.png")
    (media / "twin.png").write_bytes((media / "rocket.png").read_bytes())
    run_here("index", str(media), data=data)
    told = json.loads(run_here("duplicates", "--json", data=data).stdout)
    ((first, *rest),) = [group["items"] for group in told["near"]]
    assert first["title"] == "cat"
    assert {item["title"] for item in rest} == {"cut", "small"}
    (exact,) = told["exact"]
    assert {Path(path).name for path in exact["paths"]} == {"rocket.png", "twin.png"}
    assert "keep  image  cat" in run_here("duplicates", data=data).stdout
    assert run_here("duplicates", "--in", "audio", data=data).stdout == "No duplicates.\n"
    run_here("duplicates", "--in", "smell", data=data, code=2)

    points = json.loads(run_here("map", "--json", data=data).stdout)
    assert {point["title"] for point in points} >= {"cat", "coffee", "cut", "small"}
    file = tmp_path / "map.html"
    done = run_here("map", "--out", str(file), data=data)
    assert done.stdout == ""
    assert str(tmp_path) not in file.read_text("utf-8")
    assert "cannot be written" in run_here("map", "--out", str(tmp_path), data=data, code=1).stderr
