"""Media in, unit vectors out: texts, pictures and sounds as points of one shared space."""

from encoders.space import Space, SpaceError, load_space

__all__ = ["Space", "SpaceError", "load_space"]
