"""What `temper` promises: the twin's bits, the exact law at every rung, honest free energies, stops without loss.

Statistical tests have fixed seeds and errors from 64 or more independent parts. |z| < 4.5 with 64 of them is missed by
chance once in 3 * 10^4 (Student's t); some 600 such scores are taken below: all pass with 98 of 100 sets of seeds.
"""

import os
import signal

import numpy as np
import pytest
from interrupts import ctrl_c
from probe import sweep_matrix
from scipy import stats
from test_ladders import exact_rejections

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.engines import drivers, replicas
from fastgibbs.engines.contract import RULES, restore, snapshot
from fastgibbs.engines.precision import energy_error
from fastgibbs.engines.streams import SWAP, stream_state
from fastgibbs.jit import njit
from fastgibbs.methods.jobs import Length, begin, through
from fastgibbs.methods.ladders import Gathered, Ladders
from fastgibbs.methods.running import running
from fastgibbs.methods.schedules import coldest
from fastgibbs.methods.settings import Setting
from fastgibbs.reference import coloured as coloured_twin
from fastgibbs.reference import layered as layered_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sparse as sparse_twin
from fastgibbs.reference import tempering as twin

GLASS = fg.edwards_anderson((4, 4, 3), seed=2)  # for the multi-spin engine
WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
SQUARE = fg.edwards_anderson((4, 4), seed=7)
IN_FIELD = fg.Ising.from_edges(12, *fg.edwards_anderson((4, 3), "gaussian", seed=1).bonds, np.linspace(-0.5, 1, 12))
RING = fg.edwards_anderson((12,), "gaussian", seed=3)  # whose clusters never percolate, also those of half the sites
RBM = fg.RBM(np.random.default_rng(4).normal(size=(7, 5)), np.linspace(-1, 1, 7), [0.5, 0.0, -0.5, 1.0, 0.2])
MACHINE = fg.RBM(*(np.random.default_rng(5).normal(size=size) for size in ((27, 21), 27, 21)))
ENGINES = {
    "sparse": (WEIGHTED, sparse_twin),
    "multispin": (GLASS, multispin_twin),
    "layered": (MACHINE, layered_twin),
    "coloured": (WEIGHTED, coloured_twin),
}
BY_ENGINE = pytest.mark.parametrize(
    ("engine", "model", "twin_engine"), [(name, *ENGINES[name]) for name in ENGINES], ids=list(ENGINES)
)
LADDER = np.linspace(0.05, 2.5, 13)


def same(a, b, ladders=slice(None)):
    """Whether two results are; `ladders` of b."""
    pairs = slice(None) if ladders == slice(None) else slice(ladders.stop // 2)
    for name in ("betas", "energy", "magnetization", "states", "round_trips", "restarts"):
        in_b = getattr(b, name)
        np.testing.assert_array_equal(getattr(a, name), in_b if name == "betas" else in_b[ladders], err_msg=name)
    assert (a.overlap is None) == (b.overlap is None or ladders == slice(1))
    for name, in_a, in_b in zip(a.overlap._fields, a.overlap, b.overlap, strict=True) if a.overlap else ():
        np.testing.assert_array_equal(in_a, in_b[pairs], err_msg=name)
    if ladders == slice(None):
        np.testing.assert_array_equal(a.acceptance, b.acceptance)
        np.testing.assert_array_equal(a.flow, b.flow)
        assert a.adaptation == b.adaptation


def z_scores(values, expected):
    """How many standard errors the mean over the first axis, of independent parts, is from `expected`."""
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


# The twin


PARITY = dict(sweeps=24, burn_in=6, thin=3, swap_every=1, overlap_every=4, clusters=False, rule="gibbs", seed=3)


def parity(engine, twin_engine, model, betas, ladders, **change):
    kwargs = PARITY | change
    results = fg.temper(model, betas=betas, ladders=ladders, engine=engine, **kwargs)
    expected = twin.temper(twin_engine, model, betas, ladders, **kwargs)
    for k, result in enumerate(results if isinstance(results, list) else [results]):
        mine, pairs = slice(k * ladders, (k + 1) * ladders), slice(k * (ladders // 2), (k + 1) * (ladders // 2))
        np.testing.assert_array_equal(result.energy, expected.energies[mine])
        np.testing.assert_array_equal(result.magnetization, expected.magnetizations[mine])
        np.testing.assert_array_equal(result.states, expected.states[mine])
        np.testing.assert_array_equal(result.round_trips, expected.round_trips[mine])
        np.testing.assert_array_equal(result.restarts, expected.restarts[mine])
        attempts = expected.attempts[mine].sum(axis=0)
        accepted = expected.acceptance_sum[mine].sum(axis=0)
        np.testing.assert_array_equal(result.acceptance, accepted / np.maximum(attempts, 1))
        hot, cold = expected.hot_visits[mine].sum(axis=0), expected.cold_visits[mine].sum(axis=0)
        np.testing.assert_array_equal(result.flow, hot / np.maximum(hot + cold, 1))
        if kwargs["overlap_every"] and ladders > 1:
            draws = kwargs["sweeps"] // kwargs["overlap_every"]
            assert (result.overlap.draws == draws).all()
            np.testing.assert_array_equal(result.overlap.histogram, expected.histogram[pairs])
            moments = np.stack([getattr(result.overlap, name) for name in MOMENTS], axis=-1)
            moments = np.concatenate([moments, result.overlap.qk2], axis=-1)
            np.testing.assert_array_equal(moments, expected.moments[pairs] / draws)
        else:
            assert result.overlap is None
    return expected


MOMENTS = ("q", "q_abs", "q2", "q4", "link", "link2")


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize(("swap_every", "thin", "overlap_every"), [(1, 1, 1), (2, 3, 5), (5, 4, 2)])
@BY_ENGINE
def test_ladders_equal_the_twins_bit_for_bit(
    engine, model, twin_engine, swap_every, thin, overlap_every, clusters, rule
):
    schedule = dict(swap_every=swap_every, thin=thin, overlap_every=overlap_every)
    parity(engine, twin_engine, model, LADDER, 5, clusters=clusters, rule=rule, **schedule)


@pytest.mark.parametrize("ladders", [1, 2, 4])
@pytest.mark.parametrize("rungs", [2, 3, 6, 33])
@BY_ENGINE
def test_odd_and_even_ladders_equal_the_twin(engine, model, twin_engine, rungs, ladders):
    parity(engine, twin_engine, model, np.linspace(0.0, 2.0, rungs), ladders, clusters=ladders > 1)


@BY_ENGINE
def test_round_trips_equal_a_recount(engine, model, twin_engine):
    expected = parity(engine, twin_engine, model, [0.2, 0.25, 0.3], 4, sweeps=200, overlap_every=0)
    assert expected.round_trips.min() >= 1
    assert expected.restarts.sum() > expected.round_trips.sum() > 100


@pytest.mark.parametrize(("rungs", "ladders"), [(2, 600), (24, 11), (256, 2)])
@BY_ENGINE
def test_several_blocks_equal_the_twin(engine, model, twin_engine, rungs, ladders):
    change = dict(sweeps=6, burn_in=2, thin=2, overlap_every=3, clusters=ladders < 100)
    parity(engine, twin_engine, model, np.linspace(0.0, 2.0, rungs), ladders, **change)


@pytest.mark.parametrize("ladders", [1, 2, 3])
def test_samples_equal_the_twin(ladders):
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(7)]
    parity("auto", multispin_twin, models, np.linspace(0.0, 1.5, 5), ladders, clusters=ladders > 1)


@pytest.mark.parametrize("model", [IN_FIELD, RING, RBM, fg.lattice((5, 4), h=0.3)])
def test_other_models_equal_the_twin(model):
    twin_engine = {RBM: layered_twin, IN_FIELD: sparse_twin, RING: sparse_twin}.get(model, multispin_twin)
    kwargs = dict(sweeps=24, burn_in=6, thin=3, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=3)
    result = fg.temper(model, betas=LADDER, ladders=4, **kwargs)
    expected = twin.temper(twin_engine, model, LADDER, 4, **kwargs)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.overlap.histogram, expected.histogram)
    np.testing.assert_allclose(result.energy, expected.energies, rtol=1e-12)  # of machines, added up in another order


# The same bytes


@pytest.mark.parametrize("given", [dict(betas=LADDER), dict(rungs=6), dict()], ids=["given", "spaced", "built"])
@BY_ENGINE
def test_threads_and_chunks_change_nothing(engine, model, twin_engine, given, monkeypatch):
    kwargs = dict(sweeps=600, ladders=100, overlap_every=3, clusters=True, seed=3, engine=engine) | given
    kwargs |= dict(sweeps=60) if "betas" in given else dict(ladders=20)
    reference = fg.temper(model, threads=1, **kwargs)
    assert len(reference.adaptation) == (0 if "betas" in given else 2)
    for threads in (2, 3):
        same(fg.temper(model, threads=threads, **kwargs), reference)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(fg.temper(model, threads=2, **kwargs), reference)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("rungs", [2, 13, 40])
@BY_ENGINE
def test_a_ladder_is_the_same_however_many_there_are(engine, model, twin_engine, rungs, clusters):
    kwargs = dict(betas=np.linspace(0, 2, rungs), sweeps=20, overlap_every=2, seed=3, engine=engine)
    many = fg.temper(model, ladders=50, clusters=clusters, **kwargs)
    for ladders in (2, 10, 12, 34):
        same(fg.temper(model, ladders=ladders, clusters=clusters, **kwargs), many, slice(ladders))
    if not clusters:
        for ladders in (1, 11):
            same(fg.temper(model, ladders=ladders, **kwargs), many, slice(ladders))


def test_samples_in_one_run_equal_the_same_ladders_of_one_model():
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(5)]
    kwargs = dict(betas=LADDER, sweeps=20, seed=3)
    together = fg.temper(models, ladders=2, **kwargs)
    assert [result.model for result in together] == models
    for k, model in enumerate(models):
        alone = fg.temper(model, ladders=10, **kwargs)
        np.testing.assert_array_equal(together[k].energy, alone.energy[2 * k : 2 * k + 2])
        np.testing.assert_array_equal(together[k].states, alone.states[2 * k : 2 * k + 2])
    (single,) = fg.temper(models[:1], ladders=2, **kwargs)
    same(single, fg.temper(models[0], ladders=2, **kwargs))


def test_the_seed_in_the_result_repeats_the_run():
    for seed in (None, 5, np.random.SeedSequence(5).spawn(3)[2], np.random.default_rng(5)):
        first = fg.temper(GLASS, sweeps=600, seed=seed)
        same(first, fg.temper(GLASS, sweeps=600, seed=first.seed))
    assert fg.temper(GLASS, betas=[0, 1], sweeps=1, seed=5).seed == 5


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("model", [GLASS, SQUARE, WEIGHTED, IN_FIELD, RBM, fg.lattice((5, 5), h=0.3)])
def test_the_last_energies_are_those_of_the_states(model, clusters):
    result = fg.temper(model, betas=LADDER, sweeps=12, burn_in=5, thin=3, ladders=6, clusters=clusters, seed=1)
    assert result.energy.shape == result.magnetization.shape == (6, 13, 4)
    if isinstance(model, fg.Ising):
        np.testing.assert_array_equal(result.energy[..., -1], model.energy(result.states))
    else:
        np.testing.assert_allclose(
            result.energy[..., -1], model.energy(result.states), rtol=0, atol=energy_error(model)
        )
    spins = model.to_spins(result.states)
    np.testing.assert_array_equal(result.magnetization[..., -1], spins.mean(axis=2))


# Swaps


@njit
def swap_round(ladders, number):
    drivers._swap(ladders, number, True)


def swapped(betas, energies, number):
    """The kernel's swap probabilities (ladders, rungs - 1) and the replica it leaves at each rung (ladders, rungs).

    `energies` (ladders, rungs): replica r is at rung r before the round.
    """
    count, rungs = energies.shape
    lanes = np.arange(energies.size).reshape(energies.shape)
    shape = (count, rungs)
    ladders = drivers.Exchanges(
        betas=np.asarray(betas, np.float64),
        pushes=np.zeros((rungs, 1)),
        norms=np.zeros(rungs),
        rule=RULES["gibbs"],
        burn_in=0,
        swap_every=1,
        overlap_every=0,
        first_lane=lanes[:, 0].copy(),
        rungs=np.tile(np.arange(rungs), count),
        lane_at=lanes.copy(),
        streams=np.array([stream_state(5, SWAP, ladder) for ladder in range(count)]),
        energies=energies.ravel(),
        magnetizations=np.zeros(energies.size),
        sums=np.zeros((1, energies.size)),
        acceptance=np.zeros((count, rungs - 1)),
        attempts=np.zeros((count, rungs - 1), np.int64),
        labels=np.zeros(shape, np.int8),
        restarts=np.zeros(shape, np.int64),
        round_trips=np.zeros(shape, np.int64),
        visits=np.zeros((2, *shape), np.int64),
        lanes_of_draws=np.empty((0, *shape), np.int64),
    )
    swap_round(ladders, number)
    np.testing.assert_array_equal(ladders.rungs[ladders.lane_at], np.tile(np.arange(rungs), (count, 1)))
    return ladders.acceptance, ladders.lane_at - lanes[:, :1]


SMALL = {
    "EA +-J": (fg.edwards_anderson((3,), seed=2), "multispin", 1e-12),
    "in a field": (fg.lattice((3,), J=0.8, h=0.3), "multispin", 1e-12),
    "gaussian": (fg.edwards_anderson((3,), "gaussian", seed=1), "sparse", 1e-6),
    "RBM": (fg.RBM([[1.0], [-2.0]], [0.3, 0.0], [0.5]), "sparse", 1e-6),
    "RBM by layers": (fg.RBM([[1.0], [-2.0]], [0.3, 0.0], [0.5]), "layered", 1e-6),
}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
def test_sweeps_and_swaps_leave_the_joint_law_of_the_ladder_unchanged(name, rule):
    """The exact transition matrix over the 512 joint states of three rungs, from the kernels' own probabilities."""
    model, engine, tolerance = SMALL[name]
    betas = np.array([0.1 if rule == "metropolis" else 0.0, 0.6, 1.7])
    energy = model.to_ising().energy(exact.states(3))
    joint = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(512, 3)
    law = np.exp(-(energy[joint] * betas).sum(axis=1))
    law /= law.sum()
    hot, middle, cold = (sweep_matrix(engine, model, beta, rule) for beta in betas)
    sweep = np.kron(hot, np.kron(middle, cold))

    def change(scale):
        """Of the law by sweep, even swaps, sweep, odd swaps; energies times `scale` in the swaps."""
        p = law
        for gap in (0, 1):
            p = p @ sweep
            probability = swapped(betas, scale * energy[joint], gap)[0][:, gap]
            exchanged = joint.copy()
            exchanged[:, [gap, gap + 1]] = joint[:, [gap + 1, gap]]
            p = p * (1 - probability) + np.bincount(exchanged @ [64, 8, 1], p * probability, 512)
        return np.abs(p - law)

    assert change(1.0).max() < tolerance
    assert change(1 / 3).sum() > 0.01  # the broken twin: energies per spin


def drawn_pairs(model, betas, count=40_000):
    """Independent states, exactly distributed at two betas: (count, 2, n) in the model's units."""
    rng, spectrum = np.random.default_rng(6), exact.spectrum(model)
    drawn = [rng.choice(2**model.n, count, p=spectrum.probabilities(beta)) for beta in betas]
    return model.from_spins(exact.states(model.n)[np.stack(drawn, axis=1)])


@pytest.mark.parametrize("model", [SQUARE, RBM, IN_FIELD], ids=["EA", "RBM", "in a field"])
def test_exactly_drawn_ladders_stay_exactly_distributed_under_swaps_by_total_energy_only(model):
    """One swap round of the kernel; then, of two broken rules in NumPy, swaps by energy per spin and by F at beta 1."""
    betas = np.array([0.3, 0.8])
    states = drawn_pairs(model, betas)
    energy = model.energy(states)
    expected = exact.spectrum(model).energy(betas)

    def worst(taken):
        return np.abs(z_scores(np.take_along_axis(energy, taken, axis=1), expected)).max()

    assert worst(np.array([[0, 1]])) < 4.5
    probability, taken = swapped(betas, energy, 0)
    assert 0.05 < probability.mean() < 0.95
    assert (taken[:, 0] == 1).mean() == pytest.approx(probability.mean(), abs=0.01)
    assert worst(taken) < 4.5

    def by(quantity):
        gain = np.diff(betas) * (quantity[:, 1] - quantity[:, 0])
        swaps = np.random.default_rng(7).random(len(gain)) < np.exp(np.minimum(gain, 0))
        return np.where(swaps[:, None], [1, 0], [0, 1])

    assert worst(by(energy)) < 4.5
    assert worst(by(energy / model.n)) > 6
    if model is RBM:
        assert worst(by(model.free_energy(states[..., : model.n_visible]))) > 6


@pytest.mark.parametrize(("side", "golden"), [(4, 0.8150933086), (8, 0.5538384865)])
def test_swaps_are_accepted_as_often_as_exact_results_say(side, golden):
    """Ferromagnet at betas 0.40 and 0.44; 128 runs of one ladder each, which share nothing."""
    results = fg.temper([fg.lattice((side, side))] * 128, betas=[0.40, 0.44], ladders=1, sweeps=4000, seed=1)
    accepted = np.array([result.acceptance[0] for result in results])
    assert abs(z_scores(accepted, golden)) < 4.5
    assert accepted.std() / np.sqrt(128) < 0.002
    energies = np.array([result.energy[0] for result in results])
    p = np.exp(np.minimum(0.04 * (energies[:, 1] - energies[:, 0]), 0)).mean(axis=1)  # after swaps: the same law
    assert abs(z_scores(p, golden)) < 4.5


def test_the_barrier_of_a_fine_ladder_is_the_exact_integral():
    """41 rungs from 0 to 1 on 4 x 4: rejections add up to 0.3 % less than Lambda = 2.35419941, the limit of many."""
    betas = np.linspace(0, 1, 41)
    results = fg.temper([fg.lattice((4, 4))] * 64, betas=betas, ladders=1, sweeps=1000, seed=1)
    totals = np.array([result.barrier.total for result in results])
    of_this_ladder = exact_rejections(betas).sum()
    assert 0.996 < of_this_ladder / 2.35419941 < 1
    assert abs(z_scores(totals, of_this_ladder)) < 4.5
    assert totals.mean() == pytest.approx(2.35419941, rel=0.01)
    rejections = np.array([result.barrier.rejections for result in results])
    assert np.abs(z_scores(rejections, exact_rejections(betas))).max() < 4.5
    np.testing.assert_allclose(results[0].barrier.density, rejections[0] * 40, rtol=1e-12)


# The law at every rung


LAWS = {
    "EA +-J": (SQUARE, [0.0, 0.3, 0.6, 1.0, 1.5, 2.5], "multispin"),
    "EA +-J by floats": (SQUARE, [0.0, 0.3, 0.6, 1.0, 1.5, 2.5], "sparse"),
    "gaussian in a field": (IN_FIELD, [0.0, 0.2, 0.5, 0.9, 1.6], "sparse"),
    "RBM": (RBM, [0.1, 0.4, 0.8, 1.2, 2.0], "sparse"),
    "ring": (fg.lattice((12,)), [0.0, 0.25, 0.5, 0.8, 1.2], "multispin"),
}


def exact_law(model, betas):
    """<E> and <m^2> at every beta."""
    spectrum, squared = exact.spectrum(model), exact.states(model.n).mean(axis=1) ** 2
    return spectrum.energy(np.array(betas)), np.array([spectrum.probabilities(beta) @ squared for beta in betas])


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize(
    ("name", "rule"),
    [(name, "gibbs") for name in LAWS] + [(name, "metropolis") for name in LAWS if name != "ring"],  # where it is stuck
)
def test_long_runs_match_enumeration_at_every_rung(name, rule, clusters):
    """64 pairs of ladders, which clusters couple; the broken twin is off by 5 % in beta."""
    model, betas, engine = LAWS[name]
    if rule == "metropolis":
        betas = [max(beta, 0.05) for beta in betas]
    kwargs = dict(sweeps=1500, burn_in=150, ladders=128, overlap_every=0, engine=engine, seed=2)
    result = fg.temper(model, betas=betas, rule=rule, clusters=clusters, **kwargs)

    def pairs(record):
        return record.mean(axis=2).reshape(64, 2, len(betas)).mean(axis=1)

    energy, squared = exact_law(model, betas)
    assert np.abs(z_scores(pairs(result.energy), energy)).max() < 4.5
    assert np.abs(z_scores(pairs(result.magnetization**2), squared)).max() < 4.5
    broken, _ = exact_law(model, 1.05 * np.array(betas))
    assert np.abs(z_scores(pairs(result.energy), broken)).max() > 4.5


def test_a_rung_alone_would_not_do():
    """Without swaps the cold rungs of this ferromagnet keep the sign they fell into: swaps are what moves them."""
    betas = [0.2, 0.3, 0.4, 0.5, 0.7, 1.0]
    kwargs = dict(betas=betas, sweeps=1500, ladders=64, overlap_every=0, seed=2)
    swaps, none = (fg.temper(fg.lattice((4, 4)), swap_every=every, **kwargs) for every in (1, 10**9))
    assert np.abs(swaps.magnetization[:, -1].mean(axis=1)).mean() < 0.4
    assert np.abs(none.magnetization[:, -1].mean(axis=1)).mean() > 0.9
    assert (none.acceptance == 0).all()
    assert none.round_trips.max() == 0


@pytest.mark.parametrize("model", [fg.lattice((4,), h=0.4), fg.edwards_anderson((2, 2), "gaussian", seed=1)])
def test_a_rung_at_beta_0_is_drawn_afresh_every_sweep(model):
    """Chi-square at 1e-4 over the 16 states of rung 0 in 4096 ladders; successive energies do not correlate."""
    kwargs = dict(betas=[0.0, 0.8], ladders=4096, overlap_every=0, seed=4)
    states = fg.temper(model, sweeps=5, burn_in=0, **kwargs).states[:, 0]
    counts = np.bincount((states > 0) @ [1, 2, 4, 8], minlength=16)
    assert stats.chisquare(counts).pvalue > 1e-4
    energy = fg.temper(model, sweeps=50, burn_in=0, swap_every=1000, **kwargs).energy
    deviation = energy - energy.mean(axis=(0, 2), keepdims=True)
    correlation = (deviation[:, :, 1:] * deviation[:, :, :-1]).mean(axis=2)
    scores = z_scores(correlation, 0)
    assert abs(scores[0]) < 4.5
    assert scores[1] > 20  # the cold rung remembers


# Free energies


@pytest.mark.parametrize("estimator", ["bar", "forward", "backward"])
def test_intervals_of_log_z_cover_the_exact_value_in_95_of_100_groups(estimator, coverage_run):
    """256 disjoint groups of two ladders; at each rung a true 95 % is outside 88 to 99 % by chance once in 3000."""
    known, groups = coverage_run
    values = np.array([getattr(group, estimator) for group in groups])
    errors = np.array([getattr(group, estimator + "_error") for group in groups])
    assert (values[:, 0] == known[0]).all()
    assert (errors[:, 0] == 0).all()
    covered = (np.abs(values - known) < 1.96 * errors)[:, 1:].mean(axis=0)
    assert (covered >= 0.88).all()
    assert (covered <= 0.99).all()
    too_small = (np.abs(values - known) < 1.96 * errors / 2)[:, 1:].mean(axis=0)
    assert (too_small < 0.88).all()  # the broken twin: half the error


@pytest.fixture(scope="module")
def coverage_run():
    betas = np.array([0.0, 0.2, 0.4, 0.65, 1.0])
    result = fg.temper(SQUARE, betas=betas, ladders=512, sweeps=1000, overlap_every=0, seed=3)
    reference = 16 * np.log(2)
    groups = [analysis.log_z(betas, result.energy[k : k + 2], reference) for k in range(0, 512, 2)]
    return exact.spectrum(SQUARE).log_z(betas), groups


@pytest.mark.parametrize("name", ["EA +-J", "gaussian in a field", "RBM", "ring"])
def test_log_z_of_a_result_is_the_enumerated_one(name):
    """|z| < 5 with 32 blocks: once in 5 * 10^4 for each of 51 scores. The RBM's ladder from 0.1 gives Z / Z(0.1)."""
    model, betas, _ = LAWS[name]
    result = fg.temper(model, betas=betas, ladders=32, sweeps=1500, seed=4)
    known = exact.spectrum(model).log_z(np.array(betas))
    if betas[0] > 0:
        known = known - known[0]
    found = result.log_z
    for value, error in (
        (found.bar, found.bar_error),
        (found.forward, found.forward_error),
        (found.backward, found.backward_error),
    ):
        assert value[0] == pytest.approx(known[0], abs=1e-12)
        assert (np.abs(value - known)[1:] < 5 * error[1:]).all()
    assert found.bar_error[-1] < 0.05


# Overlaps and clusters


def overlap_law(model, beta):
    """P(t) of t = s^a XOR s^b of two independent states, (2^n,): the autocorrelation of p, by Walsh transforms."""

    def walsh(p):
        for k in range(model.n):
            low, high = np.moveaxis(p.reshape(-1, 2, 2**k), 1, 0)
            p = np.stack([low + high, low - high], axis=1).ravel()
        return p

    return walsh(walsh(exact.spectrum(model).probabilities(beta)) ** 2) / 2**model.n


@pytest.mark.parametrize(("clusters", "engine"), [(False, "multispin"), (True, "multispin"), (True, "sparse")])
def test_overlaps_match_enumeration_at_every_rung(clusters, engine):
    """Six moments, |q(k)|^2 and the histogram, of 96 pairs of ladders."""
    betas = [0.0, 0.3, 0.6, 1.0, 1.6, 2.5]
    kwargs = dict(ladders=192, sweeps=2000, burn_in=200, overlap_every=2, seed=5, engine=engine)
    overlap = fg.temper(SQUARE, betas=betas, clusters=clusters, **kwargs).overlap
    assert overlap.histogram.shape == (96, 6, 17)
    assert (overlap.histogram.sum(axis=2) == 1000).all()
    assert (overlap.draws == 1000).all()
    products = -exact.states(16)  # q_i, -1 where bit i of t is set
    i, j, _ = SQUARE.bonds
    q, link = products.mean(axis=1), (products[:, i] * products[:, j]).mean(axis=1)
    known = {"q": q, "q_abs": abs(q), "q2": q**2, "q4": q**4, "link": link, "link2": link**2}
    equal = (products == 1).sum(axis=1)
    columns = 2 * np.pi / 4 * (np.arange(16) % 4)
    qk2 = abs(products @ np.exp(1j * np.stack([2 * np.pi / 4 * (np.arange(16) // 4), columns], axis=1)) / 16) ** 2
    assert overlap.qk2.shape == (96, 6, 2)
    for rung, beta in enumerate(betas):
        law = overlap_law(SQUARE, beta)
        assert np.abs(z_scores(overlap.qk2[:, rung], law @ qk2)).max() < 4.5
        for name, values in known.items():
            assert abs(z_scores(getattr(overlap, name)[:, rung], law @ values)) < 4.5, (name, beta)
        shares = np.bincount(equal, law, 17)
        common = shares > 0.01
        assert np.abs(z_scores(overlap.histogram[:, rung, common] / 1000, shares[common])).max() < 4.5
        if beta < 2:  # the broken twin: another temperature
            assert abs(z_scores(overlap.q2[:, rung], overlap_law(SQUARE, beta + 0.3) @ q**2)) > 4.5
        if 0 < beta < 2:  # and waves of other lattices, or of the sum of spins
            assert np.abs(z_scores(overlap.qk2[:, rung], law @ abs(qk2 - q[:, None] ** 2 / 2))).min() > 4.5


@njit
def exchange(plan, state, pairs):
    snapshot(plan, state, pairs.packed)
    replicas.exchange_packed_clusters(pairs)
    restore(plan, state, pairs.packed)


@pytest.mark.parametrize(
    ("engine", "model", "beta"),
    [
        ("multispin", GLASS, 1.0),
        ("multispin", fg.lattice((6, 6), h=0.25), 0.3),
        ("sparse", WEIGHTED, 2.0),
        ("sparse", IN_FIELD, 0.8),
    ],
    ids=["glass", "in a field", "weighted", "fields"],
)
def test_clusters_conserve_the_energy_of_a_pair_and_what_is_equal_in_it(engine, model, beta):
    setting = Setting([model], [model], engine, "gibbs", "sequential", 1, None, 1)
    job = Ladders(setting, beta * np.linspace(0.5, 1.5, 6), Length(50, 0, 1), 20, 1, 0, "houdayer", 1, 3)
    with running() as under_way:
        ran = through(under_way, begin(job))
        run = Gathered(job, ran.blocks, 50, ran.end.done)
    before = run.spins()
    for block in run.blocks:
        exchange(block.plan, block.state, block.pairs)
    after = run.spins()
    changed = (after != before).any(axis=(2,))
    np.testing.assert_array_equal(changed[0::2], changed[1::2])
    assert 0.02 < changed.mean() < 1
    (a, b), (new_a, new_b) = (s.reshape(10, 2, 6, model.n).swapaxes(0, 1) for s in (before, after))
    np.testing.assert_array_equal(a * b, new_a * new_b)
    np.testing.assert_allclose(model.energy(a) + model.energy(b), model.energy(new_a) + model.energy(new_b), rtol=1e-14)
    assert (model.energy(a) != model.energy(new_a)).any()


# Identities over disorder


def test_samples_on_the_nishimori_line_have_its_energy_and_as_much_overlap_as_magnetisation():
    """J = +1 with probability p and tanh(beta) = 2 p - 1: [<E>] = -bonds tanh(beta) and [<q^2>] = [<m^2>], exactly.

    Nishimori, Prog. Theor. Phys. 66, 1169 (1981). 600 samples; other temperatures break both.
    """
    p = 0.85
    nishimori = np.arctanh(2 * p - 1)
    models = [fg.edwards_anderson((4, 4), p=p, seed=seed) for seed in range(600)]
    kwargs = dict(sweeps=300, burn_in=100, overlap_every=1, seed=6)
    results = fg.temper(models, betas=[0.2, 0.5, nishimori, 1.6], **kwargs)
    energy = np.array([result.energy.mean(axis=(0, 2)) for result in results])
    scores = z_scores(energy, -32 * np.tanh([0.2, 0.5, nishimori, 1.6]))
    assert abs(scores[2]) < 4.5
    assert np.abs(scores[[0, 1, 3]]).min() > 6
    squared = np.array([(result.magnetization**2).mean(axis=(0, 2)) for result in results])
    scores = z_scores(squared - np.array([result.overlap.q2[0] for result in results]), 0)
    assert abs(scores[2]) < 4.5
    assert np.abs(scores[[0, 1, 3]]).min() > 6


def test_gaussian_samples_at_equilibrium_have_the_energy_that_their_link_overlap_asks_for():
    """[<E>] = -beta width^2 sum_bonds (1 - [<link overlap>]), by parts over Gaussian J (Katzgraber, Palassini, Young,
    Phys. Rev. B 63, 184422 (2001)), of 120 samples. Runs stopped early break it.
    """
    betas, width = np.array([0.2, 0.5, 1.0, 1.5]), 1.3

    def scores(**kwargs):
        parts = []
        for seed in range(120):
            model = fg.edwards_anderson((4, 4), "gaussian", width=width, seed=seed)
            result = fg.temper(model, betas=betas, overlap_every=1, threads=1, seed=seed, **kwargs)
            parts.append(result.energy.mean(axis=(0, 2)) + betas * width**2 * 32 * (1 - result.overlap.link[0]))
        return z_scores(np.array(parts), 0)

    assert np.abs(scores(sweeps=400, burn_in=100)).max() < 4.5
    assert scores(sweeps=1, burn_in=0, swap_every=2)[-1] > 6  # E falls and the link overlap rises to meet


# Adaptation


@pytest.mark.parametrize(
    "model",
    [fg.lattice((6, 6)), fg.edwards_anderson((4, 4, 4), seed=1), WEIGHTED],
    ids=["ferromagnet", "EA", "weighted"],
)
def test_an_adapted_ladder_swaps_equally_often_everywhere_and_has_two_rungs_per_unit_of_the_barrier(model):
    result = fg.temper(model, sweeps=8000, ladders=8, seed=7)
    rejections = result.barrier.rejections
    assert rejections.max() < 1.25 * rejections.mean()
    assert rejections.min() > 0.75 * rejections.mean()
    assert abs(result.betas.size - (2 * result.barrier.total + 1)) <= 2
    assert result.betas[[0, -1]].tolist() == [0.0, coldest(model)]
    assert (np.diff(result.betas) > 0).all()
    assert [one.sweeps for one in result.adaptation] == [64, 128, 256, 512, 1024]
    assert result.adaptation[0].rungs == 16
    assert result.adaptation[-1].barrier == pytest.approx(result.barrier.total, rel=0.15)
    evenly = fg.temper(model, sweeps=2000, ladders=8, adapt=False, rungs=result.betas.size, seed=7)
    assert evenly.barrier.rejections.max() > 1.25 * evenly.barrier.rejections.mean()
    np.testing.assert_allclose(np.diff(evenly.betas), evenly.betas[-1] / (result.betas.size - 1), rtol=1e-12)
    assert evenly.adaptation == ()


def test_rungs_and_ends_that_are_given_are_kept():
    model = fg.lattice((6, 6))
    result = fg.temper(model, betas=[0.1, 0.9], rungs=9, sweeps=4000, ladders=8, seed=7)
    assert result.betas.size == 9
    assert result.betas[[0, -1]].tolist() == [0.1, 0.9]
    assert np.abs(result.barrier.rejections / result.barrier.rejections.mean() - 1).max() < 0.25
    assert {one.rungs for one in result.adaptation} == {9}
    assert fg.temper(model, rungs=5, sweeps=600, seed=7).betas.size == 5
    np.testing.assert_array_equal(fg.temper(model, betas=[0.1, 0.9], sweeps=10).betas, [0.1, 0.9])
    np.testing.assert_array_equal(fg.temper(model, betas=[0.1, 0.4, 0.9], rungs=3, sweeps=10).betas, [0.1, 0.4, 0.9])
    evenly = fg.temper(model, betas=[0.1, 0.9], rungs=9, adapt=False, sweeps=10)
    np.testing.assert_allclose(evenly.betas, np.linspace(0.1, 0.9, 9), rtol=1e-15)
    assert evenly.adaptation == ()
    assert fg.temper(model, adapt=False, sweeps=10).betas.size == 16


def test_an_adapted_ladder_samples_the_right_law():
    """64 ladders; the states that adaptation ends in start the run."""
    result = fg.temper(SQUARE, sweeps=2000, ladders=64, overlap_every=0, seed=8)
    energy, squared = exact_law(SQUARE, result.betas)
    varies = result.energy.mean(axis=2).std(axis=0) > 0
    assert varies.sum() >= 4
    assert np.abs(z_scores(result.energy.mean(axis=2), energy)[varies]).max() < 4.5
    assert np.abs(z_scores((result.magnetization**2).mean(axis=2), squared)).max() < 4.5


def test_rounds_of_adaptation_and_the_run_draw_random_numbers_of_their_own(monkeypatch):
    """Each goes on from the states of the one before: with its random numbers it would repeat its moves."""
    seen = []

    def begun(job, checkpoint):
        seen.extend(of_model.seed for of_model in job.jobs)
        return begin(job, checkpoint)

    for module in ("adapting", "tempering"):
        monkeypatch.setattr(f"fastgibbs.methods.{module}.begin", begun)
    result = fg.temper(SQUARE, sweeps=1024, seed=5)
    assert len(set(seen)) == len(seen) == 1 + len(result.adaptation) > 2


def test_samples_share_one_adapted_ladder():
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(30)]
    results = fg.temper(models, sweeps=2000, seed=7)
    assert all((result.betas == results[0].betas).all() for result in results)
    rejections = np.mean([result.barrier.rejections for result in results], axis=0)
    assert np.abs(rejections / rejections.mean() - 1).max() < 0.25


# Diagnostics


def test_replicas_flow_from_the_hot_end_to_the_cold_one_and_back():
    result = fg.temper(fg.lattice((6, 6)), betas=[0.0, 0.9], rungs=9, sweeps=8000, ladders=16, seed=7)
    assert result.flow[0] == 1
    assert result.flow[-1] == 0
    assert (np.diff(result.flow) < 0).all()
    np.testing.assert_allclose(result.flow, np.linspace(1, 0, 9), atol=0.12)  # linear where rejections are equal
    difference = result.restarts - result.round_trips
    assert set(np.unique(difference)) <= {0, 1}
    assert result.round_trips.min() > 20
    per_swap = result.round_trips.sum() / (16 * 8000)
    r = result.barrier.rejections
    ideal = 1 / (2 + 2 * (r / (1 - r)).sum())  # Syed et al. (2022), theorem 1, of independent energies
    assert 0.3 * ideal < per_swap < 1.1 * ideal


def test_the_verdict_is_yes_on_an_easy_run_and_names_the_problems_of_a_short_hard_one():
    easy = fg.temper(fg.lattice((4, 4)), betas=np.linspace(0, 0.6, 5), sweeps=4000, ladders=16, seed=9)
    assert easy.equilibration.reached
    assert easy.equilibration.problems == ()
    hard = fg.temper(
        fg.edwards_anderson((8, 8, 8), seed=1), betas=np.linspace(0.1, 3, 10), sweeps=200, burn_in=0, seed=9
    )
    assert not hard.equilibration.reached
    told = " ".join(hard.equilibration.problems)
    assert "round trips" in told
    assert "Rung" in told


def test_the_result_says_what_was_run_and_how_fast():
    kwargs = dict(betas=LADDER, sweeps=20, burn_in=4, thin=2, swap_every=3, rule="metropolis", seed=1)
    result = fg.temper(WEIGHTED, **kwargs)
    assert (result.engine, result.rule, result.swap_every, result.burn_in, result.thin) == (
        "sparse",
        "metropolis",
        3,
        4,
        2,
    )
    assert (result.model, result.interrupted, result.adaptation) == (WEIGHTED, False, ())
    assert result.timing.updates_per_second == pytest.approx(2 * 13 * 48 * 24 / result.timing.kernel)
    assert result.timing.total >= result.timing.kernel + result.timing.compile
    size = "ladders=2, rungs=13, draws=10"
    assert repr(result) == f"TemperResult(Ising(n=48, bonds=144, fields=0), {size}, engine='sparse')"
    assert fg.temper(GLASS, betas=LADDER, sweeps=10).burn_in == 2


# Stopping


BIG = fg.edwards_anderson((8, 8, 8), seed=1)
FOREVER = dict(betas=np.linspace(0.1, 1, 8), sweeps=10**6, burn_in=0, thin=100, ladders=8, seed=1)


def is_a_valid_part(result, ladders=8):
    assert result.interrupted
    assert "interrupted" in repr(result)
    draws = result.energy.shape[2]
    assert 0 < draws < 10_000
    finished = fg.temper(BIG, **FOREVER | dict(sweeps=100 * draws, ladders=ladders))
    assert not finished.interrupted
    np.testing.assert_array_equal(result.energy, finished.energy)
    np.testing.assert_array_equal(result.magnetization, finished.magnetization)
    assert result.states.shape == finished.states.shape
    assert (result.round_trips >= finished.round_trips).all()
    assert (result.overlap.draws >= finished.overlap.draws).all()
    assert (result.overlap.histogram.sum(axis=2) == result.overlap.draws[:, None]).all()
    np.testing.assert_allclose(result.acceptance, finished.acceptance, atol=0.2)
    assert np.isfinite(result.log_z.bar).all()


@pytest.mark.parametrize(("ladders", "threads"), [(8, 1), (100, 2)])
def test_ctrl_c_returns_what_was_done(ladders, threads):
    is_a_valid_part(fg.temper(BIG, threads=threads, progress=ctrl_c(), **FOREVER | dict(ladders=ladders)), ladders)


def test_a_progress_callable_hears_of_sweeps_and_stops_the_run_by_returning_true():
    heard = []

    def stop_at_the_third(done, total):
        heard.append((done, total))
        return len(heard) == 3

    is_a_valid_part(fg.temper(BIG, progress=stop_at_the_third, **FOREVER))
    assert {total for _, total in heard} == {10**6}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_progress_callable_hears_the_end():
    heard = []
    fg.temper(GLASS, betas=LADDER, sweeps=30, burn_in=5, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (35, 35)


def test_a_run_stopped_before_its_first_draw_is_empty_and_valid():
    result = fg.temper(BIG, progress=lambda done, total: True, **FOREVER | dict(burn_in=10**6))
    assert result.interrupted
    assert result.energy.shape == result.magnetization.shape == (8, 8, 0)
    np.testing.assert_array_equal(np.abs(result.states), 1)
    assert (result.acceptance == 0).all()
    assert (result.overlap.draws == 0).all()
    assert "draws=0" in repr(result)


@pytest.mark.parametrize("call", [1, 3])
def test_a_callable_that_returns_true_once_stops_the_run_also_while_the_ladder_is_built(call):
    heard = []

    def stop(done, total):
        heard.append(done)
        return len(heard) == call

    result = fg.temper(GLASS, sweeps=500_000, thin=100, seed=1, progress=stop)
    assert result.interrupted
    assert result.energy.shape[:2] == (2, result.betas.size)


def test_ctrl_c_while_the_ladder_is_built_returns_a_valid_result():
    reports = []

    def send(done, total):
        reports.append(done)
        assert done == 0, "the ladder was built before the third report"
        if len(reports) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    result = fg.temper(BIG, sweeps=10**6, thin=1000, ladders=20, seed=1, progress=send)
    assert result.interrupted
    assert result.energy.shape[:2] == result.states.shape[:2] == (20, result.betas.size)
    assert np.isfinite(result.energy).all()


# The door


VALID = {
    "empty model": dict(model=fg.Ising(np.zeros((0, 0)), offset=2.5)),
    "isolated spins": dict(model=fg.Ising(np.zeros((5, 5)))),
    "one spin": dict(model=fg.Ising([[0]], [1])),
    "built for isolated spins": dict(model=fg.Ising(np.zeros((5, 5))), betas=None, sweeps=600),
    "huge betas": dict(betas=[0.5, 1e100]),
    "infinite energies in units of float32": dict(model=fg.lattice((3, 3), J=1e300), betas=[1e-301, 1e-300]),
    "clusters of isolated spins": dict(model=fg.Ising(np.zeros((5, 5))), clusters=True),
    "clusters of one spin": dict(model=fg.Ising([[0]], [1]), clusters=True),
    "one ladder": dict(ladders=1, engine="sparse"),  # by auto "coloured", which adds up energies in another order
    "no overlaps": dict(overlap_every=0),
    "overlaps rarer than sweeps": dict(overlap_every=100),
    "swaps rarer than sweeps": dict(swap_every=100),
    "betas read-only and of integers": dict(betas=np.broadcast_to(np.arange(3, dtype=">i4"), (3,))),
    "betas of float32": dict(betas=np.linspace(0, 1, 4, dtype=np.float32), sweeps=np.int64(4)),
    "256 rungs": dict(betas=np.linspace(0, 1, 256)),
    "one sweep": dict(sweeps=1),
    "no burn-in": dict(burn_in=0),
    "NumPy's bool": dict(adapt=np.True_, clusters=np.False_),
}


@pytest.mark.parametrize("name", VALID)
def test_unusual_but_valid_input_works(name):
    arguments = dict(model=WEIGHTED, betas=[0.0, 0.4, 1.0], sweeps=4, ladders=3, seed=1) | VALID[name]
    model = arguments.pop("model")
    result = fg.temper(model, **arguments)
    assert result.energy.shape == (arguments["ladders"], result.betas.size, arguments["sweeps"])
    np.testing.assert_array_equal(result.energy[..., -1], model.energy(result.states))
    assert (result.overlap is None) == (name in ("one ladder", "no overlaps"))
    assert ((result.acceptance >= 0) & (result.acceptance <= 1)).all()
    assert np.isfinite(result.log_z.bar).all()


OTHER = fg.edwards_anderson((4, 4, 3), seed=3)
BAD = {
    "no model": (dict(model=np.eye(3)), TypeError, "model is"),
    "no models": (dict(model=[]), TypeError, "model is"),
    "one of the models is none": (dict(model=[GLASS, None]), TypeError, "model is None"),
    "two sizes": (
        dict(model=[fg.lattice((3, 3)), fg.lattice((9,)), fg.lattice((10,))]),
        ValueError,
        r"model\[2\] has 10 sites and model\[0\] has 9",
    ),
    "samples that are no Ising models": (
        dict(model=[fg.RBM(np.ones((2, 2)))] * 2),
        TypeError,
        r"model\[0\] .*to_ising",
    ),
    "a sample that the engine cannot run": (
        dict(model=[fg.lattice((48,)), WEIGHTED], engine="multispin"),
        ValueError,
        r"model\[1\]: engine 'multispin' cannot run this: the couplings are not all",
    ),
    "functions of samples with weights": (
        dict(model=[WEIGHTED, WEIGHTED], observe={"up": lambda states: states[:, 0]}),
        ValueError,
        r"observe\['up'\] is a function: of models that differ in more than signs",
    ),
    "multispin of a gaussian glass": (
        dict(model=WEIGHTED, engine="multispin"),
        ValueError,
        r"the couplings are not all \+J or -J",
    ),
    "unsorted betas": (dict(betas=[0.1, 0.5, 0.4]), ValueError, r"betas\[2\] is 0.4"),
    "descending betas": (dict(betas=[1.0, 0.5]), ValueError, r"betas\[1\] is 0.5"),
    "repeated betas": (dict(betas=[0.1, 0.2, 0.2, 0.3]), ValueError, r"betas\[2\] is 0.2"),
    "negative betas": (dict(betas=[-0.1, 0.2]), ValueError, r"betas\[0\] is -0.1"),
    "NaN in betas": (dict(betas=[0.1, np.nan]), ValueError, r"betas\[1\] is nan"),
    "infinite beta": (dict(betas=[0.1, 0.2, np.inf]), ValueError, r"betas\[2\] is inf"),
    "a single rung": (dict(betas=[0.5]), ValueError, r"betas has shape \(1,\)"),
    "no rung": (dict(betas=[]), ValueError, r"betas has shape \(0,\)"),
    "one number as betas": (dict(betas=0.5), ValueError, r"betas has shape \(\)"),
    "betas of two dimensions": (dict(betas=np.ones((2, 2))), ValueError, r"betas has shape \(2, 2\)"),
    "too many betas": (dict(betas=np.linspace(0, 1, 257)), ValueError, r"betas has shape \(257,\)"),
    "betas of text": (dict(betas="auto"), TypeError, "betas"),
    "a schedule as betas": (dict(betas=fg.linear(0, 1)), TypeError, "betas"),
    "one rung asked for": (dict(rungs=1), ValueError, "rungs is 1"),
    "too many rungs": (dict(rungs=1000), ValueError, "rungs is 1000: give at most 256"),
    "rungs a float": (dict(rungs=8.0), TypeError, "rungs is 8.0"),
    "rungs True": (dict(rungs=True), TypeError, "rungs is True"),
    "rungs against betas": (dict(betas=[0.1, 0.2, 0.3], rungs=5), ValueError, "rungs is 5 but betas holds 3"),
    "zero sweeps": (dict(sweeps=0), ValueError, "sweeps is 0"),
    "sweeps of text": (dict(sweeps="10"), TypeError, "sweeps is '10'"),
    "zero ladders": (dict(ladders=0), ValueError, "ladders is 0"),
    "ladders a float": (dict(ladders=2.0), TypeError, "ladders is 2.0"),
    "unknown rule": (dict(rule="glauber"), ValueError, "rule is 'glauber'"),
    "unknown engine": (dict(engine="multspin"), ValueError, "did you mean 'multispin'"),
    "zero swap_every": (dict(swap_every=0), ValueError, "swap_every is 0"),
    "negative burn-in": (dict(burn_in=-1), ValueError, "burn_in is -1"),
    "zero thin": (dict(thin=0), ValueError, "thin is 0"),
    "thin past sweeps": (dict(thin=11), ValueError, "thin is 11"),
    "negative overlap_every": (dict(overlap_every=-1), ValueError, "overlap_every is -1"),
    "overlap_every False": (dict(overlap_every=False), TypeError, "overlap_every is False"),
    "adapt of text": (dict(adapt="yes"), TypeError, "adapt is 'yes'"),
    "adapt 1": (dict(adapt=1), TypeError, "adapt is 1"),
    "clusters of another": (dict(clusters="hudayer"), ValueError, "clusters is 'hudayer'"),
    "clusters a number": (dict(clusters=2), TypeError, "clusters is 2"),
    "clusters of flags": (dict(clusters=np.ones(2, bool)), TypeError, "clusters is"),
    "clusters of one ladder": (dict(clusters=True, ladders=1), ValueError, "clusters is 'houdayer', .*ladders=2"),
    "Metropolis at beta 0": (dict(rule="metropolis", betas=[0.0, 1.0]), ValueError, r"betas\[0\] is 0.*gibbs"),
    "Metropolis on a ladder from 0": (dict(rule="metropolis"), ValueError, r"betas\[0\] is 0.*gibbs"),
    "zero threads": (dict(threads=0), ValueError, "threads is 0"),
    "negative seed": (dict(seed=-7), ValueError, "seed is -7"),
    "progress of text": (dict(progress="yes"), TypeError, "progress is 'yes'"),
    "more memory than there is": (dict(betas=LADDER, ladders=10**13, sweeps=10**6), ValueError, "needs .* GiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(drivers, "temper", None)
    arguments = dict(model=GLASS, sweeps=10) | change
    with pytest.raises(error, match=message):
        fg.temper(arguments.pop("model"), **arguments)
