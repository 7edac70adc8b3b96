"""Standard scores: pictures and sounds in one list, though their cosines live on different scales.

A text's cosines to pictures and to sounds have different means and spreads, so they cannot be
compared as they are. For one query each medium's cosines are standardised over that medium's
collection: (cosine - mean) / sd. Within a medium the order is the cosine's.
"""

from __future__ import annotations

import numpy as np

# A collection of few items has no reliable mean and spread: it is taken together with this many
# imagined items of a typical mean and spread, so that a lone item gets a finite, modest score.
PRIOR_ITEMS = 5
PRIOR_MEAN = 0.05
PRIOR_SD = 0.1


def moments(cosines: np.ndarray) -> tuple[float, float]:
    """The mean and standard deviation of cosines (n,), shrunk towards the prior for small n."""
    count = len(cosines)
    weight = count + PRIOR_ITEMS
    total = float(cosines.sum(dtype=np.float64))
    mean = (total + PRIOR_ITEMS * PRIOR_MEAN) / weight
    squares = float(np.square(cosines - mean, dtype=np.float64).sum())
    prior = PRIOR_ITEMS * (PRIOR_SD**2 + (PRIOR_MEAN - mean) ** 2)
    return mean, float(np.sqrt((squares + prior) / weight))
