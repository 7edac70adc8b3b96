"""Films: a picture wherever it changes and every few seconds, and the windows of the sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from . import limits
from .medium import Media, MediaError, Medium, Segment, too_long
from .sound import open_container, open_track

LONGEST_SIDE = 1024  # pixels, of the content
POSTER_SIZE = 768, 432  # pixels, of the preview
CLOSEST, FARTHEST = 0.5, 4.0  # seconds between two pictures taken from a film of up to ten minutes

_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ogv", ".ogm"),
    *(".mpg", ".mpeg", ".m1v", ".m2v", ".vob", ".m2ts", ".flv", ".f4v", ".wmv", ".asf"),
)
_SIGNATURES = (
    (4, b"ftyp"),  # MP4, when pictures have not claimed it
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
    (4, b"free"),
    (4, b"skip"),
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV, WMA
    (8, b"AVI "),
    (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"),  # MPEG
    (0, b"\x00\x00\x01\xb3"),
)
_OGG_PICTURES = (b"\x80theora", b"OVP80", b"BBCD\0", b"\x01video\0")
_PACKET = 188, 192  # bytes of an MPEG transport stream's packets; the longer begin with a time

# FFmpeg also reads playlists and scripts that name other files: only containers are let in.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,asf,avi,flv,mpeg,mpegvideo,m4v,mpegts"
# Of these FFmpeg tells keyframes by what is coded; of others only by what the container says,
# which is wrong in many old files.
_KEYED = {
    *("h264", "hevc", "vvc", "vp8", "vp9", "av1", "libdav1d", "theora", "mpeg1video"),
    *("mpeg2video", "mpeg4", "h263", "flv", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "vc1"),
}
_DAMAGED = "is damaged, or not a film of a known format"
_DENSE = 1.0  # seconds: so near to each other are the keyframes of phones and cameras
_AFFORDABLE = 45e9  # pixels: two minutes of decoding on one core, measured on H.264
_HELD_BYTES = 64 << 20  # of undecoded pictures, at most
_LARGE = 9_000_000  # pixels: beyond 4K
_RESTART = 10.0  # seconds: where the clock falls back by more, it was started anew

_GRID = 32, 18  # a look at a picture: so many cells, each its mean colour
# Of 255, on average over the cells. Half a second apart, in three films looked through by eye, the
# cuts changed 32 and more; what did not move much within a shot below 20. Where much moves, more
# pictures are taken than there are shots: those that say the same are joined once they are encoded.
_CHANGE = 25.0
_BLANK, _DARK, _BRIGHT = 12.0, 32.0, 235.0
_SAME_MOMENT = 0.002  # seconds: those of a segment are rounded
_NEAR_BEGIN = 3.0  # seconds
_EARLIER = (0.0, 3.0, 15.0)  # seconds before a moment where its frame is looked for
_AT_ONCE = 1_000_000_000  # pixels decoded for the picture of a moment: two or three seconds
_POSTERS = 12  # of the first so many pictures the one with the most to see is the poster

# The display matrix's (a, b, c, d), which takes (x, y) to (a x + c y, b x + d y), y pointing down.
_TURNS = {
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
_ROTATIONS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}
_SIDEWAYS = {
    *(Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270),
    *(Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE),
}

Look = np.ndarray[Any, np.dtype[np.float32]]


class Film(Media):
    """An open film; see Media. Memory stays the same whatever its length.

    Each picture stands for the time until the next. The windows of its sound come after the
    pictures; a film whose sound is silent, damaged or missing is as good without.
    """

    modality = "film"

    def __init__(self, path: Path, file: BinaryIO, track: _Track, sounds: bool) -> None:
        self._path, self._file, self._track = path, file, track
        self._frames = track.frames()
        first = next(self._frames, None)
        if first is None:
            raise MediaError(
                path,
                f"holds no picture that can be decoded ({track.codec}): it is damaged, or has more "
                f"than {limits.MAX_FRAME_PIXELS:,} pixels (ANYFIND_MAX_FRAME_PIXELS)",
            )
        self._first = first
        width, height = track.seen(first[1])
        self.details = {
            "seconds": round(track.seconds, 3),
            "width": width,
            "height": height,
            "fps": track.fps,
            "sound": int(sounds),
        }
        self._posters = 0
        self._poster: tuple[float, Image.Image] | None = None
        self._state = "new"

    def segments(self) -> Iterator[Segment]:
        if self._state != "new":
            raise RuntimeError("the segments of a film can be read only once")
        self._state = "reading"
        yield from self._pictures()
        self._track.close()
        seconds, heard = self._track.end, False
        if self.details["sound"]:
            for segment in self._windows():
                heard = True
                seconds = max(seconds, segment.end or 0)
                yield segment
        fps = self._track.fps or round(self._track.count / max(self._track.end, 1e-3), 1)
        self.details |= {"seconds": round(seconds, 3), "fps": fps, "sound": int(heard)}
        self._state = "read"

    def preview(self) -> Image.Image:
        """The poster: of the first pictures the one with the most to see, at most 768 x 432."""
        if self._state != "read" or self._poster is None:
            raise RuntimeError("a film's preview is ready when all its segments have been read")
        return self._poster[1]

    def close(self) -> None:
        self._track.close()
        self._file.close()

    def _pictures(self) -> Iterator[Segment]:
        held: tuple[float, Image.Image] | None = None  # until it is known where it ends
        blank: tuple[float, Image.Image] | None = None  # used if there is nothing else
        seen: Look | None = None
        last, soonest = 0.0, 0.0
        for time, frame in self._looked_at():
            look = self._track.look(frame)
            step, last = time - last, time
            if _is_blank(look):
                if blank is None and held is None:
                    blank = time, self._track.picture(frame)
                if held is not None:
                    yield self._taken(held, time)
                held = seen = None
            elif time >= soonest and (
                held is None
                or seen is None
                or np.abs(look - seen).mean() > _CHANGE
                # the next may come as much later as this came after the one before
                or time - held[0] + step > self._track.farthest
            ):
                if held is not None:
                    yield self._taken(held, time)
                held, seen = (time, self._track.picture(frame)), look
                soonest = time + self._track.closest
        if held is None and self._poster is None:
            held = blank
        if held is not None:
            yield self._taken(held, max(self._track.end, held[0]))

    def _looked_at(self) -> Iterator[tuple[float, Any]]:
        first, self._first = self._first, (0.0, None)  # a frame keeps a decoder's memory
        yield first
        del first
        yield from self._frames

    def _taken(self, picture: tuple[float, Image.Image], end: float) -> Segment:
        start, image = picture
        if self._posters < _POSTERS:
            self._posters += 1
            detail = image.convert("L").entropy()
            if self._poster is None or detail > self._poster[0]:
                poster = image.copy()
                poster.thumbnail(POSTER_SIZE, Image.Resampling.HAMMING, reducing_gap=None)
                self._poster = detail, poster
        return Segment(round(start, 3), round(end, 3), image, "image")

    def _windows(self) -> Iterator[Segment]:
        """The windows of the sound track, as of any sound, by the film's clock."""
        try:
            sound = open_track(self._path, self._file, _FORMATS)
            late = sound.start - self._track.origin
            for window in sound.segments():
                start, end = window.start or 0.0, window.end or 0.0
                yield replace(
                    window,
                    start=round(max(0.0, start + late), 3),
                    end=round(max(0.0, end + late), 3),
                    tower="audio",
                )
        except MediaError:
            return


class _Track:
    """The picture track of a container, decoded no more than is needed.

    Where keyframes lie near to each other only they are decoded: a twentieth of the work. Elsewhere
    everything is that other pictures are made from.
    """

    def __init__(self, container: Any, stream: Any, seconds: float) -> None:
        from av.video.reformatter import VideoReformatter

        self._container, self._stream = container, stream
        self.codec = stream.codec_context.name
        self.seconds = seconds
        self.origin = (container.start_time or 0) / 1_000_000
        rate = stream.average_rate
        shape = stream.sample_aspect_ratio
        self._aspect = float(shape) if shape and 0.1 < shape < 10 else 1.0  # width by height
        self._turn: Image.Transpose | None = None
        # the clock's own rate, where there is no other
        self.fps = round(float(rate), 3) if rate and rate < 500 else 0.0
        self.count = 0
        self.end = 0.0
        """Seconds; of the last picture that was there, decoded or not."""
        pixels = stream.codec_context.width * stream.codec_context.height
        self._cost = seconds * (self.fps or 30.0) * pixels / _AFFORDABLE
        self._keyed = self.codec in _KEYED or stream.codec_context.codec.intra_only
        self._shift = 0.0  # seconds added to the clock since it was started anew
        # one each, because they remember sizes; a new one for each frame takes hundreds of MB
        self._looker, self._scaler = VideoReformatter(), VideoReformatter()
        # threads that each decode a frame of their own each hold several
        stream.thread_type = "AUTO" if pixels <= _LARGE else "SLICE"
        stream.codec_context.skip_frame = "NONREF"

    @property
    def closest(self) -> float:
        """Seconds between two pictures that are taken, at least; looked at are twice as many."""
        return max(CLOSEST, max(self.seconds, self.end) / limits.MAX_FRAMES)

    @property
    def farthest(self) -> float:
        """Seconds between two pictures that are taken, at most, if there are frames so near."""
        return max(FARTHEST, 2 * max(self.seconds, self.end) / limits.MAX_FRAMES)

    @property
    def _dense(self) -> float:
        """Seconds between keyframes that are near enough to do without what lies between.

        The less work there is in all, the more exactly shot changes can be found.
        """
        near: float = max(_DENSE, self.farthest * self._cost)
        return near

    def close(self) -> None:
        self._container.close()

    def seen(self, frame: Any) -> tuple[int, int]:
        """Width and height of the first frame as it is seen: turned, its pixels made square."""
        # only of one: PyAV ties a frame and its side data so that both wait for Python's collector
        self._turn = _turn(frame)
        width, height = max(1, round(frame.width * self._aspect)), frame.height
        return (height, width) if self._turn in _SIDEWAYS else (width, height)

    def look(self, frame: Any) -> Look:
        """A small look at a frame, however it lies: float32 (18, 32, 3), 0 to 255."""
        small = self._looker.reformat(frame, *_GRID, "rgb24", interpolation="AREA")
        look: Look = small.to_ndarray().astype(np.float32)
        return look

    def picture(self, frame: Any) -> Image.Image:
        """A frame in RGB, at most 1024 x 1024, upright."""
        width, height = frame.width * self._aspect, frame.height
        scale = min(1.0, LONGEST_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled: Any = self._scaler.reformat(frame, *size, "rgb24", interpolation="BICUBIC")
        image: Image.Image = scaled.to_image()
        return image if self._turn is None else image.transpose(self._turn)

    def at(self, seconds: float) -> Any:
        """The last frame at a moment or before it; None where that cannot be had at once."""
        if seconds <= _NEAR_BEGIN:  # it is read from where it was opened
            return self._last_before(seconds)
        for earlier in _EARLIER:  # MPEG's containers are searched by guessing
            place = seconds - earlier + self.origin + _SAME_MOMENT
            self._container.seek(int(place * 1_000_000))
            if (found := self._last_before(seconds)) is not None:
                return found
        return None

    def _last_before(self, seconds: float) -> Any:
        """The last frame up to a moment of those that are read from here on; None where the first
        comes later, or too much would have to be decoded."""
        found, last, pixels = None, -np.inf, 0
        for packet in chain(self._packets(), [None]):
            for frame in self._decode(packet, -np.inf):
                time = self._time(frame)
                pixels += frame.width * frame.height
                if time < last - _RESTART or pixels > _AT_ONCE:
                    return None
                if time > seconds + _SAME_MOMENT:
                    return found
                found, last = frame, time
        return found

    def frames(self) -> Iterator[tuple[float, Any]]:
        """(seconds, frame) in the order of time, at least half of `closest` apart."""
        due = last = -np.inf
        for frame in self._decoded():
            time = self._time(frame) + self._shift
            if time < last - _RESTART:
                self._shift += last + self.closest - time
                time = last + self.closest
            if time >= due:
                yield max(0.0, time), frame
                last, due = time, time + self.closest / 2

    def _decoded(self) -> Iterator[Any]:
        held: list[Any] = []  # a keyframe and what follows, until it is known how much that is
        size = 0
        whole = not self._keyed  # is everything decoded up to the next keyframe?
        gap = False  # has something been left out before it?
        since, sent = -np.inf, -np.inf  # frames before the one, after a gap, are not whole
        for packet in self._packets():
            time = self._time(packet)
            if time > limits.MAX_SECONDS:  # its header says otherwise: damaged
                break
            self.count += 1
            self.end = max(self.end, time + self._shift + self._length(packet))
            if packet.is_keyframe and self._keyed:
                if held and abs(self._time(held[0]) - sent) >= self.closest / 2:
                    sent = self._time(held[0])
                    for needed in _needed(held):
                        yield from self._decode(needed, since)
                gap = gap or not whole
                held, size, whole = [packet], packet.size, False
            elif whole:
                yield from self._decode(packet, since)
            else:
                held.append(packet)
                size += packet.size
                if time - self._time(held[0]) > self._dense or size > _HELD_BYTES:
                    sent = self._time(held[0])
                    since = sent if gap else since
                    for early in held:
                        yield from self._decode(early, since)
                    held, whole, gap = [], True, False
        for needed in (*_needed(held), None):
            yield from self._decode(needed, since)

    def _decode(self, packet: Any, since: float) -> Iterator[Any]:
        """The frames that this packet sets free; None: all that are left."""
        import av

        try:
            frames = self._stream.decode(packet)
        except av.error.FFmpegError:  # one that does not decode is passed over
            return
        for frame in frames:
            fits = 0 < frame.width * frame.height <= limits.MAX_FRAME_PIXELS
            if fits and not frame.is_corrupt and (frame.key_frame or self._time(frame) >= since):
                yield frame

    def _packets(self) -> Iterator[Any]:
        """What can be read: where a file is cut off or damaged, its first part is used."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except Exception:  # demuxers raise many things on damaged files
            return

    def _time(self, packet: Any) -> float:
        """Seconds from the film's begin at which a packet or frame is seen."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            return max(0.0, self.end - self._shift)
        return float(stamp * self._stream.time_base) - self.origin

    def _length(self, packet: Any) -> float:
        if packet.duration:
            return float(packet.duration * self._stream.time_base)
        return 1 / self.fps if self.fps else 0.0


def _needed(held: list[Any]) -> list[Any]:
    """Of a keyframe and what follows the keyframe; all where it begins in the middle."""
    return held[:1] if held and held[0].is_keyframe else held


def open_film(path: Path, file: BinaryIO, head: bytes) -> Media:
    """Open a film for streaming, or the sound of a container that holds no moving picture.

    Raises MediaError when it is damaged, too long, too large, or empty.
    """
    import av

    try:
        container, stream = _open(path, file)
        if stream is None:
            sounds = bool(container.streams.audio)
            container.close()
            if not sounds:
                raise MediaError(path, "holds neither pictures nor sound")
            return open_track(path, file, _FORMATS)
        try:
            seconds = (container.duration or 0) / av.time_base
            if not seconds:  # a recording whose header was never completed
                seconds = _measure(container, stream)
                container.close()
                container, stream = _open(path, file)
            if seconds > limits.MAX_SECONDS:
                raise too_long(path, seconds)
            _check(path, stream)
            track = _Track(container, stream, seconds)
            return Film(path, file, track, bool(container.streams.audio))
        except BaseException:
            container.close()
            raise
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(path, "is too large for this machine's memory") from error
    except Exception as error:
        raise MediaError(path, _DAMAGED) from error


def picture_at(path: Path, file: BinaryIO, seconds: float) -> Image.Image | None:
    """What is seen in a film at a moment, at most 768 x 432; None where that cannot be had at once.

    Raises MediaError when it is no film that can be read.
    """
    import av

    try:
        container, stream = _open(path, file)
        with closing(container):
            if stream is None:
                return None
            _check(path, stream)
            track = _Track(container, stream, (container.duration or 0) / av.time_base)
            frame = track.at(seconds)
            if frame is None:
                return None
            track.seen(frame)
            picture = track.picture(frame)
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(path, _DAMAGED) from error
    picture.thumbnail(POSTER_SIZE, Image.Resampling.HAMMING, reducing_gap=None)
    return picture


def _open(path: Path, file: BinaryIO) -> tuple[Any, Any]:
    """The container and its picture track; None where that is only the cover of a sound."""
    import av

    container = open_container(file, _FORMATS, max_pixels=str(limits.MAX_FRAME_PIXELS))
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    films = [stream for stream in container.streams.video if not stream.disposition & covers]
    return container, films[0] if films else None


def _check(path: Path, stream: Any) -> None:
    if stream.codec_context is None:
        raise MediaError(path, "holds pictures in a code that cannot be read: convert it to MP4")
    stream.codec_context.options = {"max_pixels": str(limits.MAX_FRAME_PIXELS)}
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.MAX_FRAME_PIXELS:
        raise MediaError(
            path,
            f"has {width:,} x {height:,} pixels, more than the limit for films of "
            f"{limits.MAX_FRAME_PIXELS:,} (ANYFIND_MAX_FRAME_PIXELS): convert it to a smaller size",
        )


def _measure(container: Any, stream: Any) -> float:
    """Seconds of a film whose header does not say: all of it is read, nothing decoded."""
    track = _Track(container, stream, 0.0)
    for packet in track._packets():
        track.end = max(track.end, track._time(packet) + track._length(packet))
    return track.end


def _is_blank(look: Look) -> bool:
    """Is this black or white all over, as between two scenes? Other colours say something."""
    middle = float(look.mean())
    spread = float(look.mean(axis=2).std())
    return spread < _BLANK and not _DARK < middle < _BRIGHT


def _turn(frame: Any) -> Image.Transpose | None:
    """How a frame must be turned to stand upright."""
    try:
        matrix = np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), np.int32)
    except KeyError:
        return None
    except ValueError:  # PyAV stumbles over side data that are newer than itself
        return _ROTATIONS.get(frame.rotation % 360)
    a, b, c, d = (int(number) for number in (matrix[[0, 1, 3, 4]] / 65536).round())
    return _TURNS.get((a, b, c, d))


def _recognise(head: bytes, suffix: str) -> bool:
    if head.startswith(b"OggS"):
        return any(mark in head for mark in _OGG_PICTURES)
    return any(head.startswith(magic, offset) for offset, magic in _SIGNATURES) or any(
        len(head) > 2 * size and {head[i + size - 188] for i in (0, size, 2 * size)} == {0x47}
        for size in _PACKET
    )


MEDIUM = Medium("film", _SUFFIXES, _recognise, open_film)
