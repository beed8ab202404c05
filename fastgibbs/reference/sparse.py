"""The sparse engine in NumPy: Gibbs and Metropolis sweeps over CSR couplings, one lane a chain.

Everything that decides a spin is float32 with one rounding per operation, in the order written: that is what
makes a compiled kernel give the same bits."""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import exponents, power_of_two
from fastgibbs.reference.spiking import Neurons, lasting, neurons
from fastgibbs.reference.streams import ORDER, SWEEP, below, half_words, next_words, seeded, start_spins, stream

MAGIC = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
LOWEST = np.float32(-126.0)  # 2^-126 is the smallest normal float32
# 2^f = 1 + c1 f + ... + c5 f^5 on [-1/2, 1/2], highest power first
POLYNOMIAL = [np.float32(c) for c in (0.00132647, 0.00967151, 0.05550734, 0.24022242, 0.69314698, 1.0)]
CHUNK = 32  # attempts whose words are drawn together
energies = sampling.energies


class State(NamedTuple):
    """What a sweep reads and changes. The axis `models` has one entry for all lanes, or one a lane."""

    spins: np.ndarray  # int8 (lanes, n), changed in place
    indptr: np.ndarray  # the graph, as in `Ising`
    indices: np.ndarray
    J: np.ndarray  # float32, or float64 (nnz, models), in units of `unit`
    h: np.ndarray  # of the same type (n, models), in the same units
    unit: np.ndarray  # float64 (models,)
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    rule: str
    scan: str
    free: np.ndarray  # the sites that are visited
    energies: np.ndarray  # float64 (lanes,): less the offset, changed in place with every flip
    neurons: Neurons | None  # if they spike


def start(model, lanes, seed, rule, scan="sequential", spins=None, free=None, kind=np.float32, refractory=None):
    """A `State` of `lanes` lanes: J and h over a power of two near the largest of them, as float32, or another `kind`.

    `model`: a model, or a sequence of `lanes` of them on one graph, one a lane; `seed`: the entropy of
    `streams.stream`; `rule`: "gibbs" or "metropolis", or "spiking" with `refractory`, the sweeps that a spike lasts;
    `scan`: "sequential" or "random", one order for all lanes.
    `spins`: int8 (lanes, n), by default random, lane k from stream k of START. `free`: the sites that sweeps visit, by
    default all.
    """
    isings = [one.to_ising() for one in sampling.as_models(model)]
    graph = isings[0]
    unit = np.array([power_of_two(one.couplings, one.fields) for one in isings])
    spins = start_spins(seed, graph.n, lanes) if spins is None else spins.copy()
    return State(
        spins=spins,
        indptr=graph.indptr,
        indices=graph.indices,
        J=kind(np.stack([one.couplings for one in isings], axis=1) / unit),
        h=kind(np.stack([one.fields for one in isings], axis=1) / unit),
        unit=unit,
        streams=seeded(seed, SWEEP, lanes),
        order=stream(seed, ORDER),
        rule=rule,
        scan=scan,
        free=np.arange(graph.n) if free is None else free,
        energies=np.zeros(lanes),
        neurons=neurons(seed, spins, refractory),
    )


def followed(models, state, t):
    """Energies float64 (lanes,) after sweep number t of all: measured at every 64th, followed by their changes else."""
    offset = np.array([model.to_ising().offset for model in models])
    if t % 64 == 0:
        measured = energies(models, state.spins)
        state.energies[:] = measured - offset
        return measured
    return state.energies + offset


def sweep(state, betas, fields=None):
    """One sweep of every lane, in place: an attempt a free site, each visiting one with f_i = h_i + sum_j J_ij s_j.

    Where s_i becomes s' the energy changes by (s_i - s') f_i: 16 changes after one another are added up in the type of
    f_i, their sum in float64.
    `betas`: float64 (lanes,), in inverse units of J; `fields`: of each lane one beside f_i, float64 (lanes,), or None.
    KeyError on an unknown rule or scan.
    """
    scale, push = exponents(betas, fields, state.unit, state.neurons and state.neurons.refractory)
    spins = state.spins.T
    decide = RULES[state.rule]
    changes = np.zeros(state.energies.shape, state.J.dtype)
    for number, (i, upper) in enumerate(rough_attempts(state), 1):
        f = field(state, spins, i)
        new = lasting(state.neurons, i, drawn(decide, scale * np.float32(f) + push, spins[i], upper, state.streams))
        changes += (spins[i] - new) * f
        spins[i] = new
        if number % 16 == 0 or number == len(state.free):
            state.energies[:] += np.float64(changes) * state.unit
            changes[:] = 0


def drawn(decide, t, s, upper, streams):
    """The new spins int8 (L,), of 32 random bits, of which `upper` are the upper 16.

    The lower ones, the uppermost of a word of the lane's stream, are drawn where the upper ones do not decide.
    """
    at_least, at_most = (decide(t, s, uniform(upper << 16 | lower)) for lower in (0, 0xFFFF))
    undecided, lower = at_least != at_most, np.zeros_like(upper)
    streams_of = streams[:, undecided]
    lower[undecided] = next_words(streams_of) >> 48
    streams[:, undecided] = streams_of
    return decide(t, s, uniform(upper << 16 | lower))


def field(state, spins, i):
    """f_i over the unit, (lanes,): in float32, one term after the other; of float64 numbers rounded once."""
    entries = range(state.indptr[i], state.indptr[i + 1])
    if state.J.dtype == np.float64:
        terms = [state.h[i] + np.zeros(spins.shape[1]), *(state.J[k] * spins[state.indices[k]] for k in entries)]
        return np.array([math.fsum(of_lane) for of_lane in np.transpose(terms)])
    f = state.h[i]
    for k in entries:
        f = f + state.J[k] * spins[state.indices[k]]
    return f


def gibbs(t, s, u):
    """P(s = +1) = 1 / (1 + exp(-2 beta f)): the new spins int8 (L,), whatever the old ones `s` were.

    `t` and `u`: float32 (L,); t = -2 beta f log2(e). The less likely spin has probability e / (1 + e) with e = 2^-|t|.
    Geman and Geman, IEEE Trans. PAMI 6, 721 (1984).
    """
    e = exp2(np.maximum(-np.abs(t), LOWEST))
    likelier = np.where(np.signbit(t), np.int8(1), np.int8(-1))
    return np.where(u * e + u <= e, -likelier, likelier)


def metropolis(t, s, u):
    """P(flip) = min(1, exp(-beta dE)), dE = 2 s f: the new spins int8 (L,).

    `t` = -2 beta f log2(e) and `u`: float32 (L,); `s`: int8 (L,). Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
    """
    return np.where(u <= exp2(np.clip(s * t, LOWEST, np.float32(0.0))), -s, s)


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


def attempts(state):
    """Each site that a sweep visits, with a uniform number of every lane, of half a word of its stream.

    `state`: of any twin that has streams, order, scan and free. KeyError on an unknown scan.
    """
    sites = state.free[list(SCANS[state.scan](state.order, len(state.free)))]
    for site, bits in zip(sites, half_words(state.streams, len(sites)), strict=True):
        yield site, uniform(bits)


def rough_attempts(state):
    """Each site that a sweep visits, with the upper 16 random bits of every lane, uint64 (L,).

    They are quarters of words, the lowest first, all drawn before the first of a chunk of attempts is made.
    """
    sites = state.free[list(SCANS[state.scan](state.order, len(state.free)))]
    for first in range(0, len(sites), CHUNK):
        chunk = sites[first : first + CHUNK]
        words = [next_words(state.streams) for _ in chunk[::4]]
        for number, site in enumerate(chunk):
            yield site, words[number // 4] >> 16 * (number % 4) & 0xFFFF


def uniform(bits):
    """u = r 2^-32 + 2^-33: float32 in [2^-33, 1], fine-grained near zero, from the 32-bit integers r (L,)."""
    return bits.astype(np.uint32).astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)


def sequential(order, n):
    """The sites 0..n-1 as they stand; `order` is left alone."""
    return range(n)


def random(order, n):
    """n sites, each uniform on 0..n-1, drawn with replacement from the stream `order`, uint64 (4, 1)."""
    return [below(order, n) for _ in range(n)]


RULES = {"gibbs": gibbs, "metropolis": metropolis, "spiking": gibbs}
SCANS = {"sequential": sequential, "random": random}
