"""What `add` reported survives kill -9 at any moment."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from store.index import Index
from store.library import Library
from store.streams import STREAMS
from tests.store.spaces import HashSpace
from tests.store.writer import SETTINGS, write

MOMENTS = 20  # every second one aimed at Chroma writing its graph


def graph_times(data: Path) -> list[int]:
    times = []
    for path in data.glob("index-*/*/*"):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime_ns)
    return times


def kill_while_writing(
    data: Path, files: list[Path], chance: random.Random, aimed: bool
) -> set[str]:
    """Run a writer and kill it; returns the ids it had told of."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.writer"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(data, files, sender))
    process.start()
    sender.close()
    told = set()
    try:
        for _ in range(chance.randrange(1, 120)):
            assert receiver.poll(60), "the writer says nothing"
            id = receiver.recv()
            assert id is not None, "the writer was done before it was killed"
            told.add(id)
        if aimed:
            before = graph_times(data)
            until = time.monotonic() + 2
            while graph_times(data) == before and time.monotonic() < until:
                time.sleep(0.0002)
            time.sleep(chance.choice([0, 0, 0.0005, 0.001, 0.002, 0.004]))
        else:
            time.sleep(chance.uniform(0, 0.05))
    finally:
        process.kill()
        process.join()
    with contextlib.suppress(EOFError, OSError):  # what it told before it died
        while receiver.poll(0):
            told.add(receiver.recv())
    return told - {None}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_nothing_reported_is_lost(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "files"
    folder.mkdir()
    files = [folder / f"{number:04}.bmp" for number in range(5000)]
    Image.new("RGB", (8, 8)).save(files[0])
    header, chance = files[0].read_bytes()[:-192], random.Random(5)
    for file in files:
        file.write_bytes(header + chance.randbytes(192))
    acknowledged: set[str] = set()
    space = HashSpace()
    for moment in range(MOMENTS):
        start = moment * len(files) // MOMENTS
        told = kill_while_writing(data, files[start:], chance, moment % 2 == 1)
        new = told - acknowledged
        acknowledged |= told
        with Library(data, space, index=SETTINGS) as library:
            assert library.settle()
            folder_of_index = library._keeper.folder
            count = library.count()
            assert count >= len(acknowledged)
            vectors = {}
            for id in acknowledged:
                found = library._catalogue.item_vectors(id)
                assert found is not None
                vectors[id] = found[1]["image"][0]
            asked = acknowledged if moment == MOMENTS - 1 else new
            for id in asked:
                assert library.nearest(vectors[id], k=1)[0].id == id
                assert library.preview(id).exists()
        index = Index(  # Chroma itself, as the next process would find it
            folder_of_index,
            space=space.name,
            dim=space.dim,
            streams=sorted(STREAMS),
            settings=SETTINGS,
            create=False,
        )
        assert index.count("image") == count
        stored = index.vectors("image", sorted(acknowledged))
        for id, vector in vectors.items():
            assert np.allclose(stored[id], vector, atol=1e-5)
        for id in asked:
            assert index.query("image", vectors[id], 1)[0][0] == id
        index.close()
    assert len(acknowledged) > 5 * MOMENTS
