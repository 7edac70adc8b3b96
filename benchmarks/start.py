"""How long until there is an answer: the command line, the page, a warm query.

    python benchmarks/start.py [--rounds 5]

Uses a library of its own with the samples, in a temporary folder. Figures are medians.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.machine import describe_machine
from encoders import load_space
from store.library import Library
from store.samples import add_samples

APP = [sys.executable, str(ROOT / "app.py")]


def seconds_of_search(data: str) -> float:
    start = time.perf_counter()
    command = [*APP, "--data", data, "search", "a dog"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def seconds_until_page(data: str) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    command = [*APP, "--data", data, "--port", str(port), "--no-browser"]
    page = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < 60:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                return time.perf_counter() - start
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise SystemExit("The page did not come up within a minute.")
    finally:
        page.terminate()
        page.wait()


def milliseconds_of_query(data: str) -> float:
    with Library(Path(data), load_space()) as library:
        library.search("warming up")
        times = []
        for number in range(100):
            start = time.perf_counter()
            library.search(f"a dog in the snow {number}")
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = range(parser.parse_args().rounds)
    with tempfile.TemporaryDirectory() as data:
        with Library(Path(data), load_space()) as library:
            add_samples(library)
        seconds_of_search(data)  # warms the disk's cache
        searches = [seconds_of_search(data) for _ in rounds]
        (Path(data) / "samples").write_text("done", "utf-8")
        pages = [seconds_until_page(data) for _ in rounds]
        query = milliseconds_of_query(data)
    print(describe_machine(), end="\n\n")
    print("| what | median |")
    print("|---|---:|")
    print(f'| `app.py search "a dog"`, whole process | {statistics.median(searches):.2f} s |')
    print(f"| `app.py` until the page answers | {statistics.median(pages):.2f} s |")
    print(f"| a query in the page's process, warm, without the browser | {query:.1f} ms |")


if __name__ == "__main__":
    main()
