"""What must not happen silently: arrays kept, masks lost, flags misread, answers ignored; and what is no model."""

import re

import numpy as np
import pytest
import scipy.sparse

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.learning import fill_in
from fastgibbs.models import checks

GLASS = fg.edwards_anderson((3, 3), "gaussian", seed=1)
RBM = fg.RBM(np.random.default_rng(2).normal(size=(4, 3)))
UNITS = np.random.default_rng(3).integers(0, 2, (6, 4))


# Arrays of the caller


def arrays(value, depth=3):
    """All arrays that a result or a model holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif depth:
        parts = value if isinstance(value, tuple | list) else getattr(value, "__dict__", {}).values()
        for part in parts if not isinstance(value, dict) else value.values():
            yield from arrays(part, depth - 1)


J = np.ones((4, 4)) - np.eye(4)
KEEPS = {
    "Ising": (lambda J, h: fg.Ising(J, h), J, np.ones(4)),
    "from_edges": (lambda i, j, J: fg.Ising.from_edges(4, i, j, J), np.int32([0, 1]), np.int32([1, 2]), np.ones(2)),
    "sparse": (lambda data: fg.Ising(scipy.sparse.csr_array((data, ([0, 1], [1, 0])), (2, 2))), np.ones(2)),
    "lattice": (lambda h: fg.lattice((4, 4), h=h), np.ones((4, 4))),
    "Hopfield": (lambda xi, h: fg.Hopfield(xi, field=h), np.ones((1, 4), np.int8), np.ones(4)),
    "RBM": (fg.RBM, np.ones((4, 3)), np.ones(4), np.ones(3)),
    "BoltzmannMachine": (fg.BoltzmannMachine, J, np.ones(4), np.int32([0, 2])),
    "sample": (
        lambda beta, start, w: fg.sample(GLASS, beta=beta, start=start, sweeps=1, observe={"w": w}),
        np.ones(4),
        np.ones((4, 9), np.int8),
        np.ones(9),
    ),
    "anneal": (
        lambda betas, start: fg.anneal(GLASS, betas=betas, start=start, sweeps=2, reads=3),
        np.array([0.0, 1.0]),
        np.ones((3, 9), np.int8),
    ),
    "temper": (lambda betas: fg.temper(GLASS, betas=betas, sweeps=2), np.array([0.0, 0.5, 1.0])),
    "barrier": (analysis.barrier, np.array([0.0, 1.0]), np.array([0.5])),
    "equalized": (lambda b, r: analysis.equalized(b, r, 2), np.array([0.0, 1.0]), np.array([0.5])),
    "blocks": (analysis.blocks, np.ones((20, 4))),
    "mean_field": (lambda start: fg.mean_field(GLASS, start=start), np.zeros(9)),
    "reweight": (
        lambda betas: analysis.reweight(fg.sample(GLASS, beta=0.5, sweeps=200, seed=1), betas),
        np.array([0.5]),
    ),
    "recall": (lambda cue: fg.recall(fg.Hopfield(np.ones((1, 4))), cue, sweeps=1), np.ones((2, 4), np.int8)),
    "log_z": (
        lambda b, e: analysis.log_z(b, e, 0.0),
        np.array([0.0, 1.0]),
        np.random.default_rng(1).normal(size=(2, 2, 40)),
    ),
}


@pytest.mark.parametrize("name", KEEPS)
def test_no_result_and_no_model_keeps_an_array_of_the_caller(name):
    make, *given = KEEPS[name]
    before = [array.copy() for array in given]
    made = make(*given)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.writeable
        assert not any(np.shares_memory(array, held) for held in arrays(made))


def test_a_ladder_stays_as_it_was_run():
    betas = np.array([0.0, 0.5, 1.0])
    result = fg.temper(GLASS, betas=betas, sweeps=2, seed=1)
    betas[:] = 7
    assert result.betas.tolist() == [0.0, 0.5, 1.0]


# Masks and other types


MASKED = np.ma.array([0.5, 0.5], mask=[False, True])
HIDES = {
    "couplings": lambda: fg.Ising(np.ma.array(J, mask=J * [[1, 0, 0, 0]] > 0)),
    "couplings in lists": lambda: fg.Ising([[0.0, np.ma.masked], [1.0, 0.0]]),
    "fields": lambda: fg.Ising(np.zeros((2, 2)), MASKED),
    "J": lambda: fg.Ising.from_edges(3, [0, 1], [1, 2], MASKED),
    "i": lambda: fg.Ising.from_edges(3, np.ma.array([0, 1], mask=[0, 1]), [1, 2], 1.0),
    "h": lambda: fg.lattice((2,), h=MASKED),
    "patterns": lambda: fg.Hopfield(np.ma.array(np.ones((1, 4)), mask=[[0, 1, 0, 0]])),
    "weights": lambda: fg.RBM(np.ma.array(np.ones((2, 2)), mask=np.eye(2))),
    "visible_bias": lambda: fg.RBM(np.ones((2, 3)), MASKED),
    "beta": lambda: fg.sample(GLASS, beta=MASKED, sweeps=1),
    "beta of one": lambda: fg.sample(GLASS, beta=np.ma.masked, sweeps=1),
    "betas": lambda: fg.temper(GLASS, betas=MASKED, sweeps=1),
    "start": lambda: fg.sample(GLASS, beta=1, sweeps=1, start=np.ma.array(np.ones(9), mask=np.eye(9)[0])),
    "seed": lambda: fg.sample(GLASS, beta=1, sweeps=1, seed=np.ma.array(3, mask=True)),
    "observe": lambda: fg.sample(GLASS, beta=1, sweeps=1, observe={"w": np.ma.array(np.ones(9), mask=np.eye(9)[0])}),
    "observe a function": lambda: fg.sample(
        GLASS, beta=1, sweeps=1, observe={"w": lambda s: np.ma.array(s[:, 0], mask=s[:, 0] < 9)}
    ),
    "clamp": lambda: fg.sample(GLASS, beta=1, sweeps=1, chains=2, clamp={0: np.ma.array([1, 1], mask=[0, 1])}),
    "cues": lambda: fg.recall(fg.Hopfield(np.ones((1, 2))), np.ma.array([1, 1], mask=[0, 1])),
    "data": lambda: fg.train(RBM, np.ma.array(UNITS, mask=UNITS == 1)),
    "weights of rows": lambda: fg.train(RBM, UNITS, weights=np.ma.array(np.ones(6), mask=np.eye(6)[0])),
    "states": lambda: fill_in(RBM, np.ma.array(UNITS, mask=UNITS == 1), np.arange(4) < 2),
    "states of an energy": lambda: GLASS.energy(np.ma.array(np.ones(9), mask=np.eye(9)[0])),
    "data of a likelihood": lambda: fg.log_likelihood(RBM, np.ma.array(UNITS, mask=UNITS == 1)),
    "record": lambda: analysis.standard_error(MASKED),
    "means": lambda: fg.mean_field(GLASS, start=np.ma.array(np.zeros(9), mask=np.eye(9)[0])),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", HIDES)
def test_a_mask_is_refused_by_name(name):
    with pytest.raises(TypeError, match=r"masked|seed is"):
        HIDES[name]()


def test_a_masked_array_that_masks_nothing_is_an_array():
    assert fg.Ising(np.ma.array(J)) == fg.Ising(J)
    assert fg.sample(GLASS, beta=np.ma.array([0.5, 1.0], mask=False), sweeps=1).beta.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    "values",
    [[1 + 0j], ["1"], [None], np.array([1.0], object), np.array(["2000-01-01"], "M8[D]"), [np.timedelta64(1, "s")]],
)
def test_numbers_are_not_guessed_from_other_types(values):
    for call in (
        lambda: fg.Ising([[0]], values),
        lambda: fg.sample(GLASS, beta=values, sweeps=1),
        lambda: analysis.standard_error(values),
        lambda: fg.Ising.from_edges(3, [0], [1], values),
    ):
        with pytest.raises(TypeError, match="real numbers"):
            call()


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_tables_of_other_libraries_are_arrays():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    for of in (pandas.DataFrame, xarray.DataArray, np.matrix, scipy.sparse.csr_array, scipy.sparse.coo_matrix):
        assert fg.Ising(of(J)) == fg.Ising(J)
    series = pandas.Series([0.5, 1.0])
    assert fg.sample(GLASS, beta=series, sweeps=1).beta.tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match=r"fields\[1\] is nan"):
        fg.Ising(np.zeros((2, 2)), pandas.Series([0.5, None]))


def test_a_sparse_matrix_adds_up_duplicates_and_refuses_nan():
    twice = scipy.sparse.coo_array(([0.5, 0.5, 1.0], ([0, 0, 1], [1, 1, 0])), (2, 2))
    assert fg.Ising(twice).couplings.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"couplings\.data.* is nan"):
        fg.Ising(scipy.sparse.coo_array(([np.nan, np.nan], ([0, 1], [1, 0])), (2, 2)))


# Flags and answers


FLAGS = {
    "centered": lambda flag: fg.train(RBM, UNITS, centered=flag),
    "keep_states": lambda flag: fg.sample(GLASS, beta=1, sweeps=1, keep_states=flag),
    "adapt": lambda flag: fg.temper(GLASS, adapt=flag),
    "progress": lambda flag: fg.sample(GLASS, beta=1, sweeps=1, progress=flag),
    "periodic": lambda flag: fg.lattice((3, 3), periodic=flag),
    "connected": lambda flag: analysis.susceptibility(np.ones((2, 4)), 1.0, 9, connected=flag),
}


@pytest.mark.parametrize("flag", ["False", "no", 2, None, np.ones(2, bool)])
@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_true_or_false_or_refused(name, flag):
    with pytest.raises(TypeError, match=f"{name} is"):
        FLAGS[name](flag)


def test_a_callable_stops_a_run_by_any_true_and_by_nothing_else():
    for value in (True, np.True_, np.bool_(1)):
        assert checks.says_stop(value) is True
    for value in (None, False, np.False_, 1, 0, "stop", [], np.ones(2, bool), np.ones(3)):
        assert checks.says_stop(value) is False
    assert fg.sample(GLASS, beta=1, sweeps=10**8, thin=10**4, progress=lambda done, total: np.True_).interrupted


@pytest.mark.parametrize("stop", [True, np.True_])
def test_a_callback_stops_a_training(stop):
    kwargs = dict(method="exact", epochs=5, seed=1)
    assert (
        fg.train(RBM, UNITS, callback=lambda epoch, model, history: stop if epoch == 2 else None, **kwargs).epochs == 2
    )
    assert fg.train(RBM, UNITS, callback=lambda *_: np.False_, **kwargs).epochs == 5


# What is no model


class BinaryQuadraticModel:
    """What dimod has, in so far as it looks like one of our models: `to_ising`, a shape, and a repr of kilobytes."""

    num_variables, shape = 3, (3, 3)

    def to_ising(self):
        return {0: 1.0}, {(0, 1): 1.0}, 0.0

    def __repr__(self):
        return "BinaryQuadraticModel({0: 1.0,\n" + "1: 2.0, " * 1000 + "})"


class Graph:
    """What networkx has: nodes by name, and an index that is no position."""

    def __len__(self):
        return 3

    def __iter__(self):
        return iter("abc")

    def __getitem__(self, node):
        return {"a": {"b": {}}, "b": {"a": {}}, "c": {}}[node]


class Rude:
    def __repr__(self):
        raise RuntimeError("no words")


STRANGERS = [BinaryQuadraticModel(), Graph(), Rude(), {}, {(0, 1): 1.0}, None]
OTHERS = [*STRANGERS, 3, "model", "x" * 10**5, fg.Ising, [], [3], J]
MACHINES = ("hopfield", "recall", "train", "gradient", "fill_in", "information")  # verbs of these, which no dict holds
TAKE_A_MODEL = {
    "sample": lambda it: fg.sample(it, beta=1, sweeps=1),
    "anneal": lambda it: fg.anneal(it, sweeps=1),
    "temper": lambda it: fg.temper(it, sweeps=1),
    "log_z": fg.log_z,
    "log_likelihood": lambda it: fg.log_likelihood(it, UNITS),
    "mean_field": fg.mean_field,
    "pseudo_likelihood": lambda it: fg.pseudo_likelihood(it, UNITS),
    "log_weights": lambda it: analysis.log_weights(it, UNITS),
    "spectrum": fg.exact.spectrum,
    "hopfield": lambda it: fg.exact.hopfield(it, 1.0),
    "recall": lambda it: fg.recall(it, np.ones(3)),
    "train": lambda it: fg.train(it, UNITS),
    "gradient": lambda it: fg.learning.exact.gradient(it, UNITS),
    "fill_in": lambda it: fill_in(it, UNITS, np.arange(4) < 2),
    "information": fg.learning.information,
}


@pytest.mark.parametrize("verb", TAKE_A_MODEL)
def test_what_is_no_model_is_refused_in_a_line(verb):
    for stranger in OTHERS:
        if isinstance(stranger, dict | str) and verb not in MACHINES:
            continue  # a problem, or the path of one
        with pytest.raises(TypeError, match="give a") as error:
            TAKE_A_MODEL[verb](stranger)
        assert re.match(r"(model|rbm) is ", str(error.value))
        assert len(str(error.value)) < 250
        assert "\n" not in str(error.value)


def test_what_is_no_matrix_is_refused_in_a_line():
    for stranger in [*STRANGERS, 3j, "x" * 10**5, iter([1]), {1, 2}]:
        for build in (fg.Ising, fg.BoltzmannMachine):
            with pytest.raises(TypeError, match=r"couplings|weights") as error:
                build(stranger)
            assert len(str(error.value)) < 250
            assert "\n" not in str(error.value)


def test_a_model_of_somebody_else_is_one():
    class Own:
        n = 9
        energy, to_spins, from_spins = GLASS.energy, GLASS.to_spins, GLASS.from_spins

        def to_ising(self):
            return GLASS

    own, ours = (fg.sample(model, beta=1, sweeps=1, seed=1).energy for model in (Own(), GLASS))
    np.testing.assert_array_equal(own, ours)


LONG = ["x" * 10**6, list(range(10**5)), {k: k for k in range(10**4)}, 10**6000, -(10**6000), BinaryQuadraticModel()]
REPEATS = {
    "sweeps": lambda value: fg.sample(GLASS, beta=1, sweeps=value),
    "chains": lambda value: fg.sample(GLASS, beta=1, sweeps=1, chains=value),
    "beta": lambda value: fg.sample(GLASS, beta=[value, "x"], sweeps=1),
    "rule": lambda value: fg.sample(GLASS, beta=1, sweeps=1, rule=value),
    "engine": lambda value: fg.anneal(GLASS, engine=value),
    "keep_states": lambda value: fg.sample(GLASS, beta=1, sweeps=1, keep_states=value),
    "strips": lambda value: fg.sample(GLASS, beta=1, sweeps=1, strips=value),
    "seed": lambda value: fg.sample(GLASS, beta=1, sweeps=1, seed=-1 if value == 10**6000 else value),
    "threads": lambda value: fg.sample(GLASS, beta=1, sweeps=1, threads=value),
    "progress": lambda value: fg.sample(GLASS, beta=1, sweeps=1, progress=value),
    "observe": lambda value: fg.sample(GLASS, beta=1, sweeps=1, observe=[value]),
    "observe a name": lambda value: fg.sample(GLASS, beta=1, sweeps=1, observe={repr(type(value)) * 10**4: []}),
    "clamp": lambda value: fg.sample(GLASS, beta=1, sweeps=1, clamp={0: value}),
    "clamped site": lambda value: fg.sample(GLASS, beta=1, sweeps=1, clamp={repr(type(value)) * 10**4: 1}),
    "shape": lambda value: fg.lattice(value),
    "a large shape": lambda value: fg.lattice((2**53,) * 64),
    "another shape": lambda value: fg.Ising.from_edges(2, [0], [1], 1.0, shape=(3,) * 10**4),
    "periodic": lambda value: fg.lattice((3, 3), periodic=value),
    "n": lambda value: fg.Ising.from_edges(value, [], [], 1),
    "callback": lambda value: fg.train(RBM, UNITS, callback=value),
    "learning_rate": lambda value: fg.train(RBM, UNITS, learning_rate=value),
    "a result": analysis.summary,
}


@pytest.mark.parametrize("name", REPEATS)
def test_a_message_repeats_no_more_of_a_value_than_a_line(name):
    for value in LONG:
        with pytest.raises((TypeError, ValueError)) as error:
            REPEATS[name](value)
        assert len(str(error.value)) < 400, str(error.value)[:1000]
        assert "integer string conversion" not in str(error.value)
