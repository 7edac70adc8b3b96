"""The few drawings of the page, as inline SVG in the colour of the text around them."""

from __future__ import annotations


def _icon(paths: str, box: int = 24) -> str:
    return (
        f'<svg viewBox="0 0 {box} {box}" width="{box}" height="{box}" fill="none" '
        'stroke="currentColor" stroke-width="1.75" stroke-linecap="round" '
        f'stroke-linejoin="round" aria-hidden="true">{paths}</svg>'
    )


# A lens that sees a sound wave.
MARK = _icon(
    '<circle cx="10.5" cy="10.5" r="7.75"/><path d="m16.2 16.2 5 5"/>'
    '<path d="M7 10v1.5M10.5 7v7.5M14 9v3.5"/>'
)
LENS = _icon(
    '<path d="M4 8V6a2 2 0 0 1 2-2h2M16 4h2a2 2 0 0 1 2 2v2M20 16v2a2 2 0 0 1-2 2h-2'
    'M8 20H6a2 2 0 0 1-2-2v-2"/><circle cx="12" cy="12" r="3.5"/>'
)
ARROW = _icon('<path d="M5 12h14M13 6l6 6-6 6"/>')
ADD = _icon('<path d="M12 16V4M7 9l5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3"/>')
EMPTY = _icon(
    '<rect x="6" y="10" width="30" height="26" rx="4"/><path d="m6 30 9-8 7 6 5-4 9 7"/>'
    '<circle cx="27" cy="18" r="3"/><path d="M42 20v12M47 15v22M52 21v10M57 24v4"/>',
    64,
)
PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5.2v13.6L19 12z"/></svg>'
FILTER = _icon('<path d="M4 7h16M7 12h10M10 17h4"/>')
COMBINE = _icon('<path d="M8 4v8M4 8h8M13 17h7"/>')
