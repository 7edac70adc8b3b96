"""Joining a film's parts: what says the same becomes one, and nothing else does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from encoders.film import SAME, merge_shots
from encoders.parts import gather
from media import Segment

Array = np.ndarray[Any, Any]


def near(vector: Array, cosine: float, seed: int = 0) -> Array:
    """A vector of length 1 at this cosine from another."""
    noise = np.random.default_rng(seed).normal(size=len(vector))
    noise -= (noise @ vector) * vector
    noise /= np.linalg.norm(noise)
    found: Array = (cosine * vector + np.sqrt(1 - cosine**2) * noise).astype(np.float32)
    return found


A, B, C = np.eye(64, dtype=np.float32)[:3]


def shots(*ends: float, tower: str = "image", start: float = 0.0) -> list[Segment]:
    starts = (start, *ends[:-1])
    return [Segment(a, b, None, tower) for a, b in zip(starts, ends, strict=True)]


def test_the_same_shot_becomes_one() -> None:
    parts = shots(4, 8, 12, 16, 20)
    vectors = np.stack([A, near(A, 0.97, 1), near(A, 0.95, 2), B, near(B, 0.96, 3)])
    kept, means = merge_shots(parts, vectors)
    assert [(p.start, p.end, p.tower) for p in kept] == [(0, 12, "image"), (12, 20, "image")]
    assert means.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, rtol=1e-6)
    total = vectors[:3].sum(axis=0)
    np.testing.assert_allclose(means[0], total / np.linalg.norm(total), atol=1e-6)


@pytest.mark.parametrize(("cosine", "count"), [(SAME + 0.01, 1), (SAME - 0.01, 2), (0.0, 2)])
def test_the_threshold(cosine: float, count: int) -> None:
    kept, means = merge_shots(shots(4, 8), np.stack([A, near(A, cosine)]))
    assert len(kept) == len(means) == count


def test_a_slow_change_does_not_run_away() -> None:
    """Each is like the one before, but the stretch does not wander from where it began."""
    angles = np.linspace(0, np.pi / 2, 30)
    vectors = np.stack([np.cos(a) * A + np.sin(a) * B for a in angles]).astype(np.float32)
    kept, means = merge_shots(shots(*(float(i + 1) for i in range(30))), vectors)
    assert 2 <= len(kept) <= 5
    assert kept[0].start == 0
    assert kept[-1].end == 30
    assert all(a.end == b.start for a, b in pairwise(kept))
    assert (means[0] @ A) > 0.9


def test_what_does_not_touch_stays_apart() -> None:
    parts = [Segment(0, 4, None, "image"), Segment(6, 10, None, "image")]
    kept, _ = merge_shots(parts, np.stack([A, A]))
    assert kept == parts


def test_what_came_back_is_another_part() -> None:
    kept, _ = merge_shots(shots(4, 8, 12), np.stack([A, B, A]))
    assert [(p.start, p.end) for p in kept] == [(0, 4), (4, 8), (8, 12)]


def test_pictures_and_sounds_are_joined_apart() -> None:
    parts = [
        *shots(4, 8),
        *(Segment(t, t + 10, None, "audio") for t in (0, 5, 10)),
        Segment(40, 50, None, "audio"),
    ]
    vectors = np.stack([A, B, A, near(A, 0.95, 1), C, C])
    kept, means = merge_shots(parts, vectors)
    assert [(p.start, p.end, p.tower) for p in kept] == [
        (0, 4, "image"),
        (0, 15, "audio"),
        (4, 8, "image"),
        (10, 20, "audio"),
        (40, 50, "audio"),
    ]
    assert [int(np.argmax(np.abs(row))) for row in means] == [0, 0, 1, 2, 2]


def test_the_same_frame_a_thousand_times() -> None:
    kept, means = merge_shots(shots(*(float(i + 1) for i in range(1000))), np.stack([A] * 1000))
    assert [(p.start, p.end) for p in kept] == [(0, 1000)]
    np.testing.assert_allclose(means, A[None], atol=1e-5)


def test_films_are_gathered_with_it() -> None:
    parts, vectors = shots(4, 8), np.stack([A, A])
    kept, means = gather("film", parts, vectors)
    assert len(kept) == len(means) == 1
    assert gather("image", parts, vectors)[0] == parts
    kept, means = gather("film", [], vectors[:0])
    assert (kept, means.shape) == ([], (0, 64))
