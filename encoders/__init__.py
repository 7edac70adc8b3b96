"""Media in, unit vectors out: texts, pictures and sounds as points of one shared space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoders.space import Space, SpaceError, load_space

__all__ = ["Space", "SpaceError", "load_space"]


def __getattr__(name: str) -> Any:
    # Only when asked for: `python -m encoders.adapter` would otherwise be imported twice.
    if name in __all__:
        from encoders import space

        return getattr(space, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
