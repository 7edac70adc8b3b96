"""Makes every fixture file of the tests, the same each time: `make_jpeg(path, "red")`, ...

`GOOD` and `BROKEN` map a file's name to the function that writes it: `BROKEN[name](folder / name)`.
A file of BROKEN gives a MediaError; whoever adds it reads a sentence.
"""

from __future__ import annotations

import csv
import json
import os
import struct
import textwrap
import wave
import zlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import networkx
import numpy as np
import soundfile
from PIL import Image, ImageCms

Maker = Callable[[Path], None]
Array = np.ndarray[Any, np.dtype[Any]]
Size = tuple[int, int]
Colour = str | float | tuple[int, ...]


# --- pictures


def make_picture(
    path: Path, colour: Colour = "red", size: Size = (96, 64), mode: str = "RGB", **save: Any
) -> None:
    """A picture of one colour, in the format the name says."""
    Image.new(mode, size, colour).save(path, **save)


def make_jpeg(path: Path, colour: Colour = "red", size: Size = (96, 64), **save: Any) -> None:
    Image.new("RGB", size, colour).save(path, "JPEG", quality=92, **save)


def make_halves(path: Path, size: Size = (96, 64), orientation: int = 1, **save: Any) -> None:
    """Left half red, right half blue, as stored; with an EXIF orientation (1 to 8)."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **save)


def make_photo(path: Path, size: Size = (1600, 1200), seed: int = 0, **save: Any) -> None:
    """Something as hard to decode as a photograph: soft shapes with fine grain."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    grain = random.integers(-12, 13, (size[1], size[0], 1), dtype=np.int16)
    Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(path, **save)


def make_transparent(path: Path) -> None:
    """RGBA: left half opaque red, right half wholly transparent black."""
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (32, 0, 64, 64))
    image.save(path)


def make_palette(path: Path) -> None:
    """Palette: left half green, right half a colour (black) marked as transparent."""
    image = Image.new("P", (64, 64), 0)
    image.putpalette([0, 255, 0, 0, 0, 0])
    image.paste(1, (32, 0, 64, 64))
    image.save(path, transparency=1)


def make_16bit(path: Path, values: tuple[int, int] = (0x4000, 0xC000)) -> None:
    """16-bit grey: the left half of one value, the right half of another."""
    pixels = np.full((64, 64), values[0], np.uint16)
    pixels[:, 32:] = values[1]
    Image.fromarray(pixels).save(path)


def make_animation(path: Path) -> None:
    """Three frames: green, then red, then blue."""
    first, *rest = (Image.new("RGB", (64, 64), colour) for colour in ("#00ff00", "red", "blue"))
    first.save(path, save_all=True, append_images=rest, duration=100)


def make_with_profile(path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    make_picture(path, "blue", icc_profile=profile)


def make_broken_profile(path: Path) -> None:
    make_picture(path, "blue", icc_profile=b"not a profile" * 10)


def make_png_header(path: Path, width: int, height: int, rows: int = 1) -> None:
    """An RGB PNG that promises width x height pixels and holds a few rows of black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1 + 3 * width) * rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b""))


# --- sounds


def tone(hertz: float = 440, seconds: float = 1.0, rate: int = 44_100, level: float = 0.5) -> Array:
    """A sine, float32 (n,)."""
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_sound(path: Path, samples: Array, rate: int = 44_100, subtype: str | None = None) -> None:
    """Write float samples (n,) or (n, channels) in the format the name says.

    A second at a time: libsndfile's Ogg writer crashes on long blocks.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    kind = "OGG" if path.suffix == ".opus" else None
    subtype = "OPUS" if path.suffix == ".opus" else subtype
    with soundfile.SoundFile(path, "w", rate, channels, subtype=subtype, format=kind) as sound:
        for first in range(0, len(samples), rate):
            sound.write(samples[first : first + rate])


def make_tone(
    path: Path,
    hertz: float = 440,
    seconds: float = 1.0,
    rate: int = 44_100,
    *,
    channels: int = 1,
    subtype: str | None = None,
) -> None:
    """A sine in the format the name says: wav, flac, ogg, opus, mp3, aiff, ..."""
    samples = tone(hertz, seconds, rate)
    write_sound(
        path, samples if channels == 1 else np.stack([samples] * channels, 1), rate, subtype
    )


def make_encoded_tone(
    path: Path, hertz: float = 440, seconds: float = 1.0, rate: int = 48_000, codec: str = "aac"
) -> None:
    """A sine through FFmpeg, for what libsndfile cannot write: m4a, aac, mp4, webm, wma."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.bit_rate = "stereo", 128_000
        container.mux(encoded(stream, tone(hertz, seconds, rate), rate))


# What each kind of film is made with: pictures and sound.
FILM_CODECS = {
    ".mp4": ("libx264", "aac"),
    ".m4v": ("mpeg4", "aac"),
    ".mov": ("mjpeg", "pcm_s16le"),
    ".mkv": ("ffv1", "flac"),
    ".webm": ("libvpx", "libopus"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".ogv": ("libvpx", "libopus"),
    ".mpg": ("mpeg1video", "mp2"),
    ".m2ts": ("mpeg2video", "mp2"),
    ".flv": ("flv", "libmp3lame"),
    ".wmv": ("wmv2", "wmav2"),
    ".3gp": ("mpeg4", "aac"),
}


def make_film(
    path: Path,
    shots: Sequence[tuple[Colour | Image.Image, float]] = (("red", 1.0), ("blue", 1.0)),
    *,
    rate: int = 10,
    size: Size = (128, 96),
    sound: Array | str | None = "tone",
    codec: str = "",
    gop: int = 12,
    times: Sequence[float] | None = None,
    pixels: str = "",
    **options: str,
) -> None:
    """A film of shots, each a colour or a picture and how many seconds it is seen, with a tone of
    that length.

    A moving grey mark and a white top left quarter tell one picture from the next and where up is.
    `times` are the seconds at which its pictures are seen, instead of `rate` a second. `sound` is
    at 48 kHz.
    """
    codecs = FILM_CODECS.get(path.suffix, ("mpeg4", "aac"))
    kind = {".m2ts": "mpegts", ".wmv": "asf", ".ogv": "ogg"}.get(path.suffix)
    lengths = np.cumsum([seconds for _, seconds in shots])
    rate = 25 if path.suffix == ".mpg" else rate  # MPEG-1 knows only the rates of television
    base = Fraction(1, rate if times is None else 1000)
    times = times if times is not None else [i / rate for i in range(round(lengths[-1] * rate))]
    if isinstance(sound, str):
        sound = tone(440, float(lengths[-1]), 48_000)
    with av.open(str(path), "w", format=kind) as container:
        encoder = codec or codecs[0]
        video = container.add_stream(encoder, rate=rate)
        assert isinstance(video, av.VideoStream)
        video.width, video.height = size
        video.pix_fmt = pixels or ("yuvj420p" if encoder == "mjpeg" else "yuv420p")
        video.gop_size, video.options, video.bit_rate = gop, options, 1_000_000
        video.codec_context.time_base = base
        audio: Any = None
        if sound is not None:
            audio = container.add_stream(codecs[1], rate=48_000)
            audio.layout, audio.bit_rate = "stereo", 128_000
        packets: list[Any] = []
        for index, time in enumerate(times):
            colour, _ = shots[min(int(np.searchsorted(lengths, time + 1e-6)), len(shots) - 1)]
            if isinstance(colour, Image.Image):
                image = colour.convert("RGB").resize(size)
            else:
                image = Image.new("RGB", size, colour)
                image.paste("white", (0, 0, size[0] // 4, size[1] // 4))
            place = index % (size[0] - 8)
            image.paste("#808080", (place, size[1] - 8, place + 8, size[1]))
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = round(time / base), base
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None and sound is not None:
            packets += encoded(audio, sound, 48_000)
        container.mux(sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)))


def encoded(stream: Any, samples: Array, rate: int) -> list[Any]:
    """Packets of a sound, stereo, for a stream of a container."""
    resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or 1024)
    stereo = np.repeat(samples, 2)[None, :]
    frame = av.AudioFrame.from_ndarray(stereo, format="flt", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    parts = [*resampler.resample(frame), *resampler.resample(None), None]
    return [packet for part in parts for packet in stream.encode(part)]


def make_8bit(path: Path, hertz: float = 440, seconds: float = 1.0, rate: int = 8_000) -> None:
    """Unsigned 8-bit samples, as old recordings have them."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        sound.writeframes((tone(hertz, seconds, rate) * 127 + 128).astype(np.uint8).tobytes())


def make_long(path: Path, seconds: int = 7200, rate: int = 8_000) -> None:
    """Hours of 8-bit sound that never moves, with a two-second tone each hour; a sparse file."""
    beep = (tone(1000, 2, rate) * 127 + 128).astype(np.uint8).tobytes()
    size = seconds * rate
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE"))
        file.write(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8))
        file.write(struct.pack("<4sI", b"data", size))
        for start in range(0, seconds, 3600):
            file.seek(44 + start * rate)
            file.write(beep)
        file.truncate(44 + size)


def make_silence(path: Path, seconds: float = 1.0) -> None:
    write_sound(path, np.zeros(round(seconds * 44_100), np.float32))


def make_nan(path: Path) -> None:
    samples = tone()
    samples[1000] = np.nan
    write_sound(path, samples, subtype="FLOAT")


def make_infinite(path: Path) -> None:
    samples = tone()
    samples[1000] = -np.inf
    write_sound(path, samples, subtype="FLOAT")


def make_cancelling(path: Path) -> None:
    """Stereo whose right channel is the left one upside down: the mix is silent."""
    write_sound(path, np.stack([tone(), -tone()], 1))


# --- texts


def pdf_page(*lines: str) -> bytes:
    """What a page of make_pdf holds to show these lines."""
    shown = b" ".join(b"(%s) Tj T*" % line.encode("latin-1") for line in lines)
    return b"BT /F1 11 Tf 14 TL 72 770 Td " + shown + b" ET"


def make_pdf(
    path: Path, pages: Sequence[bytes], extra: str = "", objects: Sequence[bytes] = ()
) -> Path:
    """A PDF by hand: a content stream a page; `objects` follow as numbers 4, 5, ..."""
    made = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    made += [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", *objects]
    kids = []
    for page in pages:
        data = zlib.compress(page)
        made.append(
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(data), data)
        )
        made.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> /XObject << /X 4 0 R >> >> >>" % len(made)
        )
        kids.append(b"%d 0 R" % len(made))
    made[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(made, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(made) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R %s >>\n" % (len(made) + 1, extra.encode())
    out += b"startxref\n%d\n%%%%EOF\n" % table
    path.write_bytes(out)
    return path


def make_docx(path: Path, title: str = "") -> Path:
    """A Word file of a heading, a paragraph, a table and a long paragraph."""
    import docx

    document = docx.Document()
    document.core_properties.title = title
    document.add_heading("Of Rivers & Hills", 1)
    document.add_paragraph("").add_run("Run one, ").bold = True
    document.paragraphs[-1].add_run("run two.\tAfter a tab.")
    document.add_paragraph("")
    table = document.add_table(2, 2)
    for cell, words_ in zip(
        [c for row in table.rows for c in row.cells], ["Name", "Age", "Anna", "30"], strict=True
    ):
        cell.text = words_
    sentence = "The quick brown fox jumps over the lazy dog. "
    document.add_paragraph("After the table. " + sentence * 7)
    document.save(str(path))
    return path


def make_text(path: Path, paragraphs: Sequence[str]) -> None:
    """A text of these paragraphs in the format the name says: txt, md, html, csv, pdf, docx.

    Markdown and a web page have a heading in their first line; of a PDF each is a page, of a table
    a row.
    """
    suffix = path.suffix
    if suffix == ".pdf":
        make_pdf(path, [pdf_page(*textwrap.wrap(text, 90)) for text in paragraphs])
    elif suffix == ".docx":
        import docx

        document = docx.Document()
        for text in paragraphs:
            document.add_paragraph(text)
        document.save(str(path))
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("number", "said"), *enumerate(paragraphs, 1)])
    elif suffix == ".html":
        path.write_text("\n".join(["<h1>Said</h1>", *(f"<p>{text}</p>" for text in paragraphs)]))
    else:
        path.write_text("\n\n".join([*["# Said"] * (suffix == ".md"), *paragraphs]))


# --- graphs


def zoo() -> networkx.Graph[Any]:
    """A graph of five animals; the fifth has no words of its own."""
    graph = networkx.Graph(name="Friends of the zoo")
    graph.add_node("n1", label="Lion", about="a large cat", legs=4)
    graph.add_node("n2", label="Tiger", about="a cat with stripes", color="#ff8800")
    graph.add_node("n3", label="Goldfish")
    graph.add_node("n4", label="Löwe & Söhne")
    graph.add_node("n5")
    graph.add_edge("n1", "n2", weight=3.0, label="hunts with")
    graph.add_edge("n2", "n3", weight=0.5)
    graph.add_edge("n1", "n3")
    graph.add_edge("n3", "n5", weight=2.0)
    return graph


def make_graphml(path: Path) -> None:
    networkx.write_graphml(zoo(), path)


def make_gexf(path: Path) -> None:
    networkx.write_gexf(zoo(), path)


def make_gml(path: Path) -> None:
    graph = networkx.Graph(name="Friends of the zoo")  # its ids are numbers, its labels apart
    for key, own in zoo().nodes(data=True):
        graph.add_node(own.pop("label", key), **own)
    for source, target, own in zoo().edges(data=True):
        names = [zoo().nodes[end].get("label", end) for end in (source, target)]
        graph.add_edge(*names, **own)
    networkx.write_gml(graph, path)


def make_node_link(path: Path, edges: str = "links") -> None:
    path.write_text(json.dumps(networkx.node_link_data(zoo(), edges=edges)), "utf-8")


def make_edges(path: Path) -> None:
    """Its edges alone, by the animals' names."""
    ends = [[zoo().nodes[end].get("label", end) for end in pair] for pair in zoo().edges]
    path.write_text("\n".join(map(",".join, [["source", "target"], *ends])), "utf-8")


ZOOS: Mapping[str, Maker] = {
    "zoo.graphml": make_graphml,
    "zoo.gexf": make_gexf,
    "zoo.gml": make_gml,
    "links.json": make_node_link,
    "edges.json": lambda path: make_node_link(path, "edges"),
}


# --- broken files


def cut(maker: Maker, share: float = 0.5) -> Maker:
    """A maker of the same file without its end."""

    def make(path: Path) -> None:
        maker(path)
        data = path.read_bytes()
        path.write_bytes(data[: max(1, int(len(data) * share))])

    return make


def content(data: bytes) -> Maker:
    """A maker of a file with just these bytes."""

    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def _as(suffix: str, maker: Maker) -> Maker:
    """A maker that writes the format of another suffix: a wrongly named file."""

    def make(path: Path) -> None:
        other = path.with_name(path.name + suffix)
        maker(other)
        other.replace(path)

    return make


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere")


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
NOISE = np.random.default_rng(7).integers(0, 256, 50_000, dtype=np.uint8).tobytes()

GOOD: Mapping[str, Maker] = {
    "red.jpg": make_jpeg,
    "really a jpeg.png": make_jpeg,
    "green.png": lambda path: make_picture(path, "#00ff00"),
    "blue.webp": lambda path: make_picture(path, "blue", lossless=True),
    "turned.jpg": lambda path: make_halves(path, orientation=6),
    "transparent.png": make_transparent,
    "palette.gif": make_palette,
    "one.png": lambda path: make_picture(path, "red", (1, 1)),
    "moving.gif": make_animation,
    "tone.wav": make_tone,
    "tone.flac": make_tone,
    "tone.ogg": make_tone,
    "tone.mp3": make_tone,
    "tone.m4a": make_encoded_tone,
    "short.wav": lambda path: make_tone(path, 440, 0.01),
    "two windows.wav": lambda path: make_tone(path, 440, 12),
    "8bit.wav": make_8bit,
    "six channels.wav": lambda path: make_tone(path, channels=6, rate=48_000),
    "really a wav.jpg": _as(".wav", make_tone),
    "film.mp4": make_film,
    "film.webm": make_film,
    "really a film.jpg": _as(".avi", make_film),
    "cut.mp3": cut(lambda path: make_tone(path, 440, 3)),
}

BROKEN: Mapping[str, Maker] = {
    "empty.jpg": content(b""),
    "empty.wav": content(b""),
    "cut.jpg": cut(make_photo),
    "cut.png": cut(lambda path: make_photo(path, (200, 150))),
    "cut.gif": cut(make_animation, 0.1),
    "cut.webp": cut(lambda path: make_photo(path, (200, 150))),
    "head only.jpg": content(b"\xff\xd8\xff"),
    "text.jpg": content(b"These are words, not a picture.\n"),
    "text.mp3": content("Worte, kein Ton: äöü\n".encode()),
    "noise.png": content(NOISE),
    "noise.mp3": content(NOISE),
    "noise.wav": content(b"RIFF\xff\xff\xff\x7fWAVE" + NOISE),
    "noise in a.jpg": content(b"\xff\xd8\xff\xe0" + NOISE),
    "drawing.svg": content(SVG),
    "drawing.png": content(SVG),
    "page.jpg": content(b"<!DOCTYPE html><script>alert(1)</script>"),
    "bomb.png": lambda path: make_png_header(path, 60_000, 60_000),
    "postscript.jpg": content(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
    "playlist.mp3": content(b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hosts\n"),
    "no samples.wav": lambda path: make_tone(path, 440, 0),
    "header only.wav": cut(make_tone, 0.0005),
    "silence.wav": make_silence,
    "not a number.wav": make_nan,
    "infinite.wav": make_infinite,
    "cancelling.wav": make_cancelling,
    "noise.mp4": content(b"\0\0\0\x18ftypisom" + NOISE),
    "noise.mkv": content(b"\x1a\x45\xdf\xa3" + NOISE),
    "noise.avi": content(b"RIFF\xff\xff\xff\x7fAVI " + NOISE),
    "noise.mpg": content(b"\x00\x00\x01\xba" + NOISE),
    "noise.flv": content(b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + NOISE),
    "cut.mp4": cut(make_film, 0.5),  # its table of contents comes last
    "two\nlines \u202e'\"😀.jpg": content(b"no picture"),
}
