"""Models, results and statistics are equal by what they hold, and hash alike."""

import numpy as np
from test_traps import GLASS, RBM, UNITS, J

import fastgibbs as fg
from fastgibbs import analysis


def models():
    rng = np.random.default_rng(4)
    return [
        fg.Ising([[0, 1.0], [1.0, 0]]),
        fg.Ising([[0, 1.0], [1.0, 0]], [0.0, 1.0]),
        fg.Ising([[0, 1.0], [1.0, 0]], offset=1.0),
        fg.Ising.from_edges(4, [0], [1], 1.0, shape=(2, 2)),
        fg.Ising.from_edges(4, [0], [1], 1.0),
        fg.lattice((4, 4)),
        fg.lattice((4, 4), J=2.0),
        fg.lattice((4, 4), h=1.0),
        fg.triangular((4, 4)),
        fg.edwards_anderson((3, 3), seed=1),
        fg.edwards_anderson((3, 3), seed=2),
        fg.Hopfield(np.ones((1, 4))),
        fg.Hopfield(np.ones((1, 4)), order=3),
        fg.Hopfield([[1, 1, 1, 1], [1, 1, -1, -1]], "pseudoinverse"),
        fg.Hopfield([[1, 1, 1, 1], [1, 1, -1, -1]], "storkey"),
        fg.Perceptron(np.ones((1, 4))),
        fg.Perceptron(np.ones((1, 4)), [-1]),
        fg.RBM(np.ones((2, 2))),
        fg.Polynomial({(0, 1, 2): 1.0}),
        fg.Polynomial({(0, 1, 2): 1.0}, "binary"),
        fg.Polynomial({(0, 1, 2): 1.0}, n=4),
        fg.Polynomial({(0, 1, 2): 1.0, (): 1.0}),
        fg.RBM(rng.normal(size=(2, 3))),
        fg.BoltzmannMachine(J),
        fg.BoltzmannMachine(J, visible=[0, 1]),
        fg.BoltzmannMachine(J, visible=[1, 0]),
    ]


def test_models_are_equal_by_their_numbers_and_hash_alike():
    ones, others = models(), models()
    others[5].couplings, ones[9].bonds  # which are built when they are asked for, and no part of a model
    for k, one in enumerate(ones):
        for m, other in enumerate(others):
            assert (one == other) is (k == m)
            assert (one != other) is (k != m)
        assert hash(one) == hash(others[k])
        assert one != "model" and one != k
    assert len(set(ones + others)) == len(ones)


def test_a_zero_has_no_sign():
    one, other = (fg.Ising([[0, 1.0], [1.0, 0]], [zero, 1.0], zero) for zero in (0.0, -0.0))
    assert one == other
    assert hash(one) == hash(other)


def test_results_compare_and_hash_whatever_their_shapes():
    def made():
        memory = fg.Hopfield(np.ones((1, 4)))
        for size in (1, 2):
            yield fg.sample(GLASS, beta=1, sweeps=size, chains=2, seed=1)
            yield fg.anneal(GLASS, sweeps=size, reads=2, seed=1)
            yield fg.temper(GLASS, betas=[0.5, 1.0], sweeps=size, seed=1)
            yield fg.recall(memory, np.ones((size, 4)), sweeps=1, seed=1)
            yield fg.train(RBM, UNITS, method="exact", epochs=size, seed=1)

    results = [*made(), *made()]
    for k, one in enumerate(results):
        assert [(one == other) is (k == m) for m, other in enumerate(results)] == [True] * len(results)
        assert (one == None) is False  # noqa: E711
    assert len(set(results)) == len(results)


def test_statistics_and_histories_compare_by_what_they_hold():
    record = np.random.default_rng(5).normal(size=(4, 64))
    betas, energies = np.array([0.0, 1.0]), record.reshape(2, 2, 64)

    def made(size):
        yield analysis.binning(record[:, :size])
        yield analysis.barrier(betas, np.array([size / 64]))
        yield analysis.log_z(betas, energies[..., :size], 0.0)
        yield analysis.integrated_log_z(betas, energies[..., :size], 0.0)
        yield fg.mean_field(fg.lattice((3, 3), h=1.0), beta=1 / size)
        yield fg.exact.torus((4, 4), np.ones(size))
        yield fg.train(RBM, UNITS, method="exact", epochs=size // 8, seed=1, likelihood_every=0).history

    for one, again, other in zip(made(32), made(32), made(64), strict=True):
        assert (one == again) is True
        assert (one != again) is False
        assert hash(one) == hash(again)
        assert (one == other) is False
        assert (one == None) is False  # noqa: E711
