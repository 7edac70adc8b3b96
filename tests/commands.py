"""The real command: in a process of its own, or, where that is not the point, in this one."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parent.parent
PLAIN = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}


def run(*arguments: str, data: Path | None = None, code: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | ({"ANYFIND_DATA": str(data)} if data else {}) | PLAIN
    command = [sys.executable, str(ROOT / "app.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_here(
    *arguments: str, data: Path | None = None, code: int = 0
) -> subprocess.CompletedProcess:
    """The same without a new interpreter, whose imports take longer than an answer."""
    import app

    told, said = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    command = ["app.py", *map(str, arguments)]
    environment = ({"ANYFIND_DATA": str(data)} if data else {}) | PLAIN
    ended: object = 0
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(said),
    ):
        try:
            app.main()
        except SystemExit as end:
            ended = end.code or 0
    stdout, stderr = (stream.buffer.getvalue().decode() for stream in (told, said))
    assert ended == code, stdout + stderr
    assert "Traceback" not in stderr
    return subprocess.CompletedProcess(command, code, stdout, stderr)
