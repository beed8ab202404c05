"""What no model is made of, and what models refuse: by name, index and value."""

import re

import memory
import numpy as np
import pytest
import scipy.sparse
from test_models import random_symmetric, refused

from fastgibbs.methods.schedules import beta_schedule
from fastgibbs.models import (
    RBM,
    Helmholtz,
    Hopfield,
    Ising,
    checks,
    edwards_anderson,
    lattice,
    random_regular,
    resources,
    sherrington_kirkpatrick,
    teacher,
    triangular,
    viana_bray,
)
from fastgibbs.models.protocols import oscillating


def with_entry(array, index, value):
    array = np.array(array, float)
    array[index] = value
    return array


ZEROS = np.zeros((3, 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name_index_and_value(bad):
    value = str(bad)
    refused(ValueError, lambda: Ising(with_entry(ZEROS, (1, 2), bad)), "couplings[1, 2]", value)
    refused(ValueError, lambda: Ising(ZEROS, [0, bad, 0]), "fields[1]", value)
    refused(ValueError, lambda: Ising(ZEROS, offset=bad), "offset", value)
    refused(ValueError, lambda: Ising(scipy.sparse.coo_array(with_entry(ZEROS, (1, 2), bad))), "couplings", value)
    refused(ValueError, lambda: Ising.from_edges(3, [0, 1], [1, 2], [1, bad]), "J[1]", value)
    refused(ValueError, lambda: Ising.from_edges(3, [0, 1], [1, 2], bad), "J is", value)
    refused(ValueError, lambda: lattice((3,), J=bad), "J is", value)
    refused(ValueError, lambda: lattice((3,), h=bad), "h is", value)
    refused(ValueError, lambda: lattice((3, 1), h=[[0], [0], [bad]]), "h[2, 0]", value)
    refused(ValueError, lambda: RBM(with_entry(ZEROS, (2, 0), bad)), "weights[2, 0]", value)
    refused(ValueError, lambda: RBM(ZEROS, [0, 0, bad]), "visible_bias[2]", value)
    refused(ValueError, lambda: RBM(ZEROS, None, [bad, 0, 0]), "hidden_bias[0]", value)
    refused(ValueError, lambda: edwards_anderson((3,), "gaussian", mean=bad), "mean", value)


@pytest.mark.parametrize("matrix", [np.array, scipy.sparse.csr_array])
def test_asymmetric_couplings_and_a_diagonal_are_refused(matrix):
    upper = matrix(with_entry(ZEROS, (0, 2), 1.5))
    refused(ValueError, lambda: Ising(upper), "couplings[0, 2] is 1.5", "couplings[2, 0] is 0.0", "J + J.T")
    lower = matrix(with_entry(ZEROS, (2, 0), 1.5))
    refused(ValueError, lambda: Ising(lower), "couplings[0, 2]", "couplings[2, 0]", "1.5", "0.0")
    nearly = with_entry(random_symmetric(3, 1), (0, 1), 1.0)
    nearly[1, 0] = 1 + 2**-52
    refused(ValueError, lambda: Ising(matrix(nearly)), "couplings[0, 1]", "couplings[1, 0]", str(1 + 2**-52))
    refused(ValueError, lambda: Ising(matrix(with_entry(ZEROS, (1, 1), 2.0))), "couplings[1, 1] is 2.0", "diagonal")


@pytest.mark.parametrize(
    "couplings", [np.zeros(3), np.zeros((2, 3)), np.zeros((2, 2, 2)), 1.0, [], scipy.sparse.csr_array((2, 3))]
)
def test_couplings_that_are_not_square_are_refused(couplings):
    refused(ValueError, lambda: Ising(couplings), "couplings", "shape", "(n, n)")


@pytest.mark.parametrize("bad", [[[0, 1j], [1j, 0]], [["0", "1"], ["1", "0"]], np.zeros((2, 2), object), [[0], [0, 1]]])
def test_couplings_that_are_not_real_numbers_are_refused(bad):
    refused(TypeError, lambda: Ising(bad), "couplings", "real numbers")
    refused(TypeError, lambda: RBM(bad), "weights", "real numbers")


def test_shapes_that_do_not_fit_are_refused():
    refused(ValueError, lambda: Ising(ZEROS, [1, 2]), "fields", "(2,)", "(3,)")
    refused(ValueError, lambda: Ising.from_edges(3, [0, 1], [1], 1.0), "i has 2", "j has 1")
    refused(ValueError, lambda: Ising.from_edges(3, [[0]], [[1]], 1.0), "i has shape (1, 1)")
    refused(ValueError, lambda: Ising.from_edges(3, [0, 1], [1, 2], [1.0]), "J has shape (1,)", "(2,)")
    refused(ValueError, lambda: Ising.from_edges(3, [0], [1], 1.0, shape=(2, 2)), "shape is (2, 2)", "3")
    refused(ValueError, lambda: lattice((2, 3), h=np.zeros(5)), "h has shape (5,)", "(2, 3)")
    refused(ValueError, lambda: lattice((2, 3), h=np.zeros((3, 2))), "h has shape (3, 2)", "(2, 3)")
    refused(ValueError, lambda: RBM(np.zeros(3)), "weights", "(3,)")
    refused(ValueError, lambda: RBM(np.zeros((3, 2)), np.zeros(2)), "visible_bias", "(2,)", "(3,)")
    refused(ValueError, lambda: RBM(np.zeros((3, 2)), None, np.zeros(3)), "hidden_bias", "(3,)", "(2,)")
    refused(ValueError, lambda: Hopfield([1, -1]), "patterns", "(2,)")
    refused(ValueError, lambda: Hopfield(np.empty((2, 0))), "patterns", "(2, 0)")


def test_bad_edges_are_refused_with_their_position():
    refused(ValueError, lambda: Ising.from_edges(3, [0, 2], [1, 2], 1.0), "i[1]", "j[1]", "2")
    refused(ValueError, lambda: Ising.from_edges(3, [0, 3], [1, 2], 1.0), "i[1] is 3", "0 to 2")
    refused(ValueError, lambda: Ising.from_edges(3, [0, 1], [1, -1], 1.0), "j[1] is -1", "0 to 2")
    refused(ValueError, lambda: Ising.from_edges(3, np.array([2**40]), [1], 1.0), "i[0] is 1099511627776")
    refused(TypeError, lambda: Ising.from_edges(3, [0.0], [1], 1.0), "i has dtype float64", "integers")
    refused(TypeError, lambda: Ising.from_edges(3, [0], [True], 1.0), "j has dtype bool", "integers")
    refused(ValueError, lambda: Ising.from_edges(-1, [], [], 1.0), "n is -1")
    refused(TypeError, lambda: Ising.from_edges(3.0, [], [], 1.0), "n is 3.0")
    refused(ValueError, lambda: Ising.from_edges(2**31, [], [], 1.0), "n is 2147483648")


def test_spins_other_than_plus_and_minus_one_are_refused_with_their_index():
    for model in (lattice((2, 2)), Hopfield(np.ones((1, 4)))):
        for call in (model.energy, model.to_spins):
            refused(ValueError, lambda call=call: call([[1, 1, 1, 1], [1, 0, 1, 1]]), "states[1, 1] is 0", "-1 and +1")
            refused(ValueError, lambda call=call: call([1, 1, np.nan, 1]), "states[2] is nan")
            refused(ValueError, lambda call=call: call(np.array([1, 1, 255, 1], np.uint8)), "states[2] is 255")
            refused(ValueError, lambda call=call: call([1, 1, 1]), "states has shape (3,)", "4")
            refused(ValueError, lambda call=call: call(1), "states has shape ()")
            refused(TypeError, lambda call=call: call([True] * 4), "states has dtype bool")
            refused(TypeError, lambda call=call: call(["1"] * 4), "states has dtype")
        refused(ValueError, lambda model=model: model.from_spins([1, 1, 1, 2]), "spins[3] is 2")
    refused(ValueError, lambda: Hopfield([[1, -1], [1, 0.5]]), "patterns[1, 1] is 0.5")
    refused(TypeError, lambda: Hopfield([["a"]]), "patterns")


def test_bad_lattice_arguments_are_refused():
    refused(ValueError, lambda: lattice((3, 0)), "shape[1] is 0")
    refused(TypeError, lambda: lattice((3, 2.5)), "shape[1] is 2.5")
    refused(TypeError, lambda: lattice((True, 3)), "shape[0] is True")
    refused(TypeError, lambda: lattice(5.0), "shape is 5.0")
    refused(TypeError, lambda: lattice(True), "shape[0] is True")
    refused(TypeError, lambda: lattice(()), "shape is ()")
    refused(TypeError, lambda: lattice((3,), periodic="yes"), "periodic is 'yes'")
    refused(ValueError, lambda: lattice((3, 3), periodic=(True,)), "periodic has 1", "2 axes")
    refused(TypeError, lambda: lattice((3,), J="1"), "J", "real number")
    refused(ValueError, lambda: lattice((3,), J=[[1.0, 2.0]]), "J[0] has shape (2,)", "(1,)")
    refused(ValueError, lambda: triangular((3, 3, 3)), "shape is (3, 3, 3)", "2 axes")


def test_bad_disorder_arguments_are_refused():
    refused(ValueError, lambda: edwards_anderson((3,), p=1.5), "p is 1.5")
    refused(ValueError, lambda: edwards_anderson((3,), "gaussian", width=-1), "width is -1")
    refused(ValueError, lambda: edwards_anderson((3,), "binomial"), "'binomial'", "'bimodal'", "'gaussian'")
    refused(ValueError, lambda: sherrington_kirkpatrick(3, "binomial"), "'binomial'", "'bimodal'", "'gaussian'")
    refused(ValueError, lambda: random_regular(4, 2, "binomial"), "'binomial'", "'bimodal'", "'ferromagnet'")
    refused(ValueError, lambda: random_regular(5, 3), "5 * 3", "even")
    refused(ValueError, lambda: random_regular(4, 4), "degree is 4", "n = 4")
    refused(TypeError, lambda: random_regular(4, 2.0), "degree is 2.0")
    refused(ValueError, lambda: sherrington_kirkpatrick(0), "n is 0")
    refused(TypeError, lambda: sherrington_kirkpatrick(True), "n is True")


@pytest.mark.parametrize("seed, error", [(3.5, TypeError), (True, TypeError), ("1", TypeError), (-1, ValueError)])
def test_bad_seeds_are_refused(seed, error):
    for build in (edwards_anderson, lambda shape, seed: random_regular(4, 2, seed=seed)):
        refused(error, lambda build=build: build((3,), seed=seed), "seed", repr(seed))
    refused(error, lambda: sherrington_kirkpatrick(4, seed=seed), "seed", repr(seed))


@pytest.mark.parametrize(
    "build",
    [
        lambda: sherrington_kirkpatrick(10**7),
        lambda: Hopfield(np.ones((1, 10**6), np.int8)).to_ising(),
        lambda: random_regular(10**9, 1000),
        lambda: lattice((2,) * 30 + (1,) * 30, periodic=False),
    ],
)
def test_models_too_big_for_memory_are_refused_before_anything_is_allocated(monkeypatch, build):
    monkeypatch.setattr(resources, "memory", lambda: 20 * 2**30)
    refused(ValueError, build, "needs", "20.0 GiB", "smaller")


BUILT = """
def built(side):
    model = fg.{name}((side,) * 3)
    return [getattr(model, array) for array in ("indptr", "couplings", "fields", "indices")]

built(4)
"""


@memory.TOLD
@pytest.mark.parametrize("name, times", [("edwards_anderson", 2.6), ("lattice", 1.2)])
def test_a_cubic_lattice_of_a_million_sites_is_built_in_little_more_than_its_size(name, times):
    then = "arrays = built(100)\nassert arrays[-1].size == 6 * 10**6"
    taken, held = memory.taken(BUILT.format(name=name), then, "sum(array.nbytes for array in arrays)")
    assert taken / held < times


def test_the_memory_of_this_machine_is_known():
    assert 2**20 < resources.memory() < 2**50
    checks.require_memory(1, "a byte")
    with pytest.raises(ValueError, match=re.escape("a galaxy needs 1073741824.0 GiB")):
        checks.require_memory(2**60, "a galaxy")


def test_a_dense_matrix_too_big_for_memory_is_refused_before_it_is_touched():
    with pytest.raises(ValueError, match="dense coupling matrix of 1000000000000 entries needs"):
        Ising(np.broadcast_to(0.0, (10**6, 10**6)))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: viana_bray(10**12, 0), "n is 1000000000000: site indices are 32-bit"),
        (lambda: Helmholtz.random((10**7, 10**7)), "a machine of layers [10000000, 10000000] needs"),
        (lambda: teacher(10**12 + 1, 0), "0 examples of 1000000000001 inputs needs"),
        (lambda: oscillating(1.0, 10**12), "a protocol of 1000000000000 sweeps needs"),
        (lambda: beta_schedule(lattice((3,)), 10**12), "a schedule of 1000000000000 sweeps needs"),
    ],
    ids=["graph", "machine", "teacher", "protocol", "schedule"],
)
def test_what_no_memory_holds_is_refused_before_it_is_made(make, told):
    refused(ValueError, make, told)
