"""What proves cluster moves: the twin's bits, the law by enumeration, Kaufman's torus, streams, bad input."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines.bonds import bonds_of
from fastgibbs.reference import clusters as twin
from fastgibbs.reference import sparse
from fastgibbs.reference.clusters import Moves
from fastgibbs.testing.laws import boltzmann, draw_exactly, pvalue

MOVES = {"swendsen-wang": twin.swendsen_wang, "wolff": twin.wolff}
NAMES = "cluster_m2", "cluster_size", "largest_cluster"
PAIRS = [(i, j) for i in range(9) for j in range(i)][::3]
WEIGHTED = fg.Ising.from_edges(9, *zip(*PAIRS, strict=True), np.random.default_rng(8).normal(size=12))
MODELS = {  # whatever a bond can be: on diagonals or listed, of either sign, doubled, in fields, of weights
    "ferromagnet": (fg.lattice((3, 4)), 0.5),
    "chain": (fg.lattice((10,), periodic=False), 0.8),
    "antiferromagnet": (fg.lattice((3, 4), J=-1.0), 0.5),
    "beta < 0": (fg.lattice((3, 4), h=0.2), -0.4),
    "open": (fg.lattice((3, 4), periodic=[False, True]), 0.6),
    "doubled bonds": (fg.lattice((2, 4)), 0.3),
    "+-J": (fg.edwards_anderson((3, 4), seed=3), 0.7),
    "+-J in one field": (fg.Ising.from_edges(12, *fg.edwards_anderson((3, 4), seed=3).bonds, np.full(12, -0.4)), 0.5),
    "Gaussian": (fg.edwards_anderson((2, 5), "gaussian", seed=1), 0.7),
    "in a field": (fg.lattice((3, 3), h=0.3), 0.4),
    "in fields": (fg.lattice((3, 3), h=np.random.default_rng(4).normal(size=9)), 0.5),
    "two strengths": (fg.Ising.from_edges(12, *fg.lattice((3, 4)).bonds[:2], np.repeat([1.0, -0.25], 12)), 0.5),
    "weights": (WEIGHTED, 0.6),
    "triangular": (fg.triangular((3, 4), J=-0.5), 0.8),
    "memories": (fg.Hopfield(np.random.default_rng(5).choice([-1, 1], (2, 8)), field=0.1), 1.0),
    "machine": (fg.RBM(np.random.default_rng(4).normal(size=(5, 3)), [0.5, -1, 0, 0.2, 0.1], [1, -0.5, 0]), 1.0),
    "no bonds": (fg.Ising(np.zeros((5, 5)), np.arange(-2.0, 3.0)), 0.4),
}
LARGER = {  # words and lines of bits, and what crosses them
    "one word": fg.lattice((8, 8)),
    "past a word": fg.lattice((5, 13), J=-1.0, h=0.1),
    "past a line": fg.edwards_anderson((9, 57), seed=2),
    "lines": fg.lattice((10, 11, 12)),
    "open lines": fg.lattice((6, 100), periodic=False, h=np.random.default_rng(1).normal(size=600)),
    "ring": fg.lattice((1100,)),
    "dilute": fg.Ising.from_edges(700, *np.random.default_rng(2).permutation(700).reshape(2, 350), -1.5),
}
CHAINS = 20_000
LEVEL = 1e-6  # of each of 60 chi-square tests: one false alarm in 10^4 runs
ALONE = dict(cluster_every=0, engine="sparse")


def told(run):
    return np.array([run.observables[name] for name in NAMES if name in run.observables])


def by_twin(kind, model, beta, chains, sweeps, seed=7, every=0, held=()):
    """Energies, float64 (chains, sweeps), and what moves told, (told, chains, sweeps), of sparse sweeps and moves."""
    moves, state = Moves(model, seed, chains, held), sparse.start(model, chains, seed, "gibbs")
    betas, energies, found = np.broadcast_to(np.asarray(beta, float), chains), [], []
    for done in range(1, sweeps + 1):
        if every:
            sparse.sweep(state, betas)
        if (done - 1) % max(every, 1) == 0:
            last = MOVES[kind](moves, state.spins, betas)
        energies.append(model.energy(state.spins))
        found.append(last)
    return np.array(energies).T, np.array(found).transpose(1, 2, 0)


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("name", LARGER)
def test_moves_are_those_of_the_twin_bit_for_bit(name, kind):
    model = LARGER[name]
    betas = np.array([0.3, 0.5, -0.2, 0.0, 2.0])
    run = fg.sample(model, beta=betas, sweeps=4, seed=7, clusters=kind, **ALONE)
    energies, found = by_twin(kind, model, betas, 5, 4)
    np.testing.assert_array_equal(run.energy, energies)
    np.testing.assert_array_equal(told(run), found)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", MOVES)
def test_sweeps_and_moves_take_turns_as_the_twins_do(kind, every):
    model = fg.lattice((6, 7), h=0.1)
    run = fg.sample(model, beta=0.4, sweeps=8, chains=3, seed=7, clusters=kind, cluster_every=every, engine="sparse")
    energies, found = by_twin(kind, model, 0.4, 3, 8, every=every)
    np.testing.assert_array_equal(run.energy, energies)
    np.testing.assert_array_equal(told(run), found)


@pytest.mark.parametrize("engine", ["multispin", "coloured", "dense"])
def test_engines_make_the_same_moves(engine):
    """From equal starts; 130 chains take three words of lanes."""
    model, start = fg.lattice((8, 9)), np.random.default_rng(3).choice([-1, 1], (130, 72))
    kwargs = dict(beta=0.4, sweeps=3, chains=130, seed=7, start=start, clusters="swendsen-wang", cluster_every=0)
    one, other = (fg.sample(model, engine=name, **kwargs) for name in ("sparse", engine))
    np.testing.assert_array_equal(one.states, other.states)
    np.testing.assert_array_equal(one.energy, other.energy)
    np.testing.assert_array_equal(told(one), told(other))


def test_all_bonds_of_a_model_are_there_once():
    for model, _ in MODELS.values():
        model = model.to_ising()
        found = bonds_of([model])
        places, J = [found.pairs.T], [found.couplings[0]]
        for row, strength, *words in zip(found.rows, found.strengths, found.present, found.against[0], strict=True):
            present, against = np.unpackbits(np.array(words).view(np.uint8), axis=1, bitorder="little")
            assert not (against & ~present).any()
            j = np.flatnonzero(present)
            places.append(np.column_stack([j - found.offsets[row], j]))
            J.append(np.where(against[j], -strength, strength))
        i, j = np.concatenate(places).T
        order = np.lexsort((j, i))
        for mine, theirs in zip((i[order], j[order], np.concatenate(J)[order]), model.bonds, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("name", MODELS)
def test_moves_leave_the_law_as_it_is(name, kind):
    """Exact draws, then three moves."""
    model, beta = MODELS[name]
    p, states = draw_exactly(model, beta, np.random.default_rng(2), CHAINS)
    kwargs = dict(beta=beta, sweeps=3, chains=CHAINS, seed=5, clusters=kind, cluster_every=0, start=states)
    run = fg.sample(model, **kwargs)
    assert pvalue(model, run.states, p) > LEVEL
    np.testing.assert_allclose(run.energy[:, -1], model.energy(run.states), rtol=0, atol=1e-5)
    assert not (run.states == states).all(axis=1).all()


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("name", ["ferromagnet", "antiferromagnet", "+-J", "in fields", "weights"])
def test_moves_at_another_beta_do_not_leave_the_law_as_it_is(name, kind):
    """The broken twin: bonds are on as 8 % more beta would have them."""
    model, beta = MODELS[name]
    p, states = draw_exactly(model, beta, np.random.default_rng(2), 10 * CHAINS)
    run = fg.sample(
        model, beta=1.08 * beta, sweeps=8, chains=10 * CHAINS, seed=5, clusters=kind, cluster_every=0, start=states
    )
    assert pvalue(model, run.states, p) < LEVEL


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("name", ["+-J", "in fields", "Gaussian", "machine"])
def test_clamped_sites_hold_their_clusters(name, kind):
    model, beta = MODELS[name]
    low = int(model.from_spins(-np.ones(model.n, np.int8))[0])
    clamp, all_states = {6: low, 1: 1}, model.from_spins(exact.states(model.n))
    p = boltzmann(model, beta) * (all_states[:, [6, 1]] == [low, 1]).all(axis=1)
    run = fg.sample(model, beta=beta, sweeps=60, chains=CHAINS, seed=5, clusters=kind, clamp=clamp)
    assert pvalue(model, run.states, p / p.sum()) > LEVEL
    # the broken twin: other values are held
    other = fg.sample(model, beta=beta, sweeps=60, chains=CHAINS, seed=5, clusters=kind, clamp={6: 1, 1: 1})
    other.states[:, 6] = low
    assert pvalue(model, other.states, p / p.sum()) < LEVEL


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("name", MODELS)
def test_what_moves_tell_of_m2_has_the_mean_of_m2(name, kind):
    """Moves of exact draws: 5 standard errors, one false alarm in 5 10^4 runs; and with less noise by Swendsen-Wang."""
    model, beta = MODELS[name]
    p, states = draw_exactly(model, beta, np.random.default_rng(2), CHAINS)
    run = fg.sample(model, beta=beta, sweeps=1, chains=CHAINS, seed=6, clusters=kind, cluster_every=0, start=states)
    squares = exact.states(model.n).mean(axis=1) ** 2
    estimates = run.observables["cluster_m2"][:, 0]
    assert abs(estimates.mean() - p @ squares) < 5 * estimates.std() / np.sqrt(CHAINS) + 1e-12
    if kind == "swendsen-wang":
        assert estimates.std() <= (model.to_spins(states).mean(axis=1) ** 2).std()
        assert (run.observables["largest_cluster"] ** 2 <= run.observables["cluster_size"] + 1e-12).all()


def test_a_large_lattice_has_kaufmans_energy_at_its_critical_point():
    """5 standard errors of 64 chains, one false alarm in 2 10^6 runs; moves of a beta 2 % off do not have it."""
    L, beta = 32, np.log(1 + np.sqrt(2)) / 2
    for kind, sweeps in (("swendsen-wang", 400), ("wolff", 800)):
        for off, right in ((1.0, True), (1.02, False)):
            run = fg.sample(
                fg.lattice((L, L)), beta=off * beta, sweeps=sweeps, burn_in=100, seed=3, clusters=kind, cluster_every=0
            )
            means = run.energy.mean(axis=1)
            score = abs(means.mean() - fg.exact.torus((L, L), beta).energy) / (means.std(ddof=1) / 8)
            assert (score < 5) == right


def test_clusters_decorrelate_a_critical_lattice():
    kwargs = dict(beta=np.log(1 + np.sqrt(2)) / 2, sweeps=1000, burn_in=200, chains=32, seed=1)
    tau = [
        fg.analysis.standard_error(abs(fg.sample(fg.lattice((24, 24)), **kwargs, **more).magnetization)).tau
        for more in ({}, {"clusters": "swendsen-wang"})
    ]
    assert tau[1] < tau[0] / 5


KWARGS = dict(
    beta=np.linspace(0.2, 0.5, 150), sweeps=24, thin=2, seed=9, clusters="swendsen-wang", observe={"up": np.ones(99)}
)
TORUS = fg.lattice((9, 11), h=0.05)


def same(one, other):
    np.testing.assert_array_equal(one.energy, other.energy)
    np.testing.assert_array_equal(one.states, other.states)
    assert one.observables.keys() == other.observables.keys()
    for name, values in one.observables.items():
        np.testing.assert_array_equal(values, other.observables[name])


@pytest.mark.parametrize("kind", MOVES)
def test_bytes_depend_on_no_threads_stops_or_neighbours(kind, tmp_path):
    kwargs = KWARGS | dict(clusters=kind, cluster_every=3)
    whole = fg.sample(TORUS, threads=1, **kwargs)
    same(whole, fg.sample(TORUS, threads=3, **kwargs))
    first = fg.sample(TORUS, **kwargs | dict(beta=KWARGS["beta"][:5]), engine=whole.engine)
    np.testing.assert_array_equal(first.energy, whole.energy[:5])
    np.testing.assert_array_equal(told(first), told(whole)[:, :5])
    path = tmp_path / "run.npz"
    fg.sample(TORUS, checkpoint=path, **kwargs | dict(sweeps=10))
    same(whole, fg.sample(TORUS, checkpoint=path, **kwargs))
    before = fg.sample(TORUS, **kwargs | dict(sweeps=10))
    after = fg.sample(TORUS, start=before, sweeps=14, thin=2, beta=KWARGS["beta"], observe=KWARGS["observe"])
    assert (after.clusters, after.cluster_every) == (kind, 3)
    np.testing.assert_array_equal(after.energy, whole.energy[:, 5:])
    np.testing.assert_array_equal(told(after), told(whole)[:, :, 5:])


def test_what_moves_tell_is_observed_in_bins_too(tmp_path):
    draws, bins = (fg.sample(TORUS, record=record, **KWARGS) for record in ("draws", "bins"))
    for name in ("up", *NAMES):
        np.testing.assert_allclose(
            bins.observables[name].chain_means(), draws.observables[name].mean(axis=1), rtol=1e-12
        )
    for run in (draws, bins):
        run.save(tmp_path / "run.npz")
        again = fg.load(tmp_path / "run.npz")
        assert (again.clusters, again.cluster_every, [*again.observables]) == ("swendsen-wang", 1, ["up", *NAMES])
        assert again.summary() == run.summary()
    np.testing.assert_array_equal(draws.observables["up"], np.rint(draws.magnetization * 99))


def test_the_summary_has_m2_and_warns_where_clusters_hold_everything():
    kwargs = dict(sweeps=300, burn_in=20, chains=8, seed=1, clusters="swendsen-wang")
    cold, warm = (fg.sample(fg.lattice((16, 16)), beta=beta, **kwargs).summary() for beta in (1.5, 0.4))
    assert "% of all sites" in cold
    assert "% of all sites" not in warm
    assert "<m^2>" in warm
    assert "<m^2>" not in fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=10, seed=1).summary()
    glass = fg.sample(fg.edwards_anderson((6, 6, 6), seed=1), beta=0.9, **kwargs)
    assert "% of all sites" in glass.summary()


def test_a_cold_lattice_of_no_field_turns_as_a_whole():
    run = fg.sample(
        fg.lattice((6, 6)), beta=np.inf, sweeps=200, chains=8, seed=1, clusters="swendsen-wang", start=np.ones(36)
    )
    assert (np.abs(run.magnetization) == 1).all()
    assert abs(run.magnetization.mean()) < 0.2  # 1600 fair coins: 8 standard errors
    assert (told(run) == 1).all()


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("kind", MOVES)
def test_models_of_no_bonds_have_moves(kind, n):
    run = fg.sample(fg.Ising(np.zeros((n, n))), beta=1.0, sweeps=40, chains=4, seed=1, clusters=kind, cluster_every=0)
    assert (told(run) == n).all()
    assert n == 0 or {-1, 1} == set(np.unique(run.magnetization))


CUBIC = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (2, 12)), order=3)


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (TORUS, dict(clusters="wolf"), "clusters is 'wolf'"),
        (TORUS, dict(clusters=True), "clusters is True"),
        (TORUS, dict(clusters="wolff", cluster_every=-1), "cluster_every is -1"),
        (TORUS, dict(clusters="wolff", cluster_every=1.5), "cluster_every is 1.5"),
        (TORUS, dict(cluster_every=2), "cluster_every is 2, and clusters is None"),
        (TORUS, dict(clusters="wolff", strips=4), "strips is 4: clusters cross strips"),
        (CUBIC, dict(clusters="wolff"), "it has no Ising form"),
        (TORUS, dict(observe={"cluster_m2": np.ones(99)}), "observe has the name 'cluster_m2'"),
    ],
)
def test_bad_input_is_named_before_anything_compiles(model, kwargs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.sample(model, beta=0.4, sweeps=5, seed=1, **kwargs)
    run = fg.sample(TORUS, beta=0.4, sweeps=5, chains=4, seed=1, clusters="wolff")
    with pytest.raises(ValueError, match="clusters is swendsen-wang, and start is of a run with wolff"):
        fg.sample(TORUS, beta=0.4, sweeps=5, start=run, clusters="swendsen-wang")
