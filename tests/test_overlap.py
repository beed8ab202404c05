"""What proves the overlap engine: its twin bit for bit, flip costs, exact stationarity, exact invariance, class sums.

Each statistical test has fixed seeds, a stated false-alarm rate and a broken twin that must fail it.
"""

import itertools

import numpy as np
import pytest
from probe import assert_one_sweep_leaves_the_law, memory_fields, z_score
from test_proofs import CHAINS, LEVEL, chain_correlation

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, overlap
from fastgibbs.reference import overlap as twin
from fastgibbs.reference import sampling
from fastgibbs.reference.annealing import anneal as twin_anneal
from fastgibbs.reference.tempering import temper as twin_temper
from fastgibbs.testing.laws import draw_exactly, pvalue

RNG = np.random.default_rng(1)
BETAS = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 13)])


def patterns(count, n, rng=RNG):
    return rng.choice([-1, 1], (count, n))


MODELS = {
    "Hebb": fg.Hopfield(patterns(3, 25)),
    "Hebb, many": fg.Hopfield(patterns(70, 32), field=0.3),
    "Hebb, fields": fg.Hopfield(patterns(4, 21), field=RNG.normal(size=21)),
    "Hebb, correlated": fg.Hopfield(np.where(RNG.random((5, 30)) < 0.8, 1, -1)),
    "pseudo-inverse": fg.Hopfield(patterns(7, 33), rule="pseudoinverse"),
    "pseudo-inverse, fields": fg.Hopfield(patterns(3, 20), rule="pseudoinverse", field=RNG.normal(size=20)),
    "order 3": fg.Hopfield(patterns(5, 21), order=3, field=0.1),
    "order 4": fg.Hopfield(patterns(6, 20), order=4),
    "order 7": fg.Hopfield(patterns(2, 15), order=7),
    "one spin": fg.Hopfield([[1], [-1]], field=0.4),
    "no patterns": fg.Hopfield(np.empty((0, 5)), field=0.4),
}


# The twin


def parity(model, betas=BETAS, **kwargs):
    kwargs = dict(sweeps=40, burn_in=3, thin=2, rule="gibbs", scan="sequential", seed=5) | kwargs
    result = fg.sample(model, beta=betas, engine="overlap", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(twin, model, betas, chains=len(betas), **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)
    return result


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(name, rule, scan):
    parity(MODELS[name], rule=rule, scan=scan)


@pytest.mark.parametrize("chains", [1, 16, 48, 64, 130])
def test_blocks_of_any_width_equal_the_twin(chains):
    for name in ("Hebb", "pseudo-inverse", "order 3"):
        parity(MODELS[name], np.linspace(0.3, 2, chains), sweeps=6)


@pytest.mark.parametrize("name", ["Hebb", "Hebb, many", "Hebb, fields"])
def test_overlaps_of_32_bits_give_the_bits_of_those_of_16(name, monkeypatch):
    kwargs = dict(beta=np.linspace(0.3, 2, 70), sweeps=30, seed=6, engine="overlap")
    halves, memory = fg.sample(MODELS[name], **kwargs), ENGINES["overlap"].prepare([MODELS[name]], 1).plan.memory
    monkeypatch.setattr(overlap, "MOST_HALVES", 0)
    wholes = fg.sample(MODELS[name], **kwargs)
    assert type(ENGINES["overlap"].prepare([MODELS[name]], 1).plan.memory) is not type(memory)
    np.testing.assert_array_equal(halves.energy, wholes.energy)
    np.testing.assert_array_equal(halves.states, wholes.states)


@pytest.mark.parametrize("n", [overlap.MOST_HALVES, overlap.MOST_HALVES + 1])
def test_overlaps_do_not_overflow_where_their_type_ends(n):
    """Every overlap goes from n to -n and back: at beta < 0 spins of a field flip, one after the other."""
    model = fg.Hopfield(np.ones((3, n)), field=2.0 * 3)
    start = np.ones(n)
    for beta, sign in ((-50.0, -1), (50.0, 1)):
        result = fg.sample(model, beta=beta, sweeps=1, chains=2, start=start, seed=3, engine="overlap")
        start = np.broadcast_to(result.states[0], n)
        assert (result.states == sign).all()
        np.testing.assert_array_equal(result.energy[:, 0], model.energy(result.states))


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize(("n", "count", "field"), [(64, 4, 0.25), (128, 5, None)])
def test_where_couplings_are_exact_the_dense_engine_gives_the_same_bits(n, count, field, rule, scan):
    model = fg.Hopfield(patterns(count, n, np.random.default_rng(n)), field=field)
    kwargs = dict(beta=BETAS, sweeps=30, rule=rule, scan=scan, seed=7)
    ours, dense = (fg.sample(model, engine=engine, **kwargs) for engine in ("overlap", "dense"))
    np.testing.assert_array_equal(ours.states, dense.states)
    np.testing.assert_array_equal(ours.energy, dense.energy)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_annealing_equals_the_twin(name, rule):
    model, betas = MODELS[name], np.geomspace(0.05, 20, 40)
    result = fg.anneal(model, betas=betas, sweeps=40, reads=37, rule=rule, seed=8, engine="overlap", threads=2)
    expected = twin_anneal(twin, sampling.Whole(model), betas, 37, rule, 8)
    order = np.argsort(result.read)
    np.testing.assert_array_equal(result.energy[order], expected.best_energies)
    np.testing.assert_array_equal(result.states[order], expected.best_states)
    np.testing.assert_array_equal(result.trace_min, expected.trace_min)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("name", ["Hebb", "Hebb, fields", "pseudo-inverse", "order 3", "order 4"])
def test_tempering_equals_the_twin(name, clusters):
    model, betas = MODELS[name], np.linspace(0.2, 2.5, 7)
    schedule = dict(
        sweeps=40, burn_in=10, thin=2, swap_every=2, overlap_every=4, clusters=clusters, rule="gibbs", seed=9
    )
    result = fg.temper(model, betas=betas, ladders=4, engine="overlap", threads=2, **schedule)
    expected = twin_temper(twin, sampling.Whole(model), betas, 4, **schedule)
    np.testing.assert_array_equal(result.energy, expected.energies)
    np.testing.assert_array_equal(result.magnetization, expected.magnetizations)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.round_trips, expected.round_trips)
    np.testing.assert_array_equal(result.overlap.histogram, expected.histogram)
    means = expected.moments / result.overlap.draws[:, None, None]
    for k, moment in enumerate((result.overlap.q, result.overlap.q_abs, result.overlap.q2, result.overlap.q4)):
        np.testing.assert_array_equal(moment, means[..., k])
    np.testing.assert_allclose(result.overlap.link, means[..., 4], rtol=0, atol=1e-14)


def test_clusters_leave_the_law_of_an_odd_order_as_it_is():
    """All spins turned, its energy has the other sign: replicas that are equal at one site alone are left alone.

    64 pairs of ladders, |z| < 4.5: a false-alarm rate of 3e-5 for each of four rungs.
    """
    model, betas = fg.Hopfield(patterns(2, 5, np.random.default_rng(3)), order=3), np.linspace(0.1, 0.8, 4)
    schedule = dict(sweeps=400, ladders=128, clusters=True, overlap_every=0, seed=5)
    result = fg.temper(model, betas=betas, engine="overlap", **schedule)
    energy = model.energy(exact.states(5))
    weights = np.exp(-np.outer(betas, energy))
    means = result.energy.mean(axis=2).reshape(64, 2, 4).mean(axis=1)
    z = (means.mean(axis=0) - weights @ energy / weights.sum(axis=1)) / (means.std(axis=0, ddof=1) / 8)
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("name", ["Hebb", "pseudo-inverse", "order 4"])
def test_threads_chunks_and_chains_never_show(name):
    kwargs = dict(beta=0.8, sweeps=40, seed=10, engine="overlap")
    one = fg.sample(MODELS[name], chains=150, threads=1, **kwargs)
    two = fg.sample(MODELS[name], chains=150, threads=2, **kwargs)
    few = fg.sample(MODELS[name], chains=7, threads=2, **kwargs)
    np.testing.assert_array_equal(one.energy, two.energy)
    np.testing.assert_array_equal(one.energy[:7], few.energy)


@pytest.mark.parametrize("name", MODELS)
def test_reported_energies_are_the_models_own(name):
    model = MODELS[name]
    result = fg.sample(model, beta=0.7, sweeps=60, chains=20, thin=3, seed=11, engine="overlap", keep_states=True)
    np.testing.assert_array_equal(result.energy, model.energy(result.samples))
    np.testing.assert_array_equal(result.magnetization, result.samples.mean(axis=2))


# Exact stationarity


SMALL = {
    "Hebb": fg.Hopfield([[1, 1, -1, 1, -1, 1], [1, -1, -1, 1, 1, 1]]),
    "Hebb, odd": fg.Hopfield(patterns(3, 7), field=0.2),
    "pseudo-inverse": fg.Hopfield([[1, 1, -1, 1, -1, 1, 1], [1, -1, -1, 1, 1, 1, 1]], rule="pseudoinverse"),
    "fields": fg.Hopfield(patterns(2, 8), field=0.3 * RNG.normal(size=8)),
    "order 3": fg.Hopfield(patterns(3, 7), order=3),
    "order 4": fg.Hopfield(patterns(4, 6), order=4, field=0.1),
    "one spin": fg.Hopfield([[1]], field=0.4),
}


@pytest.mark.parametrize("name", SMALL)
def test_flip_cost_equals_the_energy_difference(name):
    """In units of 1/N, and of order n in units of 1/(n N^(n-1)), whole numbers are exact."""
    model = SMALL[name]
    states = exact.states(model.n)
    energy = model.energy(states) + states @ model.fields
    flipped = np.arange(2**model.n)[:, None] ^ (1 << np.arange(model.n))
    difference = (energy[flipped] - energy[:, None]) / model.energy_unit
    field = memory_fields(model, states)
    cost = 2 * states * (field - np.float32(model.fields / model.energy_unit))
    if model.rule == "hebb" and not model.fields.any():
        np.testing.assert_array_equal(cost, np.rint(difference))
        np.testing.assert_allclose(difference, np.rint(difference), rtol=0, atol=1e-9)
    else:
        np.testing.assert_allclose(cost, difference, rtol=0, atol=1e-6 * np.abs(difference).max() + 1e-6)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5, -0.8])
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    assert_one_sweep_leaves_the_law("overlap", SMALL[name], beta, rule, 1e-6)


# Exact invariance


INVARIANT = {
    "Hebb": (SMALL["Hebb"], 1.2),
    "Hebb, odd": (SMALL["Hebb, odd"], 0.8),
    "pseudo-inverse": (SMALL["pseudo-inverse"], 1.5),
    "fields": (SMALL["fields"], 1.5),
    "order 3": (SMALL["order 3"], 2.0),
    "order 4": (SMALL["order 4"], 1.5),
}


@pytest.mark.parametrize(
    ("name", "rule", "scan"), list(itertools.product(INVARIANT, ("gibbs", "metropolis"), ("sequential", "random")))
)
def test_exactly_drawn_states_stay_exactly_distributed(name, rule, scan):
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(sweeps=3, chains=CHAINS, rule=rule, scan=scan, start=start, seed=12, engine="overlap")
    assert pvalue(model, fg.sample(model, beta=beta, **kwargs).states, p) > LEVEL


def test_a_wrong_beta_fails_the_invariance_test():
    for name, (model, beta) in INVARIANT.items():
        p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
        kwargs = dict(sweeps=30, chains=CHAINS, start=start, seed=12, engine="overlap")
        assert pvalue(model, fg.sample(model, beta=1.05 * beta, **kwargs).states, p) < LEVEL, name


def after_sweeps(name, sweeps):
    """The p-value of the twin's states after sweeps from the exact distribution."""
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    state = twin.start(model, CHAINS, 12, "gibbs", spins=start)
    for _ in range(sweeps):
        twin.sweep(state, np.full(CHAINS, beta))
    return pvalue(model, state.spins, p)


@pytest.mark.parametrize("name", ["Hebb", "Hebb, odd", "pseudo-inverse", "order 4"])
def test_stale_overlaps_fail_the_invariance_test(name, monkeypatch):
    assert after_sweeps(name, 3) > LEVEL
    fresh = twin.FIELDS[twin.kind(INVARIANT[name][0])]

    last = []

    def stale(model, overlaps, i, s, factors):
        """What the last flip did to the overlaps is not yet there."""
        last.append(overlaps.copy())
        return fresh(model, last[-2] if i else overlaps, i, s, factors)

    monkeypatch.setitem(twin.FIELDS, twin.kind(INVARIANT[name][0]), stale)
    assert after_sweeps(name, 3) < LEVEL


@pytest.mark.parametrize("name", ["Hebb", "Hebb, odd", "pseudo-inverse"])
def test_a_missing_self_term_fails_the_invariance_test(name, monkeypatch):
    model = INVARIANT[name][0]
    field = twin.FIELDS[model.rule]
    zero = np.zeros(CHAINS, np.int8)
    monkeypatch.setitem(twin.FIELDS, model.rule, lambda model, M, i, s, factors: field(model, M, i, zero, factors))
    assert after_sweeps(name, 3) < LEVEL


def test_chains_are_independent():
    result = fg.sample(MODELS["Hebb"], beta=0.6, sweeps=400, burn_in=20, chains=256, seed=14, engine="overlap")
    assert abs(chain_correlation(result.energy)) < 3.9  # two-sided rate 1e-4


# Large memories against the sums over classes of sites


LARGE = {
    "P=1": (fg.Hopfield(patterns(1, 300)), 0.95),
    "P=2": (fg.Hopfield(patterns(2, 300)), 0.95),
    "P=3": (fg.Hopfield(patterns(3, 300)), 0.95),
    "P=3, beyond the transition": (fg.Hopfield(patterns(3, 300)), 1.08),
    "in a field": (fg.Hopfield(patterns(3, 300), field=0.2), 0.9),
    "correlated": (fg.Hopfield(np.where(RNG.random((3, 300)) < 0.7, 1, -1)), 0.5),
    "order 3": (fg.Hopfield(patterns(3, 60), order=3, field=0.1), 1.2),
    "order 4": (fg.Hopfield(patterns(2, 20), order=4), 2.3),
}


@pytest.mark.parametrize("name", LARGE)
def test_long_runs_from_a_bad_start_match_the_sums_over_classes(name):
    """Energy and squared overlaps, z-scores of 128 chains below 4.5: two-sided rate 2e-5 each."""
    model, beta = LARGE[name]
    known = exact.hopfield(model, beta)
    kwargs = dict(sweeps=3000, burn_in=1000, chains=128, seed=15, engine="overlap", thin=3, keep_states=True)
    result = fg.sample(model, beta=beta, start=model.patterns[0], **kwargs)
    assert abs(z_score(result.energy, known.energy)) < 4.5
    squared = model.overlaps(result.samples) ** 2
    for mu, expected in enumerate(known.overlap2):
        assert abs(z_score(squared[..., mu], expected)) < 4.5
    broken = fg.sample(model, beta=1.05 * beta, start=model.patterns[0], **kwargs)
    assert abs(z_score(broken.energy, known.energy)) > 4.5


def test_tempering_gives_the_exact_free_energy_of_three_patterns_on_300_sites():
    """The z-scores of log Z and of the energies of 32 ladders at five rungs: below 4.5."""
    model = LARGE["P=3"][0]
    betas = np.linspace(0, 1.4, 29)
    result = fg.temper(model, betas=betas, sweeps=4000, burn_in=1000, ladders=32, seed=16, engine="overlap")
    for rung in (5, 15, 20, 24, 28):
        known = exact.hopfield(model, betas[rung])
        assert abs(result.log_z.bar[rung] - known.log_z) < 4.5 * result.log_z.bar_error[rung]
        assert abs(z_score(result.energy[:, rung], known.energy)) < 4.5


def test_the_pseudo_inverse_matches_enumeration():
    model, beta = fg.Hopfield(patterns(5, 14), rule="pseudoinverse", field=0.1), 1.3
    kwargs = dict(sweeps=3000, burn_in=300, chains=128, seed=17, engine="overlap", start=np.ones(14))
    expected = exact.spectrum(model).energy(beta)
    assert abs(z_score(fg.sample(model, beta=beta, **kwargs).energy, expected)) < 4.5
    assert abs(z_score(fg.sample(model, beta=1.05 * beta, **kwargs).energy, expected)) > 4.5
