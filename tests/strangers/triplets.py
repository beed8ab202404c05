"""E(s) = -sum_k J_k s_a s_b s_c over triples (a, b, c): a spin glass of three-spin terms."""

import numpy as np

import fastgibbs as fg


def cost(spins, site, first, members, J):
    """2 s_i sum_k J_k s_j s_l over the triples (i, j, l) of a site: rows `first[i]` ... `first[i + 1]` of `members`."""
    field = 0.0
    for k in range(first[site], first[site + 1]):
        field += J[k] * spins[members[k, 0]] * spins[members[k, 1]]
    return 2 * spins[site] * field


class Triplets(fg.Energy):
    """n spins with terms -J_k s_a s_b s_c, `triples` (K, 3) and J (K,)."""

    def __init__(self, n, triples, J):
        super().__init__(n, triples=np.array(triples, np.int64), J=np.array(J, np.float64))

    def energy(self, states):
        """E(s) of states (..., n)."""
        return -(self.to_spins(states)[..., self.triples].prod(axis=-1) @ self.J)

    def flips(self):
        """What a flip costs, from the terms of each site."""
        sites = self.triples.ravel()
        order = np.argsort(sites, kind="stable")
        others = self.triples[:, [[1, 2], [0, 2], [0, 1]]].reshape(-1, 2)
        first = np.searchsorted(sites[order], np.arange(self.n + 1))
        return fg.Flips(cost, (first, others[order], np.repeat(self.J, 3)[order]))
