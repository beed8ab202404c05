"""Every constructor and verb against garbage: it works, sanely, or it raises an error that names an argument."""

import inspect
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastgibbs as fg
from fastgibbs.models import checks, resources


def fuzzed(examples):
    """Settings of that many examples, the same in every run."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=quiet)


HUGE = [10**8, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, 10**400]
INTEGERS = st.one_of(st.integers(-3, 9), st.sampled_from(HUGE), st.sampled_from([-x for x in HUGE]))
FLOATS = st.one_of(st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 5e-324, 1e308, -1.7e308, 0.5, 3.0]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    FLOATS,
    st.complex_numbers(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.sampled_from(["gibbs", "random", "gaussian", "\0", "\ud800", "nan", "1", "."]),
    st.builds(object),
    st.just(SimpleNamespace(size=len, shape=None)),
    st.just(len),
    st.just(fg.Ising),
    st.just(np.float64),
    st.sampled_from([np.datetime64("2020"), np.longdouble("1e4000"), np.int8(-1), np.bool_(True), np.float16(0.5)]),
)
ARRAYS = hnp.arrays(
    st.one_of(
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(),
        hnp.boolean_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.datetime64_dtypes(),
        hnp.byte_string_dtypes(),
        hnp.unicode_string_dtypes(),
        st.just(np.dtype([("a", "i4")])),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
SPINS = hnp.arrays(np.int8, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5), elements=st.just(1))
LISTS = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(inner, max_size=2).map(tuple)), max_leaves=6
)


def matrix(shape, row, col, data):
    """What looks like a sparse matrix."""
    return SimpleNamespace(shape=shape, tocoo=lambda: SimpleNamespace(row=row, col=col, data=data))


MATRICES = st.builds(
    matrix,
    *(st.one_of(st.sampled_from([(2, 2), np.array([0, 1]), np.array([1, 0]), [1.0, 1.0]]), LISTS) for _ in range(4)),
)
NUMBERS = st.one_of(
    INTEGERS,
    FLOATS,
    st.lists(INTEGERS, max_size=3),
    st.lists(FLOATS, max_size=3),
    hnp.arrays(np.float64, st.sampled_from([(3,), (2, 3), (3, 2), (5,)]), elements=FLOATS),
    hnp.arrays(np.float64, (3, 3), elements=FLOATS).map(lambda J: np.tril(J, -1) + np.tril(J, -1).T),
)
GARBAGE = st.one_of(
    NUMBERS,
    st.sampled_from(["gibbs", "metropolis", "random", "sparse", "multispin", "gaussian", "ferromagnet", True, False]),
    LISTS,
    ARRAYS,
    SPINS,
    MATRICES,
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), LISTS, max_size=2),
    st.sets(st.integers(), max_size=2),
)

RING = fg.lattice((5,))
GLASS = fg.edwards_anderson((3, 2), "gaussian", seed=1)
STOP = dict(progress=lambda done, total: True)  # ends a run whose sweeps are valid but too many for a test
SMALL_RUN = dict(sweeps=4, seed=1, threads=1, **STOP)


def taught(n, examples, seed):
    return fg.Perceptron(*fg.teacher(n, examples, seed)[1:])


MODELS = {
    "Ising": (fg.Ising, dict(couplings=np.ones((3, 3)) - np.eye(3), fields=[1, 2, 3], offset=0.5)),
    "from_edges": (
        fg.Ising.from_edges,
        dict(n=3, i=[0, 1], j=[1, 2], J=[1.0, -1], fields=None, offset=0.5, shape=(3,)),
    ),
    "Hopfield": (fg.Hopfield, dict(patterns=[[1, -1, 1]])),
    "Perceptron": (fg.Perceptron, dict(patterns=[[1, -1, 1]], labels=[-1])),
    "teacher": (taught, dict(n=3, examples=4, seed=1)),
    "RBM": (fg.RBM, dict(weights=np.ones((3, 2)), visible_bias=[1, 2, 3], hidden_bias=None)),
    "BoltzmannMachine": (
        fg.BoltzmannMachine,
        dict(weights=np.ones((3, 3)) - np.eye(3), biases=[1, 2, 3], visible=[2, 0]),
    ),
    "machine of edges": (
        fg.BoltzmannMachine.from_edges,
        dict(n=3, i=[0, 1], j=[1, 2], W=[1.0, -1], biases=None, visible=[2, 0]),
    ),
    "lattice": (fg.lattice, dict(shape=(3, 2), J=1.0, h=0.5, periodic=True)),
    "triangular": (fg.triangular, dict(shape=(3, 3), J=1.0, h=0.5, periodic=(True, False))),
    "edwards_anderson": (
        fg.edwards_anderson,
        dict(shape=(3, 2), disorder="gaussian", p=0.5, mean=0.0, width=1.0, seed=1, periodic=True),
    ),
    "sherrington_kirkpatrick": (fg.sherrington_kirkpatrick, dict(n=4, disorder="bimodal", seed=1)),
    "random_regular": (fg.random_regular, dict(n=6, degree=3, disorder="bimodal", seed=1)),
}
VERBS = {
    "sample": (
        fg.sample,
        dict(beta=0.5, chains=3, burn_in=1, thin=2, rule="gibbs", scan="sequential", start=None, engine="auto")
        | dict(keep_states=False, strips=None, observe=None, clamp=None, checkpoint=None, every=60.0),
    ),
    "anneal": (
        fg.anneal,
        dict(betas=[0.1, 1.0], reads=3, rule="gibbs", start=None, time_limit=None, target_energy=None, engine="auto")
        | dict(keep=3, clamp=None, checkpoint=None, every=60.0, population=False, resample_every=None),
    ),
    "population": (
        fg.anneal,
        dict(population=True, betas=[0.0, 1.0], reads=3, resample_every=2, rule="gibbs", scan="sequential", keep=0)
        | dict(engine="auto", target_energy=None, clamp=None, checkpoint=None),
    ),
    "temper": (
        fg.temper,
        dict(betas=[0.0, 1.0], rungs=3, ladders=2, rule="gibbs", swap_every=1, burn_in=2, thin=1, adapt=False)
        | dict(clusters=False, overlap_every=2, engine="auto", observe=None, clamp=None)
        | dict(checkpoint=None, every=60.0),
    ),
}


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    """What is big is refused at 64 MB, so that no test allocates what this machine happens to have."""
    monkeypatch.setattr(resources, "memory", lambda: 2**26)


def outcome(function, arguments):
    """What a call returns, or None if it raises an error that names an argument; another error passes through."""
    try:
        return function(**arguments)
    except OSError as error:
        assert error.filename is not None
    except (TypeError, ValueError) as error:
        named = set(re.findall(r"\w+", str(error))) & set(inspect.signature(function).parameters)
        assert named or "GiB are available" in str(error), f"{error} names no argument"
    return None


def spoiled(draw, valid):
    """The valid arguments with one or two of them replaced by garbage."""
    names = draw(st.lists(st.sampled_from(sorted(valid)), min_size=1, max_size=2, unique=True))
    return valid | {name: draw(GARBAGE) for name in names}


def builds_a_sane_model(build, arguments):
    model = outcome(build, arguments)
    if model is None or model.n > 1000:
        return
    states = model.from_spins(2 * np.random.default_rng(0).integers(0, 2, (4, model.n)) - 1)
    energies = model.energy(states)
    assert energies.shape == (4,)
    assert np.isfinite(energies).all()
    if not model.has_ising_form:
        return
    again, atol = model.to_ising().energy(model.to_spins(states)), 1e-9 * np.abs(energies).max()
    np.testing.assert_allclose(again, energies, rtol=1e-9, atol=max(atol, 1e-300))


@pytest.mark.parametrize("name", MODELS)
@fuzzed(120)
@given(data=st.data())
def test_a_constructor_builds_a_sane_model_or_names_the_argument(name, data):
    build, valid = MODELS[name]
    builds_a_sane_model(build, spoiled(data.draw, valid))


@pytest.mark.parametrize("name", VERBS)
@fuzzed(120)
@given(data=st.data())
def test_a_verb_runs_sanely_or_names_the_argument(name, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # text may be a valid path of a checkpoint
    run, valid = VERBS[name]
    model = data.draw(st.sampled_from([RING, GLASS]))
    result = outcome(run, spoiled(data.draw, {"model": model} | SMALL_RUN | valid))
    for one in result if isinstance(result, list) else [] if result is None else [result]:
        assert np.isfinite(one.energy).all()


QUESTIONS = {
    "lowest": dict(k=3),
    "success": dict(target=-1.0),
    "time_to_solution": dict(target=-1.0, confidence=0.9),
    "cut": dict(model=GLASS, states=np.ones((2, 6))),
}


@pytest.fixture(scope="module")
def annealed():
    return fg.anneal(GLASS, sweeps=3, reads=4, seed=1, keep=3)


@pytest.mark.parametrize("name", QUESTIONS)
@fuzzed(120)
@given(data=st.data())
def test_a_question_is_answered_or_names_the_argument(name, data, annealed):
    ask = fg.cut if name == "cut" else getattr(annealed, name)
    answer = outcome(ask, spoiled(data.draw, QUESTIONS[name]))
    if name == "success" and answer is not None:
        assert 0 <= answer.low <= answer.rate <= answer.high <= 1
    if name == "time_to_solution" and answer is not None:
        assert 0 < answer.low <= answer.seconds <= answer.high


WORDS = st.one_of(
    st.integers(-1, 6).map(str),
    st.sampled_from([*map(str, HUGE), "nan", "1e309", "-1e308", "2.5", "x", "1_0", "9" * 5000, "\0", "#"]),
    st.text(max_size=3),
)
LINES = st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=4).map("\n".join)
EDGES = st.builds(
    lambda n, edges: "\n".join([f"{n} {len(edges)}", *(f"{i} {j} {w}" for i, j, w in edges)]),
    WORDS,
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), WORDS), max_size=3),
)


@fuzzed(400)
@given(st.one_of(LINES.map(str.encode), EDGES.map(str.encode), st.binary(max_size=30)))
def test_a_file_of_couplings_is_a_model_or_an_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "couplings"
    path.write_bytes(content)
    for read in (fg.read_rudy, fg.read):
        try:
            model = read(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert np.isfinite(model.energy(np.ones(model.n))) or model.n > 1000


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """A result, and the bytes of its archive."""
    path = tmp_path_factory.mktemp("archive") / "run.npz"
    result = fg.sample(GLASS, beta=0.5, sweeps=4, chains=3, seed=1)
    result.save(path)
    return result, path.read_bytes()


@fuzzed(400)
@given(data=st.data())
def test_a_file_of_any_bytes_is_the_result_that_was_saved_or_an_error_that_names_the_file(archived, tmp_path, data):
    result, content = archived
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    other = data.draw(st.binary(max_size=20))
    damaged = data.draw(st.sampled_from([other, content[:first] + other + content[last:], content[first:last] + other]))
    path = tmp_path / "run.npz"
    path.write_bytes(damaged)
    try:
        again = fg.load(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        np.testing.assert_array_equal(again.energy, result.energy)
        np.testing.assert_array_equal(again.states, result.states)


@fuzzed(200)
@given(GARBAGE)
def test_what_is_no_path_is_refused(tmp_path, garbage):
    outside = tmp_path / "there" / "is" / "no" / "such" / "folder"
    path = str(outside / garbage) if isinstance(garbage, str) and garbage.isalnum() else garbage
    for reads in (fg.load, fg.read_rudy, fg.read):
        assert outcome(reads, {"path": path}) is None


BAD_CALLEES = {
    "no name": ValueError("the truth value is ambiguous"),
    "index": IndexError("path"),
    "memory": MemoryError("path"),
    "overflow": OverflowError("path is too large"),
    "warning": RuntimeWarning("path"),
}


@pytest.mark.parametrize("name", BAD_CALLEES)
def test_errors_that_help_nobody_are_found(name):
    def fails(path):
        raise BAD_CALLEES[name]

    with pytest.raises((AssertionError, type(BAD_CALLEES[name]))):
        outcome(fails, {"path": 3})


def test_a_model_of_infinite_energy_is_found(monkeypatch):
    monkeypatch.setattr(checks, "require_range", lambda largest, what: None)
    with pytest.raises((AssertionError, RuntimeWarning)):
        builds_a_sane_model(fg.lattice, dict(shape=(5, 5), J=1e308))


REFUSED = {
    "a path that is an open file": (lambda: fg.read_rudy(0), TypeError, "path is 0"),
    "a result in an open file": (lambda: fg.load(True), TypeError, "path is True"),
    "a result for an open file": (
        lambda: fg.sample(RING, beta=1, sweeps=1, chains=1).save(1),
        TypeError,
        "path is 1",
    ),
    "a path with a zero byte": (lambda: fg.load("a\0b"), ValueError, r"path is 'a\\x00b': no file"),
    "a path that cannot be encoded": (lambda: fg.load("\ud800"), ValueError, "path is .*: no file"),
    "couplings of no model": (lambda: fg.write_rudy("x", 3), TypeError, "model is 3"),
    "an array in place of a choice": (
        lambda: fg.sherrington_kirkpatrick(3, disorder=np.array(["gaussian"])),
        ValueError,
        "disorder is",
    ),
    "a count beyond 2^53": (lambda: fg.sample(RING, beta=1, sweeps=2**54), ValueError, "sweeps is 18"),
    "a thin beyond 64 bits": (lambda: fg.sample(RING, beta=1, sweeps=2**64, thin=2**64), ValueError, "sweeps is 18"),
    "a size beyond floats": (lambda: fg.sherrington_kirkpatrick(10**200), ValueError, "n is 1000"),
    "more edge-free sites than memory": (lambda: fg.Ising.from_edges(2**31 - 1, [], [], 1), ValueError, "a model of n"),
    "a graph without bonds": (lambda: fg.random_regular(10**15, 0), ValueError, "needs .* GiB"),
    "shape in from_edges": (lambda: fg.Ising.from_edges(3, [], [], 1, shape=3), TypeError, "shape is 3"),
    "ragged sites": (lambda: fg.Ising.from_edges(3, [[0], [1, 2]], [1], 1), TypeError, "i is ragged"),
    "65 sides": (lambda: fg.lattice((1,) * 65), ValueError, "shape has 65 sides"),
    "a sum of edges that overflows": (lambda: fg.Ising.from_edges(2, [0, 0], [1, 1], 1e308), ValueError, "couplings"),
    "energies that overflow": (lambda: fg.lattice((5, 5), J=1e308), ValueError, "J and h"),
    "self-bonds that overflow": (lambda: fg.lattice((1, 5), J=1e308), ValueError, "J and h"),
    "disorder that overflows": (lambda: fg.edwards_anderson((4,), "gaussian", width=1e308), ValueError, "width"),
    "weights that overflow": (lambda: fg.RBM(np.full((2, 2), 1e308)), ValueError, "weights"),
    "a long double that overflows": (lambda: fg.lattice((3,), h=np.longdouble("1e4000")), ValueError, "h is inf"),
    "beta that overflows": (lambda: fg.sample(RING, beta=1e308, sweeps=2), ValueError, "beta times"),
    "betas that overflow": (lambda: fg.anneal(RING, betas=[1e308], sweeps=2), ValueError, "betas times"),
    "a ladder that overflows": (lambda: fg.temper(RING, betas=[0, 1e308]), ValueError, "betas times"),
    "ragged beta": (lambda: fg.sample(RING, beta=[[1], [1, 2]], sweeps=2), TypeError, "beta is ragged"),
    "an ordered Metropolis of too many chains": (
        lambda: fg.sample(RING, beta=1, chains=10**14, sweeps=2, rule="metropolis"),
        ValueError,
        "chains x draws",
    ),
    "a schedule too long for memory": (lambda: fg.anneal(RING, sweeps=10**12), ValueError, "sweeps"),
    "states to keep, or not": (lambda: fg.sample(RING, beta=1, sweeps=2, keep_states=np.ones(2)), TypeError, "keep_"),
    "a start": (lambda: fg.sample(RING, beta=1, sweeps=2, start=np.zeros(5)), ValueError, "start: "),
    "the class of a model": (lambda: fg.sample(fg.Ising, beta=1, sweeps=2), TypeError, "model is"),
    "a ragged function": (
        lambda: fg.sample(RING, beta=1, sweeps=2, observe={"f": lambda states: [[1], [1, 2]]}),
        TypeError,
        r"observe\['f'\] returned .*ragged",
    ),
    "a sparse matrix without a shape": (lambda: fg.Ising(matrix(None, [0, 1], [1, 0], [1, 1])), TypeError, "couplings"),
    "sparse rows without columns": (lambda: fg.Ising(matrix((2, 2), [0, 1], [1], [1, 1])), ValueError, "couplings.row"),
    "sparse entries without a value": (lambda: fg.Ising(matrix((2, 2), [0, 1], [1, 0], [1])), ValueError, "data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_name(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_an_array_of_another_library_is_taken_though_its_size_is_a_function():
    class Tensor:
        size = staticmethod(len)

        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 3)) - np.eye(3)

    assert fg.Ising(Tensor()).bond_count == 3


def test_the_weakest_bonds_there_are_can_be_annealed():
    weak = fg.Ising.from_edges(2, [0], [1], 5e-324)
    assert fg.anneal(weak, sweeps=2, reads=2, seed=1).energy[0] == -5e-324
