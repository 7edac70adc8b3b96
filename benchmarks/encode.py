"""How fast do the networks run, and how true to plain PyTorch?

    python benchmarks/encode.py [--rounds 7]

Everything is measured in turn, round by round, in one process; figures are medians over the
rounds. Pictures are the sample library's photographs with their mirror images, sounds are ten-
second windows of its sounds. Accuracy is the cosine to the output of the same network in eager
PyTorch in float32.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.machine import describe_machine
from encoders import load_space
from encoders.audio import build_network
from encoders.embedded import PREPROCESS, build_clip
from encoders.towers import image_module
from media import open_media
from store.samples import read_samples

BATCH = 16


def sample_media() -> tuple[list[Image.Image], list[np.ndarray]]:
    """The sample library's pictures, and its sounds' windows of at most ten seconds."""
    pictures, sounds = [], []
    for sample in read_samples():
        if not sample.path.exists():
            raise SystemExit("The samples are not in the cache: run `python app.py samples` first.")
        with open_media(sample.path) as media:
            contents = [segment.content for segment in media.segments()]
        (pictures if sample.medium == "image" else sounds).extend(contents)
    return pictures, sounds


def batches(items: Any) -> list[Any]:
    return [items[at : at + BATCH] for at in range(0, len(items), BATCH)]


def rates(contestants: dict[str, tuple[int, Callable[[], Any]]], rounds: int) -> dict[str, float]:
    """Items per second of each contestant, the median over the rounds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, (_, work) in contestants.items():
            start = time.perf_counter()
            work()
            if turn:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: n / statistics.median(times[name]) for name, (n, _) in contestants.items()}


def cosines(ours: np.ndarray, exact: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(exact, axis=1)
    return (ours * exact).sum(axis=1) / lengths


def main() -> None:
    import open_clip
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds

    space = load_space()
    space.build()
    photographs, sounds = sample_media()
    pictures = [space.prepare("image", p) for p in photographs]
    pictures += [np.ascontiguousarray(p[:, ::-1]) for p in pictures]
    blocks = [space.prepare("audio", s) for s in sounds]
    windows = [b for b in blocks if len(b) == 7] or blocks  # whole ten seconds
    # enough of them for a batch, and no more than eager PyTorch gets through in a few seconds
    windows = (windows * BATCH)[:BATCH]
    every_block = np.concatenate(windows)

    eager_image = image_module(build_clip(), PREPROCESS)
    eager_audio = build_network()
    peer = open_clip.create_model("ViT-B-32").eval()
    peer_batch = torch.zeros(BATCH, 3, 224, 224)

    def run_eager(module: Any, rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate(
                [module(torch.from_numpy(b)).numpy() for b in batches(np.ascontiguousarray(rows))]
            )

    def run_peer() -> None:
        with torch.inference_mode():
            peer.encode_image(peer_batch)

    stacked = np.stack(pictures)
    # as long at work as the slower ones, or what those left of the caches would be measured
    whole = (pictures * 4)[: len(pictures) * 4 // BATCH * BATCH]
    few = stacked[:BATCH]
    measured = rates(
        {
            "image": (len(whole), lambda: [space.encode("image", b) for b in batches(whole)]),
            "image eager": (len(few), lambda: run_eager(eager_image, few)),
            "peer": (BATCH, run_peer),
            "audio": (len(windows), lambda: space.encode("audio", windows)),
            "audio eager": (len(windows), lambda: run_eager(eager_audio, every_block)),
            "text": (20, lambda: [space.encode_texts(["a dog in the snow"]) for _ in range(20)]),
            "decode": (len(sounds), lambda: [space.prepare("audio", s) for s in sounds]),
        },
        rounds,
    )
    seen = cosines(
        np.concatenate([space.encode("image", b) for b in batches(pictures)]),
        run_eager(eager_image, stacked),
    )
    features = space.audio_features(blocks)
    exact = np.stack([run_eager(eager_audio, b).mean(axis=0) for b in blocks])
    heard = cosines(features, exact)

    print(describe_machine(), end="\n\n")
    print("| network | eager PyTorch | Anyfind | ratio | cosine to eager: worst, median |")
    print("|---|---:|---:|---:|---:|")
    for name, what, cosine in (
        ("image", f"image tower, {PREPROCESS.size[0]} px, batch {BATCH} (pictures/s)", seen),
        ("audio", "audio network (ten-second sounds/s)", heard),
    ):
        ours, eager = measured[name], measured[f"{name} eager"]
        print(
            f"| {what} | {eager:.1f} | {ours:.1f} | {ours / eager:.1f} "
            f"| {cosine.min():.5f}, {np.median(cosine):.5f} of {len(cosine)} |"
        )
    print(f"\nopen_clip ViT-B-32, eager PyTorch: {measured['peer']:.1f} pictures/s")
    print(f"Anyfind's image tower beside it: {measured['image'] / measured['peer']:.1f} times")
    print(f"a text query, warm: {1000 / measured['text']:.1f} ms")
    print(f"mel spectrograms, one thread: {measured['decode']:.0f} sounds/s")


if __name__ == "__main__":
    main()
