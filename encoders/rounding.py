"""Round a network to bfloat16 so that what each of its channels gives stays the same on average.

A processor that multiplies in bfloat16 takes weights and biases with eight bits of precision.
Rounded to the nearest, they shift the mean of a channel, for every picture alike, and shifts add
up through the layers: that is most of what such a network loses (Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction", 2019). The bias cannot take the
shift up, as there, since it is rounded itself; so some weights are rounded the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import openvino

Array = np.ndarray[Any, Any]

_CONVOLUTIONS = ("Convolution", "GroupConvolution")
_STEP = np.uint32(1 << 16)  # from one bfloat16 number to the next, in the bits of a float32
_BATCH = 4


def round_weights(model: openvino.Model, inputs: Array, exact: int) -> None:
    """Round the weights and biases of a network's convolutions, in place.

    Args:
        model: a network of one input. Convolutions whose weights or bias it computes are left.
        inputs: some that are like those that will come, for the mean of what each layer is given.
        exact: so many convolutions at the start are left as they are.
    """
    shifts: dict[str, Array] = {}
    given = _measure(model, inputs, exact)
    for (layer, add), (mean, square, passing) in zip(
        _convolutions(model)[exact:], given, strict=True
    ):
        weights, bias = _constant(layer.input_value(1)), _constant(add.input_value(1))
        rows = weights.reshape(-1, int(np.prod(weights.shape[-3:])))
        # What the layer before could not make up for reaches this one where it is not clipped.
        shift = shifts.get(_source(layer), np.zeros_like(mean)) * passing
        rounded_bias = to_bfloat16(bias)
        rounded, left = round_rows(
            rows,
            _spread(mean, weights.shape),
            _spread(square, weights.shape),
            (rows * _spread(shift, weights.shape)).sum(axis=1) + (rounded_bias - bias).reshape(-1),
        )
        shifts[add.get_friendly_name()] = left
        _replace(layer.input(1), rounded.reshape(weights.shape))
        _replace(add.input(1), rounded_bias)


def round_rows(rows: Array, mean: Array, square: Array, shift: Array) -> tuple[Array, Array]:
    """Round each row of weights to bfloat16 such that its products' mean does not shift.

    Weights are rounded the other way, those first whose errors grow least for what they bring,
    as long as that takes the shift closer to zero.

    Args:
        rows: (n, m), float32.
        mean, square: (n, m): the mean of what each weight is multiplied with, and of its square.
        shift: (n,): by how much the sum of the products is off already.

    Returns:
        The rounded rows, and by how much the mean of their products is still off.
    """
    nearest = to_bfloat16(rows)
    other = _other_way(rows, nearest)
    left = shift + ((nearest - rows) * mean).sum(axis=1)
    change = (other - nearest) * mean
    cost = ((other - rows) ** 2 - (nearest - rows) ** 2) * square
    helps = np.sign(change) == -np.sign(left)[:, None]
    helps &= change != 0
    price = cost / np.where(helps, np.abs(change), 1)
    order = np.argsort(np.where(helps, price, np.inf), axis=1)
    turned = np.zeros(rows.shape, dtype=bool)
    every = np.arange(len(rows))
    for place in order.T[: int(helps.sum(axis=1).max(initial=0))]:
        after = left + change[every, place]
        better = helps[every, place] & (np.abs(after) < np.abs(left))
        turned[every, place] = better
        left = np.where(better, after, left)
    return np.where(turned, other, nearest), left


def to_bfloat16(values: Array) -> Array:
    """The nearest numbers that bfloat16 has, ties to even, as float32."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded: Array = ((bits + np.uint32(0x7FFF) + even) & ~(_STEP - np.uint32(1))).view(np.float32)
    return rounded


def _other_way(values: Array, nearest: Array) -> Array:
    """The bfloat16 numbers on the other side of the values."""
    bits = nearest.view(np.uint32)
    outward = np.abs(nearest) < np.abs(values)
    other: Array = np.where(outward, bits + _STEP, bits - _STEP).view(np.float32)
    return np.where(nearest == values, nearest, other)


def _spread(channels: Array, shape: tuple[int, ...]) -> Array:
    """One number for each input channel as one for each weight, a row for each output channel."""
    groups, _, inputs, _, _ = shape = (1,) * (5 - len(shape)) + shape
    of_weights = np.broadcast_to(channels.reshape(groups, 1, inputs, 1, 1), shape)
    return of_weights.reshape(-1, int(np.prod(shape[2:])))


def _convolutions(model: openvino.Model) -> list[tuple[Any, Any]]:
    """The convolutions of constant weights with the addition of their bias, in their order."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() in _CONVOLUTIONS:
            after = [target.get_node() for target in node.output(0).get_target_inputs()]
            if len(after) == 1 and after[0].get_type_name() == "Add":
                found.append((node, after[0]))
    return [pair for pair in found if all(_is_constant(node.input_value(1)) for node in pair)]


def _measure(model: openvino.Model, inputs: Array, exact: int) -> Iterator[tuple[Array, ...]]:
    """Of what each layer is given: its mean, the mean of its square, and how often it is not
    clipped on its way from the layer before; one number for each channel."""
    import openvino
    from openvino import opset13 as ops

    model = model.clone()
    axes = ops.constant(np.array([0, 2, 3]))
    results = []
    for layer, _ in _convolutions(model)[exact:]:
        given = layer.input_value(0)
        clip = given.get_node()
        passing = ops.equal(given, given)  # all of it, where nothing is clipped
        if clip.get_type_name() == "Clamp":
            low, high = (np.float32(clip.get_attributes()[name]) for name in ("min", "max"))
            passing = ops.logical_and(
                ops.greater(given, ops.constant(low)), ops.less(given, ops.constant(high))
            )
        for value in (given, ops.multiply(given, given), ops.convert(passing, "f32")):
            results.append(ops.reduce_mean(value, axes, keep_dims=False))
    measuring = openvino.Model(results, model.get_parameters())
    compiled = openvino.Core().compile_model(measuring, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts = np.split(inputs, range(_BATCH, len(inputs), _BATCH))
    sums = [
        sum(values) for values in zip(*(compiled(part).values() for part in parts), strict=True)
    ]
    means = [np.asarray(value, dtype=np.float32) / len(parts) for value in sums]
    return zip(means[::3], means[1::3], means[2::3], strict=True)


def _source(layer: Any) -> str:
    """The name of the addition that a layer's input comes from, if but a clip lies between."""
    node = layer.input_value(0).get_node()
    if node.get_type_name() == "Clamp":
        node = node.input_value(0).get_node()
    return str(node.get_friendly_name())


def _is_constant(output: Any) -> bool:
    return bool(output.get_node().get_type_name() == "Constant")


def _constant(output: Any) -> Array:
    return np.array(output.get_node().get_data(), dtype=np.float32)


def _replace(place: Any, values: Array) -> None:
    from openvino import opset13 as ops

    place.replace_source_output(ops.constant(values).output(0))
