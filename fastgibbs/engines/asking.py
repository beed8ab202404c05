"""What flips cost at given states, and the betas that sites of such costs ask for."""

import numpy as np

from fastgibbs.engines.vectors import add_product, at, convert, full, load, store
from fastgibbs.jit import njit

ROUNDING = 2.0**-40  # of what a flip may cost: less is rounding
READS = 16  # states whose flips are looked at


@njit
def find_shares(terms, states, sizes, shares, fields):
    """Write of each site S_i = |h_i| + sum_j |J_ij|, and r_i: the mean of costs above 0 among the states, over S_i.

    A flip costs (1 - low) |h_i + sum_j J_ij s_j|. `terms` are `descents.RowTerms`, `states` int8 (n, READS); `fields`,
    float64 (READS,), is scratch, and the rest float64 (n,).
    """
    for site in range(sizes.size):
        size, sums = 0.0, full(terms.fields[site], np.float64, READS)
        for k in range(terms.indptr[site], terms.indptr[site + 1]):
            coupling, values = at(terms.couplings, k), load(states, at(terms.indices, k) * READS, READS)
            size += abs(coupling)
            sums = add_product(sums, coupling, convert(values, np.float64))
        size += abs(terms.fields[site])
        store(fields, 0, sums)
        total, count = 0.0, 0
        for read in range(READS):
            share = (1 - terms.low) * abs(fields[read]) / (size if size > 0 else 1.0)
            if share >= ROUNDING:
                total += share
                count += 1
        sizes[site] = size
        shares[site] = total / count if count > 0 else 0.0


@njit
def ask(costs, hot, cold, most, sums, betas):
    """Write betas that part what sites ask for in equal shares: N(beta_s) = N(inf) s / (sweeps - 1).

    N(beta) = sum_i min(max(0, (beta D_i - hot) / (cold - hot)), 1), D_i > 0 being `costs`, ascending, float64 (n,);
    `sums`, float64 (n + 1,), is scratch. The first beta is hot / D_n, the last cold / D_1, all are `most` at most.
    """
    n, sweeps = costs.size, betas.size
    sums[0] = 0.0
    for site in range(n):
        sums[site + 1] = sums[site] + costs[site]
    begun, ended = n, n  # sites from here on ask for beta or less; for less
    beta = min(hot / costs[n - 1], most)
    for s in range(sweeps - 1):
        share = n * (s / (sweeps - 1))
        while ended > 0:
            begins = hot / costs[begun - 1] if begun > 0 else np.inf
            event = min(begins, cold / costs[ended - 1], most)
            rate, asking = (sums[ended] - sums[begun]) / (cold - hot), hot * (ended - begun) / (cold - hot)
            if n - ended + event * rate - asking >= share:
                if rate > 0:
                    beta = max(beta, min((share - (n - ended) + asking) / rate, event))
                break
            beta = max(beta, event)
            if begins <= event:
                begun -= 1
            else:
                ended -= 1
        betas[s] = beta
    betas[sweeps - 1] = min(cold / costs[0], most) if sweeps > 1 else beta
