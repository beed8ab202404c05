"""The Hopfield energy, kept as its patterns: overlaps in place of an N x N coupling matrix."""

import math

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.checks import Frozen
from fastgibbs.models.ising import DENSE_BYTES, Ising

_CHUNK = 2**22  # entries of patterns or states cast to float32 at once; below 2^24, sums of +-1 are exact


class Hopfield(Frozen):
    """E(s) = -1/2 s.J.s with J_ij = (1/N) sum_mu xi_i^mu xi_j^mu and J_ii = 0, s in {-1, +1}^N.

    `patterns` is xi: (P, N) spins of -1 and +1, P >= 0, N >= 1; kept as int8, read-only. TypeError if they
    are not numbers; ValueError on another shape or at an entry that is not +-1.
    Hopfield, Proc. Natl. Acad. Sci. 79, 2554 (1982); normalised as in Amit, Gutfreund and Sompolinsky,
    Phys. Rev. A 32, 1007 (1985).
    """

    def __init__(self, patterns):
        patterns = checks.spins("patterns", patterns)
        if patterns.ndim != 2 or patterns.shape[1] == 0:
            raise ValueError(f"patterns has shape {patterns.shape}: give (P, N), one pattern of N >= 1 spins a row")
        self.__setstate__({"patterns": patterns.copy()})

    @property
    def n(self):
        """The number of spins, N."""
        return self.patterns.shape[1]

    def energy(self, states):
        """E(s) = -(sum_mu M_mu^2 - N P) / (2N), with the exact integers M_mu = sum_i xi_i^mu s_i.

        `states`: (..., N) spins; float64 in the shape of the leading axes. Errors as for `Ising.energy`.
        """
        sums = self._sums(states)
        return -((sums * sums).sum(axis=-1) - self.patterns.size) / (2 * self.n)

    def overlaps(self, states):
        """m_mu(s) = (1/N) sum_i xi_i^mu s_i, float64 (..., P), of `states` (..., N). Errors as in `energy`."""
        return self._sums(states) / self.n

    def _sums(self, states):
        states = checks.spins("states", states, self.n)
        spins = states.reshape(math.prod(states.shape[:-1]), self.n)
        sums = np.zeros((len(spins), len(self.patterns)), np.int64)
        step = max(1, _CHUNK // max(*sums.shape, 1))
        for start in range(0, self.n, step):
            sites = slice(start, start + step)
            product = spins[:, sites].astype(np.float32) @ self.patterns[:, sites].T.astype(np.float32)
            sums += product.astype(np.int64)
        return sums.reshape(states.shape[:-1] + sums.shape[1:])

    def to_ising(self):
        """The same energy as an `Ising` model; ValueError if its N (N-1) couplings do not fit in memory."""
        checks.require_memory(DENSE_BYTES * self.n**2, f"the coupling matrix of {self!r}")
        patterns = self.patterns.astype(np.float64)
        J = patterns.T @ patterns
        np.fill_diagonal(J, 0.0)
        J /= self.n
        return Ising(J)

    def to_spins(self, states):
        """The spins of `states` (..., N): the states themselves, checked, as int8."""
        return checks.spins("states", states, self.n)

    def from_spins(self, spins):
        """The states of `spins` (..., N): the spins themselves, checked, as int8."""
        return checks.spins("spins", spins, self.n)

    def __repr__(self):
        return f"Hopfield(n={self.n}, patterns={len(self.patterns)})"
