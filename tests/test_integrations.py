"""Results in other libraries: the right numbers under the right names, and a clear word where a library is missing."""

import sys
import warnings

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.integrations.pandas import to_dataframe
from fastgibbs.integrations.xarray import to_xarray

MODEL = fg.edwards_anderson((3, 4), seed=1)


@pytest.fixture(scope="module")
def sampled():
    return fg.sample(MODEL, beta=[0.4, 0.1, 0.2, 0.3] * 2, sweeps=40, burn_in=4, thin=2, seed=2**100)


@pytest.fixture(scope="module")
def tempered():
    return fg.temper(MODEL, betas=[0.2, 0.5, 0.9], sweeps=30, ladders=4, seed=3)


@pytest.fixture(scope="module")
def annealed():
    return fg.anneal(MODEL, sweeps=7, reads=10, seed=4)


@pytest.fixture(scope="module")
def recalled():
    memory = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (3, 20)))
    return fg.recall(memory, np.random.default_rng(2).choice([-1, 1], (5, 20)), sweeps=4, seed=5)


@pytest.fixture(scope="module")
def trained():
    return fg.train(fg.RBM(np.eye(4, 3)), np.eye(4), epochs=6, history_every=2, seed=6)


def arviz():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its next version once a day
        return pytest.importorskip("arviz", reason="arviz is not installed")


@pytest.fixture
def xarray():
    return pytest.importorskip("xarray", reason="xarray is not installed")


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas", reason="pandas is not installed")


def test_a_dataset_of_samples_has_chains_and_draws(xarray, sampled):
    data = to_xarray(sampled)
    assert type(data) is xarray.Dataset
    assert data.energy.dims == ("chain", "draw", "beta")
    assert dict(data.sizes) == {"chain": 2, "draw": 20, "beta": 4}
    for k, beta in enumerate(sampled.beta):
        one = data.sel(chain=k // 4, beta=beta)
        np.testing.assert_array_equal(one.energy, sampled.energy[k])
        np.testing.assert_array_equal(one.magnetization, sampled.magnetization[k])
    assert data.attrs == {
        "model": "Ising(n=12, bonds=24, fields=0)",
        "seed": str(2**100),
        "engine": sampled.engine,
        "strips": sampled.strips,
        "start": "random",
        "rule": "gibbs",
        "scan": "sequential",
        "burn_in": 4,
        "thin": 2,
        "interrupted": 0,
    }


def test_a_dataset_of_a_tempering_has_ladders_as_chains(xarray, tempered):
    data = to_xarray(tempered)
    assert data.energy.dims == ("chain", "draw", "rung")
    assert dict(data.sizes) == {"chain": 4, "draw": 30, "rung": 3}
    assert data.energy.sel(chain=1, draw=7, rung=2) == tempered.energy[1, 2, 7]
    assert data.magnetization.sel(chain=1, draw=7, rung=2) == tempered.magnetization[1, 2, 7]
    np.testing.assert_array_equal(data.beta, [0.2, 0.5, 0.9])
    assert data.attrs["swap_every"] == 1


def test_a_dataset_of_an_annealing_has_reads_and_sweeps(xarray, annealed):
    data = to_xarray(annealed)
    assert dict(data.sizes) == {"read": 10, "sweep": 7}
    assert data.energy.sel(read=annealed.read[4]) == annealed.energy[4]
    np.testing.assert_array_equal(data.trace_mean, annealed.trace_mean)
    assert data.trace_min.sel(sweep=3).beta == annealed.betas[3]


def test_an_annealing_that_was_stopped_has_the_sweeps_that_were_done(xarray, monkeypatch):
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    stopped = fg.anneal(MODEL, sweeps=10**5, reads=3, seed=4, time_limit=1e-3, threads=1)
    assert stopped.interrupted
    assert to_xarray(stopped).sizes["sweep"] == stopped.trace_min.size < 10**5


def test_a_dataset_of_a_recall_has_cues_sweeps_and_patterns(xarray, recalled):
    data = to_xarray(recalled)
    assert data.overlaps.dims == ("cue", "sweep", "pattern")
    np.testing.assert_array_equal(data.overlaps, recalled.overlaps)
    one = data.sel(cue=3)
    assert (one.converged, one.sweeps_needed) == (recalled.converged[3], recalled.sweeps_needed[3])
    assert (data.attrs["beta"], data.attrs["engine"], data.attrs["seed"]) == (np.inf, recalled.engine, "5")


def test_a_dataset_of_a_training_has_the_epochs_of_its_history(xarray, trained):
    data = to_xarray(trained)
    np.testing.assert_array_equal(data.epoch, [2, 4, 6])
    for name in trained.history._fields[1:]:
        assert data[name].dims == ("epoch",)
        np.testing.assert_array_equal(data[name], getattr(trained.history, name))
    wanted = {"method": "pcd", "epochs": 6, "seed": "6", "interrupted": 0, "diverged": 0}
    assert data.attrs == {"model": "RBM(n_visible=4, n_hidden=3)"} | wanted


@pytest.mark.parametrize("result", ["sampled", "tempered", "annealed", "recalled", "trained"])
def test_a_dataset_survives_netcdf(xarray, result, request, tmp_path):
    data = to_xarray(request.getfixturevalue(result))
    data.to_netcdf(tmp_path / "data.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "data.nc", engine="scipy") as back:
        xarray.testing.assert_equal(back, data)
        assert back.attrs == data.attrs


def test_chains_at_one_beta_have_no_axis_for_it(xarray):
    result = fg.sample(MODEL, beta=0.3, chains=3, sweeps=4, seed=1, observe={"f": lambda states: states[:, :2]})
    data = to_xarray(result)
    assert (data.energy.dims, data.beta.item()) == (("chain", "draw"), 0.3)
    np.testing.assert_array_equal(data.energy, result.energy)
    assert data.f.dims == ("chain", "draw", "f_dim_0")


def test_models_and_betas_of_a_scan_have_axes_of_their_own(xarray, pandas):
    models = [fg.edwards_anderson((3, 4), seed=seed) for seed in range(2)]
    beta = [0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.2, 0.1]  # the first four chains run the first model
    result = fg.sample(models, beta=beta, sweeps=6, seed=1, observe={"f": lambda states: states[:, :3]})
    data = to_xarray(result)
    assert data.f.dims == ("chain", "draw", "beta", "model", "f_dim_0")
    assert dict(data.sizes) == {"chain": 2, "draw": 6, "beta": 2, "model": 2, "f_dim_0": 3}
    for k, place in enumerate([0, 1, 0, 1, 0, 0, 1, 1]):
        one = data.sel(chain=place, beta=beta[k], model=k // 4)
        np.testing.assert_array_equal(one.energy, result.energy[k])
        np.testing.assert_array_equal(one.f, result.observables["f"][k])
    frame = to_dataframe(result)
    assert frame.groupby(["model", "beta"]).energy.mean()[1, 0.2] == pytest.approx(result.energy[[4, 6]].mean())


def test_r_hat_of_a_scan_mixes_no_temperatures(xarray):
    """Of 3 betas with 16 chains each it is below 1.1 everywhere; pooled, as chains of one law, it is 2 and more."""
    az = arviz()
    result = fg.sample(fg.lattice((6, 6)), beta=np.tile([0.1, 0.3, 0.6], 16), burn_in=50, sweeps=200, seed=1)
    assert az.rhat(to_xarray(result)).energy.shape == (3,)
    assert (az.rhat(to_xarray(result)).energy < 1.1).all()
    assert float(az.rhat(result.energy)) > 2


def test_betas_of_unequal_numbers_of_chains_are_refused(xarray, pandas):
    result = fg.sample(MODEL, beta=[0.1, 0.1, 0.2], sweeps=3, seed=1)
    with pytest.raises(ValueError, match="as many chains for each beta, field and model, here there are 1 to 2"):
        to_xarray(result)
    assert len(to_dataframe(result)) == 9


@pytest.mark.parametrize(("result", "rungs"), [("sampled", (4,)), ("tempered", (3,))])
def test_arviz_takes_the_dataset_as_it_is(xarray, result, rungs, request):
    az = arviz()
    data = to_xarray(request.getfixturevalue(result))
    for diagnostic in (az.ess(data), az.rhat(data)):
        for name in ("energy", "magnetization"):
            assert diagnostic[name].shape == rungs
            assert (diagnostic[name] > 0.5).all()
    summary = az.summary(data)
    assert len(summary) == 2 * int(np.prod(rungs))
    np.testing.assert_allclose(
        summary["mean"].astype(float).iloc[0], data.energy.mean(("chain", "draw")).values.flat[0], 0.01
    )


def test_a_frame_of_samples_has_a_row_per_draw(pandas, sampled):
    frame = to_dataframe(sampled)
    assert list(frame) == ["chain", "draw", "beta", "energy", "magnetization"]
    assert len(frame) == 160
    row = frame[(frame.chain == 3) & (frame.draw == 5)]
    assert row[["beta", "energy", "magnetization"]].to_numpy().tolist() == [
        [0.3, sampled.energy[3, 5], sampled.magnetization[3, 5]]
    ]
    assert frame.attrs["seed"] == str(2**100)


def test_a_frame_of_a_tempering_has_a_row_per_rung_and_draw(pandas, tempered):
    frame = to_dataframe(tempered)
    assert list(frame) == ["chain", "draw", "rung", "beta", "energy", "magnetization"]
    by_rung = frame.groupby("beta").energy.mean()
    np.testing.assert_allclose(by_rung, tempered.energy.mean(axis=(0, 2)))
    assert by_rung.index.tolist() == [0.2, 0.5, 0.9]
    row = frame[(frame.chain == 1) & (frame.draw == 7) & (frame.rung == 2)]
    assert row.magnetization.item() == tempered.magnetization[1, 2, 7]


def test_a_frame_of_an_annealing_has_a_row_per_read(pandas, annealed):
    frame = to_dataframe(annealed)
    assert list(frame) == ["read", "energy"]
    np.testing.assert_array_equal(frame.read, annealed.read)
    np.testing.assert_array_equal(frame.energy, annealed.energy)


def test_a_frame_of_a_recall_has_a_row_per_overlap(pandas, recalled):
    frame = to_dataframe(recalled)
    assert list(frame) == ["cue", "sweep", "pattern", "converged", "sweeps_needed", "overlaps"]
    assert len(frame) == recalled.overlaps.size
    row = frame[(frame.cue == 2) & (frame.sweep == 1) & (frame.pattern == 0)]
    assert row.overlaps.item() == recalled.overlaps[2, 1, 0]
    assert row.sweeps_needed.item() == recalled.sweeps_needed[2]


def test_a_frame_of_a_training_is_its_history(pandas, trained):
    frame = to_dataframe(trained)
    assert list(frame) == list(trained.history._fields)
    for name, record in trained.history._asdict().items():
        np.testing.assert_array_equal(frame[name], record)
    assert frame.attrs["method"] == "pcd"


@pytest.mark.parametrize(("convert", "library"), [(to_xarray, "xarray"), (to_dataframe, "pandas")])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(convert, library, sampled, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{convert.__name__} needs {library}: pip install 'fastgibbs\[xarray\]'"):
        convert(sampled)


@pytest.mark.parametrize("convert", [to_xarray, to_dataframe])
def test_anything_else_is_refused(xarray, pandas, convert):
    with pytest.raises(TypeError, match="give a SampleResult"):
        convert(MODEL)


@pytest.mark.parametrize("result", ["sampled", "tempered", "annealed", "recalled", "trained"])
def test_every_result_has_them_as_methods(xarray, pandas, result, request):
    result = request.getfixturevalue(result)
    assert result.to_xarray().identical(to_xarray(result))
    assert result.to_dataframe().equals(to_dataframe(result))
