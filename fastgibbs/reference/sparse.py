"""The sparse engine in NumPy: Gibbs and Metropolis sweeps over CSR couplings, one lane a chain.

Everything that decides a spin is float32 with one rounding per operation, in the order written: that is what
makes a compiled kernel give the same bits."""

import math

import numpy as np

from fastgibbs.reference.streams import ORDER, SWEEP, next_words, seeded, start_spins

LOG2E = 1.4426950408889634
MAGIC = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
LOWEST = np.float32(-126.0)  # 2^-126 is the smallest normal float32
# 2^f = 1 + c1 f + ... + c5 f^5 on [-1/2, 1/2], highest power first
POLYNOMIAL = [np.float32(c) for c in (0.00132647, 0.00967151, 0.05550734, 0.24022242, 0.69314698, 1.0)]


def sample(model, beta, sweeps, chains, burn_in, thin, rule, scan, seed):
    """Draws from p(s) ~ exp(-beta E(s)): `burn_in` sweeps, then `sweeps`, each thin-th recorded.

    `beta`: a number or (chains,), in inverse units of J; `rule`: "gibbs" or "metropolis"; `scan`:
    "sequential" or "random"; KeyError on another name. `seed`: the entropy of `streams.seeded`.
    Returns energies and magnetisations per spin, float64 (chains, draws), then the final states,
    int8 (chains, n), in the model's own units; draws = sweeps // thin.
    """
    ising = model.to_ising()
    betas = np.broadcast_to(np.asarray(beta, np.float64), chains)
    spins = start_spins(seed, ising.n, chains)
    lanes = seeded(seed, SWEEP, chains)
    order = seeded(seed, ORDER, 1)
    energies = np.empty((chains, sweeps // thin))
    magnetizations = np.empty((chains, sweeps // thin))
    for _ in range(burn_in):
        sweep(ising, spins, lanes, order, betas, rule, scan)
    for done in range(1, sweeps + 1):
        sweep(ising, spins, lanes, order, betas, rule, scan)
        if done % thin == 0:
            energy, magnetization = energy_and_magnetization(ising, spins)
            energies[:, done // thin - 1] = energy
            magnetizations[:, done // thin - 1] = magnetization / max(ising.n, 1)
    return energies, magnetizations, model.from_spins(spins.T)


def sweep(model, spins, streams, order, betas, rule, scan):
    """One sweep of every lane, in place: n attempts, each visiting one site with f_i = h_i + sum_j J_ij s_j.

    `model`: an `Ising`; `spins`: int8 (n, L); `streams`: uint64 (4, L); `order`: uint64 (4, 1), used by the
    random scan alone; `betas`: float64 (L,). KeyError on an unknown `rule` or `scan`.
    """
    J, h, scale = _in_single_precision(model, betas)
    decide, visits = RULES[rule], SCANS[scan](order, model.n)
    for attempt, i in enumerate(visits):
        if attempt % 2 == 0:
            words = next_words(streams)
            bits = words & 0xFFFFFFFF
        else:
            bits = words >> 32
        f = np.full(spins.shape[1], h[i])
        for k in range(model.indptr[i], model.indptr[i + 1]):
            f += J[k] * spins[model.indices[k]]
        spins[i] = decide(f, spins[i], scale, uniform(bits))


def gibbs(f, s, scale, u):
    """P(s = +1) = 1 / (1 + exp(-2 beta f)): the new spins int8 (L,), whatever the old ones `s` were.

    `f`, `scale` and `u`: float32 (L,); scale f = -2 beta f log2(e). The less likely spin has probability
    e / (1 + e) with e = 2^-|scale f|. Geman and Geman, IEEE Trans. PAMI 6, 721 (1984).
    """
    t = scale * f
    e = exp2(np.maximum(-np.abs(t), LOWEST))
    likelier = np.where(np.signbit(t), np.int8(1), np.int8(-1))
    return np.where(u * e + u <= e, -likelier, likelier)


def metropolis(f, s, scale, u):
    """P(flip) = min(1, exp(-beta dE)), dE = 2 s f: the new spins int8 (L,).

    `f`, `scale` and `u`: float32 (L,); `s`: int8 (L,). Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
    """
    t = np.clip(scale * (s * f), LOWEST, np.float32(0.0))
    return np.where(u <= exp2(t), -s, s)


def exp2(t):
    """2^t = 2^m p(t - m) with m the integer nearest to t: float32, within 2e-7 of 2^t relatively.

    `t`: float32 (L,) in [-126, 0]. The power of two is added to the exponent bits of the polynomial p.
    """
    m = t + MAGIC
    f = t - (m - MAGIC)
    p = np.full_like(f, POLYNOMIAL[0])
    for c in POLYNOMIAL[1:]:
        p = p * f + c
    return (p.view(np.int32) + (m.view(np.int32) << 23)).view(np.float32)


def uniform(bits):
    """u = r 2^-32 + 2^-33: float32 in [2^-33, 1], fine-grained near zero, from the 32-bit integers r (L,)."""
    return bits.astype(np.uint32).astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)


def sequential(order, n):
    """The sites 0..n-1 as they stand; `order` is left alone."""
    return range(n)


def random(order, n):
    """n sites, each i uniform on 0..n-1, drawn with replacement from the stream `order`, uint64 (4, 1).

    i = floor(r n / 2^32) of a 32-bit r, drawn again where r n mod 2^32 < 2^32 mod n: every site then has the
    same number of r. Lemire, ACM Trans. Model. Comput. Simul. 29, 3 (2019), algorithm 5.
    """
    sites = []
    while len(sites) < n:
        product = (int(next_words(order)[0]) >> 32) * n
        if product % 2**32 >= 2**32 % n:
            sites.append(product >> 32)
    return sites


RULES = {"gibbs": gibbs, "metropolis": metropolis}
SCANS = {"sequential": sequential, "random": random}


def energy_and_magnetization(model, spins):
    """E(s) = -1/2 s.J.s - h.s + offset and M = sum_i s_i of every lane.

    `model`: an `Ising`; `spins`: int8 (n, L). Two float64 (L,).
    """
    return model.energy(spins.T), spins.sum(axis=0, dtype=np.float64)


def _in_single_precision(model, betas):
    """J and h over a power of two near the largest of them, and -2 beta log2(e) times it, in float32."""
    largest = max(np.abs(model.couplings).max(initial=0.0), np.abs(model.fields).max(initial=0.0))
    # 2^floor(log2(largest)): exact by frexp, where a rounded log2 may reach the next integer
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
    with np.errstate(over="ignore"):  # an infinite product is clipped like any other
        scale = np.clip((-2.0 * LOG2E) * betas * unit, -1e30, 1e30)
    return np.float32(model.couplings / unit), np.float32(model.fields / unit), np.float32(scale)
