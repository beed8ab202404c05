"""The test of counts against what is expected."""

import numpy as np
from scipy import stats


def chi_square(laws):
    """P-value of counts against what is expected, pairs of arrays, rare classes pooled to 5 expected or more."""
    total = freedom = 0
    for observed, expected in laws:
        if (observed[expected == 0] > 0).any():
            return 0.0
        order = np.argsort(expected)
        observed, expected = observed[order], expected[order]
        group = np.minimum((np.cumsum(expected) - expected) // 10, expected.sum() // 10 - 1).astype(int).clip(0)
        pooled, expected = np.bincount(group, observed), np.bincount(group, expected)
        seen = expected > 0
        total += ((pooled - expected)[seen] ** 2 / expected[seen]).sum()
        freedom += seen.sum() - 1
    return stats.chi2.sf(total, freedom) if freedom else 1.0
