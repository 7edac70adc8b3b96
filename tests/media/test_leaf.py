"""The preview of a text: its beginning on a sheet of paper, in any script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from media import leaf, open_media
from tests.media.texts import JAPANESE, RUSSIAN, SENTENCE, write

pytestmark = pytest.mark.usefixtures("quiet")


def test_previews(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md", "# A Title\n\n" + SENTENCE * 30)
    with open_media(path) as media:
        list(media.segments())
        ink = np.asarray(media.preview().convert("L")) < 200
    assert ink[:30].sum() == ink[:, :30].sum() == ink[:, -30:].sum() == 0  # margins
    assert ink[36:66].sum() > 200  # the title
    assert ink[90:400].sum() > 1500
    assert ink[-12:].sum() == 0  # faded out


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        RUSSIAN,
        JAPANESE * 3,
        "مرحبا بالعالم",
        "😀👨‍👩‍👧 \u202e\U0010ffff",
        "x" * 3000,
        "Größe",
        "ﷺ" * 50,
    ],
)
def test_previews_of_any_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, alone: bool
) -> None:
    """Also on a system without any font, where only Pillow's own is there."""
    if alone:
        monkeypatch.setattr(leaf, "_FONTS", ())
    leaf._fonts.cache_clear()
    try:
        picture = leaf.draw(text, text)
        assert (np.asarray(picture.convert("L")) < 235).sum() > 30
        if alone:
            assert len(leaf._fonts(28)) == 1
    finally:
        monkeypatch.undo()
        leaf._fonts.cache_clear()


def test_missing_letters_are_bars_and_not_boxes() -> None:
    font = ImageFont.load_default(28)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert leaf._has(font, "a")
    assert not leaf._has(font, "\uffff")
