"""How far two media show, sound or say the very same: vectors tell what is alike, this what is one.

Two photographs of one dog have vectors that are near each other, and so have two barks. What was
resized, recompressed, cropped, trimmed or shifted can be laid onto its original; what is merely
similar cannot. Each function lays one of two over the other where they fit best, and returns an
agreement: 1 where they are the same, about 0 where they have nothing to do with each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from media import SAMPLE_RATE

SMALLEST_WINDOW = 0.7
"""The least part of a picture's width and height, or of a sound's length, that a cut may leave."""

COARSE, FINE = 32, 96
"""Pixels of a side of the squares that pictures are laid over each other as."""
SCALES = 0.97 ** np.arange(12)
PROMISING = 0.75
"""Correlation of the coarse squares from which on the fine ones are looked at: of 640 pairs of a
picture and a changed version of it none of the same content stayed below."""
BLUR = 3  # pixels of FINE: what is finer is detail
PARTS = 8  # along a side of FINE
FAINT = 48.0
"""Levels of 255. With this the most changed pictures were found of those that one threshold told
from drawings made from one template, on the half that benchmarks/duplicates.py fits on."""
LEAST_GAIN = 0.6  # of contrast, and of the strength of colours
ENOUGH = 160
"""Pixels of the longer side that a picture to be compared needs: FINE of the smallest window."""
ASPECT = 0.02  # by which two ratios of width and height may differ and still be called equal

FRAMES_PER_SECOND = 40
BANDS = 32
FLOOR = 8.0  # natural logarithms of power below the loudest: about 35 dB
FLAT = 0.25  # of the same: a sound that varies less over time has no course to compare
HEARD_SECONDS = 300
"""Longer sounds are compared by so much of their beginning."""

APART = 0.5  # seconds by which the clocks of two copies of a film may differ
WORST_TIME = 0.15
"""Of a film, that may look as it likes: fades, and pictures that were taken a moment apart. On the
half that benchmarks/duplicates.py fits on, with more of it films passed that share two thirds of
their shots, with less of it fewer copies were found."""

SHINGLE = 4  # words
_DIGIT = re.compile(r"\d")

Plane = np.ndarray
Place = tuple[float, float, float]
"""Left and top, as parts of the whole, and the scale."""
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Square:
    """A picture, ready to be laid over others."""

    image: Image.Image

    @cached_property
    def grey(self) -> Image.Image:
        return self.image.convert("L")

    @cached_property
    def coarse(self) -> Plane:
        return _pixels(self.grey.resize((COARSE, COARSE), Image.Resampling.BOX))

    @cached_property
    def ratio(self) -> float:
        return self.image.width / self.image.height


def align_pictures(a: Square, b: Square) -> float:
    """The agreement of two pictures, one of which may be a part of the other.

    The lesser of that of the whole and that of the worst part of it: two drawings made from one
    template are the same but for a mouth, a hand of a clock, a bite.
    """
    laid = lay_pictures(a, b)
    return min(laid.whole, worst_part(laid.outer, laid.inner)) if laid else 0.0


@dataclass(frozen=True)
class Laid:
    """Two pictures laid over each other: RGB, FINE pixels a side, equally sharp."""

    outer: Image.Image
    inner: Image.Image
    whole: float
    """The mean of two correlations: of the colours, and of the fine detail, which tells two pages,
    or two moments of one scene, from each other."""


def lay_pictures(a: Square, b: Square) -> Laid | None:
    """Lays one picture over the other where they fit best; None where they nowhere do."""
    found = max((_place(a, b), _place(b, a)), key=lambda place: place[0])
    if found[0] < PROMISING:
        return None
    _, outer, inner, at = found
    colour = _pixels(_fine(inner.image))
    shrink = outer.ratio / inner.ratio

    def fit(at: Place) -> float:
        return correlation(_pixels(_fine(outer.image, _window(at, shrink))), colour)

    best = fit(at)
    for step in (0.016, 0.008, 0.004):
        improved = True
        while improved:
            improved = False
            for x, y, scale in _steps(step):
                moved = (at[0] + x, at[1] + y, min(at[2] + scale, 1.0))
                if (value := fit(moved)) > best + 1e-4:
                    best, at, improved = value, moved, True
    window = _window(at, shrink)
    # what only one of the two has pixels for is no difference
    parts = (window[2] - window[0], window[3] - window[1])
    outers = [part * side for part, side in zip(parts, outer.image.size, strict=True)]
    pairs = zip(outers, inner.image.size, strict=True)
    width, height = (max(1, min(FINE, *map(round, pair))) for pair in pairs)
    over, under = (
        _fine(_fine(image, box, (width, height)))
        for image, box in ((outer.image, window), (inner.image, WHOLE))
    )
    colours = correlation(_pixels(over), _pixels(under))
    return Laid(over, under, (colours + correlation(_detail(over), _detail(under))) / 2)


def worst_part(one: Image.Image, other: Image.Image) -> float:
    """How far the worst of all parts of two pictures of FINE pixels a side agrees, 0 to 1: what of
    its variation is the same in both.

    The parts are PARTS along a side, and as many between them. Brighter, flatter or paler as a
    whole is no difference, nor is a pixel to the side. By FAINT it counts little what a part that
    hardly varies varies by, so that such parts are judged by the difference itself.
    """
    over, under = (
        _pixels(image.filter(ImageFilter.BoxBlur(1)).convert("YCbCr")) for image in (one, other)
    )
    padded = np.pad(over, ((1, 1), (1, 1), (0, 0)), mode="edge")
    moved = (padded[y : y + FINE, x : x + FINE] for y in range(3) for x in range(3))
    left = np.min([_part_means(_unlike(plane, under)) for plane in moved], axis=0)[..., 0]
    spread = np.maximum(
        *((_part_means(p**2) - _part_means(p) ** 2).sum(axis=2) for p in (over, under))
    )
    shares = left / (spread + FAINT**2)
    return max(0.0, 1 - float(shares.max()))


def _unlike(one: Plane, other: Plane) -> Plane:
    """The squared difference (FINE, FINE, 1) that is left once brightness and contrast are made the
    same, and the colours' cast and strength: one gain for light, one for both of the colours."""
    one, other = (plane - plane.mean(axis=(0, 1)) for plane in (one, other))
    gains = []
    for channels in (slice(0, 1), slice(1, 3)):
        x, y = one[..., channels], other[..., channels]
        gain = float((x * y).sum()) / max(float((x * x).sum()), 1.0)
        gains += [min(max(gain, LEAST_GAIN), 1 / LEAST_GAIN)] * x.shape[2]
    left = np.asarray(gains, np.float32) * one - other
    square: Plane = np.square(left).sum(axis=2, keepdims=True)
    return square


def _part_means(plane: Plane) -> np.ndarray:
    """Means (2 * PARTS - 1, 2 * PARTS - 1, channels) of all parts of a plane."""
    side = FINE // PARTS
    sums = np.pad(plane.astype(np.float64), ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    means: np.ndarray = _boxes(sums, side, side)[:: side // 2, :: side // 2] / side**2
    return means


def _place(outer: Square, inner: Square) -> tuple[float, Square, Square, Place]:
    """Where a picture fits best into another: the correlation, both, and left, top and scale.

    Normalised cross-correlation over all places and some scales at once, in the Fourier domain.
    """
    shrink = outer.ratio / inner.ratio
    sizes: list[tuple[tuple[int, int], float]] = []
    for scale in SCALES:
        left, top, right, bottom = _window((0, 0, float(scale)), shrink)
        size = (round(COARSE * (right - left)), round(COARSE * (bottom - top)))
        if min(size) >= SMALLEST_WINDOW * COARSE and size not in [size for size, _ in sizes]:
            sizes.append((size, float(scale)))
    if not sizes:
        return 0.0, outer, inner, (0.0, 0.0, 1.0)
    templates = np.zeros((len(sizes), COARSE, COARSE), np.float32)
    for template, ((width, height), _) in zip(templates, sizes, strict=True):
        small = _pixels(inner.grey.resize((width, height), Image.Resampling.BOX))
        template[:height, :width] = small - small.mean()
    plane = outer.coarse
    spectrum = np.fft.rfft2(plane) * np.conj(np.fft.rfft2(templates))
    products = np.fft.irfft2(spectrum, s=(COARSE, COARSE))
    sums = np.pad(plane.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    squares = np.pad(plane.astype(np.float64) ** 2, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    best: tuple[float, Place] = (-1.0, (0.0, 0.0, 1.0))
    for product, template, ((width, height), scale) in zip(products, templates, sizes, strict=True):
        total, square = _boxes(sums, width, height), _boxes(squares, width, height)
        spread = np.maximum(square - total**2 / (width * height), 1.0)
        own = max(float((template**2).sum()), 1.0)
        values = product[: COARSE - height + 1, : COARSE - width + 1] / np.sqrt(spread * own)
        top, left = divmod(int(values.argmax()), values.shape[1])
        if values[top, left] > best[0]:
            best = (float(values[top, left]), (left / COARSE, top / COARSE, scale))
    if best[0] < 0.1 and plane.std() < 1 and inner.coarse.std() < 1:  # two plain areas
        best = (1.0, (0.0, 0.0, 1.0))
    return best[0], outer, inner, best[1]


def _boxes(sums: np.ndarray, width: int, height: int) -> np.ndarray:
    """Sums over all windows of a size, from sums over all from the corner on."""
    low = sums[height:, width:] - sums[:-height, width:]
    boxes: np.ndarray = low - sums[height:, :-width] + sums[:-height, :-width]
    return boxes


def _window(at: Place, shrink: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, as parts of the whole, of a window at (left, top, scale) in
    which the inner picture keeps its shape; `shrink` is the outer's ratio by the inner's."""
    left, top, scale = at
    if abs(shrink - 1) < ASPECT:
        shrink = 1.0
    width, height = scale / max(shrink, 1.0), scale * min(shrink, 1.0)
    left, top = min(max(left, 0.0), 1 - width), min(max(top, 0.0), 1 - height)
    return left, top, left + width, top + height


def _steps(step: float) -> Iterable[Place]:
    yield from ((step, 0, 0), (-step, 0, 0), (0, step, 0), (0, -step, 0))
    yield from ((-step / 2, -step / 2, step), (step / 2, step / 2, -step))


def _fine(
    image: Image.Image,
    window: Sequence[float] = WHOLE,
    size: tuple[int, int] = (FINE, FINE),
) -> Image.Image:
    width, height = image.size
    box = (window[0] * width, window[1] * height, window[2] * width, window[3] * height)
    return image.resize(size, Image.Resampling.BILINEAR, box=box)


def _detail(image: Image.Image) -> Plane:
    fine: Plane = _pixels(image) - _pixels(image.filter(ImageFilter.GaussianBlur(BLUR)))
    return fine


def _pixels(image: Image.Image) -> Plane:
    return np.asarray(image, dtype=np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of all values of two arrays of one shape; of two that do not vary, 1
    where they are alike."""
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    if spread < 1e-3 * a.size:
        return 1.0 if float(np.abs(a - b).max()) < 1 else 0.0
    return float((a * b).sum()) / spread


# Sounds


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """The course of a sound at 44.1 kHz: log power in mel bands, float32 (frames, BANDS), the
    loudest at FLOOR and nothing below 0."""
    size, hop = 2048, SAMPLE_RATE // FRAMES_PER_SECOND
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    bank, frames = _mel_bank(size), []
    view = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    window = np.hanning(size).astype(np.float32)
    for start in range(0, len(view), 1024):
        power = np.abs(np.fft.rfft(view[start : start + 1024] * window)) ** 2
        frames.append((power @ bank).astype(np.float32))
    logs = np.log(np.maximum(np.concatenate(frames), 1e-20))
    course: np.ndarray = np.maximum(logs - logs.max() + FLOOR, 0).astype(np.float32)
    return course


def _mel_bank(size: int) -> np.ndarray:
    """Triangles of equal width in mel from 60 Hz to 8 kHz, which every encoder keeps."""

    def mel(hertz: float) -> float:
        return 2595 * float(np.log10(1 + hertz / 700))

    edges = 700 * (10 ** (np.linspace(mel(60), mel(8000), BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)[:, None]
    up = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    bank: np.ndarray = np.maximum(np.minimum(up, down), 0)
    # a band narrower than a bin takes the nearest one
    for band in np.flatnonzero(bank.sum(axis=0) == 0):
        bank[np.abs(hertz[:, 0] - edges[band + 1]).argmin(), band] = 1
    return bank


def align_sounds(a: np.ndarray, b: np.ndarray) -> float:
    """The agreement of two spectrograms, one of which may be shifted or trimmed.

    Where they fit best, the mean of two correlations: of the spectrograms, and of their courses in
    each band alone, which tells two sounds of one kind from each other.
    """
    if len(a) < len(b):
        a, b = b, a
    least = max(1, int(np.ceil(SMALLEST_WINDOW * len(a))))
    if len(b) < least:
        return 0.0
    best = max(_overlaps(a, b, least), key=lambda cut: correlation(a[cut[0]], b[cut[1]]))
    outer, inner = a[best[0]], b[best[1]]
    whole = correlation(outer, inner)
    own, other = outer - outer.mean(axis=0), inner - inner.mean(axis=0)
    if max(own.std(), other.std()) < FLAT:
        return whole
    return (whole + correlation(own, other)) / 2


def _overlaps(a: np.ndarray, b: np.ndarray, least: int) -> list[tuple[slice, slice]]:
    """The most promising ways to lay b (m, BANDS) over a (n, BANDS) with at least so many frames
    on each other: those of the highest covariance, and that from both beginnings."""
    n, m = len(a), len(b)
    size = n + m
    own, other = a - a.mean(), b - b.mean()
    spectrum = np.fft.rfft(own, size, axis=0) * np.conj(np.fft.rfft(other, size, axis=0))
    products = np.fft.irfft(spectrum.sum(axis=1), size)
    shifts = np.arange(least - m, n - least + 1)  # of b's beginning against a's
    frames = np.minimum(n, shifts + m) - np.maximum(0, shifts)
    order = np.argsort(-products[shifts % size] / frames)[:5]
    cuts = []
    for shift in {0, *(int(shift) for shift in shifts[order])}:
        start, end = max(0, shift), min(n, shift + m)
        if end - start >= least:
            cuts.append((slice(start, end), slice(start - shift, end - shift)))
    return cuts


# Films and texts


@dataclass(frozen=True)
class Shot:
    """A picture of a film, and the seconds of it that it stands for."""

    square: Square
    start: float
    end: float


def align_films(a: Sequence[Shot], b: Sequence[Shot]) -> float:
    """The agreement of two films by pictures of their shots, one of which may be trimmed.

    The films are laid over each other in time where they fit best. What all of the time that both
    have but the worst WORST_TIME agrees by, at least, is their agreement: films that have most of
    their shots in common, or all in another order, are not the same.

    Only wholes are compared: of two copies' shots pictures may be taken a moment apart.
    """
    return agree(lay_shots(a, b), a, b)


def lay_shots(a: Sequence[Shot], b: Sequence[Shot]) -> np.ndarray:
    """The agreement of each picture of one film with each of the other, as wholes, (n, m)."""
    wholes = np.zeros((len(a), len(b)))
    for x, one in enumerate(a):
        for y, other in enumerate(b):
            laid = lay_pictures(one.square, other.square)
            wholes[x, y] = laid.whole if laid else 0.0
    return wholes


def agree(wholes: np.ndarray, a: Sequence[Shot], b: Sequence[Shot]) -> float:
    """The agreement of two films by that of their pictures, (n, m)."""
    times, others = (np.array([(shot.start, shot.end) for shot in shots]) for shots in (a, b))
    shifts = {0.0}  # of b's beginning against a's
    for x, y in np.argwhere(wholes >= PROMISING):
        shifts.add(round(float(times[x, 0] - others[y, 0]), 2))
    return max(_agree_at(wholes, times, others + shift) for shift in shifts)


def _agree_at(wholes: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The agreement of pictures, (n, m), that are seen from when to when, (n, 2) and (m, 2), each
    with the best of those that the other film shows at that time."""
    first, last = max(a[0, 0], b[0, 0]), min(a[-1, 1], b[-1, 1])
    longest = max(a[-1, 1] - a[0, 0], b[-1, 1] - b[0, 0])
    if last - first < SMALLEST_WINDOW * longest:
        return 0.0
    together = (a[:, None, 0] <= b[:, 1] + APART) & (b[:, 0] <= a[:, None, 1] + APART)
    seen = np.where(together, wholes, 0.0)
    least = 1.0
    for values, times in ((seen.max(axis=1), a), (seen.max(axis=0), b)):
        seconds = np.minimum(times[:, 1], last) - np.maximum(times[:, 0], first)
        order = np.argsort(values)
        passed = np.maximum(seconds, 0)[order].cumsum()
        worst = int(np.searchsorted(passed, WORST_TIME * passed[-1], side="right"))
        least = min(least, float(values[order][min(worst, len(order) - 1)]))
    return least


def shingles(passages: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """All runs of SHINGLE words (Broder 1997); of fewer words the run that there is."""
    words = re.findall(r"\w+", "\n".join(passages).casefold())
    if len(words) < SHINGLE:
        return frozenset([tuple(words)] if words else [])
    return frozenset(zip(*(words[at:] for at in range(SHINGLE)), strict=False))


def align_texts(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """The agreement of two texts by their shingles, one of which may be trimmed.

    The part of one's shingles that the other one has as well, of that which has the most in
    common with the other: what was added to one of them, or left out, is no difference; what was
    replaced is. The same of their words with a digit, if that is less: two forms differ by little
    but dates and amounts.
    """
    if min(len(a), len(b)) < max(SMALLEST_WINDOW * max(len(a), len(b)), 1):
        return 0.0
    numbers, others = (_with_digits(runs) for runs in (a, b))
    parts = [(a, b), (numbers, others)] if numbers and others else [(a, b)]
    return min(len(one & other) / min(len(one), len(other)) for one, other in parts)


def _with_digits(runs: frozenset[tuple[str, ...]]) -> frozenset[str]:
    # each word of more than SHINGLE is the first or the last of some run
    words = {word for run in runs for word in (run[0], run[-1])}
    return frozenset(word for word in words if _DIGIT.search(word))
