"""The audio backbone: a waveform becomes mel blocks, mel blocks become features.

aiSFX (Ma and Lerch, ISMIR 2022): a convolutional network trained on sound-effects libraries. It
sees 100 frames (2.3 s) of a mel spectrogram at a time; a sound's features are the mean over its
blocks. The numbers below are the ones that the published weights were trained with.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.runtime import Recipe
from encoders.weights import cache_dir, fetch, read_manifest, write_whole

if TYPE_CHECKING:
    import torch

    from encoders.weights import Progress

Array = np.ndarray[Any, Any]

SAMPLE_RATE = 44_100
FEATURES = 512
BANDS = 96
BLOCK_FRAMES, BLOCK_HOP = 100, 50
_WINDOW, _HOP = 2048, 1024
_LARGEST = 9.457798957824707  # of the training spectrograms: the network saw values scaled to 0..1

# Of each convolution's inputs after the first, what all but one in 100,000 stay below: measured on
# the sample library's sounds and disturbed variants of them (adapter.disturb).
_LARGEST_INPUTS = (14.35, 14.61, 9.63, 11.48, 8.06, 7.73, 4.91)


def mel_blocks(samples: Array) -> Array:
    """Cut a sound into the blocks of mel spectrogram that the network takes.

    Args:
        samples: mono float waveform at 44.1 kHz, shape (n,), n >= 1. Its loudness does not matter:
            it is scaled to a peak of 1.

    Returns:
        float32 (blocks, 100, 96), at least one block; a sound under 2.3 s is followed by silence.
    """
    peak = np.abs(samples).max(initial=0.0)
    wave = samples.astype(np.float32) / np.float32(peak if peak > 0 else 1.0)
    wave = np.pad(wave, _WINDOW // 2)  # frames are centred, so the first sample counts in full
    frames = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)) ** 2
    mel = np.log10(1 + 10_000 * (power.astype(np.float32) @ mel_filters().T)) / _LARGEST
    missing = max(0, BLOCK_FRAMES - len(mel))
    mel = np.pad(mel, ((0, missing), (0, 0))).astype(np.float32)
    starts = range(0, len(mel) - BLOCK_FRAMES + 1, BLOCK_HOP)
    return np.stack([mel[start : start + BLOCK_FRAMES] for start in starts])


def audio_recipe(progress: Progress | None = None) -> Recipe:
    """The network from mel blocks (n, 100, 96) to features (n, 512)."""

    def build() -> torch.nn.Module:
        return build_network(progress)

    def eight_bit() -> torch.nn.Module:
        return quantize_network(build_network(progress))

    example = np.zeros((2, BLOCK_FRAMES, BANDS), dtype=np.float32)
    return Recipe("aisfx-2", build, example, weights=("aisfx.pth",), eight_bit=eight_bit, chunk=4)


def build_network(progress: Progress | None = None) -> torch.nn.Module:
    """The embedding network of aiSFX in PyTorch, with its published weights, in evaluation mode."""
    from safetensors.torch import load_file, save_file
    from torch import nn

    def convolve(channels: int, width: int) -> list[nn.Module]:
        return [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]

    class Pool(nn.Module):
        """Mean over the bands, then the largest over time."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=3).amax(dim=2)

    class Unsqueeze(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.unsqueeze(1)

    layers: list[nn.Module] = [Unsqueeze()]
    before = 1
    for width in (64, 128, 256, 512):
        layers += convolve(before, width) + convolve(width, width)
        if width < FEATURES:
            layers.append(nn.MaxPool2d(2))
        before = width
    network = nn.Sequential(*layers, Pool())

    kept = cache_dir() / "weights" / "aisfx.safetensors"
    if not kept.exists():
        member = read_manifest()["aisfx.pth"]
        source = fetch([member], progress)[member.name]
        state = _read_checkpoint(source)
        write_whole(kept, lambda part: save_file(state, part))
    weights = load_file(kept)
    convolutions = [m for m in network if isinstance(m, nn.Conv2d)]
    norms = [m for m in network if isinstance(m, nn.BatchNorm2d)]
    for place, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
        block = f"embedding_net.conv_block{place // 2 + 1}"
        part = place % 2 + 1
        convolution.load_state_dict({"weight": weights[f"{block}.conv{part}.weight"]})
        prefix = f"{block}.bn{part}."
        norm.load_state_dict(
            {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        )
    return network.eval()


def quantize_network(network: torch.nn.Module) -> torch.nn.Module:
    """The same network with inputs and weights of all convolutions but the first in eight bits.

    One scale for a layer's inputs, which are never negative (_LARGEST_INPUTS), one for each
    output channel's weights, symmetric. The first convolution's inputs are the sound itself and
    its work is little: it stays as it is.
    """
    import torch
    from torch import nn

    class Quantized(nn.Module):
        def __init__(self, convolution: nn.Conv2d, largest: float) -> None:
            super().__init__()
            self.convolution = convolution
            self.step = largest / 255
            steps = convolution.weight.detach().abs().amax((1, 2, 3)) / 127
            self.steps = nn.Buffer(steps.clamp_min(1e-12))
            self.zeros = nn.Buffer(torch.zeros(len(steps), dtype=torch.int32))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.fake_quantize_per_tensor_affine(x, self.step, 0, 0, 255)
            weight = torch.fake_quantize_per_channel_affine(
                self.convolution.weight, self.steps, self.zeros, 0, -127, 127
            )
            return nn.functional.conv2d(x, weight, self.convolution.bias, padding=1)

    layers: list[nn.Module] = []
    largest = iter((None, *_LARGEST_INPUTS))
    children = list(network.children())
    for layer, after in zip(children, [*children[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d):
            assert isinstance(after, nn.BatchNorm2d)
            fused = nn.utils.fuse_conv_bn_eval(layer, after)
            limit = next(largest)
            layers.append(fused if limit is None else Quantized(fused, limit))
        elif not isinstance(layer, nn.BatchNorm2d):
            layers.append(layer)
    return nn.Sequential(*layers).eval()


@cache
def mel_filters() -> Array:
    """The filter bank, float32 (96, 1025): HTK mel scale, 0 to 22,050 Hz, each filter's sum 1."""
    kept = cache_dir() / "networks" / "mel-htk-96-2048-44100.npy"
    if kept.exists():
        filters: Array = np.load(kept)
        return filters
    import librosa  # takes a second to import: only for the first sound ever

    filters = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=_WINDOW, n_mels=BANDS, fmin=0.0, fmax=22_050.0, htk=True, norm=1
    ).astype(np.float32)
    write_whole(kept, lambda part: np.save(part, filters))
    return filters


@cache
def _hann() -> Array:
    # The periodic window, as librosa and Essentia have it; NumPy's own is the symmetric one.
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The embedding network's tensors; the classifiers that it was trained with are left out."""
    import torch

    # The file holds numpy numbers beside the tensors: what makes one, and nothing else, may run.
    make_scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        (make_scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        type(np.dtype(np.int64)),
    ]
    with torch.serialization.safe_globals(allowed):
        state, _ = torch.load(path, map_location="cpu", weights_only=True)
    return {k: v.contiguous() for k, v in state.items() if k.startswith("embedding_net.")}
