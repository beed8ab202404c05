"""What proves cluster moves of ladders: the rules by enumeration, the twin's bits, the laws of one and two replicas."""

import itertools

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.methods.jobs import Length, begin, through
from fastgibbs.methods.ladders import Gathered, Ladders
from fastgibbs.methods.running import running
from fastgibbs.methods.settings import Setting
from fastgibbs.reference import clusters as cluster_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sparse as sparse_twin
from fastgibbs.reference import tempering as twin
from fastgibbs.testing.laws import boltzmann, chi_square, draw_exactly, pvalue

KINDS = "swendsen-wang", "wolff", "joerg", "cmr"
PAIRED = {"joerg": cluster_twin.joerg, "cmr": cluster_twin.cmr}
RANDOM = np.random.default_rng(8)
WEIGHTS = fg.Ising.from_edges(5, [0, 1, 2, 3, 0, 1], [1, 2, 3, 4, 4, 3], RANDOM.normal(size=6))
SMALL = {  # whatever a bond can be, and a field
    "ferromagnet": (fg.lattice((2, 3), periodic=False), 0.5),
    "ring of an odd length": (fg.lattice((5,), J=-1.0), 0.9),
    "doubled bonds": (fg.lattice((2, 3), J=-1.0), 0.4),
    "+-J": (fg.edwards_anderson((2, 3), seed=4), 0.6),
    "weights": (WEIGHTS, 0.8),
    "in a field": (fg.lattice((2, 3), h=-0.4), 0.3),
    "in fields": (fg.Ising.from_edges(5, *WEIGHTS.bonds, [0.5, 0, -1, 0.2, 0]), 0.7),
    "ring in fields": (fg.lattice((6,), h=RANDOM.normal(size=6)), 0.6),
    "machine": (fg.RBM([[1.0, -2.0], [0.5, 0.0], [-1.0, 1.5]], [0.5, 0, -1], [0.2, -0.3]), 1.0),
    "no bonds": (fg.Ising(np.zeros((3, 3)), [1.0, 0.0, -0.5]), 0.6),
}
PAIRS_OF_LADDERS = 10_000
LEVEL = 1e-6  # of each of 60 chi-square tests: one false alarm in 10^4 runs


def twofold(model):
    """Two replicas of a model as one, of the law exp(-beta (E(s) + E(t))), spins s and then t."""
    model = model.to_ising()
    i, j, J = model.bonds
    edges = np.concatenate([i, i + model.n]), np.concatenate([j, j + model.n]), np.tile(J, 2)
    return fg.Ising.from_edges(2 * model.n, *edges, np.tile(model.fields, 2), 2 * model.offset)


# The rules


def signs(n, on, bound):
    """All turns of the clusters that bonds connect, but those of the `bound` sites: int8 (turns, n) of +-1."""
    label = list(range(n + 1))
    for i, j in [*on, *((i, n) for i in bound)]:
        label = [label[i] if one == label[j] else one for one in label]
    free = sorted({*label} - {label[n]})
    turns = np.ones((2 ** len(free), n), np.int8)
    for number, one in enumerate(free):
        mine = np.array(label[:n]) == one
        turns[(np.arange(len(turns)) >> number & 1 == 1)[:, None] & mine] = -1
    return turns


def rule(kind, model, beta, factor=4.0):
    """The probability of every move from every pair of states to every other, (4^n, 4^n), from the formulas alone."""
    n, bonds = model.n, [(*bond[:2], bond[2]) for bond in zip(*model.bonds, strict=True)]
    bonds += [(i, n, h) for i, h in enumerate(model.fields) if h]  # the ghost is site n
    states = exact.states(2 * n)
    codes = 1 << np.arange(2 * n)
    chances = np.zeros((len(states), len(states)))
    for number, (s, t) in enumerate(states.reshape(-1, 2, n)):
        up = np.append(s, 1), np.append(t, 1)
        kinds = [sum(bool(beta * J * one[i] * one[j] > 0) for one in up) for i, j, J in bonds]
        p = [1 - np.exp(-beta * abs(J) * (0, 2, factor)[many]) for many, (*_, J) in zip(kinds, bonds, strict=True)]
        for on in itertools.product((0, 1), repeat=len(bonds)):
            weight = np.prod([one if is_on else 1 - one for one, is_on in zip(p, on, strict=True)])
            if not weight:
                continue
            parts = [
                [bond[:2] for bond, is_on, many in zip(bonds, on, kinds, strict=True) if is_on and many >= least]
                for least in (2, 1)
            ]
            blue, grey = (signs(n, [b for b in part if b[1] < n], [b[0] for b in part if b[1] == n]) for part in parts)
            grey = grey if kind == "cmr" else grey[:1]
            moved = [np.concatenate([s * both, t * both * alone]) for both in blue for alone in grey]
            np.add.at(chances[number], (np.array(moved) > 0) @ codes, weight / len(moved))
    return chances


TINY = {
    "ferromagnet": (fg.lattice((3,)), 0.4),
    "frustrated": (fg.Ising.from_edges(3, [0, 1, 0], [1, 2, 2], [1.0, -0.5, 2.0]), 0.7),
    "in fields": (fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, -2.0], [0.3, 0.0, -0.8]), 0.5),
    "alone": (fg.Ising(np.zeros((2, 2)), [0.7, -0.2]), 1.0),
}


@pytest.mark.parametrize("kind", PAIRED)
@pytest.mark.parametrize("name", TINY)
def test_the_rules_are_in_detailed_balance_with_two_replicas(name, kind):
    """Over all bonds and turns; with exp(-3 beta |J|) in place of exp(-4 beta |J|) they are not."""
    model, beta = TINY[name]
    p, chances = boltzmann(twofold(model), beta), rule(kind, model, beta)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    flow = p[:, None] * chances
    np.testing.assert_allclose(flow, flow.T, rtol=0, atol=1e-15)
    flow = p[:, None] * rule(kind, model, beta, 3.0)
    assert np.abs(flow - flow.T).max() > 1e-5


@pytest.mark.parametrize("kind", PAIRED)
@pytest.mark.parametrize("name", TINY)
def test_the_twins_moves_have_the_chances_of_the_rules(name, kind):
    """From three states each, 2000 moves; another rule's chances do not fit."""
    model, beta = TINY[name]
    n, states = model.n, exact.states(2 * model.n)
    moves, codes = cluster_twin.Moves(model, 5, 1), 1 << np.arange(2 * model.n)
    other = {"cmr": "joerg", "joerg": "cmr"}[kind]
    for number in np.random.default_rng(1).integers(0, len(states), 3):
        counts = np.zeros(len(states))
        for _ in range(2000):
            s, t = states[number].reshape(2, 1, n).copy()
            PAIRED[kind](moves, s, t, np.array([beta]))
            counts[(np.concatenate([s[0], t[0]]) > 0) @ codes] += 1
        assert chi_square([(counts, 2000 * rule(kind, model, beta)[number])]) > LEVEL
        assert chi_square([(counts, 2000 * rule(other, model, beta)[number])]) < LEVEL


def test_joergs_moves_keep_overlaps_and_change_energies_and_cmrs_change_both():
    model, rng = fg.edwards_anderson((4, 4), seed=2), np.random.default_rng(3)
    for kind, move in PAIRED.items():
        s, t = rng.choice(np.array([-1, 1], np.int8), (2, 20, 16))
        before, q = model.energy(s) + model.energy(t), s * t
        move(cluster_twin.Moves(model, 1, 20), s, t, np.full(20, 0.5))
        assert (model.energy(s) + model.energy(t) != before).any()
        assert (s * t == q).all() == (kind == "joerg")


# The twin


MODELS = {
    "+-J": ("multispin", fg.edwards_anderson((4, 4, 4), seed=1), multispin_twin),
    "Gaussian": ("sparse", fg.edwards_anderson((4, 4, 3), "gaussian", seed=1), sparse_twin),
    "in fields": ("sparse", fg.lattice((5, 13), J=-1.0, h=np.random.default_rng(1).normal(size=65)), sparse_twin),
    "past a line": ("sparse", fg.edwards_anderson((9, 57), seed=2), sparse_twin),
    "several": ("multispin", [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)], multispin_twin),
}
PARITY = dict(sweeps=12, burn_in=4, thin=2, swap_every=2, overlap_every=3, rule="gibbs", seed=3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_ladders_with_moves_equal_the_twins_bit_for_bit(name, kind):
    engine, model, twin_engine = MODELS[name]
    betas, kwargs = np.array([0.0, 0.3, 0.8, 1.7]), PARITY | dict(clusters=kind, cluster_every=3)
    if name == "past a line":
        kwargs |= dict(sweeps=4, burn_in=0, thin=1)
    results = fg.temper(model, betas=betas, ladders=5, engine=engine, **kwargs)
    expected = twin.temper(twin_engine, model, betas, 5, **kwargs)
    for k, result in enumerate(results if isinstance(results, list) else [results]):
        mine = slice(5 * k, 5 * k + 5)
        np.testing.assert_array_equal(result.energy, expected.energies[mine])
        np.testing.assert_array_equal(result.states, expected.states[mine])
        np.testing.assert_array_equal(result.round_trips, expected.round_trips[mine])
        for number, values in enumerate(result.observables.values()):
            np.testing.assert_array_equal(values, expected.told[mine, number])
        assert (len(result.observables), result.clusters, result.cluster_every) == (expected.told.shape[1], kind, 3)


# The laws


def moved(kind, model, betas, clusters_at=None, sweeps=3, ladders=2 * PAIRS_OF_LADDERS):
    """Exact draws of pairs of replicas at two rungs, and the same after sweeps and moves, each the last of a sweep."""
    double = twofold(model)
    rng, n = np.random.default_rng(2), model.n
    laws, starts = zip(*(draw_exactly(double, beta, rng, ladders // 2) for beta in betas), strict=True)
    starts = np.stack(starts, axis=1).reshape(-1, 2, 2, n).swapaxes(1, 2).reshape(ladders, 2, n)
    setting = Setting([model], [model.to_ising()], "sparse", "gibbs", "sequential", 1, None, 1)
    rungs = np.array(betas if clusters_at is None else clusters_at)
    job = Ladders(setting, rungs, Length(sweeps, 0, sweeps), ladders, 10**6, 0, kind, 1, 5, starts)
    with running() as under_way:
        ran = through(under_way, begin(job))
    spins = Gathered(job, ran.blocks, 1, ran.end.done).spins().reshape(-1, 2, 2, n).swapaxes(1, 2).reshape(-1, 2, 2 * n)
    return double, laws, spins


@pytest.mark.parametrize("diagonals", [False, True], ids=["listed", "diagonals"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_moves_leave_the_law_of_two_replicas_as_it_is(name, kind, diagonals, monkeypatch):
    """Chi-square tests of all 4^n states of a pair, or as many as are not rare, at two temperatures."""
    monkeypatch.setattr("fastgibbs.engines.bonds.FEWEST", 1 if diagonals else 99)
    model, beta = SMALL[name]
    double, laws, spins = moved(kind, model, [beta, 1.5 * beta])
    for rung, p in enumerate(laws):
        assert pvalue(double, spins[:, rung], p) > LEVEL


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["doubled bonds", "weights", "in fields"])
def test_moves_at_another_beta_do_not_leave_it(name, kind):
    """The broken twin: sweeps and moves are those of 15 % more beta."""
    model, beta = SMALL[name]
    double, laws, spins = moved(kind, model, [beta, 1.5 * beta], [1.15 * beta, 1.8 * beta], sweeps=8)
    assert max(pvalue(double, spins[:, rung], p) for rung, p in enumerate(laws)) < LEVEL


LADDER = [0.0, 0.2, 0.45, 0.8]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "model", [fg.edwards_anderson((3, 4), seed=7), SMALL["in fields"][0]], ids=["+-J", "in fields"]
)
def test_long_runs_have_the_laws_of_all_rungs_and_tell_them(model, kind):
    """Energies, m^2, overlaps, and the m^2 that is told, of the rung of the move and not of that after the swap.

    64 pairs of ladders; 4.5 standard errors are missed by chance once in 3 10^4 (Student's t), of some 200 scores.
    """
    run = fg.temper(model, betas=LADDER, sweeps=600, burn_in=60, ladders=128, clusters=kind, overlap_every=1, seed=2)
    squares = exact.states(model.n).mean(axis=1) ** 2
    laws = [boltzmann(model, beta) for beta in LADDER]
    energies = [p @ model.energy(exact.states(model.n)) for p in laws]
    m2 = [p @ squares for p in laws]
    correlations = [(exact.states(model.n).T * p) @ exact.states(model.n) for p in laws]
    q2 = [(c**2).mean() for c in correlations]  # of independent replicas <q^2> = sum_ij <s_i s_j>^2 / n^2

    def worst(record, expected):
        of_pairs = record.mean(axis=2).reshape(64, 2, -1).mean(axis=1)
        return np.abs((of_pairs.mean(axis=0) - expected) / (of_pairs.std(axis=0, ddof=1) / 8 + 1e-12)).max()

    assert worst(run.energy, energies) < 4.5
    assert worst(run.magnetization**2, m2) < 4.5
    assert np.abs((run.overlap.q2.mean(axis=0) - q2) / (run.overlap.q2.std(axis=0, ddof=1) / 8)).max() < 4.5
    if kind in ("swendsen-wang", "wolff"):
        assert worst(run.observables["cluster_m2"], m2) < 4.5
        assert worst(run.observables["cluster_m2"][:, ::-1], m2) > 4.5


# The same bytes


GLASS = fg.edwards_anderson((4, 4, 3), seed=2)
KWARGS = dict(betas=np.linspace(0.05, 2.5, 13), ladders=40, seed=9, thin=2, observe={"up": np.ones(48)})


def same(one, other, ladders=slice(None), draws=slice(None)):
    np.testing.assert_array_equal(one.energy, other.energy[ladders, :, draws])
    np.testing.assert_array_equal(one.states, other.states[ladders])
    assert one.observables.keys() == other.observables.keys()
    for name, values in one.observables.items():
        np.testing.assert_array_equal(values, other.observables[name][ladders, :, draws])


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_depend_on_no_threads_stops_or_neighbours(kind, tmp_path, monkeypatch):
    kwargs = KWARGS | dict(sweeps=24, burn_in=0, clusters=kind, cluster_every=3)
    whole = fg.temper(GLASS, threads=1, **kwargs)
    same(fg.temper(GLASS, **kwargs | dict(ladders=6)), whole, slice(6))
    path = tmp_path / "run.npz"
    fg.temper(GLASS, checkpoint=path, **kwargs | dict(sweeps=10))
    same(fg.temper(GLASS, checkpoint=path, **kwargs), whole)
    before = fg.temper(GLASS, **kwargs | dict(sweeps=10))
    after = fg.temper(GLASS, start=before, sweeps=14, thin=2, observe=KWARGS["observe"])
    assert (after.clusters, after.cluster_every) == (kind, 3)
    same(after, whole, draws=slice(5, None))
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(fg.temper(GLASS, threads=3, **kwargs), whole)


def test_what_moves_tell_is_kept_in_bins_and_files_and_warned_of(tmp_path):
    kwargs = KWARGS | dict(sweeps=200, burn_in=20, clusters="swendsen-wang", ladders=4)
    draws, bins = (fg.temper(GLASS, record=record, **kwargs) for record in ("draws", "bins"))
    for name in ("up", "cluster_m2", "cluster_size", "largest_cluster"):
        means = bins.observables[name].chain_means().reshape(4, 13)
        np.testing.assert_allclose(means, draws.observables[name].mean(axis=2), rtol=1e-12, atol=1e-12)
    for run in (draws, bins):
        run.save(tmp_path / "run.npz")
        again = fg.load(tmp_path / "run.npz")
        assert (again.clusters, again.cluster_every) == ("swendsen-wang", 1)
        assert again.summary() == run.summary()
        assert "% of all sites" in again.summary()
        assert "<m^2>" in again.summary()


def test_chains_of_several_models_move_their_own_clusters():
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    run = fg.sample(models, beta=0.5, sweeps=4, chains=6, seed=7, clusters="swendsen-wang", cluster_every=0)
    for k, model in enumerate(models):
        start = fg.sample(model, beta=0.5, sweeps=4, chains=6, seed=7, clusters="swendsen-wang", cluster_every=0)
        mine = run.model_number == k
        np.testing.assert_array_equal(run.energy[mine], start.energy[mine])
        np.testing.assert_array_equal(run.states[mine], start.states[mine])


CUBIC = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (2, 12)), order=3)


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (GLASS, dict(clusters="wolf"), "clusters is 'wolf'"),
        (GLASS, dict(clusters=2), "clusters is 2"),
        (GLASS, dict(clusters="cmr", ladders=1), "clusters is 'cmr', moves of two ladders: give ladders=2 or more"),
        (GLASS, dict(clusters=True, ladders=1), "clusters is 'houdayer', moves of two ladders"),
        (GLASS, dict(clusters="joerg", cluster_every=0), "cluster_every is 0"),
        (GLASS, dict(clusters="joerg", cluster_every=1.5), "cluster_every is 1.5"),
        (GLASS, dict(cluster_every=2), "cluster_every is 2, and clusters is None"),
        (CUBIC, dict(clusters="cmr"), "it has no Ising form"),
        (CUBIC, dict(clusters="wolff"), "it has no Ising form"),
        (GLASS, dict(clusters="wolff", observe={"cluster_m2": np.ones(48)}), "observe has the name 'cluster_m2'"),
    ],
)
def test_bad_input_is_named_before_anything_compiles(model, kwargs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.temper(model, betas=[0.1, 0.5], sweeps=5, seed=1, **kwargs)


def test_a_run_goes_on_with_the_moves_it_had():
    run = fg.temper(GLASS, betas=[0.1, 0.5], sweeps=5, seed=1, clusters="cmr")
    with pytest.raises(ValueError, match="clusters is joerg, and start is of a run with cmr"):
        fg.temper(GLASS, sweeps=5, start=run, clusters="joerg")
