"""Simulated quantum annealing: the twin's worldlines in a fading field, what is returned of them, bad input."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.jit import compiled_only
from fastgibbs.reference import worldline as twin
from fastgibbs.reference.streams import run_entropy

GLASS = fg.edwards_anderson((3, 4), "gaussian", seed=2)
QUANTUM = fg.TransverseIsing(GLASS, 2.0, 6)
UNEVEN = fg.TransverseIsing(GLASS, np.where(np.arange(12) % 3, 1.0, 2.0), 6)


def by_twin(quantum, beta, gammas, reads, seed):
    """Worldlines after every sweep of a twin, whose field is that of the sweep."""
    state = twin.start(quantum, reads, run_entropy(seed, "anneal"))
    for gamma in gammas:
        now = fg.TransverseIsing(quantum.model, gamma * (quantum.gamma / quantum.gamma.max()), quantum.slices)
        twin.sweep(state._replace(model=now), np.full(reads, beta))
        yield state.spins.copy()


@pytest.mark.parametrize("quantum", [QUANTUM, UNEVEN])
def test_worldlines_are_those_of_the_twin_in_a_fading_field(quantum):
    gammas = np.linspace(2.0, 0.0, 12)
    run = fg.anneal(quantum, beta=4.0, gammas=gammas, sweeps=12, reads=5, seed=3)
    draws = list(by_twin(quantum, 4.0, gammas, 5, 3))
    energies = np.array([quantum.energy(spins) for spins in draws])
    np.testing.assert_allclose(run.trace_min, energies.min(axis=1), rtol=1e-12)
    np.testing.assert_allclose(run.trace_mean, energies.mean(axis=1), rtol=1e-12)
    order = np.argsort(run.read)
    slices = quantum.worldlines(draws[-1]).swapaxes(1, 2)
    lowest = GLASS.energy(np.ascontiguousarray(slices)).argmin(axis=1)
    np.testing.assert_array_equal(run.last_states[order], slices[np.arange(5), lowest])
    assert (run.energy[order] <= GLASS.energy(run.last_states[order])).all()
    assert (run.energy[order] <= energies.min(axis=0) + 1e-9).all()


def test_ground_states_are_found_and_are_those_of_the_classical_model(tmp_path):
    run = fg.anneal(QUANTUM, beta=10.0, sweeps=60, seed=1)
    assert run.model is GLASS or run.model == GLASS
    assert run.energy[0] == pytest.approx(fg.exact.spectrum(GLASS).ground_energy)
    np.testing.assert_allclose(run.energy, GLASS.energy(run.states), rtol=1e-12)
    assert run.states.shape == (64, 12) and run.slices == 6 and run.engine == "worldline"
    assert (run.gammas == np.linspace(2.0, 0.0, 60)).all() and (run.betas == 10.0).all()
    assert "Gamma 2 to 0 in 6 slices" in run.summary()
    run.save(tmp_path / "run.npz")
    found = fg.load(tmp_path / "run.npz")
    assert found.slices == 6 and (found.gammas == run.gammas).all() and (found.states == run.states).all()
    again = fg.anneal(QUANTUM, beta=10.0, sweeps=60, seed=1, threads=2)
    np.testing.assert_array_equal(again.last_states, run.last_states)


def test_schedules_are_stretched_and_the_default_goes_from_the_models_field_to_none():
    kwargs = dict(beta=1.0, sweeps=5, reads=1, seed=1)
    assert fg.anneal(QUANTUM, gammas=[4.0, 2.0, 0.0], **kwargs).gammas.tolist() == [4, 3, 2, 1, 0]
    assert fg.anneal(QUANTUM, gammas=fg.linear(1.0, 0.5), **kwargs).gammas.tolist() == [1, 0.875, 0.75, 0.625, 0.5]
    assert fg.anneal(QUANTUM, **kwargs).gammas.tolist() == [2, 1.5, 1, 0.5, 0]
    assert fg.anneal(GLASS, sweeps=2, reads=1, seed=1).slices is None


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(beta=None), ValueError, "beta is None: give the inverse temperature"),
        (dict(beta=-1.0), ValueError, "beta is -1: worldlines have a law"),
        (dict(beta=np.nan), ValueError, "beta is nan"),
        (dict(beta=[1.0, 2.0]), TypeError, "beta has shape"),
        (dict(gammas=[1.0, -2.0]), ValueError, r"gammas\[1\] is -2.0: give fields of at least 0"),
        (dict(gammas=[1.0, np.nan]), ValueError, r"gammas\[1\] is nan"),
        (dict(gammas=3.0), ValueError, r"gammas has shape \(\): give a 1-D array, a schedule or None"),
        (dict(gammas=[]), ValueError, "gammas has shape"),
        (dict(betas=[1.0]), ValueError, "betas is given: an annealing of worldlines goes without"),
        (dict(keep=3), ValueError, "keep is given"),
        (dict(clamp={0: 1}), ValueError, "clamp is given"),
        (dict(start=np.ones(12)), ValueError, "start is given"),
        (dict(time_limit=1.0), ValueError, "time_limit is given"),
        (dict(checkpoint="run.npz"), ValueError, "checkpoint is given"),
        (dict(sweeps=[3, 4]), ValueError, "sweeps is .*one batch"),
        (dict(reads=0), ValueError, "reads is 0"),
        (dict(rule="metropolis"), ValueError, "rule is 'metropolis'"),
        (dict(model=fg.TransverseIsing(GLASS, 0.0)), ValueError, "has gamma = 0 at every site"),
        (dict(model=GLASS), ValueError, "beta is given: it goes with a TransverseIsing model"),
        (dict(model=GLASS, beta=None, gammas=[1.0]), ValueError, "gammas is given: it goes with a TransverseIsing"),
    ],
)
def test_what_cannot_be_annealed_is_named_before_anything_is_compiled(arguments, error, message):
    with compiled_only(), pytest.raises(error, match=message):
        fg.anneal(**dict(model=QUANTUM, beta=1.0, sweeps=3) | arguments)
