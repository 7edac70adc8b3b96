"""Pictures: one RGB image, small enough for any network and for the thumbnail, from one decode."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, features

from . import limits
from .medium import Media, MediaError, Medium, Segment, check_size

LONGEST_SIDE = 1024  # pixels, of the content
THUMBNAIL_SIDE = 384  # pixels, of the preview
# A JPEG is decoded at a half, a quarter or an eighth where it keeps so many pixels along its
# shorter side, or as many as a network sees.
SHORTEST_SIDE = 300
_kept = SHORTEST_SIDE

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif"),
)

# Pillow's readers by a file's first bytes. They are called by name, not through Image.open(), whose
# pixel limit is one for the whole process and knows nothing of JPEG's reduced scale.
_READERS = (
    (0, b"\xff\xd8\xff", "JpegImagePlugin.JpegImageFile"),
    (0, b"\x89PNG\r\n\x1a\n", "PngImagePlugin.PngImageFile"),
    (0, b"GIF87a", "GifImagePlugin.GifImageFile"),
    (0, b"GIF89a", "GifImagePlugin.GifImageFile"),
    (8, b"WEBP", "WebPImagePlugin.WebPImageFile"),
    (0, b"II*\0", "TiffImagePlugin.TiffImageFile"),
    (0, b"MM\0*", "TiffImagePlugin.TiffImageFile"),
    (0, b"II+\0", "TiffImagePlugin.TiffImageFile"),
    (0, b"MM\0+", "TiffImagePlugin.TiffImageFile"),
    (0, b"BM", "BmpImagePlugin.BmpImageFile"),
)
_AVIF_READER = "AvifImagePlugin.AvifImageFile"
_HEIC = "HEIC"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# Bytes a pixel takes in Pillow's memory; every other mode takes four.
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
# Some decoders hold copies of their own beside it.
_DECODER_BYTES = {"WEBP": 8, "AVIF": 8, "HEIF": 8}

_FILTER = Image.Resampling.HAMMING  # as sharp as bicubic when shrinking, in half the time
_BAND = 4_000_000  # pixels converted at a time
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_one_at_a_time = threading.Lock()

# Odd EXIF or palette data is nothing the reader of the error stream could act on.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow's own limit knows nothing of drafts or of one bit a pixel; limits.py has ours.
Image.MAX_IMAGE_PIXELS = None


class Picture(Media):
    """A decoded picture: `image` is RGB, at most 1024 x 1024, upright."""

    modality = "image"

    def __init__(self, image: Image.Image, width: int, height: int) -> None:
        self.image = image
        self.details = {"width": width, "height": height}

    def segments(self) -> Iterator[Segment]:
        yield Segment(None, None, self.image)

    def preview(self) -> Image.Image:
        scale = THUMBNAIL_SIDE / max(self.image.size)
        if scale > 0.9:  # so few pixels more are not worth a blurred copy
            return self.image
        width, height = (max(1, round(side * scale)) for side in self.image.size)
        # halved by plain means while it is larger: in half the time, and it looks the same
        return self.image.resize((width, height), _FILTER, reducing_gap=1.0)


def look_closer(side: int) -> None:
    """From now on keep at least so many pixels, for a network that sees as many."""
    global _kept
    _kept = max(_kept, side)


def open_picture(path: Path, file: BinaryIO, head: bytes) -> Picture:
    """Decode a picture, composited on white and turned as its EXIF data say.

    Raises MediaError when it is damaged, too large, or of a kind that Pillow cannot read.
    """
    with file:
        check_size(path, file, "MAX_PICTURE_BYTES", "pictures")
        try:
            return _decode(path, file, _reader(path, head))
        except MediaError:
            raise
        except MemoryError as error:
            raise MediaError(path, "is too large for this machine's memory") from error
        except Exception as error:  # a damaged file can raise anything in a decoder
            raise MediaError(path, "is damaged or cut off, and cannot be decoded") from error


def _recognise(head: bytes, suffix: str) -> bool:
    return _format(head) is not None


def _format(head: bytes) -> str | None:
    for offset, magic, name in _READERS:
        if head.startswith(magic, offset):
            return name
    if head[4:8] == b"ftyp":
        length = max(16, min(int.from_bytes(head[:4], "big"), 256))
        brands = {head[i : i + 4] for i in range(8, length, 4)}
        if brands & {b"avif", b"avis"}:
            return _AVIF_READER
        if brands & _HEIC_BRANDS:
            return _HEIC
    return None


def _reader(path: Path, head: bytes) -> type[ImageFile.ImageFile]:
    name = _format(head)
    if name is None or name == _HEIC:
        return _heic_reader(path)
    if name == _AVIF_READER and not features.check("avif"):
        raise MediaError(path, "is an AVIF picture, which this Pillow cannot read: save it as JPEG")
    module, _, reader = name.partition(".")
    found: type[ImageFile.ImageFile] = getattr(importlib.import_module(f"PIL.{module}"), reader)
    return found


def _heic_reader(path: Path) -> type[ImageFile.ImageFile]:
    """The reader of phones' photographs, where its package is installed.

    It is not one that Anyfind needs, because it comes with codecs under the GPL.
    """
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        raise MediaError(
            path,
            "is a HEIC picture, which needs one more package: pip install pillow-heif, "
            "or save it as JPEG",
        ) from error
    reader: type[ImageFile.ImageFile] = HeifImageFile
    return reader


def _decode(path: Path, file: BinaryIO, reader: type[ImageFile.ImageFile]) -> Picture:
    image = reader(file)
    width, height = image.size
    if width * height > limits.MAX_PIXELS:
        raise MediaError(
            path,
            f"has {width:,} x {height:,} pixels, more than the limit of {limits.MAX_PIXELS:,} "
            "(ANYFIND_MAX_PIXELS): save it smaller",
        )
    stored = width * height
    _draft(image)
    memory = image.width * image.height * _PIXEL_BYTES.get(image.mode, 4)
    memory += stored * _DECODER_BYTES.get(image.format or "", 0)
    if "progressive" in image.info:  # libjpeg holds all coefficients, at full size
        memory += stored * 2 * len(image.getbands())
    if memory > limits.MAX_DECODED_BYTES:
        raise MediaError(
            path,
            f"has {width:,} x {height:,} pixels and would take {memory >> 20:,} MiB of memory, "
            f"more than the limit of {limits.MAX_DECODED_BYTES >> 20:,} MiB "
            "(ANYFIND_MAX_DECODED_BYTES): save it smaller, or as JPEG",
        )
    with _one_at_a_time if memory > limits.HEAVY_BYTES else nullcontext():
        image.load()
        orientation = _orientation(image)
        content = _shrink(image)
        if content is not image:  # else that would take its pixels away
            image.close()
    if orientation in _TURNS:
        content = content.transpose(_TURNS[orientation])
    return Picture(content, *((height, width) if orientation >= 5 else (width, height)))


def _draft(image: ImageFile.ImageFile) -> None:
    """Let the JPEG decoder scale down by 8, 4 or 2 where enough is left for the networks."""
    longer, shorter = max(image.size), min(image.size)
    for scale in (8, 4, 2):
        enough = longer >= THUMBNAIL_SIDE * scale and shorter >= _kept * scale
        if enough or longer >= LONGEST_SIDE * scale:
            image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
            return


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; only after loading, as PNG may have it at the file's end."""
    try:
        value = image.getexif().get(0x0112, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    except Exception:  # damaged EXIF data do not spoil the picture
        return 1


def _shrink(image: Image.Image) -> Image.Image:
    """RGB on white, at most 1024 x 1024, by bands, so that there is no second full-size copy."""
    scale = LONGEST_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    factor = max(1, int(1 / scale / 1.5))
    span = _span(image)
    if factor == 1:
        reduced = _to_rgb(image, span)
    else:
        reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
        rows = max(1, _BAND // image.width // factor) * factor
        for top in range(0, image.height, rows):
            bottom = min(top + rows, image.height)
            band = _to_rgb(image.crop((0, top, image.width, bottom)), span)
            reduced.paste(band.reduce((factor, min(factor, band.height))), (0, top // factor))
    if scale < 1:
        return reduced.resize(size, _FILTER)
    return reduced


def _span(image: Image.Image) -> tuple[float, float] | None:
    """The values of black and white where there are more than 8 bits, else None."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return None
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return next(((0.0, white) for white in scales if low >= 0 and high <= white), (low, high))


def _to_rgb(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    if span:
        values: np.ndarray[Any, np.dtype[np.float32]] = np.asarray(image).astype(np.float32)
        values = (values - span[0]) * (255 / ((span[1] - span[0]) or 1))
        grey = np.clip(np.nan_to_num(values).round(), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode in ("LA", "PA", "RGBA"):
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


MEDIUM = Medium("image", _SUFFIXES, _recognise, open_picture)
