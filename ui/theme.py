"""How the page looks: Gradio's base theme in the page's own colours, and the page's own files."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui import icons

_HERE = Path(__file__).resolve().parent

CSS = (_HERE / "page.css").read_text(encoding="utf-8")
JS = (_HERE / "page.js").read_text(encoding="utf-8")
ICON = (_HERE / "icon.png").read_bytes()
SCRIPT = '<script src="page.js"></script>'
BRAND = f'<a href="./" aria-label="Anyfind: start again">{icons.MARK}<b>anyfind</b></a>'
HEAD = (
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="favicon.ico">'
    # Not through Gradio's `css`: that rewrites rules, and reaches nothing outside its container.
    '<link rel="stylesheet" href="page.css">'
)

# The system's own font: nothing is fetched, and it looks at home.
FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "Consolas", "Menlo", "monospace")


def make() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_lg,
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="#fbfbfa",
        body_background_fill_dark="#121316",
        body_text_color="#1c1d21",
        body_text_color_dark="#ecedf0",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1a1c20",
        block_background_fill="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
    )
