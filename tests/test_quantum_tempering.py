"""Ladders of worldlines in Gamma or beta, and means in continuous time: the twin, exact laws at every rung, log Z."""

import numpy as np
import pytest
from test_worldlines import sigmas, small

import fastgibbs as fg
from fastgibbs.analysis.extrapolation import continuous
from fastgibbs.jit import compiled_only
from fastgibbs.reference import tempering
from fastgibbs.reference import worldline as twin

RING = fg.TransverseIsing(fg.lattice((6,)), 1.0, 8)
UNEVEN = small(3, 5, [0.4, 0.4, 1.2])
SITES = fg.TransverseIsing(fg.edwards_anderson((3, 4), "gaussian", seed=2), np.linspace(0.0, 2.0, 12), 6)
GAMMAS, BETAS = np.array([1.8, 1.1, 0.6, 0.0]), np.array([0.0, 0.4, 1.0, 1.7])
LADDERS = {
    "ring, gammas": (RING, dict(betas=np.full(4, 2.0), gammas=GAMMAS)),
    "ring, betas": (RING, dict(betas=BETAS)),
    "three sites, gammas": (UNEVEN, dict(betas=np.full(4, 1.5), gammas=[*GAMMAS[:3].tolist(), 0.2])),
    "three sites, betas": (UNEVEN, dict(betas=BETAS)),
    "a field a site, gammas": (SITES, dict(betas=np.full(4, 1.1), gammas=GAMMAS)),
}
SHORT = dict(sweeps=8, burn_in=3, swap_every=2, seed=5, ladders=3)


def at_rung(model, ladder, r):
    """The model at a rung, and its beta."""
    gammas = ladder.get("gammas")
    scale = 1.0 if gammas is None else gammas[r] / model.gamma.max()
    return fg.TransverseIsing(model.model, scale * model.gamma, model.slices), ladder["betas"][r]


@pytest.mark.parametrize("name", LADDERS)
def test_ladders_equal_those_of_the_twin(name):
    model, ladder = LADDERS[name]
    run = fg.temper(model, **ladder, **SHORT)
    kwargs = dict(clusters=False, rule="gibbs", thin=1, overlap_every=0)
    gammas = None if "gammas" not in ladder else np.asarray(ladder["gammas"])
    found = tempering.temper(twin, [model], ladder["betas"], gammas=gammas, **kwargs, **SHORT)
    np.testing.assert_array_equal(run.states, found.states)
    np.testing.assert_allclose(run.energy, found.energies, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.magnetization, found.magnetizations, rtol=1e-14, atol=1e-15)
    tried = np.maximum(found.attempts.sum(axis=0), 1)
    np.testing.assert_allclose(run.acceptance, found.acceptance_sum.sum(axis=0) / tried, rtol=1e-9)
    np.testing.assert_array_equal(run.round_trips, found.round_trips)
    assert run.engine == "worldline" and run.overlap is None


@pytest.mark.parametrize("name", LADDERS)
def test_draws_tell_what_they_do_in_a_sample_and_their_weights_at_the_next_rungs(name):
    model, ladder = LADDERS[name]
    run = fg.temper(model, **ladder, **SHORT)
    for r in range(4):
        here, beta = at_rung(model, ladder, r)
        for key, values in twin.told(here, run.states[:, r], np.full(3, beta)).items():
            np.testing.assert_allclose(run.observables[key][:, r, -1], values, rtol=1e-9, atol=1e-9, err_msg=key)
        for key, other in (("log_up", min(r + 1, 3)), ("log_down", max(r - 1, 0))):
            there, beta_there = at_rung(model, ladder, other)
            mine = here.log_marginal(run.states[:, r], beta)
            ratio = there.log_marginal(run.states[:, r], beta_there) - mine
            found = run.observables[key][:, r, -1]
            possible = ratio > -np.inf  # without a field kinks weigh 2^-40 in place of 0
            np.testing.assert_allclose(found[possible], ratio[possible], rtol=1e-5, atol=1e-5)
            assert (found[~possible] < -40).all() and (mine > -np.inf).all()


EXACT = {
    "ring, gammas": (RING, dict(betas=2.0, gammas=[2.0, 1.2, 0.7, 0.3])),
    "ring, betas": (RING, dict(betas=[0.0, 0.5, 1.0, 2.0])),
    "three sites, gammas": (UNEVEN, dict(betas=1.5, gammas=[1.2, 0.6, 0.2])),
}


@pytest.fixture(scope="module")
def runs():
    kwargs = dict(sweeps=1000, burn_in=50, ladders=96, seed=3)
    return {name: fg.temper(model, **ladder, **kwargs) for name, (model, ladder) in EXACT.items()}


def distances(run, r, exact):
    """In standard errors between ladders, by name."""
    names = {"total_energy": "energy"} | {name: name for name in ("x", "zz", "kinks", "abs_m", "m2", "m4")}
    return {name: sigmas(run.observables[name][:, r], getattr(exact, of)) for name, of in names.items()}


def law_at(run, r):
    return fg.exact.transverse(*at_rung(run.model, dict(betas=run.betas, gammas=run.gammas), r), run.model.slices)


@pytest.mark.parametrize("name", EXACT)
def test_means_are_exact_at_every_rung_and_so_are_differences_of_log_z(runs, name):
    """4 sigma by 96 ladders, of 90 numbers in all: one false alarm in 150 sets of seeds; at beta = 0 nothing is left to
    chance but signs.
    """
    run = runs[name]
    exact = [law_at(run, r) for r in range(run.betas.size)]
    for r, of_rung in enumerate(exact):
        if run.betas[r] > 0:
            found = distances(run, r, of_rung)
            assert max(found.values()) < 4, (r, found)
    first = 0.0 if run.betas[0] == 0 else exact[0].log_z
    off = run.log_z.bar - [of.log_z - first for of in exact]
    assert (np.abs(off[1:]) < 4 * run.log_z.bar_error[1:]).all() and run.log_z.bar_error.max() < 0.05
    assert abs(off[0]) < 1e-12
    assert run.round_trips.min() > 0


def test_swaps_that_weigh_kinks_wrongly_are_not_exact(monkeypatch):
    """The broken twins: kinks at 80 % of their weight, in beta or Gamma, and no kinks at all."""
    from fastgibbs.engines.worldline import Worldline

    right = Worldline.exponents
    for name, factor in (("ring, gammas", 0.8), ("ring, betas", 0.8), ("ring, gammas", 0.0)):

        def wrong(self, plan, state, factor=factor):
            found = right(self, plan, state)
            return found._replace(pushes=factor * found.pushes)

        monkeypatch.setattr(Worldline, "exponents", wrong)
        model, ladder = EXACT[name]
        run = fg.temper(model, **ladder, sweeps=1000, burn_in=50, ladders=96, seed=3)
        worst = [max(distances(run, r, law_at(run, r)).values()) for r in range(run.betas.size) if run.betas[r] > 0]
        assert max(worst) > 8, (name, factor, worst)


def test_a_run_goes_on_is_saved_and_has_the_same_bytes_by_any_threads(tmp_path):
    model, ladder = LADDERS["a field a site, gammas"]
    kwargs = dict(**ladder, ladders=20, burn_in=3, seed=5)
    whole = fg.temper(model, sweeps=12, threads=2, **kwargs)
    first = fg.temper(model, sweeps=6, threads=1, checkpoint=tmp_path / "run.npz", **kwargs)
    last = fg.temper(model, sweeps=6, start=first)
    on = fg.temper(model, sweeps=12, checkpoint=tmp_path / "run.npz", **kwargs)
    for name in ("log_up", "total_energy", "x"):
        parts = [one.observables[name] for one in (first, last)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole.observables[name])
        np.testing.assert_array_equal(on.observables[name], whole.observables[name])
    np.testing.assert_array_equal(on.states, whole.states)
    np.testing.assert_array_equal(on.round_trips, whole.round_trips)
    on.save(tmp_path / "result.npz")
    found = fg.load(tmp_path / "result.npz")
    assert found.model == model and (found.gammas == GAMMAS).all()
    np.testing.assert_array_equal(found.log_z.bar, whole.log_z.bar)
    np.testing.assert_array_equal(found.table().coordinates["gamma"][1], GAMMAS)
    with pytest.raises(ValueError, match="was written with"):
        fg.temper(model, sweeps=12, checkpoint=tmp_path / "run.npz", **kwargs | dict(gammas=GAMMAS + 0.1))
    with pytest.raises(ValueError, match=r"gammas is .*, and start is of a run with"):
        fg.temper(model, sweeps=6, start=first, gammas=GAMMAS + 0.1)


def test_ladders_are_spaced_so_that_swaps_are_equally_likely():
    kwargs = dict(gammas=[2.5, 0.1], rungs=7, sweeps=4096, ladders=8, seed=1)
    run = fg.temper(RING, betas=2.0, **kwargs)
    even = fg.temper(RING, betas=2.0, adapt=False, **kwargs)
    assert run.gammas.size == 7 and (run.gammas[0], run.gammas[-1]) == (2.5, 0.1) and (np.diff(run.gammas) < 0).all()
    np.testing.assert_allclose(even.gammas, np.linspace(2.5, 0.1, 7), rtol=1e-12)
    assert np.ptp(run.acceptance) < 0.05 < np.ptp(even.acceptance)
    assert run.barrier.density.shape == (6,) and (run.barrier.density > 0).all() and len(run.adaptation) > 2
    again = fg.temper(RING, betas=run.betas, gammas=run.gammas, sweeps=2, seed=1)
    assert (again.gammas == run.gammas).all() and (again.betas == 2.0).all() and again.adaptation == ()


def test_results_of_ladders_say_what_quantum_spins_do(runs):
    """Four errors, of 4 x 5 numbers: one false alarm in 800 seeds."""
    run = runs["ring, gammas"]
    rows = [line.split() for line in run.summary().splitlines()]
    assert rows[3][:3] == ["beta", "T", "Gamma"] and [row[2] for row in rows[5:9]] == ["2", "1.2", "0.7", "0.3"]
    for r, found in enumerate(fg.analysis.quantum(run)):
        exact = law_at(run, r)
        assert found.gamma == run.gammas[r] and found.beta == 2.0
        pairs = [(found.heat_capacity, exact.heat_capacity)]
        pairs += [(getattr(found, name)[:2], getattr(exact, name)) for name in ("energy", "x", "zz", "abs_m")]
        for (mean, error), value in pairs:
            assert abs(mean - value) < 4 * error, (found, exact)
    kept = fg.temper(RING, betas=2.0, gammas=[1.0, 0.5], sweeps=64, record="bins", seed=1)
    assert kept.observables["x"].means.shape[:2] == (2, 2)
    with pytest.raises(ValueError, match="bins in place of draws, which do not tell the weights"):
        print(kept.log_z)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(betas=None, gammas=None), "betas is None: of worldlines give a ladder of betas"),
        (dict(betas=None), "betas is None: a ladder in gammas is at one beta"),
        (dict(betas=[1.0, 2.0, 3.0]), r"betas is \[1.0, 2.0, 3.0\]: a ladder in gammas is at one beta, give a number"),
        (dict(betas=[1.0, 1.0]), r"betas is \[1.0, 1.0\]: a ladder in gammas is at one beta, give a number"),
        (dict(betas=-1.0), "betas is -1: worldlines have a law at finite betas from 0 on"),
        (dict(betas=np.inf), "betas is inf"),
        (
            dict(betas=[2.0, 1.0], gammas=None),
            r"betas\[1\] is 1.0: give betas of at least 0, each above the one before",
        ),
        (dict(gammas=[2.0, -1.0, -2.0]), r"gammas\[1\] is -1.0: give fields of at least 0, each below the one before"),
        (dict(gammas=[2.0, 1.0, 1.5]), r"gammas\[2\] is 1.5: give fields of at least 0, each below the one before"),
        (dict(gammas=[2.0, 2.0]), r"gammas\[1\] is 2.0: give fields"),
        (dict(gammas=[0.5, 1.0, 2.0]), r"gammas\[1\] is 1.0: give fields of at least 0, each below"),
        (dict(gammas=[2.0, np.nan]), r"gammas\[1\] is nan"),
        (dict(gammas=2.0), r"gammas has shape \(\): give 2 to 256 fields, descending"),
        (dict(gammas=[2.0]), r"gammas has shape \(1,\): give 2 to 256 fields"),
        (dict(rungs=5), "rungs is 5 but gammas holds 3: give the two ends"),
        (dict(rungs=1), "rungs is 1"),
        (dict(fields=[0.1, 0.2, 0.3]), "gammas and fields are given: worldlines take no field beside the model's"),
        (dict(betas=[1.0, 2.0], gammas=None, fields=[0.0, 0.1]), "it takes no field beside the model's"),
        (dict(clusters=True), "clusters is 'houdayer'"),
        (dict(clusters="wolff"), "clusters is 'wolff': ladders of worldlines exchange rungs alone"),
        (dict(clamp={0: 1}), "clamp is given: worldlines are drawn whole"),
        (dict(rule="metropolis"), "rule is 'metropolis'"),
        (dict(engine="sparse"), "the model has no Ising form"),
        (dict(model=fg.TransverseIsing(fg.lattice((6,)), 0.0)), "has gamma = 0 at every site"),
        (dict(model=fg.lattice((6,))), "gammas is given: it goes with a TransverseIsing model"),
    ],
)
def test_what_is_no_ladder_of_worldlines_is_named_before_anything_is_compiled(given, said):
    asked = dict(model=RING, betas=2.0, gammas=[2.0, 1.0, 0.5], sweeps=4)
    with compiled_only(), pytest.raises(ValueError, match=said):
        fg.temper(**asked | given)


# --- continuous time


def test_means_in_slices_extrapolate_to_those_without():
    """4 v_2M - v_M over 3; the values were computed beforehand. Each run more takes away another order."""
    exact = fg.exact.transverse(RING, 2.0)
    values = {slices: fg.exact.transverse(RING, 2.0, slices) for slices in (8, 16, 32, 64)}
    weights = continuous([32, 64])
    np.testing.assert_allclose(weights, [-1 / 3, 4 / 3], rtol=1e-12)
    assert weights @ [values[32].zz, values[64].zz] == pytest.approx(0.6890978, abs=5e-8)
    for name in ("energy", "heat_capacity", "x", "zz", "abs_m", "m2"):
        off = []
        for of in ([8, 16], [16, 32], [32, 64], [16, 32, 64]):
            weights = continuous(of)
            off.append(abs(weights @ [getattr(values[slices], name) for slices in of] - getattr(exact, name)))
        assert off[1] < off[0] / 10 and off[2] < off[1] / 10 and off[3] < off[2] / 3, (name, off)


@pytest.fixture(scope="module")
def in_slices():
    ring = fg.lattice((6,))
    kwargs = dict(beta=2.0, sweeps=400, burn_in=50, chains=256)
    return [fg.sample(fg.TransverseIsing(ring, 1.0, M), seed=M, **kwargs) for M in (8, 16)]


def test_means_of_runs_in_slices_extrapolate_within_their_errors(in_slices):
    """Four errors, of 5 numbers: one false alarm in 3000 seeds; at 16 slices <x> is off by five of its own."""
    (found,), exact = fg.analysis.extrapolate(*in_slices), fg.exact.transverse(RING, 2.0)
    for name in ("energy", "heat_capacity", "x", "zz", "abs_m"):
        mean, error = getattr(found, name)
        assert abs(mean - getattr(exact, name)) < 4 * error, (name, found, exact)
    few, many = (fg.analysis.quantum(run)[0] for run in in_slices)
    assert found.zz[0] == pytest.approx((4 * many.zz.mean - few.zz.mean) / 3, rel=1e-12)
    assert found.zz[1] == pytest.approx(np.hypot(4 * many.zz.error, few.zz.error) / 3, rel=1e-12)
    assert abs(many.x.mean - exact.x) > 3 * many.x.error
    assert (found.beta, found.gamma) == (2.0, 1.0)
    assert fg.analysis.extrapolate(*in_slices[::-1])[0].x == pytest.approx(found.x, rel=1e-12)


def test_rungs_of_ladders_extrapolate_one_by_one(runs):
    ladder = EXACT["ring, gammas"][1]
    other = fg.temper(fg.TransverseIsing(RING.model, 1.0, 16), **ladder, sweeps=600, burn_in=50, ladders=32, seed=4)
    for r, found in enumerate(fg.analysis.extrapolate(runs["ring, gammas"], other)):
        exact = fg.exact.transverse(fg.TransverseIsing(RING.model, other.gammas[r]), 2.0)
        assert found.gamma == other.gammas[r]
        for name in ("energy", "x", "zz"):
            mean, error = getattr(found, name)
            assert abs(mean - getattr(exact, name)) < 4 * error, (r, name)


def test_runs_that_do_not_extrapolate_are_named(in_slices, runs):
    few, many = in_slices
    how = dict(beta=2.0, sweeps=8, chains=4, seed=1)
    other = fg.sample(fg.TransverseIsing(fg.lattice((6,)), 1.1, 16), **how)
    classical = fg.sample(fg.lattice((6,)), **how)
    warm = fg.sample(fg.TransverseIsing(fg.lattice((6,)), 1.0, 16), **how | dict(beta=1.0))
    for results, error, said in (
        ((few,), ValueError, "results holds 1 runs: give two or more"),
        ((few, few), ValueError, r"results\[1\] is of 8 slices, as one before"),
        (
            (few, other),
            ValueError,
            r"results\[1\] is of .*slices=16\), results\[0\] of another model or field",
        ),
        ((few, warm), ValueError, r"results\[1\] is at other betas or fields than results\[0\]"),
        ((runs["ring, gammas"], many), ValueError, r"results\[1\] is at other betas or fields"),
        ((few, classical), TypeError, "give what sample returned of a TransverseIsing model"),
        ((few, 3), TypeError, "result is 3"),
    ):
        with pytest.raises(error, match=said):
            fg.analysis.extrapolate(*results)
