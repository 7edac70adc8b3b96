"""Pictures such as people have, made from what is installed: what a network's layers are given
is measured on them (rounding.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def typical_pictures(size: int) -> Array:
    """Pictures of all sorts, the same each time: uint8 (48, size, size, 3).

    Cuttings of scikit-learn's two photographs, as they are, and as things on a background of one
    colour or of noise that is the stronger the coarser, as in nature (Field 1987).
    """
    from PIL import Image
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(picture) for picture in load_sample_images().images]
    y, x = np.mgrid[:size, :size] / size
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequencies[0, 0] = 1

    def cutting() -> Array:
        photograph = photographs[rng.integers(2)]
        side = rng.uniform(0.3, 1) * photograph.height
        left, top = (rng.uniform(0, length - side) for length in photograph.size)
        box = (left, top, left + side, top + side)
        whole = photograph.resize((size, size), Image.Resampling.BICUBIC, box)
        colours = rng.permutation(3) if rng.random() < 0.5 else np.arange(3)
        return np.asarray(whole)[..., colours]

    def noise() -> Array:
        white = np.fft.rfft2(rng.normal(size=(size, size, 3)), axes=(0, 1))
        waves = np.fft.irfft2(white / frequencies[..., None] ** 1.3, (size, size), axes=(0, 1))
        colours = waves @ (1 + 0.4 * rng.normal(size=(3, 3)))
        bright = colours / colours.std() * rng.uniform(20, 70) + rng.uniform(60, 190)
        pixels: Array = bright.clip(0, 255).astype(np.uint8)
        return pixels

    def thing(background: Array) -> Array:
        radius = rng.uniform(0.2, 0.5)
        across, down = x - rng.uniform(0.3, 0.7), y - rng.uniform(0.3, 0.7)
        round_one = np.hypot(across, down) < radius
        square_one = np.maximum(abs(across), abs(down) / 0.7) < radius
        mask = round_one if rng.random() < 0.5 else square_one
        return np.where(mask[..., None], cutting(), background).astype(np.uint8)

    white, black = np.full(3, 255), np.zeros(3)
    pictures = [cutting() for _ in range(16)]
    for _ in range(4):
        pictures += [thing(white), thing(white), thing(black), thing(rng.integers(0, 256, 3))]
        pictures += [thing(noise()), thing(noise()), noise(), noise()]
    return np.stack(pictures)
