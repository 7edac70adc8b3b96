"""Fixtures of the tests of media."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing reaches the error stream, nor the output."""
    yield
    assert capfd.readouterr() == ("", "")
