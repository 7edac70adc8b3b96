"""What batching gains the embedding service: requests a second with 1 and 16 clients.

    python benchmarks/service.py [--seconds 5]

The same service twice, on this machine's loopback: one that encodes what came while it was busy
together, one that encodes every request by itself. Half of the rounds begin with either. Each
request is one short text, or one photograph-like picture of 640 x 480 as a JPEG.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image

from benchmarks.machine import describe_machine
from encoders import load_space
from ui.service import serve_space

CLIENTS = (1, 16)
ROUNDS = 4


def text(number: int) -> str:
    return f"a dog in the snow, seen from house {number}"


def picture(number: int) -> str:
    random = np.random.default_rng(number % 32)
    small = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    file = io.BytesIO()
    small.resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def requests_a_second(
    address: str, clients: int, seconds: float, bodies: list[bytes]
) -> tuple[float, float]:
    """Answered requests a second, and the median milliseconds of one."""
    end = time.perf_counter() + seconds
    times: list[float] = []

    def ask(client: int) -> None:
        at = client
        while time.perf_counter() < end:
            start = time.perf_counter()
            asked = urllib.request.Request(
                f"{address}/v1/embeddings",
                bodies[at % len(bodies)],
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked, timeout=60) as answer:
                answer.read()
            times.append(time.perf_counter() - start)
            at += clients

    start = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / (time.perf_counter() - start), 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    space = load_space()
    space.build()
    kinds: dict[str, Callable[[int], str]] = {"text": text, "picture": picture}
    print(describe_machine(), end="\n\n")
    print("| input, clients | apart: requests/s, median ms | batched | ratio |")
    print("|---|---:|---:|---:|")
    services = {
        together: serve_space(
            space,
            host="127.0.0.1",
            port=0,
            auth=None,
            prevent_thread_lock=True,
            together=together,
        )
        for together in (False, True)
    }
    for kind, make in kinds.items():
        bodies = [
            json.dumps(
                {"model": space.name, "input": make(number), "encoding_format": "base64"}
            ).encode()
            for number in range(64)
        ]
        for clients in CLIENTS:
            found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for number in range(ROUNDS):
                for together in (False, True) if number % 2 else (True, False):
                    found[together].append(
                        requests_a_second(
                            services[together].address, clients, seconds / ROUNDS, bodies
                        )
                    )
            (slow, slow_ms), (fast, fast_ms) = (
                tuple(statistics.median(values) for values in zip(*found[together], strict=True))
                for together in (False, True)
            )
            print(
                f"| {kind}, {clients} | {slow:.0f}, {slow_ms:.1f} | {fast:.0f}, {fast_ms:.1f} | "
                f"{fast / slow:.2f} |"
            )
    for running in services.values():
        running.close()


if __name__ == "__main__":
    main()
