from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from store.samples import read_samples
from tests.commands import run
from tests.fakes import FakeSpace

# Files of tests, by how long they take: with one worker a file, the long ones come first, so that
# none of them is begun when the others are done.
LONG_FIRST = [
    *("test_samples", "test_cli", "test_search", "test_media", "test_embedded", "test_library"),
    *("test_kill", "test_film", "test_inside", "test_ingest", "test_formats", "test_server"),
    *("test_mcp", "test_classify", "test_odd", "test_sound", "test_duplicates", "test_streams"),
    *("test_towers", "test_map", "test_probe", "test_inside_cli", "test_service", "test_recipes"),
    *("test_atlas", "test_set_aside", "test_weights", "test_picture", "test_odd_cli"),
]


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # xdist would begin with the most tests
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture
def space() -> FakeSpace:
    return FakeSpace()


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with the samples, filled by the real command, once for all workers.

    Several processes may not have one library open: each worker and module takes a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "samples"
    with FileLock(shared / "samples.lock"):
        if not folder.exists():
            told = f"{len(read_samples())} added"
            assert told in run("samples", data=shared / "filling").stdout
            os.rename(shared / "filling", folder)
    return folder
