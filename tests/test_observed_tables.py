"""Observables in archives, datasets and frames."""

import numpy as np
import pytest
from test_observables import WEIGHTED, run

import fastgibbs as fg
from fastgibbs.integrations.pandas import to_dataframe
from fastgibbs.integrations.xarray import to_xarray


@pytest.fixture(params=["sample", "temper"])
def observed(request):
    observe = {"m/2 \u03b2": np.full(48, 0.5), "f": lambda states: states[:, :3], "g": lambda states: states[:, 0]}
    return run(getattr(fg, request.param), WEIGHTED, observe=observe)


def test_an_archive_brings_observables_back(observed, tmp_path):
    observed.save(tmp_path / "run.npz")
    back = fg.load(tmp_path / "run.npz")
    assert list(back.observables) == list(observed.observables) == ["m/2 \u03b2", "f", "g"]
    for name, values in observed.observables.items():
        np.testing.assert_array_equal(back.observables[name], values)
    content = (tmp_path / "run.npz").read_bytes()
    back.save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").read_bytes() == content


def by_draw(result, values):
    """In the order of axes of tables."""
    return values if isinstance(result, fg.SampleResult) else values.swapaxes(1, 2)


def test_a_dataset_has_observables_beside_the_energy(observed):
    pytest.importorskip("xarray", reason="xarray is not installed")
    data = to_xarray(observed)
    assert data["m/2 \u03b2"].dims == data.energy.dims
    assert data.f.dims == (*data.energy.dims, "f_dim_0")
    for name, values in observed.observables.items():
        np.testing.assert_array_equal(data[name], by_draw(observed, values))


def test_chains_in_other_fields_have_a_dimension_for_these():
    pytest.importorskip("xarray", reason="xarray is not installed")
    run = fg.sample(fg.lattice((4, 4)), beta=0.4, field=[0.5, 0.0, 0.5, 0.0], sweeps=3, seed=1)
    data = to_xarray(run)
    assert dict(data.energy.sizes) == {"chain": 2, "draw": 3, "field": 2} and float(data.beta) == 0.4
    np.testing.assert_array_equal(data.energy.sel(field=0.5), run.energy[::2])
    with pytest.raises(ValueError, match="as many chains for each beta, field and model, here there are 1 to 2"):
        to_xarray(fg.sample(fg.lattice((4, 4)), beta=0.4, field=[0.5, 0.0, 0.5], sweeps=3, seed=1))


def test_a_frame_has_a_column_for_every_entry(observed):
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = to_dataframe(observed)
    assert list(frame)[-6:] == ["magnetization", "m/2 \u03b2", "f[0]", "f[1]", "f[2]", "g"]
    f = by_draw(observed, observed.observables["f"])
    np.testing.assert_array_equal(frame[["f[0]", "f[1]", "f[2]"]].to_numpy(), f.reshape(-1, 3))
    np.testing.assert_array_equal(frame["f[0]"], frame["g"])
