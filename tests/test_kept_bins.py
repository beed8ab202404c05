"""Results that keep bins: in files and tables, what they say and refuse, and how little memory they take."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import memory
import numpy as np
import pytest
from test_records import GLASS, OBSERVE, both

import fastgibbs as fg
from fastgibbs.results.lanes import turned

# What results say and hold


@pytest.fixture(scope="module")
def results():
    return {name: both(name)[1][0] for name in ("sample", "temper")}


@pytest.mark.parametrize("name", ["sample", "temper"])
def test_what_is_saved_comes_back(results, name, tmp_path):
    result = results[name]
    result.save(tmp_path / "kept.npz")
    for other in (fg.load(tmp_path / "kept.npz"), pickle.loads(pickle.dumps(result))):
        assert other.bins == result.bins and other.bins.names == tuple(OBSERVE)
        assert (repr(other), other.summary(), other._repr_html_()) == (
            repr(result),
            result.summary(),
            result._repr_html_(),
        )
        assert np.array_equal(other.states, result.states)
        np.testing.assert_array_equal(other.observables["first"].means, result.observables["first"].means)


def test_doctored_bins_of_a_result_are_refused(results, tmp_path):
    from fastgibbs.io import read_archive, write_archive

    path = tmp_path / "kept.npz"
    results["sample"].save(path)
    _, arrays, header, _ = read_archive(path)
    assert fg.load(path).bins.draws == 388
    ruined = {
        "counts": lambda x: x[::-1].copy(),
        "cells": lambda x: x * 2,
        "width": lambda x: x * 1.5,
        "sums": lambda x: -x,
        "first": lambda x: x[:, :1].copy(),
    }
    for name, ruin in ruined.items():
        write_archive(path, "sample", arrays | {f"bins.{name}": ruin(arrays[f"bins.{name}"])}, header)
        with pytest.raises(ValueError, match="that no run returns"):
            fg.load(path)
        write_archive(path, "sample", {k: v for k, v in arrays.items() if k != f"bins.{name}"}, header)
        with pytest.raises(ValueError, match="that no run returns"):
            fg.load(path)
    write_archive(path, "sample", arrays | {"energy": np.zeros((4, 388))}, header)
    with pytest.raises(ValueError, match="beside bins"):
        fg.load(path)
    write_archive(path, "sample", arrays, header | {"bins.names": ["first", "first"]})
    with pytest.raises(ValueError, match="different names"):
        fg.load(path)


@pytest.mark.parametrize("name", ["sample", "temper"])
def test_tables_have_the_means_of_bins(results, name):
    result = results[name]
    data, frame = result.to_xarray(), result.to_dataframe()
    assert data["energy"].dims[:2] == ("chain", "bin") and data["draws"].values.tolist() == result.bins.counts.tolist()
    m2 = np.average(data["magnetization2"].mean("chain"), axis=0, weights=result.bins.counts)
    assert m2.mean() == pytest.approx((result.magnetization**2).mean(), rel=1e-12)
    assert frame["energy"].size == result.energy.means.size and set(OBSERVE) < set(frame.columns)


def test_a_record_in_bins_says_how_to_get_an_array(results):
    energy, m = results["sample"].energy, results["sample"].magnetization
    for ask in (
        lambda: np.asarray(energy),
        lambda: np.exp(energy),
        lambda: abs(energy),
        lambda: m**4,
    ):
        with pytest.raises(TypeError, match=r'\.means has the means of bins, and record="draws" keeps every draw'):
            ask()
    with pytest.raises(IndexError, match="the last axis"):
        energy[:, 0]
    assert np.abs(m).mean() == abs(m).mean() and len(energy) == 4 and energy[1:].shape == (3, 388)
    with pytest.raises(ValueError, match="samples were not kept"):
        _ = results["sample"].samples


@pytest.mark.parametrize("verb", [fg.sample, fg.temper])
def test_what_bins_cannot_tell_is_refused_before_anything_runs(verb):
    kwargs = dict(beta=0.3, sweeps=2) if verb is fg.sample else dict(betas=[0.1, 0.3], sweeps=2)
    with pytest.raises(ValueError, match=r"record is 'bin': give one of 'draws', 'bins' .did you mean 'bins'"):
        verb(GLASS, **kwargs, record="bin")
    with pytest.raises(ValueError, match=r"observe\['x'\] is a function, which needs the states of all draws: give"):
        verb(GLASS, **kwargs, record="bins", observe={"x": lambda states: states[:, 0]})


@pytest.mark.parametrize(
    ("chains", "sweeps", "record", "advice"),
    [
        (10**6, 10**6, "draws", 'give record="bins"'),
        (10**9, 10, "draws", "give fewer"),
        (10**9, 10, "bins", "give fewer"),
    ],
)
def test_bins_are_advised_where_they_take_less_than_draws(chains, sweeps, record, advice):
    with pytest.raises(ValueError, match=f"needs .* are available: {advice}"):
        fg.sample(GLASS, beta=0.3, chains=chains, sweeps=sweeps, record=record)
    with pytest.raises(ValueError, match=f"needs .* are available: {advice}"):
        fg.temper(GLASS, betas=[0.1, 0.3], ladders=chains, sweeps=sweeps, record=record)


def test_bins_keep_no_states_and_give_no_u_kn(results):
    with pytest.raises(ValueError, match='keep_states is True: record="bins" keeps no draw'):
        fg.sample(GLASS, beta=0.3, sweeps=2, record="bins", keep_states=True)
    with pytest.raises(ValueError, match="result has bins in place of draws"):
        results["temper"].to_u_kn()


def test_a_checkpoint_of_draws_is_none_of_bins(tmp_path):
    path = tmp_path / "run.npz"
    fg.sample(GLASS, beta=0.3, sweeps=50, seed=1, checkpoint=path)
    with pytest.raises(ValueError, match="was written with record='draws', this run has record='bins'"):
        fg.sample(GLASS, beta=0.3, sweeps=50, seed=1, checkpoint=path, record="bins")


# Memory


GROWTH = """
import resource, sys
import numpy as np
import fastgibbs as fg

def peak(samples):
    models = [fg.edwards_anderson((4, 4), seed=k) for k in range(samples)]
    options = dict(betas=np.linspace(0.1, 1, 24), ladders=4, sweeps=300, seed=1, record="bins")
    fg.temper(models, **options, checkpoint=sys.argv[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

few = peak(10)
import os
os.unlink(sys.argv[1])
print((peak(110) - few) / (100 * 24 * 4))
"""


def test_a_rung_of_a_ladder_takes_less_than_10_kilobytes_with_its_checkpoint(tmp_path):
    """So that 1000 samples x 24 rungs x 4 ladders take less than 1 GB at any number of sweeps: 3.2 kB are bins."""
    environment = os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])}
    command = [sys.executable, "-c", GROWTH, str(tmp_path / "run.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 10_000


@pytest.mark.parametrize(
    ("draws", "lanes"), [(0, 3), (1, 1), (15, 4), (16, 16), (17, 3), (1000, 64), (1003, 5), (33, 1)]
)
def test_rows_turned_in_place_are_the_rows_turned(draws, lanes):
    rows = np.arange(draws * lanes, dtype=float).reshape(draws, lanes)
    expected = rows.T.copy()
    assert np.array_equal(turned(rows), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_run_records_what_a_short_one_does(threads):
    model = fg.Ising.from_edges(4, [0, 1, 2], [1, 2, 3], [0.5, 0.25, 0.3])
    kwargs = dict(beta=0.5, chains=50, seed=1, threads=threads)
    long, short = (fg.sample(model, sweeps=sweeps, **kwargs) for sweeps in (20_000, 100))
    for name in ("energy", "magnetization"):
        assert getattr(long, name).shape == (50, 20_000)
        assert np.array_equal(getattr(long, name)[:, :100], getattr(short, name))


MODEL = "model = fg.Ising.from_edges(4, [0, 1, 2], [1, 2, 3], [0.5, 0.25, 0.3])"


@memory.TOLD
@pytest.mark.parametrize(
    ("run", "sweeps"),
    [
        ("sample(model, beta=0.5, chains=1024", 20_000),
        ("temper(model, betas=[0.1, 0.5], ladders=512", 20_000),
        ("sample(model, beta=0.5, chains=64", 200_001),
        ("sample(model, beta=0.5, chains=16", 400_001),
        ("temper(model, betas=[0.1, 0.5], ladders=32", 200_001),
    ],
)
def test_records_are_never_held_twice(run, sweeps):
    """Of many blocks, of two, and of one, that is turned in place."""
    call = f"result = fg.{run}, seed=1, threads=2, sweeps="
    size = "result.energy.nbytes + result.magnetization.nbytes"
    taken, held = memory.taken(f"{MODEL}\n{call}1)", f"{call}{sweeps})", size)
    assert taken / held < 1.15
