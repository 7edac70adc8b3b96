"""Standard scores: pictures and sounds in one list, though their cosines live on different scales.

A text's cosines to pictures and to sounds have different means and spreads, so they cannot be
compared as they are. For one query each medium's cosines, corrected by `store.background` where
the query is words, are standardised over that medium's collection: (cosine - mean) / sd. Within a
medium the order is theirs. How a list of several media is ordered, see `library.compare_media`.
"""

from __future__ import annotations

import numpy as np

# A collection of few items has no reliable mean and spread: it is taken together with this many
# imagined items of a typical mean and spread, so that a lone item gets a finite, modest score.
PRIOR_ITEMS = 5
PRIOR = (0.05, 0.1)
"""Mean and standard deviation where nothing better is known."""


def moments(cosines: np.ndarray, prior: tuple[float, float] = PRIOR) -> tuple[float, float]:
    """The mean and standard deviation of cosines (n,), shrunk towards the prior for small n."""
    count = len(cosines)
    weight = count + PRIOR_ITEMS
    typical, spread = prior
    total = float(cosines.sum(dtype=np.float64))
    mean = (total + PRIOR_ITEMS * typical) / weight
    squares = float(np.square(cosines - mean, dtype=np.float64).sum())
    imagined = PRIOR_ITEMS * (spread**2 + (typical - mean) ** 2)
    return mean, float(np.sqrt((squares + imagined) / weight))
