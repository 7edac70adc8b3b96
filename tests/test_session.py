"""What the command line tells while it works."""

from __future__ import annotations

import time

import pytest

from commands import session
from commands.session import Bars


def test_long_work_is_told_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "LONG", 0.2)
    said = ""
    with Bars() as bars:
        bars("quick", 0, 2)
        bars("quick", 2, 2)
        bars("long", 0, 0)
        bars("long", 1, 5)
        deadline = time.monotonic() + 10
        while "long" not in said and time.monotonic() < deadline:
            time.sleep(0.02)
            said += capsys.readouterr().err
        bars("stopped", 0, 0)
    time.sleep(0.4)
    assert said + capsys.readouterr().err == "long ...\n"
