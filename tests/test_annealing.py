"""What `anneal` promises: the twin's bits however it is run, exact ground states, schedules, stops without loss."""

from types import SimpleNamespace

import numpy as np
import pytest
from interrupts import ctrl_c

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import drivers
from fastgibbs.engines.precision import energy_error
from fastgibbs.methods.descent import quenched
from fastgibbs.methods.schedules import COLD, HOT, Schedule, coldest
from fastgibbs.reference import annealing as twin
from fastgibbs.reference import layered, multispin, sparse

GLASS = fg.edwards_anderson((4, 4, 3), seed=2)  # for the multi-spin engine
WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
IN_FIELD = fg.Ising.from_edges(16, *fg.edwards_anderson((4, 4), seed=1).bonds, np.linspace(-1, 1, 16))
RBM = fg.RBM(np.random.default_rng(4).normal(size=(9, 5)), np.linspace(-1, 1, 9), [0.5, 0.0, -0.5, 1.0, 0.2])
MACHINE = fg.RBM(*(np.random.default_rng(5).normal(size=size) for size in ((27, 21), 27, 21)))
ENGINES = {"sparse": (WEIGHTED, sparse), "multispin": (GLASS, multispin), "layered": (MACHINE, layered)}
BY_ENGINE = pytest.mark.parametrize(
    ("engine", "model", "twin_engine"), [(name, *ENGINES[name]) for name in ENGINES], ids=list(ENGINES)
)


@pytest.fixture
def undescended(monkeypatch):
    """Runs return the best states that they have seen, without the descent at the end."""
    monkeypatch.setattr("fastgibbs.methods.cooling.quenched", lambda model, states, *rest: states)


def same(a, b):
    for name in (
        "energy",
        "states",
        "last_states",
        "read",
        "ground_states",
        "ground_counts",
        "trace_min",
        "trace_mean",
        "betas",
    ):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# The twin


def parity(result, expected):
    """`result` of the engine against `expected` of the twin: every read, every trace, and the sorting on top."""
    in_order = np.argsort(result.read)
    np.testing.assert_array_equal(result.energy[in_order], expected.best_energies)
    np.testing.assert_array_equal(result.states[in_order], expected.best_states)
    np.testing.assert_array_equal(result.last_states[in_order], expected.states)
    np.testing.assert_array_equal(result.trace_min, expected.trace_min)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)
    assert (np.diff(result.energy) >= 0).all()


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@pytest.mark.parametrize("reads", [1, 17, 70])
@BY_ENGINE
def test_reads_equal_the_twins_bit_for_bit(engine, model, twin_engine, reads, rule):
    result = fg.anneal(model, sweeps=25, reads=reads, seed=3, engine=engine, rule=rule)
    parity(result, twin.anneal(twin_engine, model, result.betas, reads, rule, 3))


@pytest.mark.parametrize("reads", [5, 64])  # half a register of lanes, and all
def test_energies_that_are_followed_are_measured_again_as_the_twin_does(reads):
    result = fg.anneal(WEIGHTED, sweeps=150, reads=reads, seed=3, engine="sparse")
    expected = twin.anneal(sparse, WEIGHTED, result.betas, reads, result.rule, 3)
    parity(result, expected)
    once = SimpleNamespace(**vars(sparse))
    once.followed = lambda models, state, t: sparse.followed(models, state, min(t, 1))  # at the first sweep alone
    broken = twin.anneal(once, WEIGHTED, result.betas, reads, result.rule, 3)
    np.testing.assert_array_equal(broken.trace_mean[:64], expected.trace_mean[:64])
    assert (broken.trace_mean[64:] != expected.trace_mean[64:]).any()


@BY_ENGINE
def test_several_blocks_equal_the_twin(engine, model, twin_engine):
    result = fg.anneal(model, sweeps=5, reads=600, seed=3, engine=engine, threads=2)
    parity(result, twin.anneal(twin_engine, model, result.betas, 600, result.rule, 3))


@pytest.mark.parametrize("model", [RBM, IN_FIELD, fg.sherrington_kirkpatrick(20, seed=3)])
def test_other_models_equal_the_twin(model):
    result = fg.anneal(model, betas=fg.linear(0, 2), sweeps=25, reads=20, seed=3, engine="sparse")
    expected = twin.anneal(sparse, model, result.betas, 20, result.rule, 3)
    np.testing.assert_array_equal(result.states[np.argsort(result.read)], expected.best_states)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)


@BY_ENGINE
def test_a_given_start_equals_the_twins(engine, model, twin_engine):
    starts = model.from_spins(np.random.default_rng(5).choice([-1, 1], (20, model.n)))
    for start in (starts, starts[0]):
        kwargs = dict(betas=[0.8] * 4, sweeps=4, reads=20, seed=3, engine=engine)
        result = fg.anneal(model, start=start, **kwargs)
        parity(result, twin.anneal(twin_engine, model, [0.8] * 4, 20, result.rule, 3, start=start))
        assert (result.trace_mean != fg.anneal(model, **kwargs).trace_mean).all()


def test_a_start_in_units_is_that_start():
    start = np.random.default_rng(5).integers(0, 2, (3, RBM.n))
    result = fg.anneal(RBM, betas=[1e4], sweeps=1, reads=3, start=start, rule="gibbs", seed=1)
    assert set(np.unique(result.states)) <= {0, 1}
    assert (result.energy[np.argsort(result.read)] <= RBM.energy(start) + 1e-9).all()  # at this beta energies only fall
    lowest = exact.spectrum(RBM).ground_states
    stays = fg.anneal(RBM, betas=[1e4], sweeps=1, reads=3, start=lowest[0], seed=1)
    np.testing.assert_array_equal(stays.states, np.repeat(lowest[:1], 3, axis=0))


# The same bytes


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@BY_ENGINE
def test_threads_and_chunks_change_nothing(engine, model, twin_engine, rule, monkeypatch):
    kwargs = dict(sweeps=40, reads=1200, seed=3, engine=engine, rule=rule)
    reference = fg.anneal(model, threads=1, **kwargs)
    for threads in (2, 3):
        same(reference, fg.anneal(model, threads=threads, **kwargs))
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(reference, fg.anneal(model, threads=2, **kwargs))


@pytest.mark.parametrize("reads", [1, 2, 15, 16, 17, 64, 65, 513])
@BY_ENGINE
def test_the_first_reads_are_the_same_however_many_there_are(engine, model, twin_engine, reads):
    kwargs = dict(betas=fg.geometric(0.1, 1), sweeps=20, seed=3, engine=engine)
    many, few = fg.anneal(model, reads=600, **kwargs), fg.anneal(model, reads=reads, **kwargs)
    of_many, of_few = np.argsort(many.read)[:reads], np.argsort(few.read)
    np.testing.assert_array_equal(np.sort(few.read), np.arange(reads))
    np.testing.assert_array_equal(few.energy[of_few], many.energy[of_many])
    np.testing.assert_array_equal(few.states[of_few], many.states[of_many])


def test_the_seed_in_the_result_repeats_the_run():
    for seed in (None, 5, np.random.SeedSequence(5).spawn(3)[2], np.random.default_rng(5)):
        first = fg.anneal(GLASS, betas=[0.5], sweeps=3, reads=3, seed=seed)
        same(first, fg.anneal(GLASS, betas=[0.5], sweeps=3, reads=3, seed=first.seed))
    assert fg.anneal(GLASS, sweeps=1, seed=5).seed == 5
    assert fg.anneal(GLASS, sweeps=1).seed != fg.anneal(GLASS, sweeps=1).seed


# What is in the result


@pytest.mark.parametrize(
    "model", [GLASS, WEIGHTED, IN_FIELD, RBM, fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (3, 30)))]
)
def test_energies_are_the_models_and_sorted_and_reads_are_each_once(model):
    result = fg.anneal(model, betas=fg.linear(0.1, 0.6), sweeps=30, reads=70, seed=4)
    np.testing.assert_array_equal(result.energy, [model.energy(state) for state in result.states])
    np.testing.assert_array_equal(np.lexsort((result.read, result.energy)), np.arange(70))  # of equal ones by read
    np.testing.assert_array_equal(np.sort(result.read), np.arange(70))
    assert result.energy.dtype == np.float64
    assert result.states.dtype == np.int8
    assert result.trace_min.shape == result.trace_mean.shape == result.betas.shape == (30,)


def as_followed(energies, engine, model):
    """What they must be equal to: to 10^-6 sum |J| of the sparse engines, which follow energies, else to rounding."""
    off = (1e-6 if engine in ("sparse", "sparse64") else 1e-14) * np.abs(model.to_ising().couplings).sum()
    return pytest.approx(energies, rel=0, abs=energy_error(model) if engine == "layered" else off)


@BY_ENGINE
def test_the_best_state_is_the_lowest_of_the_reads_trace_and_not_the_last(engine, model, twin_engine, undescended):
    """At a beta this hot, the last state of a read is seldom its best."""
    kwargs = dict(betas=[0.4] * 50, sweeps=50, seed=4, engine=engine)
    before_the_end = 0
    for seed in range(8):
        alone = fg.anneal(model, reads=1, **kwargs | dict(seed=seed))
        assert alone.energy[0] == as_followed(alone.trace_min.min(), engine, model)
        assert alone.energy[0] == model.energy(alone.states[0])
        np.testing.assert_array_equal(alone.trace_min, alone.trace_mean)
        before_the_end += alone.trace_min[-1] > alone.energy[0]
    assert before_the_end >= 6
    together = fg.anneal(model, reads=200, **kwargs)
    assert together.energy[0] == as_followed(together.trace_min.min(), engine, model)
    assert (together.trace_min <= together.trace_mean).all()
    for first in (1, 7, 31):  # of a run that ends earlier, the best so far
        prefix = fg.anneal(model, reads=200, **kwargs | dict(betas=[0.4] * first, sweeps=first))
        np.testing.assert_array_equal(prefix.trace_mean, together.trace_mean[:first])
        assert prefix.energy[0] == as_followed(together.trace_min[:first].min(), engine, model)
        later, earlier = together.energy[np.argsort(together.read)], prefix.energy[np.argsort(prefix.read)]
        assert np.maximum(later, earlier) == as_followed(earlier, engine, model)


GROUND = {
    "EA +-J": fg.edwards_anderson((4, 4), seed=7),
    "EA +-J 3D": fg.edwards_anderson((3, 3, 2), seed=7),
    "EA gaussian": fg.edwards_anderson((5, 4), "gaussian", seed=6),
    "in a field": IN_FIELD,
    "uniform, in a field": fg.triangular((4, 4), J=-1.0, h=0.5),
    "3-regular": fg.random_regular(20, 3, seed=8),
    "SK": fg.sherrington_kirkpatrick(16, seed=9),
    "Hopfield": fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 20))),
    "RBM": RBM,
}


@pytest.mark.parametrize("engine", ["auto", "sparse"])
@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@pytest.mark.parametrize("name", GROUND)
def test_enumerated_ground_states_are_reached_with_the_default_schedule(name, rule, engine):
    model = GROUND[name]
    spectrum = exact.spectrum(model)
    result = fg.anneal(model, sweeps=300, reads=64, rule=rule, engine=engine, seed=1)
    assert result.energy[0] == pytest.approx(spectrum.ground_energy, rel=1e-12)
    known = {state.tobytes() for state in spectrum.ground_states}
    assert {state.tobytes() for state in result.ground_states} <= known


@pytest.mark.parametrize(("name", "share"), [("EA +-J", 0.5), ("3-regular", 0.5), ("Hopfield", 1.0)])
def test_ground_states_are_distinct_and_counted(name, share):
    """`share`: of the ground states, how many 1000 reads find at least; the rarest of many may be missing."""
    model = GROUND[name]
    result = fg.anneal(model, sweeps=300, reads=1000, seed=1)
    candidates = [state.tobytes() for state in result.ground_states]
    assert len(set(candidates)) == len(candidates) >= share * len(exact.spectrum(model).ground_states)
    lowest = [state.tobytes() for state in result.states[result.energy == result.energy[0]]]
    assert result.ground_counts.tolist() == [lowest.count(state) for state in candidates]
    assert result.ground_counts.sum() == len(lowest) > 500
    np.testing.assert_array_equal(result.ground_states, np.unique(result.ground_states, axis=0))


def test_a_schedule_that_stays_hot_does_not_find_the_ground_state():
    """The broken twin of the tests above: what they assert is not true of any run."""
    model = fg.edwards_anderson((4, 4, 4), seed=1)
    cold, hot = (fg.anneal(model, betas=fg.linear(0, last), sweeps=300, seed=1) for last in (3, 0.1))
    assert hot.energy.mean() > cold.energy.mean()
    assert hot.trace_mean[-1] > cold.trace_mean[-1] + 50


def test_the_result_says_what_was_run_and_how_fast():
    result = fg.anneal(WEIGHTED, sweeps=20, reads=3, rule="gibbs", seed=1)
    assert (result.model, result.engine, result.rule, result.interrupted) == (WEIGHTED, "sparse", "gibbs", False)
    assert fg.anneal(GLASS, sweeps=1).engine == "multispin"
    assert result.timing.updates_per_second == pytest.approx(3 * 48 * 20 / result.timing.kernel)
    assert result.timing.total >= result.timing.kernel + result.timing.compile
    assert repr(result) == (
        f"AnnealResult(Ising(n=48, bonds=144, fields=0), reads=3, lowest={result.energy[0]:g} in "
        f"{result.ground_counts.sum()}, engine='sparse')"
    )


# Easy models, by default


def parts(*models):
    """The disjoint union of Ising models."""
    firsts = np.cumsum([0, *(model.n for model in models)])
    bonds = [model.bonds for model in models]
    i, j = (np.concatenate([part[k] + first for part, first in zip(bonds, firsts, strict=False)]) for k in (0, 1))
    J, h = np.concatenate([part[2] for part in bonds]), np.concatenate([model.fields for model in models])
    return fg.Ising.from_edges(int(firsts[-1]), i, j, J, h)


def ring(n, J=1.0):
    return fg.Ising.from_edges(n, np.arange(n), (np.arange(n) + 1) % n, J)


def chain(n, J=1.0):
    return fg.Ising.from_edges(n, np.arange(n - 1), np.arange(1, n), J)


def lone(*fields):
    return fg.Ising.from_edges(len(fields), [], [], [], np.array(fields, float))


def pair(J):
    return fg.Ising.from_edges(2, [0], [1], float(J))


def ladder(length, rungs):
    sites = np.arange(length - 1)
    i = np.concatenate([sites, sites + length, np.arange(length)])
    j = np.concatenate([sites + 1, sites + length + 1, np.arange(length) + length])
    return fg.Ising.from_edges(2 * length, i, j, np.repeat([1.0, rungs], [2 * length - 2, length]))


def tree(n, seed):
    rng = np.random.default_rng(seed)
    return fg.Ising.from_edges(n, [rng.integers(k) for k in range(1, n)], range(1, n), rng.normal(size=n - 1))


NORMAL = np.random.default_rng(5).normal(size=200)
EASY = {  # whose ground states satisfy all bonds and fields
    "ring": ring(16),
    "ring beside a lone spin": parts(ring(16), lone(0.5)),
    "ring beside a stronger pair": parts(ring(16), pair(5)),
    "rings on three scales": parts(ring(16), ring(16, 10), ring(16, 0.01)),
    "a ring a thousand times weaker": parts(ring(16), ring(16, 1e-3)),
    "many kinds": parts(ring(10), chain(8, 0.3), ladder(6, 2.0), lone(1, -0.01, 3), pair(-7)),
    "fields of two sizes": lone(*[1e-3] * 20, *[1.0] * 80),
    "normal fields": lone(*NORMAL[:100]),
    "fields of all sizes": lone(*np.exp(4 * NORMAL[:100])),
    "chain": chain(12),
    "ladder": ladder(8, 1.0),
    "ladder of weak rungs": ladder(8, 0.3),
    "tree": tree(15, 1),
    "pairs of all sizes": parts(*(pair(10.0**k) for k in range(-3, 4))),
    "ferromagnet in a weak field": fg.lattice((4, 4), h=0.02),
    "ferromagnet in a very weak field": fg.lattice((4, 4), h=-1e-4),
    "all to all in a weak field": fg.Ising(np.ones((12, 12)) - np.eye(12), [0.01] * 12),
    "ferromagnet beside a strong field": parts(fg.lattice((4, 4), h=0.01), lone(10)),
    "long ring": ring(64),
    "long chain": chain(200, NORMAL[:199]),
    "large tree": tree(200, 3),
    "large ferromagnet": fg.lattice((8, 8)),
}


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("name", EASY)
def test_easy_models_are_solved_by_default_at_any_scale(name, scale):
    model = EASY[name]
    model = fg.Ising.from_edges(model.n, *model.bonds[:2], scale * model.bonds[2], scale * model.fields)
    ground = -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum()
    start = None if model.field == 0 or model.degree == 0 else -np.sign(model.fields + (model.fields == 0))
    result = fg.anneal(model, start=start, seed=1)
    assert (result.energy <= ground * (1 - 1e-12)).sum() >= 60


RINGS = "ring", "ring beside a lone spin", "ring beside a stronger pair", "rings on three scales"


@pytest.mark.parametrize("name", RINGS)
def test_the_sweeps_themselves_solve_rings_and_sequential_metropolis_does_not(name, undescended):
    model = EASY[name]
    ground = -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum()
    solved = [
        (fg.anneal(model, seed=1, engine="sparse", **kwargs).energy <= ground * (1 - 1e-12)).sum()
        for kwargs in (dict(), dict(scan="random", rule="metropolis"), dict(rule="metropolis"))
    ]
    assert min(solved[:2]) >= 60 > 50 >= solved[2]


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
def test_random_scans_equal_the_twins(rule):
    result = fg.anneal(WEIGHTED, sweeps=25, reads=17, seed=3, engine="sparse", rule=rule, scan="random")
    parity(result, twin.anneal(sparse, WEIGHTED, result.betas, 17, rule, 3, scan="random"))
    assert result.scan == "random"
    assert (result.trace_mean != fg.anneal(WEIGHTED, sweeps=25, reads=17, seed=3, rule=rule).trace_mean).all()
    for engine, model in (("multispin", GLASS), ("layered", MACHINE)):
        with pytest.raises(ValueError, match="it scans"):
            fg.anneal(model, engine=engine, scan="random")


# The descent


def costs(model, states):
    """What it costs to flip each site of each state, float64 (n, states)."""
    low, energies = states.min(initial=0), model.energy(states)
    flipped = np.repeat(states[None], model.n, axis=0)
    sites = np.arange(model.n)
    flipped[sites, :, sites] = (1 + low) - flipped[sites, :, sites] if low == 0 else -flipped[sites, :, sites]
    return model.energy(flipped) - energies


def machine(n):
    weights = np.triu(np.random.default_rng(6).normal(size=(n, n)), 1)
    return fg.BoltzmannMachine(weights + weights.T, np.random.default_rng(7).normal(size=n))


PATTERNS = np.random.default_rng(3).choice([-1, 1], (9, 40))
DESCENDING = {
    "multispin": fg.edwards_anderson((6, 6, 6), seed=1),
    "in a uniform field": fg.triangular((6, 6), J=-1.0, h=0.5),
    "sparse": fg.edwards_anderson((6, 6, 6), "gaussian", seed=1),
    "dense": fg.sherrington_kirkpatrick(120, seed=1),
    "layered": MACHINE,
    "units": machine(12),
    "hebb": fg.Hopfield(PATTERNS, field=0.01),
    "pseudo-inverse": fg.Hopfield(PATTERNS, rule="pseudoinverse"),
    "storkey": fg.Hopfield(PATTERNS, rule="storkey"),
    "order 3": fg.Hopfield(PATTERNS, order=3),
    "order 4 in a field": fg.Hopfield(PATTERNS, order=4, field=np.linspace(-0.01, 0.01, 40)),
}


@pytest.mark.parametrize("sweeps", [1, 20])
@pytest.mark.parametrize("name", DESCENDING)
def test_no_flip_lowers_a_state_that_is_returned(name, sweeps):
    model = DESCENDING[name]
    result = fg.anneal(model, sweeps=sweeps, reads=70, seed=2)
    rounding = 1e-13 * np.abs(result.energy).max()
    assert (costs(model, result.states) >= -rounding).all()
    assert (costs(model, result.last_states) < -rounding).any() or sweeps > 1  # of other states it is not true
    np.testing.assert_array_equal(result.energy, [model.energy(state) for state in result.states])
    assert (result.energy <= model.energy(result.last_states) + rounding).all()


@pytest.mark.parametrize("name", DESCENDING)
def test_states_descend_as_the_twins_do(name):
    model = DESCENDING[name]
    states = model.from_spins(np.random.default_rng(8).choice([-1, 1], (3, model.n)).astype(np.int8))
    np.testing.assert_array_equal(quenched(model, states), [twin.quenched(model, state) for state in states])


def test_sites_without_field_and_clamped_sites_stay_in_the_descent():
    model = fg.Ising.from_edges(5, [0, 1], [1, 2], 1.0)
    states = np.array([[1, 1, -1, 1, -1], [1, -1, 1, -1, 1]], np.int8)
    np.testing.assert_array_equal(quenched(model, states), [[1, 1, 1, 1, -1], [-1, -1, -1, -1, 1]])
    np.testing.assert_array_equal(quenched(model, states, np.array([1, 3])), [[1, 1, -1, 1, -1], [1, 1, 1, -1, 1]])
    held = fg.anneal(WEIGHTED, sweeps=2, reads=5, seed=1, clamp={3: -1, 20: [1, -1, 1, -1, 1]})
    np.testing.assert_array_equal(held.states[:, 3], -1)
    np.testing.assert_array_equal(held.states[np.argsort(held.read), 20], [1, -1, 1, -1, 1])
    free = np.setdiff1d(np.arange(48), [3, 20])
    assert (costs(WEIGHTED, held.states)[free] >= -1e-12).all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_small_fields_decide_the_descent_among_large_couplings_that_cancel(scale):
    """As Ising.energy cannot tell: 10^-20 beside 1 - 1 is lost in a float64."""
    model = fg.Ising.from_edges(3, [0, 1], [1, 2], [scale, -scale], [0, 1e-20 * scale, 0])
    states = np.array([[1, -1, 1], [-1, -1, -1]], np.int8)
    np.testing.assert_array_equal(quenched(model, states, np.array([1]))[:, 1], [1, 1])


def test_domains_turn_in_the_descent_where_a_graph_has_few_loops():
    """No single flip moves the walls of a chain; clamped sites and fields hold domains that they favour."""
    rng = np.random.default_rng(4)
    chain_, circle = chain(60, rng.normal(size=59)), ring(30)
    for model in (chain_, circle, parts(chain_, circle, lone(0.3))):
        starts = rng.choice([-1, 1], (20, model.n)).astype(np.int8)
        found = quenched(model, starts)
        np.testing.assert_allclose(model.energy(found), -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum())
        np.testing.assert_array_equal(found, [twin.quenched(model, state) for state in starts])
    held = fg.Ising.from_edges(6, range(5), range(1, 6), 1.0, [0, 0, 0, 0.6, 0.6, 0])
    states = np.array([[-1, -1, -1, 1, 1, 1]], np.int8)
    np.testing.assert_array_equal(quenched(held, states), [[1] * 6])
    np.testing.assert_array_equal(quenched(held, states, np.arange(1, 6)), states)
    np.testing.assert_array_equal(quenched(held, -states), [[1] * 6])


def test_a_run_that_was_stopped_at_once_descends_too():
    result = fg.anneal(BIG_WEIGHTED, progress=lambda done, total: True, seed=1, sweeps=10**5, reads=4)
    assert result.interrupted
    assert (costs(BIG_WEIGHTED, result.states) >= -1e-9).all()


# Schedules


def test_schedules_are_one_beta_per_sweep():
    def betas(sweeps, given):
        return fg.anneal(GLASS, betas=given, sweeps=sweeps, reads=1, seed=1).betas

    np.testing.assert_allclose(betas(5, fg.linear(0, 2)), [0, 0.5, 1, 1.5, 2], rtol=1e-15)
    np.testing.assert_allclose(betas(5, fg.geometric(0.25, 4)), [0.25, 0.5, 1, 2, 4], rtol=1e-15)
    np.testing.assert_allclose(betas(3, fg.linear(2, 1)), [2, 1.5, 1], rtol=1e-15)
    np.testing.assert_array_equal(betas(3, [0.1, 7.0, 0.3]), [0.1, 7.0, 0.3])
    np.testing.assert_allclose(betas(5, [0, 2, 0]), [0, 1, 2, 1, 0], rtol=1e-15)  # stretched
    np.testing.assert_allclose(betas(3, [0, 1, 2, 3, 4]), [0, 2, 4], rtol=1e-15)  # thinned out
    np.testing.assert_array_equal(betas(4, np.array([3], ">i4")), [3.0] * 4)
    np.testing.assert_array_equal(betas(1, fg.geometric(0.25, 4)), [0.25])
    default = betas(7, None)
    np.testing.assert_array_equal(default, fg.beta_schedule(GLASS, 7))
    assert isinstance(fg.linear(0, 1), Schedule)


@pytest.mark.parametrize(
    ("model", "weakest"),
    [
        (fg.lattice((6, 6)), 2),  # fields of 0, +-2, +-4
        (fg.lattice((6, 6), J=-0.7), 2 * 0.7),
        (fg.edwards_anderson((4, 4, 4), seed=1), 2),
        (fg.edwards_anderson((4, 4), seed=1, periodic=False), 1),  # three neighbours at an edge: fields of +-1, +-3
        (fg.random_regular(20, 3, seed=1), 1),
        (fg.lattice((6, 6), h=1.0), 1),  # 1 + {0, +-2, +-4}
        (fg.lattice((6, 6), J=1.0, h=0.5), 0.5),
        (fg.lattice((6, 6), J=0.5, h=1.0), 1),  # in units of 0.5: 2 + {0, +-2, +-4}, so 0 or 2 units
        (fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 1 / np.pi]), 1 / np.pi),  # weakest of 1, 1/pi, 1/pi
        (fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 1 / np.pi], [0, 0, -0.1]), 1 / np.pi),
        (fg.Ising.from_edges(4, [0], [1], [2.0]), 2),  # two sites that feel nothing
    ],
)
def test_the_coldest_beta_of_a_ladder_follows_from_the_weakest_local_field(model, weakest):
    """n exp(-2 beta f) = 10^-4, f by hand."""
    assert coldest(model) == pytest.approx(np.log(1e4 * model.n) / (2 * weakest), rel=1e-12)


def test_the_coldest_beta_of_a_gaussian_glass_rests_on_the_median_of_the_weakest_bonds():
    model = fg.edwards_anderson((6, 6, 6), "gaussian", seed=1)
    rows = [np.abs(model.couplings[model.indptr[i] : model.indptr[i + 1]]) for i in range(model.n)]
    assert coldest(model) == pytest.approx(np.log(1e4 * model.n) / (2 * np.median([row.min() for row in rows])))


RBM_PAIR = fg.RBM([[3.0]], [-1.0], [-1.0])  # minima 0 0 and 1 1: a flip costs 1 or 2


@pytest.mark.parametrize(
    ("model", "costs"),
    [
        (pair(2.5), (5, 5)),
        (fg.Ising(np.ones((8, 8)) - np.eye(8)), (14, 14)),
        (parts(pair(1), pair(100)), (2, 200)),
        (parts(pair(1), lone(5, 1e-3)), (2, 2)),  # sites without bonds descend
        (lone(0.5, -3, 0), (1, 6)),
        (fg.Ising(np.zeros((4, 4))), (None, None)),
    ],
)
def test_the_range_of_betas_is_that_of_what_flips_cost_at_local_minima(model, costs):
    least, most = costs
    expected = (1.0, 1.0) if least is None else (HOT / most, COLD / least)
    assert fg.beta_range(model) == pytest.approx(expected, rel=1e-12)
    assert fg.beta_range(model, hot=1, cold=2) == pytest.approx((1, 1) if least is None else (1 / most, 2 / least))
    schedule = fg.beta_schedule(model, 9)
    assert schedule[[0, -1]] == pytest.approx(expected)
    assert (np.diff(schedule) >= 0).all()


def test_units_pay_what_their_energy_says():
    hot, cold = fg.beta_range(RBM_PAIR)
    assert HOT / 2 <= hot <= HOT / 1
    assert hot * COLD / HOT == pytest.approx(cold)  # alike for both


def test_beta_grows_linearly_where_all_flips_cost_the_same_and_parts_on_other_scales_follow_one_another():
    np.testing.assert_allclose(fg.beta_schedule(pair(0.5), 100), np.linspace(HOT, COLD, 100), rtol=1e-3)
    both = fg.beta_schedule(parts(pair(0.5), pair(0.5e-3)), 100)
    assert (both <= COLD).sum() == (both >= 1000 * HOT).sum() == 50


@pytest.mark.parametrize(
    ("knobs", "error", "message"),
    [
        (dict(hot=9, cold=9.0), ValueError, "hot is 9.0 and cold 9.0"),
        (dict(hot=0), ValueError, "hot is 0"),
        (dict(cold=np.inf), ValueError, "cold is inf"),
        (dict(cold="9"), TypeError, "cold"),
    ],
)
def test_knobs_of_the_schedule_that_contradict_each_other_are_refused(knobs, error, message):
    for call in (fg.beta_range, fg.beta_schedule):
        with pytest.raises(error, match=message):
            call(GLASS, **knobs)
    with pytest.raises(ValueError, match="sweeps is 0"):
        fg.beta_schedule(GLASS, 0)
    with pytest.raises(TypeError, match="model is"):
        fg.beta_range(np.eye(3))


def test_the_default_annealing_of_a_large_sk_model_is_dense():
    model = fg.sherrington_kirkpatrick(4096, seed=1)
    assert fg.beta_range(model)[1] < 100
    assert fg.anneal(model, sweeps=1, reads=1, seed=1).engine == "dense"


@pytest.mark.parametrize(
    ("schedule", "ends", "error", "message"),
    [
        (fg.geometric, (0, 1), ValueError, "first is 0.*fastgibbs.linear"),
        (fg.geometric, (1, 0), ValueError, "last is 0"),
        (fg.geometric, (-1, 1), ValueError, "first is -1"),
        (fg.linear, (0, -0.5), ValueError, "last is -0.5"),
        (fg.linear, (np.nan, 1), ValueError, "first is nan"),
        (fg.linear, (0, np.inf), ValueError, "last is inf"),
        (fg.linear, ("0", 1), TypeError, "first"),
        (fg.geometric, (1, [2, 3]), TypeError, "last"),
    ],
)
def test_bad_ends_of_a_schedule_are_refused(schedule, ends, error, message):
    with pytest.raises(error, match=message):
        schedule(*ends)


# Stopping


BIG, BIG_WEIGHTED = fg.edwards_anderson((10, 10, 10), seed=1), fg.edwards_anderson((10, 10, 10), "gaussian", seed=1)
LONG = dict(betas=[0.6], sweeps=200_000, reads=256, seed=1)
BY_MODEL = pytest.mark.parametrize("model", [BIG, BIG_WEIGHTED], ids=["multispin", "sparse"])


def is_a_valid_part(result, reads=256):
    """What was seen by then is what a run of so many sweeps sees; blocks that were ahead have seen a little more."""
    model, seen = result.model, result.trace_min.size
    assert result.interrupted
    assert "interrupted" in repr(result)
    assert 0 < seen == result.trace_mean.size < LONG["sweeps"]
    assert (np.diff(result.energy) >= 0).all()
    np.testing.assert_array_equal(result.energy, model.energy(result.states))
    finished = fg.anneal(model, **LONG | dict(sweeps=seen, reads=reads))
    assert not finished.interrupted
    np.testing.assert_array_equal(result.trace_min, finished.trace_min)
    np.testing.assert_array_equal(result.trace_mean, finished.trace_mean)
    np.testing.assert_array_equal(np.sort(result.read), np.arange(reads))
    earlier, later = finished.energy[np.argsort(finished.read)], result.energy[np.argsort(result.read)]
    assert (later <= earlier).all()
    assert (later == earlier).mean() >= 64 / 256  # at least the block that came least far, 64 reads or more
    assert result.betas.size == LONG["sweeps"]


def test_a_time_limit_that_is_not_reached_changes_nothing():
    kwargs = LONG | dict(sweeps=20)
    result = fg.anneal(BIG, time_limit=600, target_energy=-1e9, **kwargs)
    assert not result.interrupted
    same(result, fg.anneal(BIG, **kwargs))


@BY_MODEL
def test_a_target_stops_the_run_as_soon_as_it_is_met(model, undescended):
    target = fg.anneal(model, **LONG | dict(sweeps=200)).energy[0]
    result = fg.anneal(model, target_energy=target, **LONG)
    assert result.energy[0] <= target
    assert result.trace_min.size < LONG["sweeps"] / 10  # a chunk of 20 ms too many at most
    is_a_valid_part(result)


def test_a_stop_before_all_blocks_have_begun_leaves_out_their_reads():
    """On one thread the first block alone has made a sweep when the limit is over."""
    kwargs = dict(betas=[0.6], reads=1200, seed=1)
    result = fg.anneal(GLASS, time_limit=1e-9, threads=1, sweeps=1000, **kwargs)
    assert result.interrupted
    assert 0 < result.energy.size < 1200
    np.testing.assert_array_equal(np.sort(result.read), np.arange(result.energy.size))
    np.testing.assert_array_equal(result.energy, GLASS.energy(result.states))
    assert result.trace_min.size == 0
    whole = fg.anneal(GLASS, sweeps=1, **kwargs)
    at = np.argsort(whole.read)[result.read]
    np.testing.assert_array_equal(result.energy, whole.energy[at])
    np.testing.assert_array_equal(result.states, whole.states[at])


@pytest.mark.parametrize(("reads", "threads"), [(256, 1), (1000, 2)])
def test_ctrl_c_returns_what_was_seen(reads, threads, undescended):
    is_a_valid_part(fg.anneal(BIG, threads=threads, progress=ctrl_c(), **LONG | dict(reads=reads)), reads)


def test_a_progress_callable_hears_of_sweeps_and_stops_the_run_by_returning_true(undescended):
    heard = []

    def stop_at_the_third(done, total):
        heard.append((done, total))
        return len(heard) == 3

    is_a_valid_part(fg.anneal(BIG, progress=stop_at_the_third, **LONG))
    assert {total for _, total in heard} == {LONG["sweeps"]}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_progress_callable_hears_the_end():
    heard = []
    fg.anneal(GLASS, sweeps=30, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (30, 30)


# The door


VALID = {
    "empty model": dict(model=fg.Ising(np.zeros((0, 0)), offset=2.5)),
    "isolated spins": dict(model=fg.Ising(np.zeros((5, 5)))),
    "one spin": dict(model=fg.Ising([[0]], [1])),
    "beta 0": dict(betas=[0]),
    "huge beta": dict(betas=[1e300]),
    "beta read-only": dict(betas=np.broadcast_to(0.5, 65)),
    "beta of float32": dict(betas=np.linspace(0, 1, 4, dtype=np.float32), sweeps=np.int64(4)),
    "one sweep": dict(sweeps=1),
    "one read": dict(reads=1),
    "a limit and a target that are integers": dict(time_limit=100, target_energy=np.int64(-(10**6))),
    "infinite energies in units of float32": dict(model=fg.lattice((3, 3), J=1e300)),
}


@pytest.mark.parametrize("name", VALID)
def test_unusual_but_valid_input_works(name, undescended):
    arguments = dict(model=WEIGHTED, sweeps=4, reads=5, seed=1) | VALID[name]
    model, reads = arguments.pop("model"), arguments.get("reads")
    result = fg.anneal(model, **arguments)
    assert result.energy.shape == (reads,)
    np.testing.assert_array_equal(result.energy, model.energy(result.states))
    assert result.energy[0] == as_followed(result.trace_min.min(), result.engine, model)
    assert result.ground_counts.sum() == (result.energy == result.energy[0]).sum()


BAD = {
    "no model": (dict(model=np.eye(3)), TypeError, "model is"),
    "a sequence of models": (dict(model=[GLASS, GLASS]), TypeError, "model is"),
    "NaN in betas": (dict(betas=[0.1, np.nan]), ValueError, r"betas\[1\] is nan"),
    "minus infinite beta": (dict(betas=[-np.inf, 1]), ValueError, r"betas\[0\] is -inf"),
    "no betas": (dict(betas=[]), ValueError, r"betas has shape \(0,\)"),
    "betas of two dimensions": (dict(betas=np.ones((2, 2))), ValueError, r"betas has shape \(2, 2\)"),
    "one number as betas": (dict(betas=1.0), ValueError, r"betas has shape \(\)"),
    "negative beta": (dict(betas=[0.1, 0.2, -0.3]), ValueError, r"betas\[2\] is -0.3"),
    "betas of text": (dict(betas="geometric"), TypeError, "betas"),
    "complex betas": (dict(betas=[1j]), TypeError, "betas"),
    "zero sweeps": (dict(sweeps=0), ValueError, "sweeps is 0"),
    "sweeps True": (dict(sweeps=True), TypeError, "sweeps is True"),
    "sweeps a float": (dict(sweeps=10.0), TypeError, "sweeps is 10.0"),
    "zero reads": (dict(reads=0), ValueError, "reads is 0"),
    "negative reads": (dict(reads=-3), ValueError, "reads is -3"),
    "reads of text": (dict(reads="64"), TypeError, "reads is '64'"),
    "unknown rule": (dict(rule="glauber"), ValueError, "rule is 'glauber'.*'gibbs', 'metropolis'"),
    "misspelt rule": (dict(rule="metropolos"), ValueError, "did you mean 'metropolis'"),
    "unknown scan": (dict(scan="rows"), ValueError, "scan is 'rows'"),
    "unknown engine": (dict(engine="quantum"), ValueError, "engine is 'quantum'"),
    "multispin of a gaussian glass": (
        dict(model=WEIGHTED, engine="multispin"),
        ValueError,
        r"the couplings are not all \+J or -J",
    ),
    "start of another size": (dict(start=np.ones(47)), ValueError, r"states has shape \(47,\)"),
    "start of another number of reads": (dict(start=np.ones((3, 48))), ValueError, r"start has shape \(3, 48\)"),
    "start of three dimensions": (dict(start=np.ones((1, 64, 48))), ValueError, "start has shape"),
    "start that is not +-1": (dict(start=np.zeros(48)), ValueError, r"states\[0\] is 0"),
    "start of spins for units": (dict(model=RBM, start=-np.ones(14)), ValueError, r"states\[0\] is -1"),
    "start of text": (dict(start="up"), TypeError, "states"),
    "no time": (dict(time_limit=0), ValueError, "time_limit is 0"),
    "negative time": (dict(time_limit=-1.5), ValueError, "time_limit is -1.5"),
    "NaN time": (dict(time_limit=np.nan), ValueError, "time_limit is nan"),
    "time of text": (dict(time_limit="1 min"), TypeError, "time_limit"),
    "time True": (dict(time_limit=True), TypeError, "time_limit"),
    "target of text": (dict(target_energy="-80"), TypeError, "target_energy"),
    "NaN target": (dict(target_energy=np.nan), ValueError, "target_energy is nan"),
    "targets": (dict(target_energy=[-80, -79]), TypeError, "target_energy has shape"),
    "zero threads": (dict(threads=0), ValueError, "threads is 0"),
    "seed of text": (dict(seed="7"), TypeError, "seed is '7'"),
    "negative seed": (dict(seed=-7), ValueError, "seed is -7"),
    "progress of text": (dict(progress="yes"), TypeError, "progress is 'yes'"),
    "more memory than there is": (dict(reads=10**13), ValueError, "needs .* GiB"),
    "more sweeps than memory": (dict(sweeps=10**10), ValueError, "sweeps=10000000000.*needs.*GiB.*time_limit"),
    "no batch": (dict(sweeps=[]), TypeError, "sweeps"),
    "a batch of no sweeps": (dict(sweeps=[10, 0]), ValueError, r"sweeps\[1\] is 0"),
    "a batch of half sweeps": (dict(sweeps=(10, 0.5)), TypeError, r"sweeps\[1\] is 0.5"),
    "batches against a clock": (dict(sweeps=[10, 20], time_limit=1), ValueError, "one number, or none"),
    "a clock and a checkpoint": (dict(time_limit=1, checkpoint="a.npz"), ValueError, "checkpoint.*one batch"),
    "batches and a checkpoint": (dict(sweeps=[1, 2], checkpoint="a.npz"), ValueError, "checkpoint.*one batch"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(drivers, "anneal", None)
    arguments = dict(model=GLASS, sweeps=10) | change
    with pytest.raises(error, match=message):
        fg.anneal(arguments.pop("model"), **arguments)


def test_options_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        fg.anneal(GLASS, [0.1, 0.2])
