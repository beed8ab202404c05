"""Hopfield memories: rules of learning, exact sums over classes of sites, the theory of many patterns, recall."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.models import hopfield

RNG = np.random.default_rng(3)


def patterns(count, n, rng=RNG):
    return rng.choice([-1, 1], (count, n))


# The rules


def couplings(model):
    """J as a matrix, from the Ising form."""
    ising = model.to_ising()
    J = np.zeros((model.n, model.n))
    J[np.repeat(np.arange(model.n), np.diff(ising.indptr)), ising.indices] = ising.couplings
    return J


def test_the_pseudo_inverse_is_the_projector_on_the_patterns_without_its_diagonal():
    xi = patterns(4, 9)
    projector = xi.T @ np.linalg.inv(xi @ xi.T) @ xi
    np.testing.assert_allclose(
        couplings(fg.Hopfield(xi, "pseudoinverse")), projector - np.diag(np.diag(projector)), atol=1e-15
    )


def test_the_storkey_rule_is_its_sum_written_out():
    xi = patterns(3, 6)
    n, J = 6, np.zeros((6, 6))
    for s in xi:
        new = J.copy()
        for i in range(n):
            for j in range(n):
                h_ij = sum(J[i, k] * s[k] for k in range(n) if k not in (i, j))
                h_ji = sum(J[j, k] * s[k] for k in range(n) if k not in (i, j))
                new[i, j] += (s[i] * s[j] - s[i] * h_ji - h_ij * s[j]) / n * (i != j)
        J = new
    np.testing.assert_allclose(couplings(fg.Hopfield(xi, "storkey")), J, atol=1e-15)


@pytest.mark.parametrize("field", [None, 0.3, RNG.normal(size=9)])
@pytest.mark.parametrize("rule", hopfield.RULES)
def test_the_energy_needs_no_couplings_and_is_theirs(rule, field):
    model, states = fg.Hopfield(patterns(4, 9), rule, field), exact.states(9)
    h = np.zeros(9) if field is None else np.broadcast_to(field, 9)
    expected = -np.einsum("si,ij,sj->s", states, couplings(model), states) / 2 - states @ h
    np.testing.assert_allclose(model.energy(states), expected, atol=1e-14)
    np.testing.assert_allclose(model.to_ising().energy(states), expected, atol=1e-14)
    assert model.energy(states[5]) == model.energy(states)[5]
    np.testing.assert_array_equal(model.energy(states.reshape(2, -1, 9)), model.energy(states).reshape(2, -1))


def test_a_million_sites_have_an_energy_without_an_n_by_n_array():
    model = fg.Hopfield(np.ones((2, 10**6), np.int8), field=-0.5)
    assert model.energy(np.ones(10**6, np.int8)) == -(2 * 10**12 - 2 * 10**6) / (2 * 10**6) + 0.5 * 10**6


@pytest.mark.parametrize("order", [3, 4, 5])
def test_the_energy_of_higher_order_is_the_sum_of_powers(order):
    xi = patterns(5, 8)
    states = exact.states(8)
    expected = [-sum(int(p @ s) ** order for p in xi) / (order * 8 ** (order - 1)) - 0.2 * s.sum() for s in states]
    np.testing.assert_allclose(fg.Hopfield(xi, field=0.2, order=order).energy(states), expected, atol=1e-13)


def test_stored_patterns_are_fixed_points_of_the_pseudo_inverse_even_if_correlated():
    xi = np.where(np.random.default_rng(4).random((30, 60)) < 0.7, 1, -1)
    for rule, fixed in (("hebb", False), ("pseudoinverse", True)):
        aligned = (xi @ couplings(fg.Hopfield(xi, rule))) * xi > 0
        assert aligned.all() == fixed


BAD = [
    (lambda: fg.Hopfield(patterns(2, 5), "hebbian"), ValueError, r"rule is 'hebbian'.*'hebb'"),
    (lambda: fg.Hopfield(patterns(2, 5), order=1), ValueError, "order is 1.*at least 2"),
    (lambda: fg.Hopfield(patterns(2, 5), order=2.0), TypeError, "order is 2.0"),
    (lambda: fg.Hopfield(patterns(2, 5), "storkey", order=3), ValueError, "order is 3 and rule 'storkey'"),
    (lambda: fg.Hopfield(patterns(2, 5), field=[0.1, 0.2]), ValueError, r"field has shape \(2,\).*\(5,\)"),
    (lambda: fg.Hopfield(patterns(2, 5), field=np.nan), ValueError, "field is nan"),
    (lambda: fg.Hopfield(patterns(3, 1000), order=7), ValueError, r"order is 7.*do not fit 63 bits.*at most 6"),
    (lambda: fg.Hopfield([[1, -1]], order=63), ValueError, "order is 63: sums of .* at most 62"),
    (lambda: fg.Hopfield(np.ones((0, 3)), order=2**40), ValueError, "order is 1099511627776: sums of .* at most 39"),
    (lambda: fg.Hopfield([[1, 0]]), ValueError, r"patterns\[0, 1\] is 0"),
    (lambda: fg.Hopfield([1, -1]), ValueError, r"patterns has shape \(2,\)"),
    (lambda: fg.Hopfield(patterns(3, 9), order=3).to_ising(), ValueError, "terms of 3 spins and no Ising form"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD)
def test_a_bad_memory_is_named(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_the_largest_order_that_fits_is_right_at_its_largest_energy():
    model = fg.Hopfield(np.ones((3, 1000)), order=6)
    assert model.energy(np.ones(1000)) == -3 * 1000 / 6
    result = fg.sample(model, beta=1.0, sweeps=2, chains=2, start=np.ones(1000), seed=1)
    np.testing.assert_array_equal(result.energy[:, -1], model.energy(result.states))


def test_dependent_patterns_are_named_with_what_they_depend_on():
    xi = patterns(4, 12)
    twice = np.concatenate([xi, -xi[1:2]])
    with pytest.raises(ValueError, match=r"patterns\[4\] is a linear combination of patterns \[1\]"):
        fg.Hopfield(twice, "pseudoinverse")
    more_than_sites = [
        [1, 1, 1],
        [1, 1, -1],
        [1, -1, 1],
        [-1, 1, 1],
    ]  # the last is the sum of the others, but the first
    with pytest.raises(ValueError, match=r"patterns\[3\] is a linear combination of patterns \[0, 1, 2\]"):
        fg.Hopfield(more_than_sites, "pseudoinverse")


# Sums over classes


@pytest.mark.parametrize("beta", [-0.5, 0.0, 0.3, 1.1, 4.0])
@pytest.mark.parametrize("field", [None, 0.17])
@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_sums_over_classes_are_the_sums_over_all_states(count, order, field, beta):
    model = fg.Hopfield(patterns(count, 11), field=field, order=order)
    states = exact.states(11)
    exponent = -beta * model.energy(states)
    p = np.exp(exponent - exponent.max())
    known, m = exact.hopfield(model, beta), model.overlaps(states)
    assert known.log_z == pytest.approx(np.log(p.sum()) + exponent.max(), rel=1e-13)
    p /= p.sum()
    assert known.energy == pytest.approx(p @ model.energy(states), abs=1e-13)
    assert known.magnetization == pytest.approx(p @ states.mean(axis=1), abs=1e-13)
    for moment, values in zip(known[3:], (m, np.abs(m), m**2, m**4), strict=True):
        np.testing.assert_allclose(moment, p @ values, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("order", "beta"), [(2, 0.5), (2, 1.5), (2, 6.0), (3, 1.0), (3, 5.0), (4, 8.0), (2, -2.0)])
def test_the_patterns_of_a_large_memory_may_be_taken_in_any_order(order, beta):
    """Each order sums the same 2^600 states by another matrix product; the derivative of log Z is the energy."""
    xi = patterns(3, 600, np.random.default_rng(2))
    results = [
        exact.hopfield(fg.Hopfield(xi[list(turn)], field=0.1, order=order), beta) for turn in ((0, 1, 2), (2, 0, 1))
    ]
    assert results[0].log_z == pytest.approx(results[1].log_z, rel=1e-13)
    assert results[0].energy == pytest.approx(results[1].energy, rel=1e-11)
    np.testing.assert_allclose(results[0].overlap2, np.roll(results[1].overlap2, -1), rtol=1e-9)
    model, step = fg.Hopfield(xi, field=0.1, order=order), 1e-4
    slope = (exact.hopfield(model, beta + step).log_z - exact.hopfield(model, beta - step).log_z) / (2 * step)
    assert -slope == pytest.approx(results[0].energy, abs=1e-4)


def test_one_pattern_is_the_curie_weiss_magnet():
    """Z = sum_k binomial(N, k) exp(beta (2k - N)^2 / (2N) - beta / 2)."""
    from math import lgamma

    n, beta = 1000, 1.3
    k = np.arange(n + 1)
    terms = np.array([lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) for j in k]) + beta * (2 * k - n) ** 2 / (2 * n)
    known = exact.hopfield(fg.Hopfield(patterns(1, n)), beta)
    assert known.log_z == pytest.approx(np.logaddexp.reduce(terms) - beta / 2, rel=1e-13)
    m = np.sqrt(known.overlap2[0])
    assert m == pytest.approx(np.tanh(beta * m), abs=2e-3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (fg.Hopfield(patterns(2, 9), "pseudoinverse"), "rule is 'pseudoinverse'"),
        (fg.Hopfield(patterns(4, 9)), "1 to 3 patterns"),
        (fg.Hopfield(patterns(1, 1001)), "1000 sites"),
        (fg.Hopfield(patterns(2, 3), field=[0.1, 0.2, 0.3]), "field differs"),
    ],
)
def test_memories_without_a_sum_over_classes_are_named(model, message):
    with pytest.raises(ValueError, match=message):
        exact.hopfield(model, 1.0)
    with pytest.raises(TypeError, match="give a Hopfield model"):
        exact.hopfield(fg.lattice((3,)), 1.0)


# Many patterns


def test_the_retrieval_overlap_at_zero_temperature_is_the_known_one():
    assert abs(exact.CRITICAL_LOAD - 0.13790556649) < 1e-11
    loads = [0.0, 0.05, 0.1, 0.13, 0.1379055]
    expected = [1.0, 0.99999223, 0.99799927, 0.98721189, 0.9674]
    np.testing.assert_allclose(exact.retrieval_overlap(loads)[:4], expected[:4], rtol=0, atol=1e-8)
    np.testing.assert_allclose(exact.retrieval_overlap(loads)[4], expected[4], rtol=0, atol=1e-3)
    assert exact.retrieval_overlap(0.1380) == 0.0
    assert exact.retrieval_overlap(np.full((2, 3), 0.1)).shape == (2, 3)


def test_the_retrieval_overlap_at_a_temperature_solves_its_equations():
    for T in (0.3, 0.7, 0.95):  # without load, m = tanh(m / T)
        m = exact.retrieval_overlap(0.0, T)
        assert m == pytest.approx(np.tanh(m / T), abs=1e-10)
        assert m > 0.1
    assert exact.retrieval_overlap(0.0, 1.01) == 0.0
    np.testing.assert_allclose(exact.retrieval_overlap(0.1, [0.0, 0.01]), exact.retrieval_overlap(0.1), atol=1e-4)
    assert exact.retrieval_overlap(0.1, 0.5) == 0.0
    with pytest.raises(ValueError, match=r"alpha is -0\.1"):
        exact.retrieval_overlap(-0.1)
    with pytest.raises(ValueError, match="temperature is -1"):
        exact.retrieval_overlap(0.1, -1.0)


def test_recall_at_a_low_load_is_that_of_the_theory():
    """m at N = 4000: corrections of order 1 / N and 128 patterns leave an error of 3e-4."""
    for load, beta in ((0.1, np.inf), (0.05, 1 / 0.4)):
        model = fg.Hopfield(patterns(int(load * 4000), 4000, np.random.default_rng(5)))
        result = fg.recall(model, model.patterns[:128], beta=beta, sweeps=60, seed=6)
        own = np.arange(128)
        m = result.overlaps[own, -20:, own].mean()
        T = 0.0 if np.isinf(beta) else 1 / beta
        assert abs(m - exact.retrieval_overlap(load, T)) < 1e-3
        assert abs(m - exact.retrieval_overlap(1.3 * load, T)) > 1e-3


# Recall


def slow_recall(model, cue, sweeps):
    """Zero temperature by the Ising form: each spin along its field in turn, and as it was where there is none."""
    J, s, history, needed = couplings(model) * model.n, cue.astype(np.int64).copy(), [], 0
    for sweep in range(sweeps):
        before = s.copy()
        for i in range(model.n):
            f = np.rint(J[i] @ s * 1e6) / 1e6 + model.n * model.fields[i]
            s[i] = np.sign(f) if f else s[i]
        needed = sweep + 1 if (s != before).any() else needed
        history.append(model.patterns @ s / model.n)
    return s, np.array(history), needed


@pytest.mark.parametrize("rule", hopfield.RULES)
def test_recall_at_zero_temperature_turns_spins_along_their_fields_and_leaves_them_at_none(rule):
    """An even number of patterns of an odd number of sites: fields of the Hebb rule are often zero."""
    model = fg.Hopfield(patterns(6, 21, np.random.default_rng(7)), rule)
    cues = patterns(40, 21, np.random.default_rng(8))
    for sweeps in (1, 6):  # of which the last has changed most cues, or none
        result = fg.recall(model, cues, sweeps=sweeps, seed=9)
        for k, cue in enumerate(cues):
            states, overlaps, needed = slow_recall(model, cue, sweeps)
            np.testing.assert_array_equal(result.states[k], states)
            np.testing.assert_array_equal(result.overlaps[k], overlaps)
            assert result.sweeps_needed[k] == needed
            assert result.converged[k] == (needed < sweeps)
        assert result.overlaps.shape == (40, sweeps, 6)
        assert (result.converged.mean() < 0.1) == (sweeps == 1)
    if rule == "hebb":  # where no field decides, Gibbs and Metropolis spins would not stay
        J = couplings(model) * 21
        assert (np.abs(result.states @ J) < 1e-9).any()


@pytest.mark.parametrize("order", [3, 4])
def test_recall_of_higher_order_ends_where_no_flip_lowers_the_energy(order):
    model = fg.Hopfield(patterns(60, 80), order=order)
    result = fg.recall(model, np.where(RNG.random((60, 80)) < 0.1, -1, 1) * model.patterns, sweeps=20, seed=1)
    assert result.converged.all()
    assert (result.overlaps[np.arange(60), -1, np.arange(60)] == 1).mean() > 0.9
    energy = model.energy(result.states)
    for i in range(80):
        flipped = result.states.copy()
        flipped[:, i] *= -1
        assert (model.energy(flipped) >= energy - 1e-12).all()


def test_thermal_recall_is_a_gibbs_chain_from_the_cue(monkeypatch):
    for verb in ("recall", "sampling"):  # which otherwise draw from streams of their own
        monkeypatch.setattr(f"fastgibbs.methods.{verb}.run_entropy", lambda seed, verb, given: seed)
    model, cue = fg.Hopfield(patterns(3, 40)), patterns(1, 40)[0]
    result = fg.recall(model, np.tile(cue, (20, 1)), beta=1.5, sweeps=8, seed=9)
    chain = fg.sample(model, beta=1.5, sweeps=8, chains=20, start=cue, seed=9, keep_states=True)
    np.testing.assert_array_equal(result.states, chain.states)
    np.testing.assert_array_equal(result.overlaps, model.overlaps(chain.samples))
    assert result.beta == 1.5


@pytest.mark.parametrize("beta", [np.inf, 2.0])
def test_recall_is_the_same_at_any_number_of_threads_and_cues(beta):
    model, cues = fg.Hopfield(patterns(8, 50)), patterns(150, 50)
    one, two = (fg.recall(model, cues, beta=beta, sweeps=9, seed=2, threads=threads) for threads in (1, 2))
    few = fg.recall(model, cues[:5], beta=beta, sweeps=9, seed=2)
    np.testing.assert_array_equal(one.overlaps, two.overlaps)
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.sweeps_needed[:5], few.sweeps_needed)
    np.testing.assert_array_equal(one.overlaps[:5], few.overlaps)
    assert "cues=150" in repr(one)


def test_one_cue_may_come_alone():
    model = fg.Hopfield(patterns(2, 30))
    assert fg.recall(model, model.patterns[0]).states.shape == (1, 30)
    assert fg.recall(model, model.patterns[0], beta=np.float32("inf")).beta == np.inf


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(model=fg.lattice((4,))), TypeError, "give a Hopfield model"),
        (dict(cues=np.ones(9)), ValueError, r"cues has shape \(9,\).*10 sites"),
        (dict(cues=np.ones((2, 2, 10))), ValueError, r"cues has shape \(2, 2, 10\)"),
        (dict(cues=np.ones((0, 10))), ValueError, "cues has shape"),
        (dict(cues=np.zeros(10)), ValueError, r"cues\[0\] is 0"),
        (dict(beta=0), ValueError, "beta is 0"),
        (dict(beta=-np.inf), ValueError, "beta is -inf"),
        (dict(beta="cold"), TypeError, "beta"),
        (dict(sweeps=0), ValueError, "sweeps is 0"),
        (dict(seed=-1), ValueError, "seed is -1"),
    ],
)
def test_bad_input_of_recall_is_named(change, error, message):
    arguments = dict(model=fg.Hopfield(patterns(2, 10)), cues=np.ones(10)) | change
    with pytest.raises(error, match=message):
        fg.recall(**arguments)
