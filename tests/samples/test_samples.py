"""The sample library goes into a real library and out again; the media come from the cache.

Files that are not in the cache yet are fetched from the package index.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import store.samples
from encoders import weights
from store.library import Library
from store.samples import add_samples, read_samples, remove_samples, sample_ids
from tests.fakes import FakeSpace


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library(tmp_path_factory.mktemp("data"), FakeSpace()) as library:
        told: list[tuple[str, int, int]] = []
        report = add_samples(library, lambda what, done, total: told.append((what, done, total)))
        assert report.skipped == []
        assert len(report.added) == len(read_samples())
        assert told[-1][1] == told[-1][2] == len(read_samples())
        yield library


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(weights.subprocess, "run", refuse)


def test_every_sample_is_in_the_library_under_its_title(filled: Library) -> None:
    for id, sample in sample_ids().items():
        item = filled.get(id)
        assert item is not None, sample.slug
        assert (item.title, item.modality, item.copied) == (sample.title, sample.medium, True)


def test_hashes_of_all_files(filled: Library) -> None:
    for sample in read_samples():
        if sample.sha256 is not None:
            assert hashlib.sha256(sample.path.read_bytes()).hexdigest() == sample.sha256


def test_pictures_are_large_enough_to_look_at(filled: Library) -> None:
    for sample in read_samples():
        if sample.medium == "image":
            with Image.open(sample.path) as picture:
                assert min(picture.size) >= 170, sample.slug


@pytest.mark.usefixtures("no_network")
def test_adding_again_changes_nothing_and_needs_no_network(filled: Library) -> None:
    count = filled.count()
    report = add_samples(filled)
    assert (report.added, report.skipped) == ([], [])
    assert filled.count() == count


def test_removing_takes_out_the_samples_and_nothing_else(
    tmp_path: Path, space: FakeSpace, filled: Library
) -> None:
    own = tmp_path / "own.png"
    Image.new("RGB", (64, 64), "red").save(own)
    with Library(tmp_path / "data", space) as library:
        library.add([own])
        add_samples(library)
        assert library.count() == len(read_samples()) + 1
        assert sorted(remove_samples(library)) == sorted(sample_ids())
        assert [item.title for item in library.items()] == ["own"]
        assert remove_samples(library) == []


def test_offline_first_start_says_why_and_still_offers_the_computed_sounds(
    tmp_path: Path, space: FakeSpace, filled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no network")

    computed = [sample for sample in read_samples() if sample.recipe]
    cache = tmp_path / "cache"
    (cache / "samples").mkdir(parents=True)
    for sample in computed:  # saves computing them again
        shutil.copy(sample.path, cache / "samples")
    monkeypatch.setenv("ANYFIND_CACHE", str(cache))
    monkeypatch.setattr(weights.subprocess, "run", offline)
    with Library(tmp_path / "data", space) as library:
        report = add_samples(library)
        assert sorted(item.title for item in report.added) == sorted(s.title for s in computed)
        ((_, reason),) = report.skipped
        assert "scikit_image" in reason
        assert "connect this machine" in reason


@pytest.mark.usefixtures("no_network")
def test_a_computed_sound_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYFIND_CACHE", str(tmp_path))
    monkeypatch.setattr(store.samples, "wav_file", lambda recipe: recipe.encode())

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(store.samples.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        sample_ids()
    assert list((tmp_path / "samples").iterdir()) == []
