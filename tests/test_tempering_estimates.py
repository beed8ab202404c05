"""What `temper` estimates beside the law of each rung: log Z, overlaps of two replicas, with clusters or without.

Statistical tests are as test_tempering.py says.
"""

import numpy as np
import pytest
from test_tempering import GLASS, IN_FIELD, LAWS, SQUARE, WEIGHTED, z_scores

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.engines import replicas
from fastgibbs.engines.contract import restore, snapshot
from fastgibbs.jit import njit
from fastgibbs.methods.jobs import Length, begin, through
from fastgibbs.methods.ladders import Gathered, Ladders
from fastgibbs.methods.running import running
from fastgibbs.methods.settings import Setting

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
