"""What holds for every small model: each engine against enumeration, symmetries of the energy, round trips.

The models are Hypothesis's, the same in every run. `engine_holds` knows engines by their names alone: an engine that is
added is tested here as it is.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from scipy import sparse as scipy_sparse
from strangers.budget import Budget
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import precision
from fastgibbs.methods.settings import ENGINES
from fastgibbs.models import Ising
from fastgibbs.testing.laws import chi_square

CHAINS, DRAWS, THIN = 256, 32, 20
FALSE_ALARM = 1e-9  # of the chi-square of each model; some 30 models an engine
MULTISPIN_DEGREES = 2, 3  # that engine compiles a kernel for every degree


def examples(count, shrink=True):
    """Settings of that many examples, the same in every run; no deadline, since the first ones compile."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
    once = dict(derandomize=True, deadline=None, database=None, report_multiple_bugs=False)
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    return settings(max_examples=count, phases=phases, suppress_health_check=quiet, **once)


def magnitudes():
    return st.sampled_from([1.0, 0.5, 0.1, 3.0, 1e-200, 1e200, 1e-9, 7e11])


@st.composite
def edge_models(draw):
    """Any graph of up to 8 sites, isolated ones too; couplings +-J, whole numbers or of any size."""
    n = draw(st.integers(1, 8))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=12)) if pairs else []
    scale, rng = draw(magnitudes()), np.random.default_rng(draw(st.integers(0, 99)))
    J = {
        "+-J": rng.choice([-1.0, 1.0], len(edges)),
        "whole": rng.integers(-3, 4, len(edges)).astype(float),
        "real": rng.normal(size=len(edges)),
        "of many magnitudes": rng.normal(size=len(edges)) * 10.0 ** rng.integers(-9, 1, len(edges)),
    }[draw(st.sampled_from(["+-J", "whole", "real", "of many magnitudes"]))]
    h = draw(st.sampled_from([np.zeros(n), np.full(n, 0.5), rng.normal(size=n)]))
    offset = draw(st.sampled_from([0.0, 2.5]))
    i, j = np.array(edges, int).reshape(-1, 2).T
    return Ising.from_edges(n, i, j, J * scale, h * scale, offset * scale)


@st.composite
def lattice_models(draw):
    """Lattices with sides of any parity, periodic, open or both."""
    shape = draw(st.sampled_from([(1,), (2,), (5,), (7,), (8,), (2, 2), (3, 2), (2, 4), (1, 6), (2, 2, 2)]))
    periodic = tuple(draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape))))
    seed = draw(st.integers(0, 99))
    if draw(st.booleans()):
        return fg.edwards_anderson(shape, draw(st.sampled_from(["bimodal", "gaussian"])), seed=seed, periodic=periodic)
    build = fg.triangular if len(shape) == 2 and draw(st.booleans()) else fg.lattice
    J, h = draw(magnitudes()) * draw(st.sampled_from([1.0, -1.0])), draw(st.sampled_from([0.0, 0.3, -1.0]))
    return build(shape, J=J, h=h * J, periodic=periodic)


@st.composite
def plus_minus_models(draw):
    """Graphs of few neighbours with couplings +-J and one field, isolated sites too: for the multi-spin engine."""
    n, degree = draw(st.sampled_from([(8, 3), (6, 3), (5, 2), (8, 2), (4, 3)]))
    i, j, J = fg.random_regular(n, degree, seed=draw(st.integers(0, 99))).bonds
    kept = slice(draw(st.integers(0, 2)), None)
    scale, field = draw(magnitudes()), draw(st.sampled_from([0.0, 0.5, -2.0]))
    n += draw(st.integers(0, 8 - n))
    return Ising.from_edges(n, i[kept], j[kept], J[kept] * scale, np.full(n, field * scale))


@st.composite
def graph_models(draw):
    """Complete and regular random graphs."""
    seed, disorder = draw(st.integers(0, 99)), draw(st.sampled_from(["bimodal", "gaussian"]))
    if draw(st.booleans()):
        return fg.sherrington_kirkpatrick(draw(st.integers(1, 8)), disorder, seed=seed)
    n, degree = draw(st.sampled_from([(8, 3), (6, 3), (7, 2), (4, 3), (5, 4)]))
    return fg.random_regular(n, degree, disorder, seed=seed)


def memories():
    return st.builds(
        lambda n, p, seed: fg.Hopfield(np.random.default_rng(seed).choice([-1, 1], (p, n))),
        st.integers(1, 8),
        st.integers(0, 4),
        st.integers(0, 99),
    )


def machines():
    def build(visible, hidden, seed, scale):
        rng = np.random.default_rng(seed)
        biases = rng.normal(size=visible) * scale, rng.normal(size=hidden) * scale
        return fg.RBM(rng.normal(size=(visible, hidden)) * scale, *biases)

    return st.builds(build, st.integers(1, 4), st.integers(1, 4), st.integers(0, 99), st.sampled_from([1.0, 1e-6, 1e4]))


def strangers():
    def build(n, count, seed, scale):
        rng = np.random.default_rng(seed)
        return Triplets(n, [rng.permutation(n)[:3] for _ in range(count)], rng.normal(size=count) * scale)

    triplets = st.builds(build, st.integers(3, 8), st.integers(1, 10), st.integers(0, 99), magnitudes())
    return st.one_of(triplets, st.builds(Budget, st.integers(1, 8), st.sampled_from([0.0, 1.5, 3.0])))


ISINGS = st.one_of(edge_models(), lattice_models(), plus_minus_models(), graph_models())
MODELS = st.one_of(edge_models(), lattice_models(), plus_minus_models(), graph_models(), memories(), machines())


def polynomials():
    def build(n, count, seed, scale, kind):
        rng = np.random.default_rng(seed)
        terms = {tuple(rng.permutation(n)[: rng.integers(1, 5)].tolist()): scale * rng.normal() for _ in range(count)}
        return fg.Polynomial(terms, kind, n)

    kinds = st.sampled_from(["spin", "binary"])
    return st.builds(build, st.integers(1, 8), st.integers(1, 10), st.integers(0, 99), magnitudes(), kinds)


def students():
    def build(n, examples, seed):
        return fg.Perceptron(np.random.default_rng(seed).choice([-1, 1], (examples, n)))

    return st.builds(build, st.integers(1, 8), st.integers(0, 20), st.integers(0, 99))


ONLY = {
    "polynomial": polynomials(),
    "overlap": st.one_of(memories(), students()),
    "layered": machines(),
    "terms": strangers(),
}  # what these engines run


def strength(model):
    """The strongest local field, max_i (|h_i| + sum_j |J_ij|), of the model's spins, or half of what a flip costs."""
    if not model.has_ising_form:
        energies = model.energy(model.from_spins(exact.states(model.n)))
        return max(np.abs(energies - energies[np.arange(energies.size) ^ 1 << k]).max() for k in range(model.n)) / 2
    ising = model.to_ising()
    J = np.zeros((ising.n, ising.n))
    i, j, bonds = ising.bonds
    J[i, j] = J[j, i] = bonds
    return (np.abs(J).sum(axis=1) + np.abs(ising.fields)).max()


def largest_energy(model):
    """What rounding errors are measured against."""
    if not model.has_ising_form:
        return np.abs(model.energy(model.from_spins(exact.states(model.n)))).max()
    ising = model.to_ising()
    return np.abs(ising.couplings).sum() / 2 + np.abs(ising.fields).sum() + abs(ising.offset)


def close(model, energies, others, engine=None):
    atol = precision.energy_error(model) if engine == "layered" else 1e-12 * largest_energy(model)
    np.testing.assert_allclose(energies, others, rtol=0, atol=atol)


def engine_holds(engine, shrink=True):
    """Check an engine on the models that it accepts, of which there must be some."""
    ran = []

    @examples(40, shrink)
    @given(
        ONLY.get(engine, MODELS),
        st.floats(-1, 1).map(lambda x: round(x, 2)),
        st.integers(0, 2**64),
        st.integers(1, CHAINS - 1),
    )
    def hold(model, reach, seed, few):
        assume(engine != "multispin" or model.to_ising().degree in MULTISPIN_DEGREES)
        # no spin is held by more than exp(2), so that twenty sweeps forget where they began
        beta = reach / (strength(model) or 1.0)
        run = dict(beta=beta, sweeps=DRAWS * THIN, thin=THIN, burn_in=2 * THIN, seed=seed, keep_states=True)
        try:
            result = fg.sample(model, engine=engine, chains=CHAINS, threads=1, **run)
        except ValueError as error:
            assert f"engine {engine!r} cannot run this" in str(error)
            return
        ran.append(model)
        states = result.samples
        if isinstance(model, Ising) and engine not in ("dense", "coloured"):  # which count in units of their own
            np.testing.assert_array_equal(result.energy, model.energy(states))
        else:
            close(model, result.energy, model.energy(states), engine)
        close_to_one = dict(rtol=0, atol=1e-15)
        np.testing.assert_allclose(result.magnetization, model.to_spins(states).mean(axis=2), **close_to_one)
        np.testing.assert_array_equal(result.states, states[:, -1])

        for others in (dict(chains=CHAINS, threads=2), dict(chains=few, threads=1)):
            again = fg.sample(model, engine=engine, **run, **others)
            np.testing.assert_array_equal(again.samples, states[: others["chains"]])
            np.testing.assert_array_equal(again.energy, result.energy[: others["chains"]])

        p = exact.spectrum(model).probabilities(beta)
        state = (model.to_spins(states) > 0) @ (1 << np.arange(model.n))
        counts = np.bincount(state.ravel(), minlength=p.size)
        assert chi_square([(counts, p * counts.sum())]) > FALSE_ALARM

    hold()
    assert len(ran) >= 5


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "worldline"])  # it is of another law
def test_an_engine_agrees_with_enumeration_on_every_model_that_it_accepts(engine):
    engine_holds(engine)


START = ENGINES["sparse"].start
BROKEN = {  # how a block of the sparse engine starts, and what finds it
    "beta 20 % off": (
        lambda plan, lanes, ups, seed, betas, rule: START(plan, lanes, ups, seed, 1.2 * betas, rule),
        "chi_square",
    ),
    "streams by block": (
        lambda plan, lanes, ups, seed, *rest: START(plan, lanes, ups, seed + len(lanes), *rest),
        "(?i)not equal",
    ),
    "no field in the energy": (
        lambda plan, *rest: START(plan._replace(field_unit=0.0), *rest),
        "(?i)not equal",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_engine_is_found(name, monkeypatch):
    start, message = BROKEN[name]
    monkeypatch.setattr(ENGINES["sparse"], "start", start)
    with pytest.raises(AssertionError, match=message):
        engine_holds("sparse", shrink=False)


def flipped(states, site):
    states = states.copy()
    states[:, site] *= -1
    return states


def the_energy_is_even_and_its_differences_are_local(ising):
    spins = exact.states(ising.n)
    energies = ising.energy(spins)
    if not ising.fields.any():
        np.testing.assert_array_equal(energies, ising.energy(-spins))
    field = np.zeros((len(spins), ising.n)) + ising.fields
    for i, j, J in zip(*ising.bonds, strict=True):
        field[:, i] += J * spins[:, j]
        field[:, j] += J * spins[:, i]
    for site in range(ising.n):
        close(ising, ising.energy(flipped(spins, site)) - energies, 2 * spins[:, site] * field[:, site])


@examples(60)
@given(ISINGS)
def test_a_flip_costs_twice_the_local_field_and_without_fields_all_flips_together_cost_nothing(ising):
    the_energy_is_even_and_its_differences_are_local(ising)


@pytest.mark.parametrize("broken", ["a bond twice", "odd"])
def test_a_broken_energy_is_found(broken, monkeypatch):
    energy = Ising.energy
    more = {"a bond twice": lambda s: s[..., 0] * s[..., 1], "odd": lambda s: s[..., 0].astype(float)}[broken]
    monkeypatch.setattr(Ising, "energy", lambda self, s: energy(self, s) + more(s))
    with pytest.raises(AssertionError):
        the_energy_is_even_and_its_differences_are_local(fg.lattice((5,)))


@examples(60)
@given(ISINGS, st.integers(0, 255))
def test_turning_spins_and_their_couplings_together_changes_no_energy(ising, which):
    t = exact.states(8)[which][: ising.n]
    i, j, J = ising.bonds
    turned = Ising.from_edges(ising.n, i, j, J * t[i] * t[j], ising.fields * t, ising.offset)
    spins = exact.states(ising.n)
    close(ising, ising.energy(spins), turned.energy(spins * t))


@examples(60)
@given(ISINGS)
def test_a_dense_a_sparse_and_a_listed_model_are_one(ising):
    i, j, J = ising.bonds
    matrix = scipy_sparse.coo_array((np.tile(J, 2), (np.append(i, j), np.append(j, i))), shape=(ising.n, ising.n))
    for one in (
        Ising(matrix, ising.fields, ising.offset),
        Ising(matrix.toarray(), ising.fields, ising.offset),
        Ising(matrix.tocsr(), ising.fields, ising.offset),
        Ising.from_edges(ising.n, j[::-1], i[::-1], J[::-1], ising.fields, ising.offset),
    ):
        for name in ("indptr", "indices", "couplings", "fields"):
            np.testing.assert_array_equal(getattr(one, name), getattr(ising, name))
        for name in ("n", "offset", "coupling", "field", "degree", "bond_count"):
            assert getattr(one, name) == getattr(ising, name)


@examples(60)
@given(MODELS)
def test_states_and_spins_are_each_others_reverse_and_have_one_energy(model):
    spins = exact.states(model.n)
    states = model.from_spins(spins)
    np.testing.assert_array_equal(model.to_spins(states), spins)
    close(model, model.energy(states), model.to_ising().energy(spins))


@examples(40)
@given(ISINGS)
def test_couplings_written_as_rudy_are_read_back_exactly(tmp_path_factory, ising):
    path = tmp_path_factory.mktemp("rudy") / "couplings"
    ising = Ising.from_edges(ising.n, *ising.bonds)
    fg.write_rudy(path, ising)
    again = fg.read_rudy(path)
    for name in ("indptr", "indices", "couplings", "fields"):
        np.testing.assert_array_equal(getattr(again, name), getattr(ising, name))


@examples(15)
@given(MODELS, st.integers(0, 2**64))
def test_results_saved_are_read_back_exactly(tmp_path_factory, model, seed):
    path = tmp_path_factory.mktemp("results") / "run.npz"
    observe = {"first": np.arange(model.n) == 0}
    run = dict(sweeps=4, seed=seed, engine="sparse", threads=1)
    beta = 1 / (strength(model) or 1.0)
    for result in (
        fg.sample(model, beta=beta, chains=3, keep_states=True, observe=observe, **run),
        fg.anneal(model, reads=5, **run),
        fg.temper(model, betas=[0, beta], ladders=2, overlap_every=1, observe=observe, **run),
    ):
        result.save(path)
        again = fg.load(path)
        np.testing.assert_array_equal(again.energy, result.energy)
        np.testing.assert_array_equal(again.states, result.states)
        np.testing.assert_array_equal(again.model.energy(again.states), model.energy(result.states))
        assert (again.seed, again.timing, repr(again)) == (result.seed, result.timing, repr(result))
        if hasattr(result, "observables"):
            np.testing.assert_array_equal(again.observables["first"], result.observables["first"])
        if hasattr(result, "samples"):
            np.testing.assert_array_equal(again.samples, result.samples)
