"""The map as one HTML file that needs nothing else: no server, no network, no path of a machine."""

from __future__ import annotations

import base64
import io
import json
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from analysis.atlas import Atlas
from store.library import Library
from ui.cards import counted, name, plain

THUMBNAILS, SIDE, QUALITY = 2_000, 72, 60
"""So many pictures at most, of so many pixels: about 2 kB each."""

_HERE = Path(__file__).resolve().parent
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
_STYLE = """
:root { --ink: #1c1d21; --soft: #63656d; --card: #fff; --paper: #fbfbfa; --line: #e6e6e3;
  --faint: #f1f1ee; --accent: #4f5bd5; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #ecedf0; --soft: #9da0a9; --card: #1b1d21;
  --paper: #121316; --line: #2c2f35; --faint: #202228; --accent: #98a1ff; } }
body { margin: 0; padding: 16px clamp(12px, 3vw, 32px); background: var(--paper); color: var(--ink);
  font: 15px/1.5 ui-sans-serif, system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 10px; } .bar { display: flex; gap: 8px; margin: 0 0 10px; }
button { font: inherit; color: inherit; cursor: pointer; border: 1px solid var(--line);
  border-radius: 99px; background: var(--card); padding: 5px 14px; }
#list { columns: 3 220px; margin: 14px 0 0; padding: 0 0 0 18px; overflow-wrap: anywhere; }
"""
_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("list");
const chart = anyfind.atlas(document.getElementById("atlas"), data, {
  preview: (at) => data.thumbs[at] || null,
  open: (at) => chart.choose([at]),
  select: (found) => {
    list.replaceChildren(...found.slice(0, 500).map((at) => {
      const line = document.createElement("li");
      line.textContent = data.titles[at];
      return line;
    }));
  },
});
for (const button of document.querySelectorAll("[data-by]")) {
  button.addEventListener("click", () => chart.colour(button.dataset.by));
}
document.getElementById("lasso").addEventListener("click", () => chart.lasso(true));
document.getElementById("fit").addEventListener("click", () => chart.fit());
"""


def columns(library: Library, atlas: Atlas) -> dict[str, Any]:
    """What the page's script draws a map from: lists in one order, of the items that are there."""
    items = library.numbered(atlas.numbers)
    there = [at for at, number in enumerate(atlas.numbers.tolist()) if number in items]
    shown = [items[int(atlas.numbers[at])] for at in there]
    return {
        "ids": [item.id for item in shown],
        "titles": [plain(name(item)) for item in shown],
        "kinds": [item.modality for item in shown],
        "x": [round(float(x), 4) for x in atlas.places[there, 0]],
        "y": [round(float(y), 4) for y in atlas.places[there, 1]],
        "clusters": [int(cluster) for cluster in atlas.clusters[there]],
        "names": atlas.names,
        "placed": atlas.placed,
    }


def draw_poster(library: Library, atlas: Atlas) -> str:
    """The whole file. Ids, paths and facts of the items are not in it: only titles, clusters and
    small pictures."""
    told = columns(library, atlas)
    ids = told.pop("ids")
    step = max(1, -(-len(ids) // THUMBNAILS))
    told["thumbs"] = {
        at: picture
        for at in range(0, len(ids), step)
        if (picture := _thumbnail(library, ids[at])) is not None
    }
    held = {kind: told["kinds"].count(kind) for kind in dict.fromkeys(told["kinds"])}
    # "<" would end the element that the data stand in
    data = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    script = (_HERE / "atlas.js").read_text("utf-8")
    style = _STYLE + (_HERE / "map.css").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Map of {escape(counted(held))}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<style>{style}</style></head>
<body><h1>{escape(counted(held))}</h1>
<div class="bar"><button type="button" data-by="medium">Media</button>
<button type="button" data-by="cluster">Clusters</button>
<button type="button" id="lasso">Lasso</button><button type="button" id="fit">Whole map</button>
</div><div id="atlas" class="atlas"></div><ul id="list"></ul>
<script type="application/json" id="data">{data}</script>
<script>{script}</script><script>{_SCRIPT}</script></body></html>
"""


def _thumbnail(library: Library, id: str) -> str | None:
    try:
        with Image.open(library.preview(id)) as image:
            small = image.convert("RGB")
    except (OSError, ValueError):
        return None
    small.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
