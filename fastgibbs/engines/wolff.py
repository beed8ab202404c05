"""The move of Wolff, of spins in words of sites: one cluster, grown along a graph from a site that is drawn."""

import numpy as np

from fastgibbs.engines.bitslices import ones
from fastgibbs.engines.bonds import ALL, ONE, PAD, probability, satisfied, up
from fastgibbs.engines.streams import below, chance
from fastgibbs.jit import called


@called
def wolff(clusters, k):
    """Move k, of one chain, of spins in words of sites."""
    place, model, n = clusters.taken[k, 0], clusters.models[k], clusters.bonds.n
    beta, spins = clusters.betas[place % clusters.betas.size], clusters.spins[clusters.lane_at[place]]
    stream, couplings, fields = clusters.single[k], clusters.couplings[model], clusters.fields[model]
    inside, queue, begin, end = clusters.active[0], clusters.parents, 0, 1
    first = below(stream, n)
    queue[0] = first
    inside[PAD + (first >> 6)] = ONE << np.uint64(first & 63)
    bound, ups, strength, p = False, 0, 0.0, 0.0
    while begin < end:
        i = np.int64(queue[begin])
        begin += 1
        mine = up(spins, i)
        ups += np.int64(mine)
        if not bound and satisfied(fields[i], beta, mine == ONE):
            bound = chance(stream, probability(beta, fields[i]))
        for near in range(clusters.indptr[i], clusters.indptr[i + 1]):
            j, J = np.int64(clusters.indices[near]), couplings[near]
            if up(inside, j) == np.uint64(0) and satisfied(J, beta, up(spins, j) == mine):
                if abs(J) != strength:
                    strength, p = abs(J), probability(beta, J)
                if chance(stream, p):
                    inside[PAD + (j >> 6)] |= ONE << np.uint64(j & 63)
                    queue[end] = j
                    end += 1
    for site in clusters.bonds.held:
        bound = bound or up(inside, np.int64(site)) == ONE
    m = np.float64(2 * ups - end)
    if bound:  # of the ghost's cluster this is a part: there s_i M itself stands for the mean of s_i M
        ups = 0
        for word in range(-(-n // 64)):
            ups += ones(spins[PAD + word] & (ALL >> np.uint64(64 - min(n - 64 * word, 64))))
        m = np.float64(2 * ups - n)
    clusters.estimates[0, k] = (m if up(spins, first) == ONE else -m) / n
    clusters.estimates[1, k] = np.float64(end) / n
    for site in queue[:end]:
        word = PAD + (np.int64(site) >> 6)
        if inside[word] != 0:
            if not bound:
                spins[word] ^= inside[word]
            inside[word] = 0
