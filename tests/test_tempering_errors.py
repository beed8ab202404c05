"""What `temper` takes, however unusual, and what it refuses before anything compiles."""

import numpy as np
import pytest
from test_tempering import GLASS, LADDER, WEIGHTED

import fastgibbs as fg
from fastgibbs.engines import drivers

VALID = {
    "empty model": dict(model=fg.Ising(np.zeros((0, 0)), offset=2.5)),
    "isolated spins": dict(model=fg.Ising(np.zeros((5, 5)))),
    "one spin": dict(model=fg.Ising([[0]], [1])),
    "built for isolated spins": dict(model=fg.Ising(np.zeros((5, 5))), betas=None, sweeps=600),
    "huge betas": dict(betas=[0.5, 1e100]),
    "infinite energies in units of float32": dict(model=fg.lattice((3, 3), J=1e300), betas=[1e-301, 1e-300]),
    "clusters of isolated spins": dict(model=fg.Ising(np.zeros((5, 5))), clusters=True),
    "clusters of one spin": dict(model=fg.Ising([[0]], [1]), clusters=True),
    "one ladder": dict(ladders=1, engine="sparse"),  # by auto "coloured", which adds up energies in another order
    "no overlaps": dict(overlap_every=0),
    "overlaps rarer than sweeps": dict(overlap_every=100),
    "swaps rarer than sweeps": dict(swap_every=100),
    "betas read-only and of integers": dict(betas=np.broadcast_to(np.arange(3, dtype=">i4"), (3,))),
    "betas of float32": dict(betas=np.linspace(0, 1, 4, dtype=np.float32), sweeps=np.int64(4)),
    "256 rungs": dict(betas=np.linspace(0, 1, 256)),
    "one sweep": dict(sweeps=1),
    "no burn-in": dict(burn_in=0),
    "NumPy's bool": dict(adapt=np.True_, clusters=np.False_),
}


@pytest.mark.parametrize("name", VALID)
def test_unusual_but_valid_input_works(name):
    arguments = dict(model=WEIGHTED, betas=[0.0, 0.4, 1.0], sweeps=4, ladders=3, seed=1) | VALID[name]
    model = arguments.pop("model")
    result = fg.temper(model, **arguments)
    assert result.energy.shape == (arguments["ladders"], result.betas.size, arguments["sweeps"])
    np.testing.assert_array_equal(result.energy[..., -1], model.energy(result.states))
    assert (result.overlap is None) == (name in ("one ladder", "no overlaps"))
    assert ((result.acceptance >= 0) & (result.acceptance <= 1)).all()
    assert np.isfinite(result.log_z.bar).all()


BAD = {
    "no model": (dict(model=np.eye(3)), TypeError, "model is"),
    "no models": (dict(model=[]), TypeError, "model is"),
    "one of the models is none": (dict(model=[GLASS, None]), TypeError, "model is None"),
    "two sizes": (
        dict(model=[fg.lattice((3, 3)), fg.lattice((9,)), fg.lattice((10,))]),
        ValueError,
        r"model\[2\] has 10 sites and model\[0\] has 9",
    ),
    "samples that are no Ising models": (
        dict(model=[fg.RBM(np.ones((2, 2)))] * 2),
        TypeError,
        r"model\[0\] .*to_ising",
    ),
    "a sample that the engine cannot run": (
        dict(model=[fg.lattice((48,)), WEIGHTED], engine="multispin"),
        ValueError,
        r"model\[1\]: engine 'multispin' cannot run this: the couplings are not all",
    ),
    "functions of samples with weights": (
        dict(model=[WEIGHTED, WEIGHTED], observe={"up": lambda states: states[:, 0]}),
        ValueError,
        r"observe\['up'\] is a function: of models that differ in more than signs",
    ),
    "multispin of a gaussian glass": (
        dict(model=WEIGHTED, engine="multispin"),
        ValueError,
        r"the couplings are not all \+J or -J",
    ),
    "unsorted betas": (dict(betas=[0.1, 0.5, 0.4]), ValueError, r"betas\[2\] is 0.4"),
    "descending betas": (dict(betas=[1.0, 0.5]), ValueError, r"betas\[1\] is 0.5"),
    "repeated betas": (dict(betas=[0.1, 0.2, 0.2, 0.3]), ValueError, r"betas\[2\] is 0.2"),
    "negative betas": (dict(betas=[-0.1, 0.2]), ValueError, r"betas\[0\] is -0.1"),
    "NaN in betas": (dict(betas=[0.1, np.nan]), ValueError, r"betas\[1\] is nan"),
    "infinite beta": (dict(betas=[0.1, 0.2, np.inf]), ValueError, r"betas\[2\] is inf"),
    "a single rung": (dict(betas=[0.5]), ValueError, r"betas has shape \(1,\)"),
    "no rung": (dict(betas=[]), ValueError, r"betas has shape \(0,\)"),
    "one number as betas": (dict(betas=0.5), ValueError, r"betas has shape \(\)"),
    "betas of two dimensions": (dict(betas=np.ones((2, 2))), ValueError, r"betas has shape \(2, 2\)"),
    "too many betas": (dict(betas=np.linspace(0, 1, 257)), ValueError, r"betas has shape \(257,\)"),
    "betas of text": (dict(betas="auto"), TypeError, "betas"),
    "a schedule as betas": (dict(betas=fg.linear(0, 1)), TypeError, "betas"),
    "one rung asked for": (dict(rungs=1), ValueError, "rungs is 1"),
    "too many rungs": (dict(rungs=1000), ValueError, "rungs is 1000: give at most 256"),
    "rungs a float": (dict(rungs=8.0), TypeError, "rungs is 8.0"),
    "rungs True": (dict(rungs=True), TypeError, "rungs is True"),
    "rungs against betas": (dict(betas=[0.1, 0.2, 0.3], rungs=5), ValueError, "rungs is 5 but betas holds 3"),
    "zero sweeps": (dict(sweeps=0), ValueError, "sweeps is 0"),
    "sweeps of text": (dict(sweeps="10"), TypeError, "sweeps is '10'"),
    "zero ladders": (dict(ladders=0), ValueError, "ladders is 0"),
    "ladders a float": (dict(ladders=2.0), TypeError, "ladders is 2.0"),
    "unknown rule": (dict(rule="glauber"), ValueError, "rule is 'glauber'"),
    "unknown engine": (dict(engine="multspin"), ValueError, "did you mean 'multispin'"),
    "zero swap_every": (dict(swap_every=0), ValueError, "swap_every is 0"),
    "negative burn-in": (dict(burn_in=-1), ValueError, "burn_in is -1"),
    "zero thin": (dict(thin=0), ValueError, "thin is 0"),
    "thin past sweeps": (dict(thin=11), ValueError, "thin is 11"),
    "negative overlap_every": (dict(overlap_every=-1), ValueError, "overlap_every is -1"),
    "overlap_every False": (dict(overlap_every=False), TypeError, "overlap_every is False"),
    "adapt of text": (dict(adapt="yes"), TypeError, "adapt is 'yes'"),
    "adapt 1": (dict(adapt=1), TypeError, "adapt is 1"),
    "clusters of another": (dict(clusters="hudayer"), ValueError, "clusters is 'hudayer'"),
    "clusters a number": (dict(clusters=2), TypeError, "clusters is 2"),
    "clusters of flags": (dict(clusters=np.ones(2, bool)), TypeError, "clusters is"),
    "clusters of one ladder": (dict(clusters=True, ladders=1), ValueError, "clusters is 'houdayer', .*ladders=2"),
    "Metropolis at beta 0": (dict(rule="metropolis", betas=[0.0, 1.0]), ValueError, r"betas\[0\] is 0.*gibbs"),
    "Metropolis on a ladder from 0": (dict(rule="metropolis"), ValueError, r"betas\[0\] is 0.*gibbs"),
    "zero threads": (dict(threads=0), ValueError, "threads is 0"),
    "negative seed": (dict(seed=-7), ValueError, "seed is -7"),
    "progress of text": (dict(progress="yes"), TypeError, "progress is 'yes'"),
    "more memory than there is": (dict(betas=LADDER, ladders=10**13, sweeps=10**6), ValueError, "needs .* GiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(drivers, "temper", None)
    arguments = dict(model=GLASS, sweeps=10) | change
    with pytest.raises(error, match=message):
        fg.temper(arguments.pop("model"), **arguments)
