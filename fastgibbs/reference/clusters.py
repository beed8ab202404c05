"""Cluster moves in NumPy, written from their formulas: bonds by chance, clusters by walking, signs by chance.

p(bond ij on | s) = 1 - exp(-2 |beta J_ij|) if beta J_ij s_i s_j > 0, else 0; likewise of site i and the ghost, a spin
that is always +1, by h_i; clamped sites always are bound to it. Swendsen and Wang, Phys. Rev. Lett. 58, 86 (1987):
every cluster but the ghost's gets a new sign. Wolff, Phys. Rev. Lett. 62, 361 (1989): the cluster of a random site is
turned, unless it is the ghost's.

Of two replicas, a bond is blue with probability 1 - exp(-4 |beta J_ij|) where both satisfy it, red with probability
1 - exp(-2 |beta J_ij|) where one does. Joerg, Prog. Theor. Phys. Suppl. 157, 349 (2005): every blue cluster gets a new
sign in both. Machta, Newman, Stein, J. Stat. Phys. 130, 113 (2008), after Chayes, Machta, Redner: then every cluster of
blue and red bonds does in the second.
"""

import numpy as np

from fastgibbs.reference.streams import CLUSTER, LANES, below, fraction, next_words, stream

LINE, FEWEST, SPARSEST = 8, 8, 64  # words drawn at once; bonds of one kind of a diagonal, and one in so many sites


class Moves:
    """Chains' streams, of bits and of all else, and the bonds of a model in their order."""

    def __init__(self, model, entropy, chains, held=()):
        """`chains`: how many there are, or their numbers."""
        numbers = range(chains) if isinstance(chains, int) else chains
        self.model, self.held = model, set(map(int, held))

        def streams(tile):
            return np.hstack([stream(entropy, CLUSTER, k // LANES, tile, k % LANES) for k in numbers])

        self.bits, self.single = [streams(tile) for tile in range(LINE)], streams(LINE)
        bonds = list(zip(*(part.tolist() for part in model.bonds), strict=True))
        kinds: dict = {}
        for i, j, J in bonds:
            kinds.setdefault((j - i, abs(J)), []).append((i, j, J))
        enough = max(FEWEST, model.n / SPARSEST)
        self.diagonals = [kinds[kind] for kind in sorted(kinds) if len(kinds[kind]) >= enough]
        drawn = {(i, j) for mine in self.diagonals for i, j, _ in mine}
        self.listed = [bond for bond in bonds if bond[:2] not in drawn]


def probability(beta, J):
    """1 - exp(-2 |beta J|)."""
    return 1.0 - np.exp(max(-2.0 * abs(beta * J), -700.0))


def bernoulli(wanted, p, streams, n):
    """Which of the `wanted` sites, bool (n,), have a uniform U < p, U by its bits from the highest on.

    Sites are drawn for in lines of 512: bit i % 64 of the word i // 64 % 8. A line stops drawing as soon as U < p or
    U >= p is known for all of it. `streams`: uint64 (4, 8), advanced in place.
    """
    found, digits = np.zeros(n, bool), int(min(p * 2.0**64, 2**64 - 1))
    for first in range(0, n, 64 * LINE):
        open_ = np.zeros(64 * LINE, bool)
        open_[: n - first] = wanted[first : first + 64 * LINE]
        left = digits
        while left and open_.any():
            r = next_words(streams)
            bits = np.unpackbits(r.astype("<u8").view(np.uint8), bitorder="little").astype(bool)
            digit, left = left >> 63, left << 1 & 2**64 - 1
            if digit:
                found[first : first + 64 * LINE] |= (open_ & ~bits)[: n - first]
            open_ &= bits == bool(digit)
    return found


def chance(stream, p):
    """True with probability p, by 53 bits of the next word."""
    return fraction(stream) < p


def clusters(spins, on, bound):
    """The clusters as sorted lists of sites, by their first site, and which sites are the ghost's."""
    n = len(spins)
    near: list = [[] for _ in range(n)]
    for i, j in on:
        near[i].append(j)
        near[j].append(i)

    def walked(begin):
        found, todo = set(begin), list(begin)
        while todo:
            for j in near[todo.pop()]:
                if j not in found:
                    found.add(j)
                    todo.append(j)
        return found

    ghost, found, seen = walked(bound), [], set()
    for i in range(n):
        if i not in ghost and i not in seen:
            found.append(sorted(walked([i])))
            seen |= set(found[-1])
    return found, ghost


def drawn(moves, chain, beta, wanted):
    """The bonds that are on, pairs of sites, and the sites bound to the ghost, of a chain or a pair of them.

    `wanted(x, i, j)`: whether the bond x may be on between sites i and j, or of i and the ghost if j is None.
    """
    model, on, bound, single = moves.model, [], set(), moves.single[:, chain : chain + 1]
    lanes = np.stack([bits[:, chain] for bits in moves.bits], axis=1)
    for bonds in moves.diagonals if beta else []:
        may_be_on, offset = np.zeros(model.n, bool), bonds[0][1] - bonds[0][0]
        may_be_on[[j for i, j, J in bonds if wanted(J, i, j)]] = True
        found = bernoulli(may_be_on, probability(beta, bonds[0][2]), lanes, model.n)
        on += [(j - offset, j) for j in np.flatnonzero(found)]
    for tile, bits in enumerate(moves.bits):
        bits[:, chain] = lanes[:, tile]
    for i, j, J in moves.listed:
        if wanted(J, i, j) and chance(single, probability(beta, J)):
            on.append((i, j))
    for i, h in enumerate(model.fields):
        if wanted(h, i, None) and chance(single, probability(beta, h)):
            bound.add(i)
    return on, bound


def satisfied(s, beta):
    """Of spins int8 (n,), the function that says whether beta x s_i s_j > 0, s_j = 1 if j is None."""
    return lambda x, i, j: beta * x * s[i] * (1 if j is None else s[j]) > 0


def coins(moves, chain, found):
    """Which of the clusters found are turned: if bit i % 64 of word i // 64 is set, i being the first site."""
    words = [int(next_words(moves.single[:, chain : chain + 1])[0]) for _ in range(0, moves.model.n, 64)]
    return [mine for mine in found if words[mine[0] // 64] >> mine[0] % 64 & 1]


def swendsen_wang(moves, spins, betas):
    """A move of chains, spins int8 (chains, n) changed in place; what it tells, float64 (3, chains).

    (sum_c M_c^2, sum_c n_c^2) / n^2 and max_c n_c / n, over the clusters of n_c sites and the ghost's.
    """
    model, told = moves.model, np.empty((3, len(spins)))
    for chain, (s, beta) in enumerate(zip(spins, betas, strict=True)):
        on, bound = drawn(moves, chain, beta, satisfied(s, beta))
        found, ghost = clusters(s, on, bound | moves.held)
        sizes = np.array([len(ghost), *map(len, found)], float)
        sums = np.array([s[list(ghost)].sum(), *(s[mine].sum() for mine in found)], float)
        told[:, chain] = (sums @ sums) / model.n / model.n, (sizes @ sizes) / model.n / model.n, sizes.max() / model.n
        for mine in coins(moves, chain, found):
            s[mine] *= -1
    return told


def joerg(moves, spins, others, betas):
    """A move of pairs of replicas, spins and others int8 (pairs, n) changed in place; bonds on, and sites bound."""
    pairs = []
    for pair, (s, t, beta) in enumerate(zip(spins, others, betas, strict=True)):
        one, other = satisfied(s, beta), satisfied(t, beta)
        on, bound = drawn(moves, pair, 2 * beta, lambda *bond, one=one, other=other: one(*bond) and other(*bond))
        bound |= moves.held
        for mine in coins(moves, pair, clusters(s, on, bound)[0]):
            s[mine] *= -1
            t[mine] *= -1
        pairs.append((on, bound))
    return pairs


def cmr(moves, spins, others, betas):
    """The same, and then that of clusters of blue and red bonds."""
    blue = joerg(moves, spins, others, betas)
    for pair, (s, t, beta) in enumerate(zip(spins, others, betas, strict=True)):
        one, other = satisfied(s, beta), satisfied(t, beta)
        on, bound = drawn(moves, pair, beta, lambda *bond, one=one, other=other: one(*bond) != other(*bond))
        found, _ = clusters(t, blue[pair][0] + on, blue[pair][1] | bound)
        for mine in coins(moves, pair, found):
            t[mine] *= -1


def wolff(moves, spins, betas):
    """A move of chains, spins int8 (chains, n) changed in place; what it tells, float64 (2, chains).

    s_i M_c / n and n_c / n, c being the cluster of the site i that is drawn: i is uniform, so their means are those of
    sum_c M_c^2 / n^2 and sum_c n_c^2 / n^2. If the ghost has c, of which other parts stay unknown, M stands for M_c.
    The cluster grows from each of its sites in turn, first to the ghost.
    """
    model, told = moves.model, np.empty((2, len(spins)))
    for chain, (s, beta) in enumerate(zip(spins, betas, strict=True)):
        single = moves.single[:, chain : chain + 1]
        cluster, bound = [below(single, model.n)], False
        for i in cluster:
            if not bound and beta * model.fields[i] * s[i] > 0:
                bound = chance(single, probability(beta, model.fields[i]))
            for k in range(model.indptr[i], model.indptr[i + 1]):
                j, J = int(model.indices[k]), model.couplings[k]
                if j not in cluster and beta * J * s[i] * s[j] > 0 and chance(single, probability(beta, J)):
                    cluster.append(j)
        bound = bound or not moves.held.isdisjoint(cluster)
        M = s.sum(dtype=float) if bound else s[cluster].sum(dtype=float)
        told[:, chain] = s[cluster[0]] * M / model.n, len(cluster) / model.n
        if not bound:
            s[cluster] *= -1
    return told
