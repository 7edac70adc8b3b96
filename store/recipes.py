"""The computed sounds of the sample library, each as true to life as a page of code allows.

The noise comes from `RandomState`, whose stream NumPy has frozen for good, and the result is
rounded to 16 bits, far coarser than the last-bit differences between machines: the files are the
same everywhere, but for very bad luck.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable

import numpy as np
from numpy.random import RandomState

from store.synthesis import (
    RATE,
    Samples,
    add_room,
    band,
    convolve,
    fade,
    hertz_of,
    noise,
    phase_of,
    place,
    ring,
    scale,
    shape,
    shape_moving,
    times,
    wander,
)

PEAK = 0.89  # -1 dBFS


def synthesise(recipe: str) -> np.ndarray:
    """The named sound of `RECIPES`: int16 (n,) at 44.1 kHz, 4 to 10 seconds.

    Raises KeyError for a name that is not there.
    """
    sound = fade(RECIPES[recipe](), 0.005, 0.15)
    sound = sound - sound.mean()
    whole: np.ndarray = np.round(sound * (PEAK * 32767 / np.abs(sound).max())).astype(np.int16)
    return whole


RECIPES_VERSION = 2
"""To be raised with every change of a sound, so that the cached one is not taken for it."""


def wav_file(recipe: str) -> bytes:
    """The named sound as a 16-bit mono WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(synthesise(recipe).astype("<i2").tobytes())
    return content.getvalue()


# Instruments


def _piano_note(midi: int, seconds: float, loudness: float) -> Samples:
    """Stiff strings, struck at an eighth of their length, two of them slightly apart.

    Partials at n f0 sqrt(1 + B n^2) and a damping that grows with the square of the frequency:
    Fletcher and Rossing, The Physics of Musical Instruments, chapter 12. The decay has two
    stages, because the strings push the bridge together at first (Weinreich 1977).
    """
    f0 = hertz_of(midi)
    stiffness = 2.2e-4 * 2 ** ((midi - 57) / 14)
    n = np.arange(1, min(40, int(12_000 / f0)) + 1)
    hertz = n * f0 * np.sqrt(1 + stiffness * n**2)
    brightness = 1500 + 2200 * loudness + 1.2 * f0
    levels = np.abs(np.sin(np.pi * n / 8.3)) / n**0.85 * np.exp(-hertz / brightness)
    slow = 6.91 / (0.35 + f0 / 900 + 2.2e-7 * hertz**2)
    fast = slow / 4.5
    rng = RandomState(midi)
    apart = 2 ** (rng.uniform(0.2, 0.7, len(n)) / 1200)
    strings = ring(seconds, hertz, 0.75 * levels, fast) + ring(
        seconds, hertz * apart, 0.35 * levels, slow
    )
    t = times(seconds)
    strings *= 1 - np.exp(-t / 0.0012)
    knock = shape(noise(rng, 0.12), band(70, 900 + 800 * loudness)) * np.exp(-times(0.12) / 0.018)
    note = scale(strings) + place(seconds, [(0, scale(knock, 0.05))])
    return fade(loudness * note, 0.0, min(0.12, seconds / 4))


def _piano() -> Samples:
    # "Twinkle, Twinkle, Little Star", which is "Ah! vous dirai-je, maman" (about 1740).
    tune = [60, 60, 67, 67, 69, 69, 67]
    notes = [(0.8 * i, _piano_note(midi, 2.2, 0.8)) for i, midi in enumerate(tune)]
    dry = place(7.2, notes)
    rng = RandomState(88)
    board = noise(rng, 0.25) * np.exp(-times(0.25) / 0.035)  # the soundboard: many broad modes
    body = convolve(dry, shape(board, band(80, 2500, 1)))
    return add_room(scale(dry) + 0.18 * scale(body), 1.3, 0.16)


def _plucked(rng: RandomState, midi: int, seconds: float) -> Samples:
    """Karplus and Strong 1983, with the pick's position and a little loss (Jaffe and Smith)."""
    period = round(RATE / hertz_of(midi) - 0.5)
    pick = shape(rng.standard_normal(period), band(60, 5200, 1))
    pick = pick - np.roll(pick, period // 6)
    out = np.zeros(int(seconds * RATE) + period + 2)
    out[1 : period + 1] = pick - pick.mean()
    loss = 0.999 - 0.0009 * (midi - 40) / 24
    for start in range(period + 1, len(out), period):
        stop = min(start + period, len(out))
        here, before = (
            out[start - period : stop - period],
            out[start - period - 1 : stop - period - 1],
        )
        out[start:stop] = loss * (0.62 * here + 0.38 * before)
    return fade(scale(out[1 : int(seconds * RATE)]), 0.001, 0.2)


def _guitar() -> Samples:
    rng = RandomState(6)
    chords = [
        [45, 52, 57, 60, 64],
        [43, 47, 55, 59, 67],
        [48, 52, 55, 60, 64],
        [40, 47, 52, 56, 64],
    ]
    events = []
    for bar, chord in enumerate(chords):
        for beat, string in enumerate([0, 2, 3, 4, 3, 2]):
            start = bar * 1.8 + beat * 0.3
            events.append((start, (0.9 if beat == 0 else 0.6) * _plucked(rng, chord[string], 1.9)))
    events += [(7.2 + 0.03 * i, 0.7 * _plucked(rng, m, 2.3)) for i, m in enumerate(chords[0])]
    dry = place(9.2, events)
    body = ring(0.3, [102, 204, 278, 391, 540, 770], [1, 0.8, 0.4, 0.4, 0.25, 0.15], [0.25] * 6)
    return add_room(scale(dry) + 0.5 * scale(convolve(dry, body)), 0.9, 0.12)


def _flute_note(rng: RandomState, midi: int, seconds: float) -> Samples:
    t = times(seconds)
    depth = 0.005 * np.clip((t - 0.25) / 0.4, 0, 1)
    vibrato = np.sin(2 * np.pi * 5.1 * t + rng.uniform(0, 6))
    scoop = 1 - 0.02 * np.exp(-t / 0.03)
    phase = phase_of(hertz_of(midi) * scoop * (1 + depth * vibrato))
    swell = (1 - np.exp(-t / 0.045)) * (1 + 6 * depth * 2.5 * vibrato)
    levels = [1.0, 0.42, 0.2, 0.07, 0.035, 0.015]
    tone = sum((a * np.sin(k * phase) for k, a in enumerate(levels, 1)), np.zeros(len(t))) * swell
    breath = noise(rng, seconds)
    f0 = hertz_of(midi)
    near = shape(breath, lambda f: np.exp(-(((f - f0) / (0.25 * f0)) ** 2)))
    air = shape(breath, band(1200, 7000, 1))
    puff = 1 + 3 * np.exp(-t / 0.03)
    return fade(tone + (0.9 * near + 0.045 * air) * puff * swell, 0.01, 0.06)


def _flute() -> Samples:
    # Greensleeves (anonymous, 16th century).
    rng = RandomState(1580)
    tune = [(69, 1), (72, 2), (74, 1), (76, 1.5), (77, 0.5), (76, 1), (74, 2), (71, 1)]
    tune += [(67, 1.5), (69, 0.5), (71, 1), (72, 2), (69, 1), (69, 2.2)]
    events, at = [], 0.0
    for midi, beats in tune:
        events.append((at, _flute_note(rng, midi + 5, beats * 0.46 + 0.04)))
        at += beats * 0.46
    return add_room(scale(place(at + 1.0, events)), 1.8, 0.2)


def _organ_note(midi: int, seconds: float) -> Samples:
    rng = RandomState(midi)
    t = times(seconds)
    tone = np.zeros(len(t))
    for foot, level in ((0.5, 0.5), (1, 1.0), (2, 0.7), (3, 0.3), (4, 0.45), (8, 0.2)):
        f0 = hertz_of(midi) * foot * 2 ** (rng.uniform(-2, 2) / 1200)
        for k in range(1, 9):
            if k * f0 < 9000:
                phase = rng.uniform(0, 2 * np.pi)
                tone += level * k**-1.4 * np.sin(2 * np.pi * k * f0 * t + phase)
    chiff = shape(noise(rng, 0.08), band(800, 5000)) * np.exp(-times(0.08) / 0.02)
    return fade(tone + place(seconds, [(0, 0.6 * chiff)]), 0.025, 0.07)


def _organ() -> Samples:
    # The opening of the toccata in D minor ascribed to J. S. Bach, BWV 565.
    fast = [(81, 0.16), (79, 0.16), (81, 1.1), (0, 0.45), (79, 0.14), (77, 0.14), (76, 0.14)]
    fast += [(74, 0.14), (73, 0.5), (74, 1.0), (0, 0.3)]
    events, at = [], 0.0
    for midi, length in fast:
        if midi:
            events += [(at, _organ_note(midi - 12 * o, length + 0.05)) for o in (0, 1)]
        at += length
    roll = [38, 49, 52, 55, 58, 61]
    events += [(at + 0.16 * i, _organ_note(m, 2.3 - 0.16 * i)) for i, m in enumerate(roll)]
    events += [(at + 2.3, _organ_note(m, 1.4)) for m in (38, 50, 57, 62, 66)]
    return add_room(scale(place(at + 4.9, events)), 3.0, 0.4)


def _drums() -> Samples:
    rng = RandomState(4)
    t = times(0.5)
    kick = np.sin(phase_of(48 + 110 * np.exp(-t / 0.03))) * np.exp(-t / 0.14)
    kick += place(0.5, [(0, 0.25 * shape(noise(rng, 0.01), band(800, 6000)))])
    snare = ring(0.3, [182, 286, 331, 455], [1, 0.6, 0.5, 0.3], [0.2, 0.16, 0.14, 0.1])
    wires = shape(noise(rng, 0.3), band(1500, 11_000, 1)) * np.exp(-times(0.3) / 0.065)
    snare = scale(snare, 0.7) + scale(wires, 0.8)

    def cymbal(seconds: float, decay: float) -> Samples:
        modes = rng.uniform(3000, 15_000, 90)
        bronze = ring(seconds, modes, rng.uniform(0.3, 1, 90), [decay * 6] * 90)
        hiss = shape(noise(rng, seconds), band(6000, 17_000)) * np.exp(-times(seconds) / decay)
        return scale(scale(bronze) * np.exp(-times(seconds) / decay) + scale(hiss, 0.8))

    closed, opened, crash = cymbal(0.12, 0.025), cymbal(0.4, 0.16), cymbal(2.6, 0.7)
    beat = 60 / 104
    events: list[tuple[float, Samples]] = [(0.0, 0.6 * crash), (8 * beat, 0.55 * crash)]
    for eighth in range(24):
        at = eighth * beat / 2 + rng.uniform(-0.004, 0.004) * (eighth > 0)
        level = 0.38 if eighth % 2 == 0 else 0.25
        events.append((at, level * (opened if eighth % 16 == 15 else closed)))
        if eighth % 8 in (0, 3, 5) or eighth == 22:
            events.append((at, 0.7 * kick))
        if eighth % 4 == 2:
            events.append((at, 0.95 * snare))
    events += [(beat * (11 + i / 4), (0.4 + 0.1 * i) * snare) for i in range(4)]
    return add_room(place(12 * beat + 0.9, events), 0.5, 0.1)


# Bells and signals


def _church_bell() -> Samples:
    """Hum, prime, minor tierce, quint, nominal and above, split by the casting (Rossing 1984)."""
    rng = RandomState(1880)
    ratios = np.array([0.5, 1, 1.2, 1.5, 2, 2.52, 2.66, 3.01, 3.36, 4.17, 5.43, 6.79, 8.21])
    levels = np.array([0.5, 0.6, 0.8, 0.3, 1, 0.35, 0.3, 0.45, 0.2, 0.35, 0.22, 0.13, 0.07])
    decays = np.array([14, 8, 7, 4, 4.5, 2.8, 2.6, 2.4, 1.9, 1.5, 1.0, 0.7, 0.45])
    hertz = 392 * ratios
    bell = ring(9, hertz, levels, decays) + ring(9, hertz * 1.0014, 0.6 * levels, decays)
    clapper = shape(noise(rng, 0.05), band(1500, 8000)) * np.exp(-times(0.05) / 0.008)
    stroke = scale(bell) + place(9, [(0, scale(clapper, 0.3))])
    return add_room(
        place(9.5, [(0.05 + 2.3 * i, (1, 0.9, 0.95)[i] * stroke) for i in range(3)]), 2.5, 0.2
    )


def _telephone() -> Samples:
    rng = RandomState(1936)
    gongs = []
    for f0 in (1480.0, 1760.0):
        ratios = np.array([1, 1.006, 2.32, 2.34, 4.0, 5.9, 8.1])
        levels = np.array([1, 0.7, 0.8, 0.5, 0.4, 0.25, 0.12])
        gongs.append(ring(0.9, f0 * ratios, levels, np.array([0.9, 0.9, 0.6, 0.6, 0.35, 0.2, 0.1])))
    click = shape(noise(rng, 0.01), band(1000, 9000)) * np.exp(-times(0.01) / 0.002)
    events = []
    for start in (0.05, 3.25, 6.45):
        for stroke in range(44):
            at = start + stroke / 24 + rng.uniform(-0.001, 0.001)
            events.append((at, rng.uniform(0.8, 1) * gongs[stroke % 2]))
            events.append((at, 0.5 * click))
    return add_room(place(9.0, events), 0.5, 0.12)


def _alarm_clock() -> Samples:
    t = times(0.085)
    beep = sum((np.sin(2 * np.pi * 2048 * k * t) / k for k in (1, 3, 5)), np.zeros(len(t)))
    beep = fade(beep, 0.002, 0.006)
    starts = [0.1 + second + 0.125 * i for second in range(7) for i in range(4)]
    return add_room(place(7.2, [(at, beep) for at in starts]), 0.3, 0.08)


def _siren() -> Samples:
    """The wail of an American police car: up in 1.2 s, down in 3, out of a horn loudspeaker."""
    t = times(9)
    turn = (t % 4.2) / 4.2
    height = np.where(turn < 0.3, 1 - np.exp(-turn / 0.1), np.exp(-(turn - 0.3) / 0.28) * 0.95)
    phase = phase_of(480 + 950 * np.clip(height, 0, 1))
    tone = sum((np.sin(k * phase) / k for k in (1, 2, 3, 4, 5, 7)), np.zeros(len(t)))
    horn = shape(tone, band(450, 3200, 2))
    near = 0.35 + 0.65 * np.sin(np.pi * (t + 1) / 11) ** 2
    street = RandomState(911)
    road = shape(noise(street, 9), band(60, 500, 1))
    return add_room(scale(horn) * near, 1.6, 0.3) + 0.04 * scale(road)


def _ticking_clock() -> Samples:
    rng = RandomState(60)
    events = []
    for beat in range(16):
        shift = 1.0 if beat % 2 == 0 else 0.84  # tick, tock
        modes = shift * np.array([1150, 1720, 2350, 3400, 4700, 6200, 7900])
        tick = ring(
            0.2, modes, [0.7, 0.8, 1, 0.8, 0.6, 0.4, 0.3], np.array([9, 7, 5, 4, 3, 2, 2]) / 100
        )
        case = ring(0.2, [210 * shift, 420, 640 * shift], [0.25, 0.2, 0.2], [0.1, 0.07, 0.05])
        snap = shape(noise(rng, 0.01), band(2000, 12_000)) * np.exp(-times(0.01) / 0.0015)
        level = 1.0 if beat % 2 == 0 else 0.8
        events += [(0.1 + beat / 2, level * (tick + case)), (0.1 + beat / 2, 0.5 * scale(snap))]
        events.append((0.1 + beat / 2 - 0.022, 0.25 * level * tick))  # the pallet lets go first
    room = 0.0015 * shape(noise(rng, 8.1), band(80, 3000, 1))
    return add_room(place(8.1, events), 0.4, 0.08) + room


def _knock() -> Samples:
    rng = RandomState(3)
    modes = np.array([92, 138, 187, 246, 331, 412, 535, 690, 880, 1210, 1630])
    levels = np.array([1, 0.9, 1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.12])
    events = []
    for at in (0.2, 0.52, 0.84, 2.3, 2.6, 2.9, 3.2):
        bend = rng.uniform(0.97, 1.03, len(modes))
        door = ring(0.5, modes * bend, levels * rng.uniform(0.6, 1, len(modes)), 30 / (modes + 60))
        knuckle = shape(noise(rng, 0.03), band(300, 2600)) * np.exp(-times(0.03) / 0.004)
        events += [
            (
                at,
                rng.uniform(0.8, 1) * (scale(door) + place(0.5, [(0, scale(knuckle, 0.6))])),
            )
        ]
    return add_room(place(4.4, events), 0.7, 0.15)


def _heartbeat() -> Samples:
    rng = RandomState(72)
    t = times(0.3)

    def thump(hertz: float, length: float) -> Samples:
        swell = (t / length) ** 0.8 * np.exp(1 - t / length)
        sway = phase_of(hertz * (1 + 0.5 * np.exp(-t / 0.03)))
        valve = (
            np.sin(sway) + 0.6 * np.sin(2 * sway) + 0.4 * np.sin(3 * sway) + 0.2 * np.sin(5 * sway)
        )
        return np.asarray((valve + 0.5 * shape(noise(rng, 0.3), band(30, 220))) * swell)

    events = []
    for beat in range(9):
        at = 0.1 + beat * 60 / 68 + rng.uniform(-0.01, 0.01)
        events += [(at, thump(46, 0.035)), (at + 0.31, 0.7 * thump(62, 0.024))]
    body = shape(place(8.1, events), band(25, 420, 2))
    return body + 0.004 * shape(noise(rng, 8.1), band(30, 400))


# Weather and nature


def _rain() -> Samples:
    """A hiss of far drops, and near ones: a splash, then its bubble (van den Doel 2005)."""
    rng = RandomState(12)
    seconds = 9.0
    far = shape(noise(rng, seconds), lambda f: band(400, 12_000, 1)(f) * (f / 1000) ** -0.25)
    out: Samples = far / far.std() * (0.13 + 0.03 * wander(rng, seconds, 0.8))
    for _ in range(int(110 * seconds)):
        size = rng.uniform(0, 1) ** 3
        length = 0.004 + 0.012 * size
        splash = shape(noise(rng, length), band(1200, 9000, 1)) * np.exp(
            -5 * times(length) / length
        )
        t = times(0.03)
        hertz = rng.uniform(1300, 5200) * (1 + rng.uniform(0, 3) * t)
        bubble = np.sin(phase_of(hertz)) * np.exp(-t / rng.uniform(0.002, 0.008))
        start = int(rng.uniform(0, seconds - 0.1) * RATE)
        level = 0.08 + 0.7 * size
        out[start : start + len(splash)] += level * splash
        if rng.uniform() < 0.35:
            out[start + 60 : start + 60 + len(t)] += 0.45 * level * bubble
    return out


def _thunder() -> Samples:
    rng = RandomState(2)
    seconds = 9.5
    t = times(seconds)
    crack = np.zeros(len(t))
    for at, level in [(0.35, 1.0), (0.43, 0.7), (0.56, 0.9), (0.74, 0.5), (0.98, 0.4)]:
        burst = noise(rng, 0.5) * np.exp(-times(0.5) / rng.uniform(0.03, 0.1))
        crack += place(seconds, [(at, level * shape(burst, band(90, 2600, 1)))])
    rolls = np.zeros(len(t))
    for _ in range(24):  # claps from parts of the channel farther and farther away
        at = 0.5 + 6.0 * rng.uniform(0, 1) ** 1.3
        span = rng.uniform(0.5, 1.8)
        swell = (times(3) / span) * np.exp(1 - times(3) / span * 3)
        clap = shape(noise(rng, 3), band(28, 420 * np.exp(-at / 3) + 60, 1)) * swell
        rolls += place(seconds, [(at, rng.uniform(0.4, 1) * np.exp(-at / 3.2) * scale(clap))])
    drizzle = shape(noise(rng, seconds), band(900, 9000, 1))
    return add_room(0.8 * scale(crack) + scale(rolls), 2.5, 0.3, 1200) + 0.006 * drizzle


def _wind() -> Samples:
    rng = RandomState(10)
    seconds = 9.5
    gust = 0.25 + 0.75 * wander(rng, seconds, 0.7) ** 1.3
    tremor = 0.85 + 0.3 * wander(rng, seconds, 5)

    def gain(at: float, hertz: np.ndarray) -> np.ndarray:
        g = gust[int(np.clip(at, 0, seconds - 0.01) * RATE)]
        total = 0.55 * (hertz / 200) ** -0.9 * band(60, 300 + 900 * g, 1)(hertz)
        for f0, width, level in ((330, 0.10, 2.2), (520, 0.07, 2.6), (870, 0.08, 1.6)):
            centre = f0 * (0.75 + 0.55 * g)  # the howl of an edge rises with the speed
            total += level * g**1.5 * np.exp(-(((hertz - centre) / (width * centre)) ** 2))
        return np.asarray(total * g)

    return shape_moving(noise(rng, seconds), gain) * tremor


def _waves() -> Samples:
    rng = RandomState(7)
    seconds = 10.0
    crests = [(0.9, 1.0), (4.4, 0.8), (7.6, 1.0)]

    def gain(at: float, hertz: np.ndarray) -> np.ndarray:
        total = 0.10 * band(60, 900, 1)(hertz)
        for crest, level in crests:
            rise = (
                np.exp(-(((at - crest) / 0.75) ** 2)) if at < crest else np.exp((crest - at) / 1.1)
            )
            roar = band(50, 350 + 2600 * rise, 1)(hertz) * rise
            late = at - crest - 0.5
            foam = 0.0 if late < 0 else (late / 0.6) * np.exp(1 - late / 0.6)
            total = total + level * (roar + 0.22 * foam * band(1800, 9500, 1)(hertz))
        return np.asarray(total * (hertz / 500) ** -0.25)

    return shape_moving(noise(rng, seconds), gain)


def _fire() -> Samples:
    rng = RandomState(451)
    seconds = 8.5
    roar = shape(noise(rng, seconds), band(40, 400, 1)) * (0.5 + wander(rng, seconds, 6))
    hiss = shape(noise(rng, seconds), band(2500, 9000, 1)) * wander(rng, seconds, 3) ** 2
    out = 0.022 * roar / roar.std() + 0.006 * hiss / hiss.std()
    for _ in range(int(34 * seconds)):
        level = min(0.05 * float(rng.pareto(1.0)) + 0.03, 1.0)
        length = rng.uniform(0.002, 0.012)
        low = rng.uniform(500, 3500)
        snap = shape(noise(rng, length), band(low, 4 * low, 1)) * np.exp(
            -6 * times(length) / length
        )
        start = int(rng.uniform(0, seconds - 0.1) * RATE)
        out[start : start + len(snap)] += level * scale(snap)
    return add_room(out, 0.3, 0.06)


def _crickets() -> Samples:
    rng = RandomState(25)
    seconds = 8.0
    night = 0.008 * shape(noise(rng, seconds), band(100, 2500, 1))
    events = []
    for hertz, level, every, pulses in [
        (4450, 1.0, 0.42, 4),
        (4720, 0.4, 0.37, 3),
        (5100, 0.2, 0.5, 4),
    ]:
        t = times(0.02)
        pulse = np.sin(2 * np.pi * hertz * t) * np.sin(np.pi * t / 0.02) ** 1.5
        pulse = pulse + 0.15 * np.sin(4 * np.pi * hertz * t) * np.sin(np.pi * t / 0.02) ** 2
        at = rng.uniform(0, 0.3)
        while at < seconds - 0.3:
            for i in range(pulses):
                events.append((at + 0.034 * i, level * (0.55 + 0.45 * i / pulses) * pulse))
            at += every * rng.uniform(0.93, 1.07)
    return add_room(place(seconds, events), 0.8, 0.1, 9000) + night


def _birdsong() -> Samples:
    rng = RandomState(5)
    seconds = 9.0

    def note(start: float, end: float, length: float, bend: float, trill: float) -> Samples:
        t = times(length)
        x = t / length
        hertz = (
            start
            + (end - start) * x
            + bend * np.sin(np.pi * x)
            + trill * np.sin(2 * np.pi * 38 * t)
        )
        phase = phase_of(hertz)
        return np.asarray((np.sin(phase) + 0.12 * np.sin(2 * phase)) * np.sin(np.pi * x) ** 0.7)

    events: list[tuple[float, Samples]] = []

    def sing(level: float, at: float, stop: float) -> None:
        while at < stop:
            length, start = rng.uniform(0.06, 0.2), rng.uniform(2400, 5200)
            end, bend = start * rng.uniform(0.6, 1.5), rng.uniform(-700, 1100)
            trill = rng.uniform(100, 500) if rng.uniform() < 0.25 else 0.0
            for _ in range(rng.randint(1, 6)):  # birds say everything several times
                loud = level * rng.uniform(0.7, 1)
                events.append((at, loud * note(start, end, length, bend, trill)))
                at += length + rng.uniform(0.03, 0.06)
            at += rng.uniform(0.15, 0.6)

    sing(1.0, 0.2, seconds - 0.8)
    sing(0.22, 1.2, seconds - 1.0)  # another one, farther away
    garden = 0.006 * shape(noise(rng, seconds), band(200, 4000, 1))
    return add_room(place(seconds, events), 1.0, 0.15, 9000) + garden


def _applause() -> Samples:
    rng = RandomState(100)
    seconds = 8.0
    events = []
    for _ in range(70):
        pitch, level = rng.uniform(700, 2100), rng.uniform(0.15, 1) ** 1.5
        clap = shape(noise(rng, 0.03), band(pitch * 0.6, pitch * 1.8, 1)) * np.exp(
            -times(0.03) / 0.004
        )
        clap = scale(clap, level)
        every, at = rng.uniform(0.17, 0.32), rng.uniform(0, 1.2)
        stop = rng.uniform(seconds - 2.5, seconds - 0.2)
        while at < stop:
            events.append((at, rng.uniform(0.6, 1) * clap))
            at += every * rng.uniform(0.9, 1.1)
    return add_room(place(seconds, events), 1.1, 0.25)


def _steam_train() -> Samples:
    rng = RandomState(1829)
    seconds = 9.5
    events = []
    at, every, stroke = 0.15, 0.44, 0
    while at < seconds - 0.4:
        puff = noise(rng, 0.4) * (times(0.4) / 0.03) * np.exp(1 - times(0.4) / 0.055)
        low = shape(puff, band(110, 900, 1)) + 0.35 * shape(puff, band(1200, 6500, 1))
        events.append((at, (1.0, 0.75, 0.9, 0.7)[stroke % 4] * scale(low)))
        at, every, stroke = at + every, max(every * 0.97, 0.22), stroke + 1
    t = times(1.5)
    blow = (1 - np.exp(-t / 0.08)) * np.where(t > 1.25, np.exp(-(t - 1.25) / 0.06), 1.0)
    rise = 1 - 0.06 * np.exp(-t / 0.09)
    chord = np.zeros(len(t))
    for f0 in (466.0, 587.0, 698.0):
        phase = phase_of(f0 * rise)
        chord += np.sin(phase) + 0.45 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    steam = shape(noise(rng, 1.5), band(900, 7000, 1))
    whistle = (scale(chord) + 0.12 * steam / steam.std()) * blow
    events += [(2.6, 0.6 * whistle), (4.3, 0.6 * whistle)]
    boiler = 0.05 * shape(noise(rng, seconds), band(60, 3000, 1))
    return add_room(place(seconds, events), 1.5, 0.22) + boiler


RECIPES: dict[str, Callable[[], Samples]] = {
    "alarm_clock": _alarm_clock,
    "applause": _applause,
    "birdsong": _birdsong,
    "church_bell": _church_bell,
    "crickets": _crickets,
    "drums": _drums,
    "fire": _fire,
    "flute": _flute,
    "guitar": _guitar,
    "heartbeat": _heartbeat,
    "knock": _knock,
    "organ": _organ,
    "piano": _piano,
    "rain": _rain,
    "siren": _siren,
    "steam_train": _steam_train,
    "telephone": _telephone,
    "thunder": _thunder,
    "ticking_clock": _ticking_clock,
    "waves": _waves,
    "wind": _wind,
}
