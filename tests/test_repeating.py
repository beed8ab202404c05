"""The lines that say how to repeat a run: they give its bytes, or say plainly what they do not know."""

import inspect
import re
from functools import partial

import numpy as np
import pytest
from test_pages import ALL
from test_results import DATA, GLASS, MACHINE

import fastgibbs as fg
from fastgibbs.pages.repeating import lines


@pytest.fixture(scope="module")
def results():
    return {name: run() for name, run in ALL.items()}


def repeated(result, given):
    """What the lines of a result return, where `given` is what they say is missing."""
    text = lines(result)
    missing = re.findall(r"^(\w+) = \.\.\.  # .*: a result does not hold it$", text, flags=re.M)
    assert set(missing) == given.keys()
    names = dict(given)
    exec(re.sub(r"^\w+ = \.\.\.  # .*$", "", text, flags=re.M), names)
    return names["again"]


def records(result, draws=None):
    """The bytes of all that was drawn, or of the first draws."""
    kept = [getattr(result, name, None) for name in ("kept_energy", "kept_states")]
    if getattr(result, "bins", None) is not None:
        kept += [result.bins.sums]
    else:
        kept += [result.energy, getattr(result, "magnetization", None)]
        kept += [result.samples] if result.KIND == "sample" and has_states(result) else []
    if draws is None:
        kept += [result.overlap.histogram] if getattr(result, "overlap", None) is not None else []
        kept += [result.states, result.last_states] if result.KIND == "anneal" else []
    return [one[..., :draws].tobytes() for one in kept if one is not None]


def has_states(result):
    return bool(result._blocks[0].record.samples.size)


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith(("train", "recall"))])
def test_the_lines_of_a_page_give_the_same_bytes(results, name, tmp_path, monkeypatch):
    result, text = results[name], lines(results[name])
    if name == "sample stopped":
        assert text == "# the run was stopped before its first draw"
        return
    monkeypatch.chdir(tmp_path)
    result.save("run.npz")
    assert records(repeated(result, {})) == records(result)
    assert "a result does not hold" not in text or result.observables
    assert ("run." in text) == (name != "of a lattice")


QUANTUM = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0, slices=8)
UPS = np.ones(12, int)
SIGNS = [GLASS, fg.edwards_anderson((3, 4), seed=2)]
UNUSUAL = {  # a run, and what nobody but its user knows of it
    "one strip": lambda: (fg.sample(fg.lattice((64, 4)), beta=0.4, chains=2, strips=1, sweeps=5, seed=1), {}),
    "from states": lambda: (fg.sample(GLASS, beta=0.4, chains=3, start=UPS, sweeps=5, seed=1), {"start": UPS}),
    "going on": lambda: went_on(fg.sample(GLASS, beta=0.4, chains=3, sweeps=5, seed=1, keep_states=True)),
    "a ladder going on": lambda: went_on(fg.temper(GLASS, betas=[0.1, 0.3], sweeps=20, seed=1)),
    "neurons": lambda: (fg.sample(GLASS, beta=0.4, chains=3, rule="spiking", refractory=3, sweeps=5, seed=1), {}),
    "clusters": lambda: (fg.sample(GLASS, beta=0.4, clusters="wolff", cluster_every=3, sweeps=9, seed=1), {}),
    "many clamps": lambda: (
        fg.sample(fg.lattice((5, 4)), beta=0.4, chains=2, clamp=dict.fromkeys(range(18), -1), sweeps=5, seed=1),
        {},
    ),
    "reads clamped apart": lambda: (
        fg.anneal(GLASS, sweeps=4, reads=6, clamp={2: [1, -1, 1, -1, 1, 1], 5: 1}, seed=1),
        {},
    ),
    "reads from states": lambda: (fg.anneal(GLASS, sweeps=4, reads=6, start=-UPS, keep=3, seed=1), {"start": -UPS}),
    "batches by a schedule": lambda: by_a_schedule(fg.linear(0, 3)),
    "a ladder of odd length": lambda: (
        fg.temper(GLASS, betas=[0.1, 2.0], rungs=4, sweeps=515, thin=7, overlap_every=7, swap_every=2, seed=1),
        {},
    ),
    "ladders of two models": lambda: (fg.temper(SIGNS, betas=[0.1, 0.3], sweeps=20, seed=1)[1], {"models": SIGNS}),
    "a ladder in fields": lambda: (fg.temper(GLASS, betas=0.4, fields=[-0.1, 0.1], sweeps=20, seed=1), {}),
    "worldlines": lambda: (fg.temper(QUANTUM, betas=2.0, gammas=[2.0, 0.5], rungs=3, sweeps=520, seed=1), {}),
    "annealed worldlines": lambda: (fg.anneal(QUANTUM, beta=2.0, sweeps=9, reads=3, seed=1), {"model": QUANTUM}),
}


def went_on(before):
    """A run that goes on from another, which is all that the lines do not know."""
    if before.KIND == "sample":
        return fg.sample(GLASS, beta=0.4, sweeps=6, burn_in=2, start=before), {"start": before}
    return fg.temper(GLASS, sweeps=6, start=before), {"start": before}


def by_a_schedule(betas):
    return fg.anneal(GLASS, betas=betas, sweeps=[3, 6], reads=6, seed=1), {"betas": betas}


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_lines_of_an_unusual_run_give_the_same_bytes_once_what_they_miss_is_given(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, given = UNUSUAL[name]()
    result.save("run.npz")
    again = repeated(result, given)
    assert records(again[1] if isinstance(again, list) else again) == records(result)
    assert lines(fg.load("run.npz")) == lines(result)


@pytest.mark.parametrize("verb", ["sample", "driven", "temper", "anneal"])
def test_the_lines_of_a_run_that_was_stopped_give_at_least_what_it_has(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 1e-6)
    monkeypatch.setattr("fastgibbs.threads.TICK_SECONDS", 0.0)
    field = fg.oscillating(1.0, 8) if verb == "driven" else None
    run, sweeps = {
        "temper": (partial(fg.temper, GLASS, betas=[0.1, 2.0], rungs=4, burn_in=0), 3000),
        "anneal": (partial(fg.anneal, GLASS, reads=6), 80),
        "sample": (sampling := partial(fg.sample, GLASS, beta=0.4, chains=3), 800),
        "driven": (partial(sampling, field=field), 800),
    }[verb]
    run(sweeps=8)  # compiles, so that the next is stopped where it is asked to
    result = run(sweeps=sweeps, seed=1, threads=1, progress=lambda done, total: done >= 9)
    assert result.interrupted and "stopped" in lines(result)
    result.save("run.npz")
    again = repeated(result, {})
    if verb != "anneal":
        draws = result.energy.shape[-1]
        assert 0 < draws <= again.energy.shape[-1] < sweeps
        assert records(again, draws) == records(result, draws)


def test_the_lines_tell_every_argument_that_a_verb_takes_or_what_it_does_not_matter_for(results):
    """So that none which is added is forgotten."""
    told_else = {"progress", "threads", "checkpoint", "every", "observe", "model"}  # of these notes tell, if anything
    told_else |= {"time_limit", "target_energy", "adapt"}  # what came of them is told
    for verb in (fg.sample, fg.temper, fg.anneal, fg.recall, fg.train):
        told = " ".join([*map(lines, results.values()), *(lines(run()[0]) for run in UNUSUAL.values())])
        for name in inspect.signature(verb).parameters.keys() - told_else:
            assert re.search(rf"\b{name}\b", told), (verb, name)


def test_the_lines_of_a_recall_and_a_training_run_with_what_a_result_does_not_hold(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    memory = results["recall warm"]
    memory.save("run.npz")
    again = repeated(memory, {"cues": memory.model.patterns})
    assert again.overlaps.tobytes() == memory.overlaps.tobytes()
    text = lines(results["train"])
    assert "data, steps, chains, batch_size, learning_rate" in text
    text = re.sub(r"(model|data) = \.\.\..*", "", text).replace("epochs=", "batch_size=10, epochs=")
    held = {"model": MACHINE, "data": DATA}
    exec(text, held)
    assert held["again"].model.weights.tobytes() == results["train"].model.weights.tobytes()
