"""Building blocks of computed sounds: noise, filters, struck bodies, rooms.

Sounds are float64 arrays (n,) at 44.1 kHz, mono, of any loudness; see `store.recipes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.random import RandomState

RATE = 44_100

Samples: TypeAlias = np.ndarray
Gain: TypeAlias = Callable[[np.ndarray], np.ndarray]


def times(seconds: float) -> Samples:
    """The time of every sample of a sound."""
    return np.arange(int(seconds * RATE)) / RATE


def noise(rng: RandomState, seconds: float) -> Samples:
    """White noise of standard deviation 1."""
    return np.asarray(rng.standard_normal(int(seconds * RATE)))


def fade(sound: Samples, attack: float, release: float) -> Samples:
    """Start and end at zero, along half a cosine of `attack` and `release` seconds."""
    shaped = sound.copy()
    rise, fall = (min(int(s * RATE), len(sound)) for s in (attack, release))
    if rise:
        shaped[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        shaped[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return shaped


def shape(sound: Samples, gain: Gain) -> Samples:
    """Multiply the spectrum by `gain(hertz)`; the length stays."""
    size = 1 << (len(sound) + RATE // 4).bit_length()
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, size) * gain(hertz), size)[: len(sound)])


def band(low: float, high: float, order: int = 2) -> Gain:
    """The gain of a Butterworth high pass at `low` and a low pass at `high` Hz."""

    def gain(hertz: np.ndarray) -> np.ndarray:
        up = 1 + (low / hertz) ** (2 * order)
        return np.asarray(1 / np.sqrt(up * (1 + (hertz / high) ** (2 * order))))

    return gain


def shape_moving(sound: Samples, gain: Callable[[float, np.ndarray], np.ndarray]) -> Samples:
    """A filter that changes with time: `gain(seconds, hertz)`, by overlapping windows."""
    size, hop = 4096, 1024
    window = np.hanning(size + 1)[:-1]
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 1.0)
    padded = np.concatenate([np.zeros(size), sound, np.zeros(2 * size)])
    out = np.zeros_like(padded)
    for start in range(0, len(padded) - size, hop):
        spectrum = np.fft.rfft(padded[start : start + size] * window)
        shaped = np.fft.irfft(spectrum * gain((start - size / 2) / RATE, hertz), size)
        out[start : start + size] += shaped * window
    return out[size : size + len(sound)] / 1.5


def convolve(sound: Samples, response: Samples) -> Samples:
    """The sound heard through an impulse response; the length stays."""
    size = 1 << (len(sound) + len(response)).bit_length()
    product = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(product, size)[: len(sound)])


def add_room(sound: Samples, seconds: float, wet: float, high: float = 5000.0) -> Samples:
    """Add reverberation: `seconds` to fall by 60 dB, `wet` its share (after Moorer 1979)."""
    rng = RandomState(1979)
    response = noise(rng, seconds * 1.2) * 10 ** (-3 * times(seconds * 1.2) / seconds)
    response = shape(response, band(120, high, 1))
    response[: int(0.012 * RATE)] = 0
    tail = convolve(sound, response / np.sqrt((response**2).sum()))
    return np.asarray((1 - wet) * sound + wet * tail)


def ring(
    seconds: float,
    hertz: Sequence[float] | np.ndarray,
    levels: Sequence[float] | np.ndarray,
    decays: Sequence[float] | np.ndarray,
) -> Samples:
    """A struck body: a sum of modes, each falling by 60 dB in its `decays` seconds."""
    t = times(seconds)
    out = np.zeros(len(t))
    for frequency, level, decay in zip(hertz, levels, decays, strict=True):
        if frequency < RATE / 2.2:
            length = min(len(t), int(1.5 * decay * RATE))  # -90 dB: nothing is heard after it
            part = t[:length]
            out[:length] += level * np.sin(2 * np.pi * frequency * part) * 10 ** (-3 * part / decay)
    return out


def place(seconds: float, events: Iterable[tuple[float, Samples]]) -> Samples:
    """Mix sounds that start at given times (in seconds) into one of fixed length."""
    out = np.zeros(int(seconds * RATE))
    for start, sound in events:
        first = int(start * RATE)
        part = sound[: max(len(out) - first, 0)]
        out[first : first + len(part)] += part
    return out


def wander(rng: RandomState, seconds: float, per_second: float) -> Samples:
    """A slow random control signal in 0..1, with about `per_second` turns a second."""
    knots = np.asarray(rng.random_sample(int(seconds * per_second) + 3))
    at = times(seconds) * per_second
    left = at.astype(int)
    blend = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    return np.asarray(knots[left] * (1 - blend) + knots[left + 1] * blend)


def scale(sound: Samples, peak: float = 1.0) -> Samples:
    """The sound at the given peak level."""
    return np.asarray(sound * (peak / np.abs(sound).max()))


def phase_of(hertz: Samples) -> Samples:
    """The phase, in radians, of an oscillator whose frequency moves."""
    return np.asarray(2 * np.pi * np.cumsum(hertz) / RATE)


def hertz_of(midi: float) -> float:
    """The frequency of a MIDI note (69 is A4, 440 Hz), equally tempered."""
    return float(440.0 * 2 ** ((midi - 69) / 12))
