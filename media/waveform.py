"""A sound's picture: its envelope, gathered as it streams by, in the same memory for any length."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 768, 192  # pixels
PAPER, ACCENT, TINT, LINE = "#f8f9fc", "#4f5bd5", "#c3c8f2", "#e4e7f3"

_BARS = 120
_MARGIN = 24  # pixels on every side
_FINER = 3  # drawn this much larger, then scaled down: smooth round ends
_CELLS = 2048  # at most twice as many are held

Samples = np.ndarray[Any, np.dtype[np.float32]]


class Envelope:
    """Peak and power of a sound in cells that double in length whenever there are too many."""

    def __init__(self) -> None:
        self._step = 1  # samples a cell
        self._rest = np.zeros(0, np.float32)
        self._peaks = np.zeros(0, np.float32)
        self._powers = np.zeros(0, np.float32)

    def add(self, samples: Samples) -> None:
        """Take in the next samples, float32 (n,)."""
        samples = np.concatenate([self._rest, samples])
        while len(self._peaks) + len(samples) // self._step > 2 * _CELLS:
            self._double()
        whole = len(samples) // self._step * self._step
        cells = samples[:whole].reshape(-1, self._step)
        self._rest = samples[whole:].copy()
        self._peaks = np.append(self._peaks, np.abs(cells).max(axis=1))
        self._powers = np.append(self._powers, np.square(cells).mean(axis=1))

    def bars(self, count: int) -> tuple[Samples, Samples]:
        """Peak and root mean square of `count` equal stretches, float32 (count,) each."""
        peaks, powers = self._peaks, self._powers
        if len(self._rest):
            peaks = np.append(peaks, np.abs(self._rest).max())
            powers = np.append(powers, np.square(self._rest).mean())
        if not len(peaks):
            return np.zeros(count, np.float32), np.zeros(count, np.float32)
        edges = np.arange(count + 1) * len(peaks) / count
        spans = [(int(a), max(int(np.ceil(b)), int(a) + 1)) for a, b in pairwise(edges)]
        return (
            np.array([peaks[a:b].max() for a, b in spans], np.float32),
            np.sqrt(np.array([powers[a:b].mean() for a, b in spans], np.float32)),
        )

    def draw(self) -> Image.Image:
        """The envelope as bars on a near-white card, RGB 768 x 192, scaled to its loudest peak."""
        peaks, means = self.bars(_BARS)
        loudest = max(float(peaks.max()), 1e-9)
        card = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), PAPER)
        brush = ImageDraw.Draw(card)
        middle = HEIGHT * _FINER / 2
        pitch = (WIDTH - 2 * _MARGIN) * _FINER / _BARS
        radius = pitch * 0.32
        reach = (HEIGHT / 2 - _MARGIN) * _FINER - radius
        edge = _MARGIN * _FINER
        brush.line((edge, middle, WIDTH * _FINER - edge, middle), fill=LINE, width=_FINER)
        for bar, (peak, mean) in enumerate(zip(peaks, means, strict=True)):
            x = edge + (bar + 0.5) * pitch
            for level, colour in ((peak, TINT), (mean, ACCENT)):
                if level < loudest * 1e-3:
                    continue
                y = radius + reach * float(level) / loudest
                box = (x - radius, middle - y, x + radius, middle + y)
                brush.rounded_rectangle(box, radius, fill=colour)
        return card.reduce(_FINER)

    def _double(self) -> None:
        if len(self._peaks) % 2:  # an odd cell out goes by its double
            self._peaks = np.append(self._peaks, self._peaks[-1])
            self._powers = np.append(self._powers, self._powers[-1])
        self._peaks = self._peaks.reshape(-1, 2).max(axis=1)
        self._powers = self._powers.reshape(-1, 2).mean(axis=1)
        self._step *= 2
