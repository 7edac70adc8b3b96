"""How the page looks: Gradio's base theme in the page's own colours, and the page's own files."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui import icons

_HERE = Path(__file__).resolve().parent


def _together(suffix: str) -> str:
    """page.css or page.js, on which the tabs' own build, then those."""
    first = _HERE / f"page{suffix}"
    files = [first, *sorted(path for path in _HERE.glob(f"*{suffix}") if path != first)]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


CSS = _together(".css")
JS = _together(".js")
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
        # The rest is what the login page shows, which page.css does not reach.
        background_fill_primary="#fbfbfa",
        background_fill_primary_dark="#121316",
        panel_background_fill="transparent",
        panel_background_fill_dark="transparent",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        border_color_primary="transparent",
        border_color_primary_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1b1d21",
        input_border_color="#d9d9d6",
        input_border_color_dark="#3a3d46",
        input_border_width="1px",
        button_primary_background_fill="#4f5bd5",
        button_primary_background_fill_hover="#5f6be0",
        button_primary_text_color="#ffffff",
    )
