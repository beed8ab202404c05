"""Draws at chosen sweeps, and correlations of the states of two of them, against the exact chain of a small ring."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.methods import chains as job
from fastgibbs.models.lattices import Lattice

RING = fg.lattice((6,))
AT = [1, 2, 3, 6, 16]
KNOWN = {  # computed elsewhere: T -> C(t_w, t_w + t) of a ring of 6 from a random start, sites in order
    0.5: {(1, 3): 0.539806733671, (2, 6): 0.684522877935, (4, 12): 0.874869344546},
    1.0: {(1, 3): 0.452610946029, (2, 6): 0.476004035437, (4, 12): 0.437020559580},
}


def heat_bath(model: Lattice, beta, order):
    """The matrix of a sweep, P[before, after], of all 2^n states: each site of `order` drawn anew in turn."""
    n = model.n
    spins = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    energies, P = model.energy(spins), np.eye(2**n)
    for i in order:
        turned = np.arange(2**n) ^ 1 << i
        turns = 1 / (1 + np.exp(beta * (energies[turned] - energies)))
        step = np.diag(1 - turns)
        step[np.arange(2**n), turned] = turns
        P = P @ step
    return spins, P


def exact(model, beta, first, last, order=None):
    """C(first, last) = (1/n) sum_i <s_i(first) s_i(last)> from a random start."""
    spins, P = heat_bath(model, beta, range(model.n) if order is None else order)
    law = np.full(len(spins), 1 / len(spins)) @ np.linalg.matrix_power(P, first)
    later = np.linalg.matrix_power(P, last - first) @ spins
    return law @ (spins * later).mean(axis=1)


@pytest.mark.parametrize("T", KNOWN)
def test_the_exact_chain_of_a_ring_has_the_correlations_that_are_known(T):
    for (first, last), value in KNOWN[T].items():
        assert abs(exact(RING, 1 / T, first, last) - value) < 1e-9
        assert abs(exact(RING, 1 / T, first, last, order=(0, 2, 4, 1, 3, 5)) - value) > 1e-3


def test_two_time_correlations_of_a_run_are_those_of_the_exact_chain():
    """Ten values to 4 sigma: a false alarm in 1600 seeds; those of other sweeps, or of another order, are not."""
    betas = np.repeat([1.0, 2.0], 4096)
    run = fg.sample(RING, beta=betas, at=AT, engine="sparse", scan="sequential", keep_states=True, seed=1)
    found, wrong = fg.analysis.two_time(run), []
    assert found.beta.tolist() == [1.0, 2.0] and found.at.tolist() == AT
    for k, beta in enumerate(found.beta):
        for a, b in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 4)]:
            value, error = found.mean[k, a, b], found.error[k, a, b]
            assert abs(value - exact(RING, beta, AT[a], AT[b])) < 4 * error
            wrong.append(abs(value - exact(RING, beta, AT[a], AT[b] + 1)) / error)
            wrong.append(abs(value - exact(RING, beta, AT[a], AT[b], order=(0, 2, 4, 1, 3, 5))) / error)
    assert max(wrong[::2]) > 4 and max(wrong[1::2]) > 4


@pytest.mark.parametrize("shape", [(6,), (5, 13), (8, 16)])
def test_two_time_correlations_are_products_of_the_states(shape):
    """Sites of 1, 2 and more words, chains in strips, two betas."""
    run = fg.sample(fg.lattice(shape), beta=[0.3, 0.6] * 3, at=[2, 3, 9], keep_states=True, seed=2)
    found, s = fg.analysis.two_time(run), run.samples.astype(float)
    C = np.einsum("cai,cbi->cab", s, s) / s.shape[2]
    for k in range(2):
        np.testing.assert_allclose(found.mean[k], C[k::2].mean(axis=0), atol=1e-14)
        np.testing.assert_allclose(found.error[k], C[k::2].std(axis=0, ddof=1) / np.sqrt(3), atol=1e-14)
    alone = fg.sample(fg.lattice(shape), beta=0.3, chains=1, at=[2, 3], keep_states=True, seed=2)
    assert (fg.analysis.two_time(alone).error == np.inf).all()


def test_several_models_are_told_apart_by_their_number():
    models = [fg.edwards_anderson((4, 4), seed=k) for k in range(3)]
    run = fg.sample(models, beta=1.0, chains=6, at=[1, 5], keep_states=True, seed=1)
    found = fg.analysis.two_time(run)
    assert found.model.tolist() == [0, 1, 2] and found.mean.shape == (3, 2, 2)
    s = run.samples.astype(float)
    np.testing.assert_allclose(found.mean[1, 0, 1], (s[2:4, 0] * s[2:4, 1]).mean(), atol=1e-14)


@pytest.mark.parametrize("given", ["field", "beta"])
def test_chains_that_are_driven_or_in_other_fields_are_averaged_with_their_like(given):
    values = [[0.9, 0.2, 0.9, 0.2], [0.1, 0.4, 0.1, 0.4]]
    points = {"field": dict(beta=0.5, field=values[0]), "beta": dict(beta=fg.protocol(values))}[given]
    run = fg.sample(RING, at=[1, 2, 5], keep_states=True, chains=4, seed=1, **points)
    found, s = fg.analysis.two_time(run), run.samples.astype(float)
    for k, beta in enumerate(found.beta):
        first = 1 - k if given == "field" else [0.5, 0.3].index(round(beta, 12))
        np.testing.assert_allclose(found.mean[k, 0, 1], (s[first::2, 0] * s[first::2, 1]).mean(), atol=1e-14)
    assert found.mean.shape == (2, 3, 3)


# Draws at chosen sweeps


def of_all(model, **kwargs):
    return fg.sample(model, sweeps=AT[-1], beta=0.5, seed=3, keep_states=True, **kwargs)


def at(model, **kwargs):
    return fg.sample(model, at=AT, beta=0.5, seed=3, keep_states=True, **kwargs)


def same(one, other, draws=slice(None)):
    np.testing.assert_array_equal(one.energy, other.energy[:, draws])
    np.testing.assert_array_equal(one.magnetization, other.magnetization[:, draws])
    np.testing.assert_array_equal(one.samples, other.samples[:, draws])
    np.testing.assert_array_equal(one.states, other.states)
    assert set(one.observables) == set(other.observables)
    for name, values in one.observables.items():
        np.testing.assert_array_equal(values, other.observables[name][:, draws])


GLASS = fg.edwards_anderson((4, 4), "gaussian", seed=1)


@pytest.mark.parametrize("model", [fg.lattice((8, 8)), GLASS], ids=["multispin", "sparse"])
def test_draws_at_chosen_sweeps_are_those_of_a_run_that_keeps_all(model):
    kwargs = dict(chains=5, observe={"first": np.eye(model.n)[0], "sum": lambda states: states.sum(axis=1)})
    one, other = at(model, threads=2, **kwargs), of_all(model, **kwargs)
    same(one, other, np.array(AT) - 1)
    assert one.at.tolist() == one.drawn_at.tolist() == AT and not other.at.size
    assert other.drawn_at.tolist() == list(range(1, AT[-1] + 1)) and (one.burn_in, one.thin) == (0, 1)
    assert one.states.tolist() == one.samples[:, -1].tolist()


def test_draws_of_models_on_graphs_of_their_own_are_at_chosen_sweeps_too():
    models = [fg.random_regular(n, 3, seed=n) for n in (4, 10)]
    for one, other in zip(at(models), of_all(models), strict=True):
        same(one, other, np.array(AT) - 1)
        assert one.at.tolist() == AT


def test_sweeps_are_counted_from_where_a_run_goes_on():
    first = fg.sample(GLASS, at=[2, 3], beta=0.5, chains=5, seed=3)
    one = fg.sample(GLASS, at=[1, 4], beta=0.5, start=first, keep_states=True)
    other = fg.sample(GLASS, sweeps=7, beta=0.5, chains=5, seed=3, keep_states=True)
    same(one, other, [3, 6])
    assert one.drawn_at.tolist() == [1, 4]


def test_a_run_at_chosen_sweeps_goes_on_from_its_checkpoint_and_grows(tmp_path):
    kwargs = dict(beta=0.5, chains=200, seed=3, keep_states=True)
    at, calls = [1, 2, 400, 401, 30_000, 60_000], []

    def stop(done, total):
        calls.append((done, total))
        return done > 300

    part = fg.sample(GLASS, at=at, checkpoint=tmp_path / "run.npz", progress=stop, threads=1, **kwargs)
    assert part.interrupted and part.at.tolist() == at[: part.energy.shape[1]] and len(part.at) < 6
    assert calls[-1][1] == at[-1]
    with pytest.raises(ValueError, match=r"was written with at=\[1, 2, .*this run has at=\[1, 3"):
        fg.sample(GLASS, at=[1, 3, 60_000], checkpoint=tmp_path / "run.npz", **kwargs)
    with pytest.raises(ValueError, match="was written with "):
        fg.sample(GLASS, sweeps=70_000, checkpoint=tmp_path / "run.npz", **kwargs)
    whole = fg.sample(GLASS, at=[*at, 60_001], checkpoint=tmp_path / "run.npz", threads=2, **kwargs)
    same(whole, fg.sample(GLASS, at=[*at, 60_001], **kwargs))


def test_what_a_result_has_of_its_sweeps_is_saved_and_told(tmp_path):
    run = at(GLASS, chains=4)
    run.save(tmp_path / "run.npz")
    again = fg.load(tmp_path / "run.npz")
    same(again, run)
    assert again.at.tolist() == AT and again.packed.tolist() == run.packed.tolist()
    rows = [line.split()[:3] for line in run.summary().splitlines()[5:10]]
    assert rows == [["0.5", str(sweep), "4"] for sweep in AT]
    with pytest.raises(ValueError, match=r"result has draws at the sweeps .* evenly spaced"):
        fg.analysis.reweight(run, [0.5])


BAD = {
    "no sweep": (dict(at=[]), ValueError, r"at has shape \(0,\)"),
    "sweep 0": (dict(at=[0, 1]), ValueError, r"at\[0\] is 0"),
    "a negative sweep": (dict(at=[-2, 1]), ValueError, r"at\[0\] is -2"),
    "a sweep twice": (dict(at=[1, 4, 4]), ValueError, r"at\[2\] is 4 after 4"),
    "descending": (dict(at=np.array([5, 3], np.uint64)), ValueError, r"at\[1\] is 3 after 5"),
    "a fraction": (dict(at=[1.0, 2.0]), TypeError, "at has dtype float64"),
    "flags": (dict(at=[True]), TypeError, "at has dtype bool"),
    "text": (dict(at="abc"), TypeError, "at has dtype"),
    "a number": (dict(at=7), ValueError, r"at has shape \(\)"),
    "two axes": (dict(at=[[1, 2]]), ValueError, r"at has shape \(1, 2\)"),
    "too late": (dict(at=np.array([2**63], np.uint64)), ValueError, r"at\[0\] is 9223372036854775808"),
    "with sweeps": (dict(at=[1], sweeps=1), ValueError, "sweeps is 1, and at says"),
    "with burn-in": (dict(at=[1], burn_in=5), ValueError, "burn_in is 5, and at says"),
    "with thin": (dict(at=[1], thin=2), ValueError, "thin is 2, and at says"),
    "with bins": (dict(at=[1], record="bins"), ValueError, 'at is given: record="bins"'),
    "neither": ({}, TypeError, "sweeps is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sweeps_are_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(job, "advance", None)
    with pytest.raises(error, match=message):
        fg.sample(GLASS, beta=0.5, **change)


def test_what_keeps_no_states_has_no_correlations():
    with pytest.raises(ValueError, match="samples were not kept"):
        fg.analysis.two_time(fg.sample(GLASS, beta=0.5, at=[1, 2]))
    with pytest.raises(TypeError, match=r"result is .*TemperResult"):
        fg.analysis.two_time(fg.temper(GLASS, betas=[0.1, 0.5], sweeps=2))
