"""The computed sounds: the same every time, clean, and of the character that is meant."""

from __future__ import annotations

import io
import wave
from functools import cache

import numpy as np
import pytest

from store.recipes import RECIPES, synthesise, wav_file
from store.synthesis import RATE


@cache
def sound(recipe: str) -> np.ndarray:
    return synthesise(recipe).astype(np.float64) / 32768


def spectrum(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and power."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return np.fft.rfftfreq(len(samples), 1 / RATE), power


def strongest(samples: np.ndarray) -> float:
    hertz, power = spectrum(samples)
    return float(hertz[power.argmax()])


def share(samples: np.ndarray, low: float, high: float) -> float:
    """The share of the power between two frequencies."""
    hertz, power = spectrum(samples)
    return float(power[(hertz >= low) & (hertz < high)].sum() / power.sum())


def flatness(samples: np.ndarray) -> float:
    """Near 1 for noise, near 0 for tones: geometric over arithmetic mean, 200 Hz to 8 kHz."""
    hertz, power = spectrum(samples)
    inside = power[(hertz > 200) & (hertz < 8000)] + 1e-12
    return float(np.exp(np.log(inside).mean()) / inside.mean())


def loudness(samples: np.ndarray, seconds: float = 0.01) -> np.ndarray:
    """Root mean square of short frames."""
    size = int(seconds * RATE)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return np.asarray(np.sqrt((frames**2).mean(axis=1)))


def per_second(samples: np.ndarray, slowest: float, fastest: float) -> float:
    """How often the loudness comes back, by autocorrelation, within a range of rates."""
    envelope = np.diff(loudness(samples, 0.005)).clip(0)
    envelope -= envelope.mean()
    echo = np.correlate(envelope, envelope, "full")[len(envelope) - 1 :]
    lags = np.arange(int(200 / fastest), int(200 / slowest) + 1)
    return 200 / float(lags[echo[lags].argmax()])


@pytest.mark.parametrize("recipe", RECIPES)
def test_clean(recipe: str) -> None:
    samples = sound(recipe)
    assert 4 <= len(samples) / RATE <= 10
    assert 0.85 < np.abs(samples).max() < 0.95  # not clipped
    assert 20 * np.log10(samples.std()) > -36  # not silent
    assert abs(samples.mean()) < 1e-3
    assert np.abs(samples[[0, -1]]).max() < 0.02  # no click at the ends
    flat_tops = (np.abs(samples[1:]) > 0.88) & (samples[1:] == samples[:-1])
    assert flat_tops.sum() < 10


@pytest.mark.parametrize("recipe", ["guitar", "rain", "ticking_clock"])
def test_the_same_every_time(recipe: str) -> None:
    assert wav_file(recipe) == wav_file(recipe)


def test_wav_file_is_16_bit_mono() -> None:
    with wave.open(io.BytesIO(wav_file("alarm_clock"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(frames, synthesise("alarm_clock"))


def test_sounds_differ() -> None:
    octaves = 100 * 2.0 ** np.arange(8)
    profiles = []
    for recipe in RECIPES:
        levels = [share(sound(recipe), low, 2 * low) for low in octaves]
        profiles.append([*levels, 0.3 * loudness(sound(recipe)).std()])
    distances = [
        np.abs(np.subtract(a, b)).sum() for i, a in enumerate(profiles) for b in profiles[:i]
    ]
    assert min(distances) > 0.02


def test_piano_plays_twinkle_twinkle() -> None:
    for place, hertz in enumerate([261.6, 261.6, 392.0, 392.0, 440.0, 440.0, 392.0]):
        start = int((place * 0.8 + 0.02) * RATE)
        note = sound("piano")[start : start + int(0.4 * RATE)]
        # the last note still rings: look within a third of an octave of the right one
        hz, power = spectrum(np.pad(note, (0, RATE)))
        near = (hz > hertz * 0.97) & (hz < hertz * 1.03)
        assert abs(hz[near][power[near].argmax()] - hertz) < 4
        assert power[near].max() > 0.2 * power.max()


def test_piano_notes_strike_and_die_away() -> None:
    last = loudness(sound("piano"), 0.25)[-8:]
    assert last[0] > 2 * last[4] > 3 * last[7]
    assert flatness(sound("piano")) < 0.05


def test_flute_is_smooth_and_almost_pure() -> None:
    assert abs(strongest(sound("flute")[: int(0.4 * RATE)]) - 587.3) < 12  # D5
    assert share(sound("flute"), 400, 2200) > 0.9


@pytest.mark.parametrize("recipe", ["rain", "applause", "waves", "fire"])
def test_noises_are_noise(recipe: str) -> None:
    assert flatness(sound(recipe)) > 0.1


@pytest.mark.parametrize("recipe", ["piano", "flute", "organ", "church_bell", "alarm_clock"])
def test_tones_are_tones(recipe: str) -> None:
    assert flatness(sound(recipe)) < 0.05


def test_siren_glides_over_more_than_an_octave() -> None:
    pieces = np.array_split(sound("siren"), 40)
    tops = [strongest(piece) for piece in pieces]
    assert max(tops) > 1200
    assert min(tops) < 750


def test_bell_is_struck_three_times_and_has_a_minor_third() -> None:
    hertz, power = spectrum(sound("church_bell"))
    for ratio in (1.0, 1.2, 2.0):
        near = np.abs(hertz / (392 * ratio) - 1) < 0.005
        assert power[near].max() > 100 * np.median(power[(hertz > 200) & (hertz < 1000)])
    rises = np.diff(loudness(sound("church_bell"), 0.05))
    assert (rises > 0.5 * rises.max()).sum() == 3


@pytest.mark.parametrize(
    ("recipe", "rate"),
    [("ticking_clock", 2.0), ("heartbeat", 68 / 60), ("alarm_clock", 8.0), ("telephone", 24.0)],
)
def test_tempo(recipe: str, rate: float) -> None:
    samples = sound(recipe)[: int(1.8 * RATE)] if recipe == "telephone" else sound(recipe)
    assert per_second(samples, rate * 0.75, rate * 1.3) == pytest.approx(rate, rel=0.06)


def test_low_and_high_sounds() -> None:
    assert share(sound("heartbeat"), 20, 450) > 0.95
    assert share(sound("thunder"), 20, 500) > 0.6
    assert share(sound("crickets"), 4000, 5500) > 0.8
    assert share(sound("birdsong"), 1500, 9000) > 0.95


def test_waves_come_and_go() -> None:
    swell = loudness(sound("waves"), 0.25)
    assert swell.max() > 4 * swell.min()
