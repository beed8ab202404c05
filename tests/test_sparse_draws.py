"""The sparse engine's attempts of 16 random bits: what these decide, all 32 would have decided the same."""

import numpy as np
import pytest

from fastgibbs.engines import sparse_draws
from fastgibbs.engines.arithmetic import surplus, uniform
from fastgibbs.engines.contract import GIBBS, METROPOLIS
from fastgibbs.engines.sparse_draws import rough_surplus, rough_uniform
from fastgibbs.engines.vectors import bitcast, bits, full, load
from fastgibbs.jit import njit

UPPER = np.arange(2**16, dtype=np.uint32)
EXPONENTS = np.concatenate(
    [np.linspace(-130, 130, 241), np.linspace(-2, 2, 161), [0.0, -0.0, 1e30, -1e30, np.inf, -np.inf]]
).astype(np.float32)


@njit
def _count(rule, exponents, upper, unsure, found):
    """How many outcomes do not decide, and how many that do are not those of 32 bits, whatever the lower 16 are."""
    for exponent in exponents:
        for spin in (0, -1):
            t, signs = full(exponent, np.float32, 16), full(spin, np.int32, 16)
            for place in range(0, upper.size, 16):
                number = load(upper, place, 16)
                spare = bitcast(rough_surplus(rule, t, signs, rough_uniform(number), 16), np.uint32)
                most = bitcast(surplus(rule, t, signs, uniform(number << 16), 16), np.uint32)
                least = bitcast(surplus(rule, t, signs, uniform(number << 16 | 0xFFFF), 16), np.uint32)
                differ = bits((((spare ^ most) | (spare ^ least)) >> 31) > 0)
                lacking = bits(spare < unsure)
                for lane in range(16):
                    found[0] += (lacking >> lane) & 1
                    found[1] += ((differ & ~lacking) >> lane) & 1


@pytest.mark.parametrize("rule", [GIBBS, METROPOLIS])
def test_what_the_upper_half_of_the_bits_decides_all_of_them_decide(rule):
    def counted(unsure):
        found = np.zeros(2, np.int64)
        _count(rule, EXPONENTS, UPPER, np.float32(unsure).view(np.uint32), found)
        return found / (2 * EXPONENTS.size * UPPER.size)

    share, wrong = counted(sparse_draws._UNSURE)
    assert wrong == 0
    assert share < 3e-4  # or it is no faster than 32 bits for all
    assert counted(sparse_draws._UNSURE / 2)[1] > 0
