"""How fast does a folder of photographs become searchable, beside open_clip in eager PyTorch?

    python benchmarks/index.py [--photographs 1000] [--rounds 3]

Makes the photographs (1600 x 1200 JPEG: random crops of the sample library's, turned, mirrored
and recoloured), then indexes them with the real command in a process of its own: decoding,
thumbnails, embedding, catalogue, ChromaDB, start and end included. The peer decodes the same
files in as many threads, the same way, and runs open_clip's ViT-B-32 over them. They take turns,
and the medians count.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.encode import BATCH, sample_media
from benchmarks.machine import describe_machine
from encoders.towers import Preprocess
from media import open_media


def make_photographs(folder: Path, count: int) -> list[Path]:
    """Write so many distinct photographs, the same at every run."""
    sources, _ = sample_media()
    paths = []
    for number in range(count):
        chance = random.Random(number)
        source = sources[number % len(sources)]
        width, height = source.size
        share = chance.uniform(0.5, 0.95)
        w, h = int(width * share), int(height * share)
        x, y = chance.randint(0, width - w), chance.randint(0, height - h)
        picture = source.crop((x, y, x + w, y + h)).resize((1600, 1200), Image.Resampling.BICUBIC)
        if chance.random() < 0.5:
            picture = ImageOps.mirror(picture)
        picture = ImageEnhance.Brightness(picture).enhance(chance.uniform(0.7, 1.3))
        picture = ImageEnhance.Color(picture).enhance(chance.uniform(0.5, 1.5))
        path = folder / f"{number:06}.jpg"
        picture.save(path, quality=88)
        paths.append(path)
    return paths


def peak_memory(process: subprocess.Popen[bytes], readings: list[int]) -> None:
    """Read the resident memory of a process in MB, twenty times a second, until it ends."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None and status.exists():
        try:
            lines = status.read_text("utf-8").splitlines()
        except OSError:
            return
        readings += [int(x.split()[1]) // 1024 for x in lines if x.startswith("VmRSS")]
        time.sleep(0.05)


def index(folder: Path) -> tuple[float, list[int]]:
    """Seconds that `app.py index` takes, and its memory over that time in MB."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, str(ROOT / "app.py"), "index", str(folder), "--data", data]
        readings: list[int] = []
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watcher = threading.Thread(target=peak_memory, args=(process, readings))
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - start
        watcher.join()
        if code:
            raise SystemExit("`app.py index` failed: run it by hand to see why.")
        return seconds, readings


def load_peer() -> Any:
    """open_clip's ViT-B-32; weights of chance take as long as others."""
    import open_clip

    return open_clip.create_model("ViT-B-32").eval()


def embed_with_peer(model: Any, paths: list[Path]) -> float:
    """Seconds that decoding and ViT-B-32 in eager PyTorch take, without start and storage."""
    import torch

    config = model.visual.preprocess_cfg
    preprocess = Preprocess((224, 224), tuple(config["mean"]), tuple(config["std"]))

    def read(path: Path) -> np.ndarray:
        with open_media(path) as media:
            (segment,) = media.segments()
            return preprocess(segment.content)

    mean = torch.tensor(preprocess.mean).reshape(3, 1, 1)
    std = torch.tensor(preprocess.std).reshape(3, 1, 1)
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool, torch.inference_mode():
        waiting: list[np.ndarray] = []
        for place, pixels in enumerate(pool.map(read, paths), start=1):
            waiting.append(pixels)
            if len(waiting) == BATCH or place == len(paths):
                batch = torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2) / 255
                model.encode_image((batch - mean) / std, normalize=True)
                waiting = []
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = options.photographs
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photographs(Path(folder), count)
        peer, model = min(count, 200), load_peer()
        ours, theirs = [], []
        memory: list[int] = []
        for _ in range(options.rounds):
            seconds, memory = index(Path(folder))
            ours.append(count / seconds)
            theirs.append(peer / embed_with_peer(model, paths[:peer]))
    half = len(memory) // 2
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    print(describe_machine(), end="\n\n")
    print("| what | photographs | photographs/s |")
    print("|---|---:|---:|")
    print(f"| `app.py index`, everything included | {count} | {median(ours):.1f} |")
    print(f"| open_clip ViT-B-32, eager, decoding included | {peer} | {median(theirs):.1f} |")
    print(f"\nratio {median(ratios):.1f} (of {', '.join(f'{ratio:.1f}' for ratio in ratios)})")
    print(f"memory: peak {max(memory[:half])} MB in the first half, {max(memory[half:])} MB after")


if __name__ == "__main__":
    main()
