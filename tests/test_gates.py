"""Threads that share a block: whichever is late, and however many there are, nothing that is recorded changes."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines import multispin
from fastgibbs.engines.contract import Crew
from fastgibbs.methods import running

EVERY = dict(beta=0.4, sweeps=10, thin=1, seed=1, keep_states=True)  # draws follow each other without a rest
CASES = {  # lattices that one block holds, in one, two or three colours, with ghosts and without
    "strips": (fg.lattice((128, 64)), dict(chains=1)),
    "open boundary": (fg.lattice((17, 16), periodic=False), dict(chains=2)),
    "three colours": (fg.triangular((15, 15)), dict(chains=1)),
    "signs": (fg.edwards_anderson((16, 16), seed=1), dict(chains=1, strips=4)),
    "clamped": (fg.edwards_anderson((16, 16), seed=2), dict(chains=1, clamp=dict.fromkeys(range(0, 100, 3), 1))),
}


def agrees(result, alone):
    """Whether all that two runs have recorded is the same, and energies and magnetisations are those of the states."""
    model = result.model
    np.testing.assert_array_equal(result.samples, alone.samples)
    np.testing.assert_array_equal(result.energy, model.energy(result.samples))
    np.testing.assert_array_equal(result.magnetization, result.samples.mean(axis=2))


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(multispin, "TILE_CELLS", 8)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("name", CASES)
def test_a_late_worker_changes_nothing(name, threads, monkeypatch):
    """Each in turn sleeps after every meeting, while the others run ahead as far as the gates let them."""
    model, kwargs = CASES[name]
    alone = fg.sample(model, engine="multispin", threads=1, **EVERY, **kwargs)
    crews = set()
    for late in range(threads):

        def crew(worker, workers, gate, _, late=late):
            crews.add(workers)
            return Crew(worker, workers, gate, 100 if worker == late else 0)

        monkeypatch.setattr(running, "Crew", crew)
        agrees(fg.sample(model, engine="multispin", threads=threads, **EVERY, **kwargs), alone)
    assert max(crews) > 1


@pytest.mark.parametrize("threads", [2, 3, 4, 8])
def test_a_large_lattice_is_the_same_at_any_number_of_threads(threads):
    model, kwargs = fg.lattice((384, 320)), EVERY | dict(sweeps=100, chains=1)
    agrees(fg.sample(model, threads=threads, **kwargs), fg.sample(model, threads=1, **kwargs))


@pytest.mark.usefixtures("small_tiles")
def test_a_worker_that_fails_leaves_nobody_waiting(monkeypatch):
    """It never comes to the first gate; the others pass that and all that follow."""

    def crew(worker, workers, gate, late):
        if worker == 1:
            raise MemoryError("mine")
        return Crew(worker, workers, gate, late)

    monkeypatch.setattr(running, "Crew", crew)
    with pytest.raises(MemoryError, match="mine"):
        fg.sample(fg.lattice((64, 64)), beta=0.4, sweeps=100, chains=1, threads=3, seed=1)
