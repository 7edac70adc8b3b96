"""Weights are rounded to bfloat16 such that channels' means stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from encoders.rounding import round_rows, round_weights, to_bfloat16
from encoders.typical import typical_pictures

openvino = pytest.importorskip("openvino")


def test_rounding_is_that_of_torch() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32) * 100
    values = np.append(values, np.array([0, -0.0, 1 + 2**-8, 1 + 3 * 2**-8], dtype=np.float32))
    by_torch = torch.from_numpy(values).bfloat16().float().numpy()
    np.testing.assert_array_equal(to_bfloat16(values), by_torch)


def test_rows_keep_the_mean_of_their_products() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 40)).astype(np.float32)
    mean = np.abs(rng.normal(size=rows.shape)).astype(np.float32)
    rounded, left = round_rows(rows, mean, mean**2 + 1, np.full(50, 0.01, dtype=np.float32))
    nearest = to_bfloat16(rows)
    np.testing.assert_array_equal(to_bfloat16(rounded), rounded)
    step = np.abs(rows) * 2**-7
    assert (np.abs(rounded - rows) <= step).all()  # one of the two neighbours
    shift = 0.01 + ((rounded - rows) * mean).sum(axis=1)
    np.testing.assert_allclose(left, shift, atol=1e-5)
    before = np.abs(0.01 + ((nearest - rows) * mean).sum(axis=1)).mean()
    assert np.abs(left).mean() < before / 10


def test_what_cannot_be_helped_is_left_nearest() -> None:
    rows = np.array([[1.001, 2.001]], dtype=np.float32)
    nothing = np.zeros_like(rows)
    rounded, left = round_rows(rows, nothing, nothing, np.array([0.5], dtype=np.float32))
    np.testing.assert_array_equal(rounded, to_bfloat16(rows))
    assert left == pytest.approx(0.5)


WIDTH = 48


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 3, padding=1), nn.ReLU6()]
    for _ in range(3):
        layers += [
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
            nn.ReLU6(),
            nn.Conv2d(WIDTH, WIDTH, 1),
            nn.ReLU6(),
        ]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            nn.init.uniform_(layer.bias, 0.5, 4)
    return nn.Sequential(*layers[:-1]).eval()


def _means(model: Any, inputs: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    mean: np.ndarray = compiled(inputs)[0].mean(axis=(0, 2, 3))
    return mean


def test_a_network_keeps_its_means() -> None:
    inputs = np.random.default_rng(2).uniform(size=(6, 3, 16, 16)).astype(np.float32)

    def convert(network: nn.Module) -> Any:
        return openvino.convert_model(network, example_input=torch.from_numpy(inputs))

    nearest = _network()
    with torch.no_grad():
        for parameter in nearest[1:].parameters():
            parameter.copy_(parameter.bfloat16())
    kept = convert(_network())
    round_weights(kept, inputs, exact=1)
    wanted = _means(convert(_network()), inputs)
    off = np.abs(_means(kept, inputs) - wanted).mean()
    assert off < np.abs(_means(convert(nearest), inputs) - wanted).mean() / 2
    weights = [
        node.get_data()
        for node in kept.get_ordered_ops()
        if node.get_type_name() == "Constant" and node.get_data().ndim >= 4
    ]
    rounded = [np.array_equal(to_bfloat16(w), w) for w in weights if w.size > 1]
    assert rounded.count(False) == 2  # the first convolution's weights and bias


def test_typical_pictures_are_the_same_each_time(tmp_path: Path) -> None:
    pictures = typical_pictures(64)
    assert pictures.shape == (48, 64, 64, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, typical_pictures(64))
    assert len(np.unique(pictures.reshape(48, -1), axis=0)) == 48
