"""Runs that end at beta = inf: schedules through it, what is refused, and results that hold such chains."""

from dataclasses import replace

import numpy as np
import pytest
from test_zero_temperature import INF, MEMORY, RING

import fastgibbs as fg
from fastgibbs import analysis, plots
from fastgibbs.methods import chains
from fastgibbs.methods.annealing import _cooled


def test_no_stretched_schedule_holds_nan_and_knots_are_met_exactly():
    rng = np.random.default_rng(1)
    for _ in range(500):
        given = rng.choice([0.0, 0.1, 1.0, 7.0, INF], rng.integers(1, 9))
        steps = int(rng.integers(1, 99))
        stretched = _cooled(given, (given.size - 1) * steps + 1)
        assert (stretched >= 0).all()
        np.testing.assert_array_equal(stretched[::steps], given)
        assert (_cooled(given, int(rng.integers(1, 50))) >= 0).all()


def test_a_last_sweep_at_infinity_leaves_the_engine_and_many_want_exact_signs():
    glass = fg.edwards_anderson((3, 3, 3), "gaussian", seed=1)
    engines = [fg.anneal(glass, betas=[0.1] * 19 + [INF] * k, sweeps=19 + k, reads=9).engine for k in (1, 2, 4)]
    assert engines == ["sparse", "sparse", "sparse64"]


def test_the_way_to_infinity_may_pass_all_that_float64_holds():
    """Where 2 beta and beta J overflow."""
    kwargs = dict(betas=[1e290, INF], sweeps=20_000, reads=2, seed=1)
    for engine in ("multispin", "sparse"):
        result = fg.anneal(fg.lattice((6,), 2.0**51), engine=engine, **kwargs)
        assert result.betas[-2] > 1e294 and result.betas[-1] == INF and result.energy[0] == -6 * 2.0**51


def test_annealing_to_infinity_finds_ground_states():
    glass = fg.edwards_anderson((4, 4), seed=1)
    result = fg.anneal(glass, betas=[0.1, 2, INF], sweeps=200, reads=32, seed=1)
    assert result.energy[0] == fg.exact.spectrum(glass).ground_energy
    assert result.betas[-1] == INF and np.isfinite(result.betas[:-1]).all()


BAD = {
    "Metropolis at infinity": (fg.sample, dict(beta=[1, INF], rule="metropolis"), "beta is inf in chain 1: there Metr"),
    "Metropolis at random": (fg.sample, dict(beta=INF, rule="metropolis", scan="random"), "beta is inf in chain 0"),
    "minus infinity": (fg.sample, dict(beta=-INF), "beta is -inf: give finite numbers, or inf"),
    "minus infinity among betas": (
        fg.sample,
        dict(beta=[INF, -INF]),
        r"beta\[1\] is -inf: give finite numbers, or inf",
    ),
    "NaN beside infinity": (fg.sample, dict(beta=[INF, np.nan]), r"beta\[1\] is nan"),
    "NaN in a schedule": (fg.anneal, dict(betas=[1, np.nan, INF]), r"betas\[1\] is nan"),
    "minus infinity in a schedule": (fg.anneal, dict(betas=[1, -INF]), r"betas\[1\] is -inf"),
    "below zero beside infinity": (fg.anneal, dict(betas=[-1, INF]), r"betas\[0\] is -1.0"),
    "a long double beyond all": (fg.sample, dict(beta=np.longdouble("1e400")), "beta is inf: give finite numbers"),
    "overflow beside infinity": (fg.sample, dict(beta=[INF, 1e308]), "beta times the cost of a flip may add up"),
    "tempering": (fg.temper, dict(betas=[0.1, INF]), r"betas\[1\] is inf: give finite numbers"),
    "a ladder of two ends": (fg.temper, dict(betas=[0.1, INF], rungs=4), r"betas\[1\] is inf"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_means_nothing_at_infinity_is_refused_before_anything_compiles(name, monkeypatch):
    verb, arguments, message = BAD[name]
    if "longdouble" in str(type(arguments.get("beta"))) and np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("long doubles are doubles on this machine")
    monkeypatch.setattr(chains, "advance", None)
    with pytest.raises(ValueError, match=message):
        verb(fg.edwards_anderson((4, 4), seed=1), sweeps=9, **arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda: fg.log_z(RING, beta=INF),
        lambda: fg.exact.spectrum(RING).energy(INF),
        lambda: fg.exact.spectrum(RING).probabilities(INF),
        lambda: fg.exact.torus((4, 4), INF),
        lambda: fg.exact.hopfield(MEMORY, INF),
        lambda: analysis.mean_field(RING, beta=INF),
        lambda: analysis.heat_capacity(np.ones((2, 4)), INF, 3),
        lambda: fg.linear(0.1, INF),
        lambda: fg.geometric(0.1, INF),
    ],
)
def test_all_else_refuses_infinity(call):
    with pytest.raises(ValueError, match="is inf: give "):
        call()


@pytest.fixture(scope="module")
def sampled():
    betas = np.repeat([0.2, INF], 8)
    return fg.sample(fg.lattice((4, 4)), beta=betas, sweeps=400, seed=1, keep_states=True, observe={"m": np.ones(16)})


def test_a_summary_judges_no_chain_at_infinity(sampled):
    text = sampled.summary()
    row = next(line for line in text.splitlines() if line.split()[:1] == ["inf"])
    assert row.split()[1] == "0" and row.split().count("-") == 2 and "nan" not in text
    assert "Chains at beta = inf go down and stay there" in text
    frozen = np.where(np.arange(8)[:, None] < 4, -32.0, -24.0) * np.ones(400)  # chains that never agree
    cold = replace(sampled, energy=np.concatenate([sampled.energy[:8], frozen]))
    assert "WARNING" not in cold.summary().replace("50 tau at one beta, worst at beta = 0.2", "")
    alone = replace(sampled, energy=frozen, magnetization=np.ones((8, 400)), observables={}, beta=np.full(8, INF))
    assert alone.summary().endswith("where depends on their starts.")
    at_finite = replace(cold, beta=np.repeat([0.2, 5.0], 8)).summary()
    assert "WARNING: chains disagree" in at_finite


def test_draws_at_infinity_are_not_reweighted(sampled):
    for use in (lambda: analysis.reweight(sampled, 0.3), sampled.to_u_kn):
        with pytest.raises(ValueError, match="result has chains at beta = inf, which draw from no law"):
            use()


def test_results_at_infinity_are_saved_and_loaded(sampled, tmp_path):
    annealed = fg.anneal(RING, betas=[1, INF], sweeps=4, reads=3, seed=1)
    for result, betas in ((sampled, "beta"), (annealed, "betas")):
        result.save(tmp_path / "result.npz")
        loaded = fg.load(tmp_path / "result.npz")
        np.testing.assert_array_equal(getattr(loaded, betas), getattr(result, betas))
        assert getattr(loaded, betas).max() == INF
        np.testing.assert_array_equal(loaded.states, result.states)
        for bad in (np.nan, -INF):
            doctored = getattr(result, betas).copy()
            doctored[0] = bad
            replace(result, **{betas: doctored}).save(tmp_path / "doctored.npz")
            with pytest.raises(ValueError, match=f"{betas} holds a number that is not finite"):
                fg.load(tmp_path / "doctored.npz")
    replace(annealed, trace_min=np.full(4, INF)).save(tmp_path / "doctored.npz")
    with pytest.raises(ValueError, match="trace_min holds a number that is not finite"):
        fg.load(tmp_path / "doctored.npz")


def test_a_run_at_infinity_goes_on_from_its_checkpoint(tmp_path):
    kwargs = dict(beta=[0.5, INF], sweeps=40, seed=1, checkpoint=tmp_path / "run.npz", every=0)
    stopped = fg.sample(RING, progress=lambda done, total: done > 0, **kwargs)
    whole = fg.sample(RING, beta=[0.5, INF], sweeps=40, seed=1)
    np.testing.assert_array_equal(fg.sample(RING, **kwargs).energy, whole.energy)
    assert stopped.beta[1] == INF
    with pytest.raises(ValueError, match="was written with another beta"):
        fg.sample(RING, **kwargs | dict(beta=[0.5, 1e300]))


def test_pictures_and_tables_hold_chains_at_infinity(sampled):
    pandas, pyplot = pytest.importorskip("pandas"), pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    curves = plots.energy_curve, plots.magnetization_curve, plots.heat_capacity_curve, plots.susceptibility_curve
    for curve in curves:
        ax = curve(sampled)
        np.testing.assert_array_equal(ax.containers[0][0].get_xdata(), [5.0])
        ax.figure.canvas.draw()
    ax = plots.energy_trace(sampled)
    ax.figure.canvas.draw()
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"0", "5"}
    plots.annealing_trace(fg.anneal(RING, betas=[1, INF], sweeps=4, reads=3, seed=1)).figure.canvas.draw()
    pyplot.close("all")
    frame = sampled.to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and np.isinf(frame["beta"]).sum() == 8 * 400
