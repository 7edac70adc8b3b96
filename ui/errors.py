"""Which errors say what happened in one sentence that the page can show."""

from __future__ import annotations

from encoders.adapter import AdapterError
from encoders.space import SpaceError
from encoders.weights import WeightsError
from store.library import LibraryError

TOLD = (LibraryError, SpaceError, AdapterError, WeightsError)
