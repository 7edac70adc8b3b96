"""Run a network fast: OpenVINO on a CPU, PyTorch on a GPU or where OpenVINO is missing.

A network is described by a Recipe. On the first use it is built in PyTorch and converted; the
converted network lies in the cache, so that later starts import neither PyTorch nor what built it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

import numpy as np

from encoders.rounding import round_weights
from encoders.weights import cache_dir

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]

# OpenVINO reports its use over the network unless this package of its is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


DEVICES = ("openvino", "cpu", "cuda")


class DeviceError(Exception):
    """The networks cannot run where they are asked to."""


class Network(Protocol):
    """A batch in, a batch out. Safe to call from several threads."""

    def __call__(self, batch: Array) -> Array: ...


@dataclass(frozen=True)
class Recipe:
    """How to make a network, and what may change in its place without anybody seeing it."""

    key: str
    """Names the converted network in the cache: another key for other weights or code."""
    build: Callable[[], torch.nn.Module]
    """Makes the module in evaluation mode; called only when nothing is cached."""
    example: Array
    """A batch of two like those that will come, for tracing."""
    weights: tuple[str, ...] = ()
    """The fetched files that building takes, by their names in the manifest of weights."""
    dynamic: tuple[int, ...] = (0,)
    """The axes of the input whose length changes; the batch axis at least."""
    reduced_precision: bool = True
    """Whether bfloat16 is good enough where the processor has it."""
    exact_convolutions: int = 0
    """So many convolutions at the start stay in float32 even so: a depthwise one on large maps
    can lose more in bfloat16 than all the rest."""
    typical: Callable[[], Array] | None = None
    """Makes inputs like those that will come. With them the other convolutions' weights are
    rounded to bfloat16 so that no channel's mean shifts (rounding.py)."""
    eight_bit: Callable[[], torch.nn.Module] | None = None
    """Makes the same network with weights and activations rounded to eight bits, for processors
    that multiply these quickest; None: it would lose too much."""
    chunk: int | None = None
    """Rows that one core works on at a time, for throughput; None: all cores on the whole batch,
    for the shortest answer."""


def load_network(recipe: Recipe) -> Network:
    """Load the network from the cache, or build it, on the best device this machine has."""
    device = choose_device()
    return OpenVinoNetwork(recipe) if device == "openvino" else TorchNetwork(recipe, device)


def is_built(recipe: Recipe) -> bool:
    """Whether loading the network takes nothing that might have to be fetched or converted."""
    return choose_device() == "openvino" and _path(_suited(recipe)).exists()


@cache
def choose_device() -> str:
    """ "cuda", "openvino" (on the processor) or "cpu" (PyTorch); `ANYFIND_DEVICE` overrides it."""
    if chosen := os.environ.get("ANYFIND_DEVICE"):
        if chosen not in DEVICES:
            raise DeviceError(f"ANYFIND_DEVICE is {chosen!r}: it must be one of {DEVICES}.")
        return chosen
    if _has_cuda():
        return "cuda"
    return "openvino" if _has_openvino() else "cpu"


class OpenVinoNetwork:
    """A converted network on the processor."""

    def __init__(self, recipe: Recipe) -> None:
        recipe = _suited(recipe)
        self._path = _path(recipe)
        if not self._path.exists():
            convert(recipe, self._path)
        self._options = {
            "CACHE_DIR": str(self._path.parent / "compiled"),
            "INFERENCE_PRECISION_HINT": "bf16" if _reduces(recipe) else "f32",
            "PERFORMANCE_HINT": "THROUGHPUT" if recipe.chunk else "LATENCY",
        }
        self._chunk = recipe.chunk
        self._shape = recipe.example.shape[1:]
        self._requests: dict[int, Any] = {}
        self._request: Any = None
        self._lock = threading.Lock()
        if self._chunk is None:
            self._request = self._compile(None).create_infer_request()

    def __call__(self, batch: Array) -> Array:
        batch = np.ascontiguousarray(batch)
        with self._lock:
            if self._chunk is None:
                output = self._request.infer([batch], share_inputs=True)[0]
                return np.array(output, dtype=np.float32)
            return self._in_chunks(batch, self._chunk if len(batch) >= self._chunk else 1)

    def _in_chunks(self, batch: Array, size: int) -> Array:
        """Several requests side by side, of so many rows each; the last is filled up."""
        if size not in self._requests:
            self._requests[size] = _request_queue(self._compile(size))
        requests = self._requests[size]
        rows: dict[int, Array] = {}
        requests.set_callback(
            # the output's memory belongs to the request, which goes on to the next chunk
            lambda request, at: rows.__setitem__(at, request.get_output_tensor().data.copy())
        )
        chunks = [batch[at : at + size] for at in range(0, len(batch), size)]
        chunks[-1] = np.resize(chunks[-1], (size, *batch.shape[1:]))
        try:
            for at, chunk in enumerate(chunks):
                requests.start_async([chunk], at, share_inputs=True)
        finally:  # the chunks' memory is read until then
            requests.wait_all()
        return np.concatenate([rows[at] for at in sorted(rows)])[: len(batch)].astype(np.float32)

    def _compile(self, rows: int | None) -> Any:
        """The network for inputs of so many rows, or of any number, which takes longer: OpenVINO
        then cannot lay out its memory, nor fuse some layers (a seventh of the image tower)."""
        if rows is None:  # by its path it is found among the compiled ones without being read
            return _core().compile_model(self._path, "CPU", self._options)
        model = _core().read_model(self._path)
        model.reshape([rows, *self._shape])
        return _core().compile_model(model, "CPU", self._options)


class TorchNetwork:
    """The same network in PyTorch, for a GPU or where OpenVINO cannot be had."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        # autocast cannot leave single layers exact
        reduced = recipe.reduced_precision and not recipe.exact_convolutions
        self._dtype = torch.bfloat16 if reduced else torch.float32
        module = recipe.build().eval().to(self._device)
        self._module = module.to(memory_format=torch.channels_last)

    def __call__(self, batch: Array) -> Array:
        torch = self._torch
        reduced = self._dtype is not torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, reduced):
            tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            return np.asarray(self._module(tensor).float().cpu().numpy())


def convert(recipe: Recipe, path: Path) -> None:
    """Build the network in PyTorch and write it for OpenVINO, whole or not at all."""
    import openvino
    import torch

    module = recipe.build().eval()
    shape = [-1 if axis in recipe.dynamic else n for axis, n in enumerate(recipe.example.shape)]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of everything it might get wrong
        model = openvino.convert_model(
            module,
            example_input=torch.from_numpy(recipe.example),
            input=[openvino.PartialShape(shape)],
        )
    if recipe.typical is not None and _reduces(recipe):
        round_weights(model, recipe.typical(), recipe.exact_convolutions)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="part-") as folder:
        part = Path(folder)
        openvino.save_model(model, part / path.name, compress_to_fp16=True)
        _keep_exact(part / path.name, recipe.exact_convolutions)
        for name in (path.with_suffix(".bin").name, path.name):  # the .xml last: it marks the end
            os.replace(part / name, path.parent / name)


def _keep_exact(path: Path, convolutions: int) -> None:
    """Mark all layers up to so many convolutions as not to be run in bfloat16."""
    # OpenVINO reads this mark from the file, but its Python interface cannot set it.
    tree = ElementTree.parse(path)
    for layer in tree.iterfind("layers/layer"):
        convolutions -= layer.get("type") in {"Convolution", "GroupConvolution"}
        if convolutions < 0:
            break
        if layer.get("type") not in {"Const", "Parameter", "Result"}:
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(0 if layer.find("data") is None else 1, info)
            ElementTree.SubElement(info, "attribute", name="precise", version="0")
    tree.write(path)


def _suited(recipe: Recipe) -> Recipe:
    """The recipe for this processor."""
    if not _reduces(recipe):
        return recipe
    if recipe.eight_bit is not None:
        return replace(recipe, key=f"{recipe.key}-8bit", build=recipe.eight_bit)
    return recipe if recipe.typical is None else replace(recipe, key=f"{recipe.key}-bf16")


def _reduces(recipe: Recipe) -> bool:
    """Whether the network runs in bfloat16 here."""
    # All processors that have bfloat16 have quick eight-bit products as well (AVX512-VNNI, AMX);
    # on older ones these can overflow, which OpenVINO does not guard against.
    return recipe.reduced_precision and "BF16" in _core().get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    )


def _path(recipe: Recipe) -> Path:
    return cache_dir() / "networks" / f"{recipe.key}.xml"


def _request_queue(compiled: Any) -> Any:
    import openvino

    return openvino.AsyncInferQueue(compiled)


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def _has_openvino() -> bool:
    with suppress(ImportError):
        import openvino  # noqa: F401

        return True
    return False


def _has_cuda() -> bool:
    # Importing torch takes seconds, so it is asked only where a driver is installed.
    if not (Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return torch.cuda.is_available()
