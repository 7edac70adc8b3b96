"""The sample library: well-known pictures and sounds to search before there are any of one's own.

`assets/samples.toml` says what there is. Most samples are files inside wheels of the package
index, fetched at their first use; the others are computed by `store.recipes`. Both lie in the
cache afterwards, and no network is needed again.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from encoders.weights import Member, Progress, WeightsError, cache_dir, fetch
from store.library import AddEvent, Library, Report
from store.recipes import RECIPES_VERSION, wav_file


@dataclass(frozen=True)
class Sample:
    """One picture or sound of the sample library: what it is, whose it is, where it comes from."""

    slug: str
    title: str
    medium: str
    """ "image" or "audio"."""
    licence: str
    """SPDX identifier, "Public domain" or "No known copyright restrictions"."""
    credit: str
    source: str
    """Where author and licence are stated: an address, or a file of this project."""
    sha256: str | None = None
    """Of the file itself; None for a computed one."""
    member: Member | None = None
    """What is fetched: the file, or the archive that it lies in."""
    inside: str | None = None
    """The file's name in that archive."""
    recipe: str | None = None
    """The name of a computed sound in `store.recipes.RECIPES`."""

    @property
    def path(self) -> Path:
        """Where the file lies once it is there."""
        if self.recipe is not None:
            return cache_dir() / "samples" / f"{self.slug}-{RECIPES_VERSION}.wav"
        name = self.inside or (self.member.member if self.member else "")
        return cache_dir() / "samples" / f"{self.slug}{Path(name).suffix}"


@cache
def read_samples() -> tuple[Sample, ...]:
    """Every sample of the manifest, pictures first."""
    manifest = tomllib.loads(files("assets").joinpath("samples.toml").read_text("utf-8"))
    return tuple(_sample(row, manifest["wheels"]) for row in manifest["samples"])


def add_samples(library: Library, progress: Progress | None = None) -> Report:
    """Put the sample library into a library, fetching and computing what is not in the cache.

    What cannot be fetched is left out, and the report's `skipped` says why in one sentence; the
    computed sounds need no network. Adding again changes nothing.
    """
    tell = progress or (lambda what, done, total: None)
    problem = _fetch_files(tell)
    _compute_sounds(tell)
    titles = {s.path: s.title for s in read_samples() if s.path.is_file()}

    def pass_on(event: AddEvent) -> None:
        tell("Reading the samples", event.done, event.total or len(titles))

    report = library.add(titles, copy=True, titles=titles, progress=pass_on)
    if problem is not None:
        where = cache_dir() / "samples"
        report.note(AddEvent(where, "skipped", problem, len(titles), len(titles), None))
    return report


def remove_samples(library: Library) -> list[str]:
    """Take the sample library out of a library; returns the ids of what was in it."""
    return library.remove(sample_ids())


def sample_ids() -> dict[str, Sample]:
    """The samples by the ids that they have in a library."""
    _compute_sounds(lambda what, done, total: None)
    return {(s.sha256 or _hash(s.path))[:32]: s for s in read_samples()}


def _fetch_files(progress: Progress) -> str | None:
    """Bring the files that are not computed into the cache; else say in one sentence why not."""
    fetched = [s for s in read_samples() if s.member is not None]
    missing = [s for s in fetched if not _is_right(s)]
    problem = None
    try:
        fetch(list({s.member for s in missing if s.member is not None}), progress)
    except WeightsError as error:
        problem = str(error)
    _unpack(s for s in missing if s.inside is not None)
    return problem


def _unpack(samples: Iterable[Sample]) -> None:
    """Take files out of the archives that came; an archive is deleted when all are out."""
    archives = set()
    for sample in samples:
        assert sample.member is not None
        assert sample.inside is not None
        archive = cache_dir() / sample.member.name
        if not archive.is_file():
            continue
        with tarfile.open(archive) as opened:
            source = opened.extractfile(sample.inside)
            assert source is not None  # the archive's hash is right, so it is as it was
            _write(sample.path, source.read())
        archives.add(archive)
    for archive in archives:
        archive.unlink(missing_ok=True)


def _compute_sounds(progress: Progress) -> None:
    missing = [s for s in read_samples() if s.recipe is not None and not s.path.is_file()]
    for done, sample in enumerate(missing):
        assert sample.recipe is not None
        progress("Computing sounds", done, len(missing))
        _write(sample.path, wav_file(sample.recipe))
    if missing:
        progress("Computing sounds", len(missing), len(missing))


def _write(path: Path, content: bytes) -> None:
    """Write a file of the cache, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _is_right(sample: Sample) -> bool:
    return sample.path.is_file() and _hash(sample.path) == sample.sha256


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sample(row: dict[str, Any], wheels: dict[str, dict[str, Any]]) -> Sample:
    said = {k: v for k, v in row.items() if k in Sample.__dataclass_fields__ and k != "member"}
    if "recipe" in row:
        return Sample(**said)
    wheel = dict(wheels[row["wheel"]])
    inside = "inside" in row
    suffix = "".join(Path(row["member"]).suffixes)
    member = Member(
        name=f"samples/{row['wheel'] if inside else row['slug']}{suffix}",
        member=row["member"],
        sha256=row["member_sha256"] if inside else row["sha256"],
        pip_flags=tuple(wheel.pop("pip_flags")),
        **wheel,
    )
    return Sample(**said, member=member)
