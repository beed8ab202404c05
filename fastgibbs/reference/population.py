"""A population of reads in NumPy: what each weighs, whose copies go on, and what families tell."""

import numpy as np

from fastgibbs.reference.arithmetic import exp64
from fastgibbs.reference.streams import RESAMPLE, fraction, stream


class Population:
    """R reads at beta = 0, each the first of its family f = 0 ... R - 1.

    log_z, log_z_error, energy, energy_error, rho and family_entropy: lists, of one beta after the other.
    """

    def __init__(self, reads, sites, entropy):
        self.families, self.influence, self.entropy = np.arange(reads), np.zeros(reads), entropy
        self.log_z, self.log_z_error = [sites * np.log(2)], [0.0]
        self.energy, self.energy_error, self.rho, self.family_entropy = [], [], [], []

    def look(self, energies):
        """At a beta: <E> = (1/R) sum_r E_r, its error^2 = sum_f (sum_{r in f} (E_r - <E>) / R)^2 / (1 - rho / R).

        rho = R sum_f n_f^2 and S_f = -sum_f n_f log n_f, n_f the share of the reads that are of family f.
        """
        reads = energies.size
        sizes = [np.count_nonzero(self.families == f) / reads for f in np.unique(self.families)]
        self.rho.append(reads * sum(size**2 for size in sizes))
        self.family_entropy.append(-sum(size * np.log(size) for size in sizes))
        mean = energies.mean()
        parts = [(energies - mean)[self.families == f].sum() / reads for f in np.unique(self.families)]
        self.energy.append(mean)
        self.energy_error.append(self._error(np.array(parts)))

    def step(self, energies, gap):
        """To beta + gap: the read whose state each takes, int64 (R,).

        w_r = exp(-gap (E_r - min E)); log Z grows by log Q = log((1/R) sum w) - gap min E, and what a family adds to it
        by (1/R) sum_{r in f} (w_r / mean w - 1). Copies by systematic resampling in the order of energies.
        """
        reads, number = energies.size, len(self.energy) - 1
        weights = exp64(np.maximum(-gap * (energies - energies.min()), -700.0))
        total = np.cumsum(weights)[-1]
        np.add.at(self.influence, self.families, (weights * (reads / total) - 1) / reads)
        u = fraction(stream(self.entropy, RESAMPLE, number))
        sources = systematic(weights, total, u, np.argsort(energies, kind="stable"))
        self.families = self.families[sources]
        self.log_z.append(self.log_z[-1] + np.log(total / reads) - gap * energies.min())
        self.log_z_error.append(self._error(self.influence))
        return sources

    def _error(self, parts):
        sizes = np.bincount(self.families) / self.families.size
        left = 1 - (sizes**2).sum()
        return np.sqrt((parts**2).sum() / left) if left > 1e-12 else np.inf


def systematic(weights, total, u, order):
    """Copies floor(c_r + u) - floor(c_{r-1} + u), c_r = R sum_{s <= r} w_s / sum w, of reads in this order.

    A read with copies keeps one where it is; the others, read by read, go to the reads without any, in order.
    """
    reads = weights.size
    ends = np.minimum(np.floor(reads * (np.cumsum(weights[order]) / total) + u), reads).astype(int)
    ends[-1] = reads
    copies = np.empty(reads, int)
    copies[order] = np.diff(ends, prepend=0)
    sources = np.arange(reads)
    sources[copies == 0] = np.repeat(np.arange(reads), np.maximum(copies - 1, 0))
    return sources
