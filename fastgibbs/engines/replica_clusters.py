"""Moves of two replicas of one temperature: of Joerg, at fixed overlap, and of Chayes, Machta and Redner (CMR).

Two replicas s and t of one model have the law exp(-beta (E(s) + E(t))). A bond is satisfied in both, in one or in none:
with K = |beta J| its weight is e^2K, 1 or e^-2K, that is e^-2K times

    1 + (e^4K - 1) [both] + (e^2K - 1) [one].

So a bond is "blue" with probability 1 - e^-4K where it is satisfied in both, "red" with probability 1 - e^-2K where it
is in one alone, and off elsewhere. Given blue and red bonds, all pairs (s, t) are equally likely that agree with them:
s_i s_j = t_i t_j = sign beta J on blue ones, q_i q_j = -1 on red ones, q_i = s_i t_i. These pairs are counted by a sign
for each blue cluster, by which both replicas turn there, and one for each cluster of blue and red bonds, by which t
alone turns: q has one sign on a blue cluster, and red bonds lead from one of them to another.

CMR draws all these signs afresh, which is a draw from the law given the bonds and so leaves it as it is; E(s) + E(t)
and q change. Joerg's move draws those of blue clusters alone, for which it needs no red bonds: q stays, at which s has
couplings (1 + q_i q_j) J_ij, and blue clusters are those of Swendsen and Wang in these; E(s) + E(t) changes.

Fields bind sites to a ghost, up in both replicas, in the same way: its blue cluster is not turned in both, its cluster
of blue and red bonds not in t. Clamped sites are bound to it by blue bonds.

Joerg, Prog. Theor. Phys. Suppl. 157, 349 (2005); Chayes, Machta, Redner, J. Stat. Phys. 93, 17 (1998); Machta, Newman,
Stein, J. Stat. Phys. 130, 113 (2008).
"""

import numpy as np

from fastgibbs.engines.swendsen_wang import (
    Wanted,
    begin_runs,
    draw_diagonals,
    draw_turns,
    turn,
    unite_diagonals,
    unite_listed,
)
from fastgibbs.jit import called


@called
def joerg(clusters, k):
    """Turn blue clusters of both replicas of pair k; how many runs of sites these are made of."""
    place = clusters.taken[k, 0]
    beta, stream = clusters.betas[place % clusters.betas.size], clusters.single[k]
    one, other = clusters.spins[clusters.lane_at[place]], clusters.spins[clusters.lane_at[clusters.taken[k, 1]]]
    blue = Wanted(clusters.models[k], 2 * beta, one, other, False)
    clusters.active[:] = 0
    draw_diagonals(clusters, k, blue, np.int64(0))  # a literal would be compiled once more
    count = begin_runs(clusters)
    unite_diagonals(clusters, np.int64(0))
    unite_listed(clusters, blue, stream)
    draw_turns(clusters, one, stream, count)
    turn(clusters, one)
    turn(clusters, other)
    return count


@called
def cmr(clusters, k):
    """The same, then turn clusters of blue and red bonds in the second replica alone."""
    count, rows = joerg(clusters, k), clusters.bonds.offsets.size
    place = clusters.taken[k, 0]
    beta, stream = clusters.betas[place % clusters.betas.size], clusters.single[k]
    one, other = clusters.spins[clusters.lane_at[place]], clusters.spins[clusters.lane_at[clusters.taken[k, 1]]]
    red = Wanted(clusters.models[k], beta, one, other, True)  # as it was before they turned, both alike
    draw_diagonals(clusters, k, red, rows)
    unite_diagonals(clusters, rows)
    unite_listed(clusters, red, stream)
    draw_turns(clusters, one, stream, count)
    turn(clusters, other)
