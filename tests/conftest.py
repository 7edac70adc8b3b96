from __future__ import annotations

import pytest

from tests.fakes import FakeSpace


@pytest.fixture
def space() -> FakeSpace:
    return FakeSpace()
