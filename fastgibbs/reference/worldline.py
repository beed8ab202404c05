"""The worldline engine in NumPy: an attempt draws all M spins of a site given its neighbours, one lane a chain.

What decides a spin is float32 with one rounding per operation, in the order written, as in the sparse twin, whose
fields these are in each slice."""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sparse
from fastgibbs.reference.arithmetic import LOG2E
from fastgibbs.reference.streams import ORDER, SWEEP, half_words, seeded, start_spins, stream

MOST = np.float32(40.0)  # of |2 dt f log2 e|; 2^-MOST is the least tanh(dt Gamma): products of three are in range
ONE = np.float32(1.0)


class State(NamedTuple):
    """What a sweep reads and changes."""

    spins: np.ndarray  # int8 (lanes, n), changed in place: n = sites x slices, worldlines side by side
    model: object  # TransverseIsing
    classical: sparse.State  # of E: graph, couplings, fields and their unit
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    scan: str


def start(model, lanes, seed, rule="gibbs", scan="sequential", spins=None):
    """A `State` of `lanes` lanes; `spins` int8 (lanes, n), by default random. KeyError on another rule than "gibbs".

    `model`: or a sequence of it, one a lane.
    """
    {"gibbs": None}[rule]
    model = model[0] if isinstance(model, list) else model
    spins = start_spins(seed, model.n, lanes) if spins is None else spins.copy()
    classical = sparse.start(model.ising, 1, seed, rule)
    return State(spins, model, classical, seeded(seed, SWEEP, lanes), stream(seed, ORDER), scan)


def energies(models, spins, free=None):
    """The mean over slices of E(s_t) of every lane, float64 (lanes,)."""
    return models[0].energy(spins)


def sweep(state, betas, gammas=None):
    """One sweep of every lane, in place: the worldline of each site is drawn given those of its neighbours.

    `betas`: float64 (lanes,), at least 0; `gammas`: the largest Gamma of each, likewise, by default the model's.
    KeyError on an unknown scan.
    """
    model, classical = state.model, state.classical
    dt, strengths = betas / model.slices, 1.0 if gammas is None else gammas / model.gamma.max()
    scale = np.float32(np.clip((2.0 * LOG2E) * (dt * classical.unit), -1e30, 1e30))
    lines = state.spins.reshape(len(betas), model.sites, model.slices)
    for site in sparse.SCANS[state.scan](state.order, model.sites):
        r = np.float32(np.maximum(np.tanh(dt * (strengths * model.gamma[site])), 2.0 ** -float(MOST)))
        fields = [sparse.field(classical, lines[:, :, t].T, site) for t in range(model.slices)]
        weights = [sparse.exp2(np.clip(scale * f, -MOST, MOST)) for f in fields]
        ups, downs, ends = messages(weights, r)
        lines[:, site] = drawn(ups, downs, ends, r, uniforms(state.streams, model.slices)).T


def kink_weights(model, spins, betas, gammas=None):
    """By what replicas exchange rungs besides beta E: log tanh(dt Gamma_i) at each rung, (rungs, sites), and kinks k_i.

    Kinks are float64 (lanes, sites), of `spins` int8 (lanes, n); `betas` and `gammas`: (rungs,), as of a sweep.
    """
    lines = model.worldlines(spins)
    strengths = np.ones(len(betas)) if gammas is None else gammas / model.gamma.max()
    g = betas[:, None] / model.slices * (strengths[:, None] * model.gamma)
    kinks = (lines != np.roll(lines, -1, axis=-1)).sum(axis=-1, dtype=np.float64)
    return np.log(np.maximum(np.tanh(g), 2.0 ** -float(MOST))), kinks


def uniforms(streams, count):
    """u = r 2^-31 + 2^-32, float32 (count, lanes), r the upper 31 bits of half a word: the low halves come first."""
    r = (np.array(list(half_words(streams, count))) >> 1).astype(np.int32)
    return r.astype(np.float32) * np.float32(2.0**-31) + np.float32(2.0**-32)


def messages(weights, r):
    """What is behind each slice, seen from the one before, and the weights of s_0 = +1 and -1.

    `weights`: of M slices, float32 (lanes,): w_t = exp(2 dt f_t), by which + outweighs - there; `r`: tanh(dt Gamma).
    Given s_0 = +-1, which also follows slice M - 1, let p_t and q_t be the weights of + and - at slice t of all after
    it: 1 and r, or r and 1, at slice M - 1; with x_t = w_t p_t, p_{t-1} = x_t + r q_t and q_{t-1} = r x_t + q_t. Lists
    of pairs (x_t, q_t), t = 1 ... M - 1, given s_0 = +1; given -1; and the pair of x_0 given +1 and q_0 given -1.
    All four weights are brought to the scale of the largest by a power of two, which changes no share.
    """
    p, q, y, z = ONE, r, r, ONE
    ups, downs = [], []
    for w in weights[:0:-1]:
        p, y = w * p, w * y
        ups.append((p, q + 0 * w))
        downs.append((y, z + 0 * w))
        p, q, y, z = p + r * q, r * p + q, y + r * z, r * y + z
        largest = np.maximum(np.maximum(p, q), np.maximum(y, z))
        power = np.exp2(-np.floor(np.log2(largest)))
        p, q, y, z = p * power, q * power, y * power, z * power
    return ups[::-1], downs[::-1], (weights[0] * p, z + 0 * weights[0])


def drawn(ups, downs, ends, r, u):
    """Worldlines int8 (M, lanes) of uniforms float32 (M, lanes): s_0 first, then each slice given the one before.

    P(s_0 = +1) = a / (a + b) of the pair of ends; P(s_t = -s) = r q_t / (r q_t + x_t) after s = +1, and
    r x_t / (r x_t + q_t) after s = -1. The rarer s_0 and the kinks are decided where u is finest.
    """
    a, b = ends
    s = np.where((a >= b) ^ (u[0] * (a + b) < np.minimum(a, b)), np.int8(1), np.int8(-1))
    lines, first = [s], s > 0
    for up, down, u_t in zip(ups, downs, u[1:], strict=True):
        x, q = (np.where(first, *two) for two in zip(up, down, strict=True))
        turn, stay = r * np.where(s > 0, q, x), np.where(s > 0, x, q)
        s = np.where(u_t * (turn + stay) < turn, -s, s)
        lines.append(s)
    return np.array(lines)


def told(model, spins, betas):
    """What a draw tells besides E and m, by name, float64 (lanes,); see `fastgibbs.TransverseIsing`.

    `spins`: int8 (lanes, n); `betas`: float64 (lanes,). With k_i kinks in the worldline of site i,
    x_i = (1 - k_i / M) tanh(dt Gamma_i) + k_i / M coth(dt Gamma_i); the total energy is E - sum_i Gamma_i x_i, and its
    slope sum_i Gamma_i^2 / M [(1 - k_i / M) sech^2 - k_i / M csch^2], so that
    C = beta^2 (var of the total energy + mean of the slope).
    """
    lines = model.worldlines(spins)
    M, n = model.slices, model.sites
    kinks = (lines != np.roll(lines, -1, axis=-1)).sum(axis=-1) / M
    g = betas[:, None] / M * model.gamma
    t = np.tanh(g)
    with np.errstate(divide="ignore", over="ignore"):
        coth, csch = (np.where(g > 0, one, 0.0) for one in (1 / t, 1 / np.sinh(g)))
        sech = 1 / np.cosh(g)
    x = (1 - kinks) * t + kinks * coth
    slope = model.gamma**2 / M * ((1 - kinks) * sech**2 - kinks * csch**2)
    i, j, _ = model.ising.bonds
    m = lines.sum(axis=-2, dtype=np.int64) / n
    return {
        "total_energy": model.energy(spins) - (model.gamma * x).sum(axis=-1),
        "energy_slope": slope.sum(axis=-1),
        "x": x.mean(axis=-1),
        "zz": (lines[:, i].astype(np.int64) * lines[:, j]).mean(axis=(-2, -1)) if i.size else np.zeros(len(spins)),
        "kinks": kinks.mean(axis=-1),
        "abs_m": np.abs(m).mean(axis=-1),
        "m2": (m**2).mean(axis=-1),
        "m4": (m**4).mean(axis=-1),
    }
