"""The manifest of the sample library says all that must be known of every sample."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from store.recipes import RECIPES
from store.samples import Sample, read_samples

LICENCES = {
    "CC0-1.0",
    "CC-BY-2.0",
    "Public domain",
    "No known copyright restrictions",
    "Apache-2.0",
}
SUFFIXES = {"image": {".png", ".jpg"}, "audio": {".mp3", ".wav"}}

samples = pytest.mark.parametrize("sample", read_samples(), ids=lambda s: s.slug)


def test_there_is_enough_of_both_media() -> None:
    media = [sample.medium for sample in read_samples()]
    assert media.count("image") >= 20
    assert media.count("audio") >= 16


def test_slugs_titles_and_contents_are_unique() -> None:
    for field in ("slug", "title", "path"):
        values = [getattr(sample, field) for sample in read_samples()]
        assert len(set(values)) == len(values), field
    hashes = [sample.sha256 for sample in read_samples() if sample.sha256]
    assert len(set(hashes)) == len(hashes)


@samples
def test_every_field_is_there(sample: Sample) -> None:
    assert re.fullmatch(r"[a-z_]+", sample.slug)
    assert sample.licence in LICENCES
    assert len(sample.title) > 3
    assert len(sample.credit) > 3
    assert sample.path.suffix in SUFFIXES[sample.medium]
    assert (sample.member is None) == (sample.sha256 is None) == (sample.recipe is not None)


@samples
def test_origin_is_pinned(sample: Sample) -> None:
    if sample.recipe is not None:
        assert sample.recipe in RECIPES
        assert sample.licence == "Apache-2.0"
        assert (Path(__file__).parents[2] / sample.source).is_file()
        return
    member = sample.member
    assert member is not None
    assert sample.source.startswith("http")
    for value in (sample.sha256, member.sha256, member.wheel_sha256):
        assert re.fullmatch(r"[0-9a-f]{64}", value or "")
    project = member.project.replace("-", "[-_]")
    version = re.escape(member.version)
    assert re.match(f"{project}-{version}-", member.wheel, re.IGNORECASE)
    if not member.wheel.endswith("none-any.whl"):  # one wheel for all machines, by its tags
        flags = dict(zip(member.pip_flags[::2], member.pip_flags[1::2], strict=True))
        python, abi, platform = member.wheel.removesuffix(".whl").split("-")[2:]
        assert python == flags["--implementation"] + flags["--python-version"]
        assert (abi, platform) == (flags["--abi"], flags["--platform"])


def test_recipes_are_all_used_once() -> None:
    used = [sample.recipe for sample in read_samples() if sample.recipe]
    assert sorted(used) == sorted(RECIPES)


def test_little_is_downloaded() -> None:
    sizes = {s.member.wheel: s.member.wheel_size for s in read_samples() if s.member}
    assert sum(sizes.values()) < 30e6
