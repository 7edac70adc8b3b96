"""The preview of a text: its beginning drawn as a sheet of paper."""

from __future__ import annotations

import functools
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from .passages import split_words

WIDTH, HEIGHT = 384, 512  # pixels
_PAPER, _INK, _TITLE_INK, _ACCENT, _BAR = "#ffffff", "#454a59", "#1d2130", "#4f5bd5", "#d5d8e3"
_MARGIN = 36
_FINER = 2  # drawn this much larger, then scaled down
_FADE = 96  # pixels at the foot over which the text fades out
# Beside Pillow's own font, which knows little but English: what systems have, the common first.
_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf"),
    *("arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc"),
    *("DroidSansFallbackFull.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "PingFang.ttc"),
    *("Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
)

Font = ImageFont.FreeTypeFont


def draw(title: str, text: str) -> Image.Image:
    """The beginning of a text as a sheet of paper, RGB 384 x 512.

    Words for which no font has the letters are drawn as grey bars.
    """
    sheet = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), _PAPER)
    brush = ImageDraw.Draw(sheet)
    font = _choose(f"{title} {text[:2000]}", 14 * _FINER)
    first = text.partition("\n")[0]
    y = float(_MARGIN * _FINER)
    if title:
        y = _write(brush, title, y, font.font_variant(size=23 * _FINER), _TITLE_INK, 3)
        brush.line(
            [(_MARGIN * _FINER, y + 12), ((_MARGIN + 44) * _FINER, y + 12)], _ACCENT, 3 * _FINER
        )
        y += 36
        if first.strip() == title:
            text = text[len(first) :]
    for line in text.split("\n"):
        if line.strip() and y < sheet.height:
            y = _write(brush, line, y, font, _INK) + 12
    fade = Image.linear_gradient("L").resize((sheet.width, _FADE * _FINER))
    sheet.paste(_PAPER, (0, sheet.height - fade.height), fade)
    return sheet.reduce(_FINER)


def _write(
    brush: ImageDraw.ImageDraw, text: str, y: float, font: Font, ink: str, most: int = 99
) -> float:
    """Draw words in lines from `y` down, `most` of them; where the next line would be."""
    left, right = _MARGIN * _FINER, (WIDTH - _MARGIN) * _FINER
    gap, height = font.getlength(" "), font.size * 1.5
    lines: list[list[tuple[str, Font | None, float, float]]] = [[]]
    x = 0.0
    for token in split_words(text):
        shown, its_font = _drawable(token.strip(), font)
        while len(shown) > 1 and _length(shown, its_font or font) > right - left:
            shown = shown[: len(shown) * 2 // 3]
        width = _length(shown, its_font or font)
        if lines[-1] and x + width > right - left:
            if len(lines) == most or y + len(lines) * height > HEIGHT * _FINER:
                break
            lines.append([])
            x = 0.0
        lines[-1].append((shown, its_font, x, width))
        x += width + (gap if token[-1].isspace() else 0)
    for line in lines:
        turned = 2 * sum(_is_from_right(word) for word, *_ in line) > len(line)
        for word, its_font, x, width in line:
            at = right - x - width if turned else left + x
            if its_font is None:
                box = (at, y + height * 0.22, at + width, y + height * 0.56)
                brush.rectangle(box, _BAR)
            else:
                brush.text((at, y), word, ink, its_font, stroke_width=int(most < 99))
        y += height
    return y


def _is_from_right(word: str) -> bool:
    return unicodedata.bidirectional(word[:1] or " ") in ("R", "AL")


def _length(word: str, font: Font) -> float:
    return float(font.getlength(word))


def _choose(text: str, size: int) -> Font:
    """The font that has most of a text's letters; Pillow's own where it has them all."""
    letters = set(text) - set(" \n")
    return max(_fonts(size), key=lambda font: sum(_has(font, letter) for letter in letters))


def _drawable(word: str, font: Font) -> tuple[str, Font | None]:
    """The word and a font that has it; else without accents; else (word, None)."""
    plain = unicodedata.normalize("NFKD", word)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    for shown in (word, plain):
        for known in (font, *_fonts(int(font.size))):
            if shown and all(_has(known, letter) for letter in shown):
                return shown, known
    return word, None


@functools.cache
def _fonts(size: int) -> tuple[Font, ...]:
    found = [ImageFont.load_default(size)]
    for name in _FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # this system does not have it
            continue
    return tuple(font for font in found if isinstance(font, ImageFont.FreeTypeFont))


@functools.lru_cache(maxsize=8192)
def _has(font: Font, letter: str) -> bool:
    """Does it draw this letter, and not the box that stands for what it has not?"""
    mask, nothing = font.getmask(letter), font.getmask("\uffff")
    return mask.size != nothing.size or bytes(mask) != bytes(nothing)
