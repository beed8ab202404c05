"""What proves the worldline engine: its twin's own probabilities over all worldlines, the twin's bits, exact means."""

import numpy as np
import pytest
from test_transverse import law

import fastgibbs as fg
from fastgibbs.exact import states
from fastgibbs.reference import worldline as twin

SMALL = [(sites, slices) for sites in (1, 2, 3) for slices in (1, 2, 3, 4)]
CLOSE = 1e-6  # float32 arithmetic


def small(sites, slices, gamma=None, seed=0):
    """Random couplings and fields between all sites, and transverse fields."""
    rng = np.random.default_rng(seed + sites)
    i, j = np.triu_indices(sites, 1)
    model = fg.Ising.from_edges(sites, i, j, rng.normal(size=i.size), rng.normal(size=sites))
    return fg.TransverseIsing(model, rng.uniform(0.2, 1.5, sites) if gamma is None else gamma, slices)


def probabilities(state, betas, site):
    """P(line | others) of the twin for every line of `site`, float64 (lanes, 2^M), from its messages."""
    model, classical = state.model, state.classical
    dt = betas / model.slices
    r = np.float32(np.maximum(np.tanh(dt * model.gamma[site]), 2.0**-40))
    lines = state.spins.reshape(len(betas), model.sites, model.slices)
    scale = np.float32((2.0 * twin.LOG2E) * (dt * classical.unit))
    fields = [twin.sparse.field(classical, lines[:, :, t].T, site) for t in range(model.slices)]
    weights = [twin.sparse.exp2(np.clip(scale * f, -twin.MOST, twin.MOST)) for f in fields]
    ups, downs, odds = (np.asarray(part, np.float64) for part in twin.messages(weights, r))
    found = np.empty((len(betas), 2**model.slices))
    for number, line in enumerate(states(model.slices)):
        p = odds / (1 + odds) if line[0] > 0 else 1 / (1 + odds)
        for t in range(1, model.slices):
            x = (ups if line[0] > 0 else downs)[t - 1]
            turn, stay = (r, x) if line[t - 1] > 0 else (r * x, 1.0)
            p = p * (turn if line[t] != line[t - 1] else stay) / (turn + stay)
        found[:, number] = p
    return found


def swept(quantum, beta, p, of=probabilities):
    """The law `p`, float64 (2^n,), after one sweep by the probabilities of the twin."""
    spins, M = states(quantum.n), quantum.slices
    state = twin.start(quantum, len(spins), 1, spins=spins)
    for site in range(quantum.sites):
        first = site * M
        others = (np.arange(p.size) & ~((2**M - 1) << first)).astype(np.int64)
        conditional = of(state, np.full(len(spins), beta), site)
        line = np.arange(p.size) >> first & 2**M - 1
        p = np.bincount(others, p, p.size)[others] * conditional[np.arange(p.size), line]
    return p


@pytest.mark.parametrize("sites, slices", SMALL)
def test_a_sweep_of_the_twin_leaves_the_law_of_all_worldlines_as_it_is(sites, slices):
    for beta, gamma in ((0.0, None), (1.3, None), (4.0, None), (1.0, 0.05), (1.0, 6.0)):
        quantum = small(sites, slices, gamma)
        _, p, _ = law(quantum, beta)
        np.testing.assert_allclose(swept(quantum, beta, p), p, rtol=0, atol=CLOSE)


def test_a_draw_of_the_twin_is_the_conditional_law_itself():
    """From any law of the own worldline: what is drawn does not depend on it."""
    quantum = small(1, 5)
    _, p, _ = law(quantum, 2.0)
    np.testing.assert_allclose(swept(quantum, 2.0, np.eye(1, p.size, 9)[0]), p, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("fault", ["beta", "open in time", "no v"])
def test_other_probabilities_do_not_leave_the_law_as_it_is(fault):
    def wrong(state, betas, site):
        if fault == "beta":
            return probabilities(state, 1.02 * betas, site)
        kept = twin.messages

        def messages(weights, r):
            ups, downs, odds = kept(weights, r)
            return (downs, downs, odds) if fault == "open in time" else (ups, downs, odds / r)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(twin, "messages", messages)
            return probabilities(state, betas, site)

    quantum = small(2, 3)
    _, p, _ = law(quantum, 1.3)
    assert np.abs(swept(quantum, 1.3, p, wrong) - p).max() > 100 * CLOSE


def test_the_twin_draws_by_its_probabilities():
    """Of one worldline in fixed fields: one false alarm in 10^4 runs."""
    lanes, quantum = 20_000, small(2, 4)
    start = np.tile(np.array([1, 1, -1, 1, 1, -1, -1, -1], np.int8), (lanes, 1))
    state = twin.start(quantum, lanes, 3, spins=start)
    expected = probabilities(state, np.full(lanes, 1.3), 0)[0]
    twin.sweep(state, np.full(lanes, 1.3))
    counts = np.bincount((state.spins[:, :4] > 0) @ (1 << np.arange(4)), minlength=16)
    assert fg.testing.laws.chi_square([(counts, expected * lanes)]) > 1e-4
    assert fg.testing.laws.chi_square([(counts, expected[::-1] * lanes)]) < 1e-4


@pytest.mark.parametrize("sites, slices", SMALL)
def test_what_draws_tell_has_the_exact_means(sites, slices):
    quantum, beta = small(sites, slices), 1.3
    spins, p, _ = law(quantum, beta)
    exact = fg.exact.transverse(quantum, beta, slices)
    told = twin.told(quantum, spins, np.full(len(spins), beta))
    means = {name: p @ values for name, values in told.items()}
    assert means["total_energy"] == pytest.approx(exact.energy, abs=1e-10)
    variance = p @ (told["total_energy"] - exact.energy) ** 2
    assert beta**2 * (variance + means["energy_slope"]) == pytest.approx(exact.heat_capacity, abs=1e-10)
    for name in ("x", "zz", "kinks", "abs_m", "m2", "m4"):
        assert means[name] == pytest.approx(getattr(exact, name), abs=1e-10), name
