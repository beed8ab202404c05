"""What `anneal` takes, however unusual, and what it refuses before anything compiles."""

import numpy as np
import pytest
from test_annealing import GLASS, RBM, WEIGHTED, as_followed

import fastgibbs as fg
from fastgibbs.engines import drivers

VALID = {
    "empty model": dict(model=fg.Ising(np.zeros((0, 0)), offset=2.5)),
    "isolated spins": dict(model=fg.Ising(np.zeros((5, 5)))),
    "one spin": dict(model=fg.Ising([[0]], [1])),
    "beta 0": dict(betas=[0]),
    "huge beta": dict(betas=[1e300]),
    "beta read-only": dict(betas=np.broadcast_to(0.5, 65)),
    "beta of float32": dict(betas=np.linspace(0, 1, 4, dtype=np.float32), sweeps=np.int64(4)),
    "one sweep": dict(sweeps=1),
    "one read": dict(reads=1),
    "a limit and a target that are integers": dict(time_limit=100, target_energy=np.int64(-(10**6))),
    "infinite energies in units of float32": dict(model=fg.lattice((3, 3), J=1e300)),
}


@pytest.mark.parametrize("name", VALID)
def test_unusual_but_valid_input_works(name, undescended):
    arguments = dict(model=WEIGHTED, sweeps=4, reads=5, seed=1) | VALID[name]
    model, reads = arguments.pop("model"), arguments.get("reads")
    result = fg.anneal(model, **arguments)
    assert result.energy.shape == (reads,)
    np.testing.assert_array_equal(result.energy, model.energy(result.states))
    assert result.energy[0] == as_followed(result.trace_min.min(), result.engine, model)
    assert result.ground_counts.sum() == (result.energy == result.energy[0]).sum()


BAD = {
    "no model": (dict(model=np.eye(3)), TypeError, "model is"),
    "a model in a sequence that is none": (dict(model=[GLASS, 3]), TypeError, "model is 3 at index 1"),
    "NaN in betas": (dict(betas=[0.1, np.nan]), ValueError, r"betas\[1\] is nan"),
    "minus infinite beta": (dict(betas=[-np.inf, 1]), ValueError, r"betas\[0\] is -inf"),
    "no betas": (dict(betas=[]), ValueError, r"betas has shape \(0,\)"),
    "betas of two dimensions": (dict(betas=np.ones((2, 2))), ValueError, r"betas has shape \(2, 2\)"),
    "one number as betas": (dict(betas=1.0), ValueError, r"betas has shape \(\)"),
    "negative beta": (dict(betas=[0.1, 0.2, -0.3]), ValueError, r"betas\[2\] is -0.3"),
    "betas of text": (dict(betas="geometric"), TypeError, "betas"),
    "complex betas": (dict(betas=[1j]), TypeError, "betas"),
    "zero sweeps": (dict(sweeps=0), ValueError, "sweeps is 0"),
    "sweeps True": (dict(sweeps=True), TypeError, "sweeps is True"),
    "sweeps a float": (dict(sweeps=10.0), TypeError, "sweeps is 10.0"),
    "zero reads": (dict(reads=0), ValueError, "reads is 0"),
    "negative reads": (dict(reads=-3), ValueError, "reads is -3"),
    "reads of text": (dict(reads="64"), TypeError, "reads is '64'"),
    "unknown rule": (dict(rule="glauber"), ValueError, "rule is 'glauber'.*'gibbs', 'metropolis'"),
    "misspelt rule": (dict(rule="metropolos"), ValueError, "did you mean 'metropolis'"),
    "unknown scan": (dict(scan="rows"), ValueError, "scan is 'rows'"),
    "unknown engine": (dict(engine="quantum"), ValueError, "engine is 'quantum'"),
    "multispin of a gaussian glass": (
        dict(model=WEIGHTED, engine="multispin"),
        ValueError,
        r"the couplings are not all \+J or -J",
    ),
    "start of another size": (dict(start=np.ones(47)), ValueError, r"states has shape \(47,\)"),
    "start of another number of reads": (dict(start=np.ones((3, 48))), ValueError, r"start has shape \(3, 48\)"),
    "start of three dimensions": (dict(start=np.ones((1, 64, 48))), ValueError, "start has shape"),
    "start that is not +-1": (dict(start=np.zeros(48)), ValueError, r"states\[0\] is 0"),
    "start of spins for units": (dict(model=RBM, start=-np.ones(14)), ValueError, r"states\[0\] is -1"),
    "start of text": (dict(start="up"), TypeError, "states"),
    "no time": (dict(time_limit=0), ValueError, "time_limit is 0"),
    "negative time": (dict(time_limit=-1.5), ValueError, "time_limit is -1.5"),
    "NaN time": (dict(time_limit=np.nan), ValueError, "time_limit is nan"),
    "time of text": (dict(time_limit="1 min"), TypeError, "time_limit"),
    "time True": (dict(time_limit=True), TypeError, "time_limit"),
    "target of text": (dict(target_energy="-80"), TypeError, "target_energy"),
    "NaN target": (dict(target_energy=np.nan), ValueError, "target_energy is nan"),
    "targets": (dict(target_energy=[-80, -79]), TypeError, "target_energy has shape"),
    "zero threads": (dict(threads=0), ValueError, "threads is 0"),
    "seed of text": (dict(seed="7"), TypeError, "seed is '7'"),
    "negative seed": (dict(seed=-7), ValueError, "seed is -7"),
    "progress of text": (dict(progress="yes"), TypeError, "progress is 'yes'"),
    "more memory than there is": (dict(reads=10**13), ValueError, "needs .* GiB"),
    "more sweeps than memory": (dict(sweeps=10**10), ValueError, "sweeps=10000000000.*needs.*GiB.*time_limit"),
    "no batch": (dict(sweeps=[]), TypeError, "sweeps"),
    "a batch of no sweeps": (dict(sweeps=[10, 0]), ValueError, r"sweeps\[1\] is 0"),
    "a batch of half sweeps": (dict(sweeps=(10, 0.5)), TypeError, r"sweeps\[1\] is 0.5"),
    "batches against a clock": (dict(sweeps=[10, 20], time_limit=1), ValueError, "one number, or none"),
    "a clock and a checkpoint": (dict(time_limit=1, checkpoint="a.npz"), ValueError, "checkpoint.*one batch"),
    "batches and a checkpoint": (dict(sweeps=[1, 2], checkpoint="a.npz"), ValueError, "checkpoint.*one batch"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_compiles(name, monkeypatch):
    change, error, message = BAD[name]
    monkeypatch.setattr(drivers, "anneal", None)
    arguments = dict(model=GLASS, sweeps=10) | change
    with pytest.raises(error, match=message):
        fg.anneal(arguments.pop("model"), **arguments)


def test_options_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        fg.anneal(GLASS, [0.1, 0.2])
