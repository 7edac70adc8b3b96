"""Files the browser sent, until they are in the library or have been searched by."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

KEEP_SECONDS = 3600.0
NAME_BYTES = 180  # file systems allow 255


@dataclass(frozen=True)
class Upload:
    token: str
    path: Path
    name: str
    arrived: float = field(default_factory=time.monotonic)


def clean_name(name: str) -> str:
    """A file's own name, without folders and without what no file system likes."""
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c if c.isprintable() else " " for c in name).strip(" .") or "unnamed"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = name, ""
    # The limit is one of bytes, and a cut must not leave half a character.
    stem = stem.encode()[:NAME_BYTES].decode(errors="ignore")
    return f"{stem}.{suffix}" if suffix else stem


class Uploads:
    """Hands out tokens: the browser never names a path. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Upload] = {}
        self._lock = threading.Lock()

    def start(self, name: str) -> Upload:
        """A place to write a file to; call `keep` when it is whole, or `drop`."""
        self._expire()
        token = secrets.token_urlsafe(16)
        place = self._folder / token
        place.mkdir(parents=True)
        return Upload(token, place / clean_name(name), clean_name(name))

    def keep(self, upload: Upload) -> None:
        with self._lock:
            self._known[upload.token] = upload

    def get(self, token: str) -> Upload | None:
        with self._lock:
            return self._known.get(token)

    def drop(self, upload: Upload) -> None:
        with self._lock:
            self._known.pop(upload.token, None)
        shutil.rmtree(upload.path.parent, ignore_errors=True)

    def _expire(self) -> None:
        with self._lock:
            old = [u for u in self._known.values() if time.monotonic() - u.arrived > KEEP_SECONDS]
        for upload in old:
            self.drop(upload)
