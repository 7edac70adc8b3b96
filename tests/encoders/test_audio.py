"""The audio backbone against the published implementation (golden.npz holds its output)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio import audio_recipe, build_network, mel_blocks, mel_filters
from encoders.runtime import OpenVinoNetwork, TorchNetwork

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))["aisfx"]


def signal() -> np.ndarray:
    """Five seconds of a rising tone, struck every second, over soft noise."""
    t = np.arange(5 * 44_100) / 44_100
    noise = np.random.default_rng(7).standard_normal(len(t))
    tone = np.sin(2 * np.pi * (200 + 300 * t) * t) * np.exp(-3 * (t % 1))
    return (0.5 * tone + 0.05 * noise).astype(np.float32)


def test_features_equal_the_published_implementation():
    with torch.inference_mode():
        features = build_network()(torch.from_numpy(mel_blocks(signal()))).numpy()
    np.testing.assert_allclose(features, GOLDEN, atol=1e-4)


@pytest.mark.parametrize("network", [OpenVinoNetwork, lambda r: TorchNetwork(r, "cpu")])
def test_running_it_fast_keeps_the_features(network):
    features = network(audio_recipe())(mel_blocks(signal()))
    cosines = (features * GOLDEN).sum(1) / np.linalg.norm(features, axis=1)
    assert (cosines / np.linalg.norm(GOLDEN, axis=1)).min() > 0.999


def test_blocks_of_an_eight_sample_sound():
    # One frame holds all eight samples; 99 frames of silence follow it.
    blocks = mel_blocks(np.array([0, 1, 0, -1, 0, 1, 0, -1], dtype=np.float32))
    assert blocks.shape == (1, 100, 96)
    assert blocks.dtype == np.float32
    assert blocks[0, 0].max() > 0
    assert not blocks[0, 1:].any()


@pytest.mark.parametrize(
    ("seconds", "blocks"), [(0.01, 1), (2.29, 1), (2.31, 1), (3.5, 2), (10, 7)]
)
def test_number_of_blocks(seconds, blocks):
    samples = np.ones(int(seconds * 44_100), dtype=np.float32)
    assert mel_blocks(samples).shape == (blocks, 100, 96)


def test_loudness_does_not_matter():
    np.testing.assert_allclose(mel_blocks(signal()), mel_blocks(signal() * 1e-3), atol=1e-5)


def test_silence_gives_finite_blocks():
    assert not mel_blocks(np.zeros(44_100, dtype=np.float32)).any()


def test_every_filter_sums_to_one():
    np.testing.assert_allclose(mel_filters().sum(axis=1), 1, atol=1e-5)
