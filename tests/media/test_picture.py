"""Pictures: what comes out has the right colours, size and turn."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from media import MediaError, limits, open_media
from tests.media import makers


def picture(path: Path) -> tuple[Image.Image, Image.Image, dict[str, int | float | str]]:
    """Content, preview and details of a picture."""
    with open_media(path) as media:
        assert media.modality == "image"
        (segment,) = media.segments()
        assert (segment.start, segment.end) == (None, None)
        assert isinstance(segment.content, Image.Image)
        return segment.content, media.preview(), media.details


def assert_colour(image: Image.Image, place: tuple[float, float], colour: tuple[int, ...]) -> None:
    """The pixel at `place` (shares of width and height) has about this colour."""
    assert image.mode == "RGB"
    at = (int(place[0] * image.width), int(place[1] * image.height))
    pixel = np.asarray(image)[at[1], at[0]].astype(int)
    assert np.abs(pixel - colour).max() <= 6, pixel


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures' values, of 255."""
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


LEFT, RIGHT, TOP, BOTTOM, MIDDLE = (0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.9), (0.5, 0.5)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

FORMATS: dict[str, dict[str, Any]] = {
    "a.jpg": {"quality": 95},
    "a.png": {},
    "a.webp": {"lossless": True},
    "a.gif": {},
    "a.bmp": {},
    "a.tif": {"compression": "tiff_lzw"},
    "a.tiff": {},
}
if features.check("avif"):
    FORMATS["a.avif"] = {"quality": 100}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(tmp_path: Path, name: str) -> None:
    makers.make_picture(tmp_path / name, (30, 120, 220), **FORMATS[name])
    content, preview, details = picture(tmp_path / name)
    assert details == {"width": 96, "height": 64}
    assert content.size == preview.size == (96, 64)
    assert_colour(content, MIDDLE, (30, 120, 220))
    assert_colour(preview, MIDDLE, (30, 120, 220))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turn(tmp_path: Path, orientation: int) -> None:
    # Where the stored left (red) and right (blue) halves are seen.
    red, blue = {
        **dict.fromkeys((1, 4), (LEFT, RIGHT)),
        **dict.fromkeys((2, 3), (RIGHT, LEFT)),
        **dict.fromkeys((5, 6), (TOP, BOTTOM)),
        **dict.fromkeys((7, 8), (BOTTOM, TOP)),
    }[orientation]
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        makers.make_halves(tmp_path / name, (1280, 960), orientation)
        content, preview, details = picture(tmp_path / name)
        seen = (1280, 960) if orientation < 5 else (960, 1280)
        assert (details["width"], details["height"]) == seen
        assert (content.width > content.height) == (orientation < 5)
        for image in (content, preview):
            assert_colour(image, red, (254, 0, 0))
            assert_colour(image, blue, (0, 0, 254))


def test_large_jpeg_is_decoded_at_reduced_scale(tmp_path: Path) -> None:
    makers.make_photo(tmp_path / "a.jpg", (4000, 3000))
    content, preview, details = picture(tmp_path / "a.jpg")
    assert details == {"width": 4000, "height": 3000}
    assert content.size == (500, 375)
    assert preview.size == (384, 288)
    with Image.open(tmp_path / "a.jpg") as whole:
        plain = whole.convert("RGB").resize(content.size, Image.Resampling.BOX)
    assert difference(plain, content) < 2


@pytest.mark.parametrize("size", [(2600, 1900), (1030, 20), (20_000, 1), (1, 3000), (1279, 700)])
def test_size_of_content(tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("a.png", "a.jpg"):
        makers.make_picture(tmp_path / name, (200, 100, 50), size)
        content, preview, details = picture(tmp_path / name)
        assert (details["width"], details["height"]) == size
        assert 1 <= min(content.size) <= max(content.size) <= 1024
        assert 1 <= min(preview.size) <= max(preview.size) <= 384
        assert_colour(content, MIDDLE, (200, 100, 50))
        if min(size) > 600:  # the shape is kept
            assert content.width / content.height == pytest.approx(size[0] / size[1], rel=0.01)


def test_bands_equal_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dumb twin: the whole picture reduced at once; and scaled by nothing but Pillow."""
    makers.make_photo(tmp_path / "a.png", (3209, 1207), compress_level=1)
    monkeypatch.setattr("media.picture._BAND", 100_000)
    bands, _, _ = picture(tmp_path / "a.png")
    monkeypatch.setattr("media.picture._BAND", 1 << 30)
    assert picture(tmp_path / "a.png")[0].tobytes() == bands.tobytes()
    with Image.open(tmp_path / "a.png") as whole:
        plain = whole.convert("RGB").resize(bands.size, Image.Resampling.HAMMING)
    assert difference(plain, bands) < 2


def test_one_pixel(tmp_path: Path) -> None:
    makers.make_picture(tmp_path / "a.png", "red", (1, 1))
    content, preview, details = picture(tmp_path / "a.png")
    assert details == {"width": 1, "height": 1}
    assert content.size == preview.size == (1, 1)
    assert content.getpixel((0, 0)) == RED


def test_transparency_is_white(tmp_path: Path) -> None:
    makers.make_transparent(tmp_path / "a.png")
    makers.make_transparent(tmp_path / "a.webp")
    for name in ("a.png", "a.webp"):
        content, _, _ = picture(tmp_path / name)
        assert_colour(content, LEFT, RED)
        assert_colour(content, RIGHT, WHITE)
    makers.make_palette(tmp_path / "b.png")
    makers.make_palette(tmp_path / "b.gif")
    for name in ("b.png", "b.gif"):
        content, _, _ = picture(tmp_path / name)
        assert_colour(content, LEFT, GREEN)
        assert_colour(content, RIGHT, WHITE)
    makers.make_picture(tmp_path / "c.png", (0, 128), mode="LA")
    assert_colour(picture(tmp_path / "c.png")[0], MIDDLE, (127, 127, 127))
    makers.make_picture(tmp_path / "d.png", RED, transparency=RED)
    assert_colour(picture(tmp_path / "d.png")[0], MIDDLE, WHITE)


def test_cmyk(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.tif"):
        makers.make_picture(tmp_path / name, (0, 255, 255, 0), mode="CMYK")
        assert_colour(picture(tmp_path / name)[0], MIDDLE, RED)


def test_grey_and_two_tone(tmp_path: Path) -> None:
    makers.make_picture(tmp_path / "a.jpg", 77, mode="L")
    assert_colour(picture(tmp_path / "a.jpg")[0], MIDDLE, (77, 77, 77))
    makers.make_picture(tmp_path / "a.png", 1, mode="1")
    assert_colour(picture(tmp_path / "a.png")[0], MIDDLE, WHITE)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_is_scaled(tmp_path: Path, name: str) -> None:
    makers.make_16bit(tmp_path / name, (0x4000, 0xC000))
    content, _, _ = picture(tmp_path / name)
    assert_colour(content, LEFT, (64, 64, 64))
    assert_colour(content, RIGHT, (191, 191, 191))


def test_16_bit_big_endian_and_floats(tmp_path: Path) -> None:
    Image.new("I;16B", (64, 64), 0x8000).save(tmp_path / "a.tif")
    assert_colour(picture(tmp_path / "a.tif")[0], MIDDLE, (128, 128, 128))
    for value, white in ((0.25, 1.0), (64.0, 255.0)):
        pixels = np.full((64, 64), value, np.float32)
        pixels[:8] = white
        Image.fromarray(pixels).save(tmp_path / "f.tif")
        assert_colour(picture(tmp_path / "f.tif")[0], MIDDLE, (64, 64, 64))
    Image.fromarray(np.full((64, 64), 70_000, np.int32)).save(tmp_path / "i.tif")
    picture(tmp_path / "i.tif")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    makers.make_animation(tmp_path / name)
    assert_colour(picture(tmp_path / name)[0], MIDDLE, GREEN)


def test_colour_profiles_do_no_harm(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        makers.make_with_profile(tmp_path / name)
        assert_colour(picture(tmp_path / name)[0], MIDDLE, BLUE)
        makers.make_broken_profile(tmp_path / name)
        assert_colour(picture(tmp_path / name)[0], MIDDLE, BLUE)


def test_broken_exif_does_no_harm(tmp_path: Path) -> None:
    makers.make_jpeg(tmp_path / "a.jpg", "red", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert_colour(picture(tmp_path / "a.jpg")[0], MIDDLE, (254, 0, 0))


def test_400_megapixel_jpeg(tmp_path: Path) -> None:
    """20,000 x 20,000 passes as JPEG, which is decoded at an eighth, in bounded memory."""
    Image.new("L", (20_000, 20_000), 90).save(tmp_path / "a.jpg")
    content, preview, details = picture(tmp_path / "a.jpg")
    assert details == {"width": 20_000, "height": 20_000}
    assert content.size == (1024, 1024)
    assert preview.size == (384, 384)
    assert_colour(content, MIDDLE, (90, 90, 90))


def test_400_megapixel_png_is_refused(tmp_path: Path) -> None:
    makers.make_png_header(tmp_path / "a.png", 20_000, 20_000)
    with pytest.raises(MediaError, match=r"20,000 x 20,000 pixels .*\(ANYFIND_MAX_DECODED_BYTES"):
        open_media(tmp_path / "a.png")


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    makers.make_png_header(tmp_path / "a.png", 60_000, 60_000)
    with pytest.raises(
        MediaError, match=r"60,000 x 60,000 pixels, more than .*\(ANYFIND_MAX_PIXELS\)"
    ):
        open_media(tmp_path / "a.png")


def test_limits_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers.make_jpeg(tmp_path / "a.jpg")
    for name in ("MAX_PIXELS", "MAX_DECODED_BYTES", "MAX_PICTURE_BYTES", "MAX_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, 100)
            with pytest.raises(MediaError, match=f"ANYFIND_{name}"):
                open_media(tmp_path / "a.jpg")
    picture(tmp_path / "a.jpg")


def test_large_pictures_one_at_a_time_from_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEAVY_BYTES", 1000)
    makers.make_halves(tmp_path / "a.png", (400, 300))
    seen: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: seen.append(picture(tmp_path / "a.png")[0].tobytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 8
    assert len(set(seen)) == 1


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_heic_gives_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)  # it is not installed
    (tmp_path / "IMG_0001.heic").write_bytes(HEIC)
    with pytest.raises(MediaError) as caught:
        open_media(tmp_path / "IMG_0001.heic")
    assert str(caught.value) == (
        '"IMG_0001.heic" is a HEIC picture, which needs one more package: '
        "pip install pillow-heif, or save it as JPEG"
    )


def make_heic(path: Path, image: Image.Image, orientation: int = 1) -> Path:
    """As phones do: stored as the camera was held, with a note how to turn it."""
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    exif = Image.Exif()
    exif[0x0112] = orientation
    heif.encode(image.mode, image.size, image.tobytes(), path, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_as_other_pictures_are(tmp_path: Path, orientation: int) -> None:
    makers.make_halves(tmp_path / "a.png", (96, 64), orientation)
    stored = Image.open(tmp_path / "a.png").convert("RGB")
    seen, preview, details = picture(make_heic(tmp_path / "a.heic", stored, orientation))
    same, _, as_png = picture(tmp_path / "a.png")
    assert details == as_png
    assert preview.size == seen.size == same.size
    assert difference(seen, same) < 8


def test_heic_of_other_kinds(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (32, 0, 64, 64))
    seen, _, _ = picture(make_heic(tmp_path / "a.heic", image))
    assert_colour(seen, (0.2, 0.5), (255, 0, 0))
    assert_colour(seen, (0.8, 0.5), (255, 255, 255))  # composited on white
    large = Image.new("RGB", (3000, 2000), "blue")
    seen, preview, details = picture(make_heic(tmp_path / "b.heic", large))
    assert (details["width"], details["height"]) == (3000, 2000)
    assert (seen.size, preview.size) == ((1024, 683), (384, 256))


def test_broken_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_heic(tmp_path / "a.heic", Image.new("RGB", (300, 200), "red")).read_bytes()
    for data in (whole[:40], whole[: len(whole) // 2], whole[:-200] + bytes(200), HEIC):
        (tmp_path / "b.heic").write_bytes(data)
        with pytest.raises(MediaError, match="is damaged or cut off"):
            open_media(tmp_path / "b.heic")
    monkeypatch.setattr(limits, "MAX_PIXELS", 1000)
    with pytest.raises(MediaError, match="has 300 x 200 pixels, more than the limit"):
        open_media(tmp_path / "a.heic")
