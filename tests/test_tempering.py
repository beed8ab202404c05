"""What `temper` promises: swaps that leave the joint law as it is, the exact law at every rung, ladders that adapt.

Statistical tests have fixed seeds and errors from 64 or more independent parts. |z| < 4.5 with 64 of them is missed by
chance once in 3 * 10^4 (Student's t); some 600 such scores are taken here and in test_tempering_estimates.py: all pass
with 98 of 100 sets of seeds.
"""

import numpy as np
import pytest
from probe import sweep_matrix
from scipy import stats
from test_ladders import exact_rejections

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import drivers
from fastgibbs.engines.contract import RULES
from fastgibbs.engines.streams import SWAP, stream_state
from fastgibbs.jit import njit
from fastgibbs.methods.jobs import begin
from fastgibbs.methods.schedules import coldest

GLASS = fg.edwards_anderson((4, 4, 3), seed=2)  # for the multi-spin engine
WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
SQUARE = fg.edwards_anderson((4, 4), seed=7)
IN_FIELD = fg.Ising.from_edges(12, *fg.edwards_anderson((4, 3), "gaussian", seed=1).bonds, np.linspace(-0.5, 1, 12))
RBM = fg.RBM(np.random.default_rng(4).normal(size=(7, 5)), np.linspace(-1, 1, 7), [0.5, 0.0, -0.5, 1.0, 0.2])
LADDER = np.linspace(0.05, 2.5, 13)


def z_scores(values, expected):
    """How many standard errors the mean over the first axis, of independent parts, is from `expected`."""
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


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
