"""What annealing has found: the lowest states of all sweeps, equal to the twin's, success, time to solution, cuts."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.reference import annealing as twin
from fastgibbs.reference import coloured, dense, layered, multispin, overlap, polynomial, sparse
from fastgibbs.reference.streams import run_entropy, site_words

GLASS = fg.edwards_anderson((4, 4, 3), seed=2)
WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
TENTHS = fg.Ising.from_edges(16, *fg.edwards_anderson((4, 4), seed=1).bonds, 0.1 * (np.arange(16) % 3))
TRIPLES = [np.random.default_rng(k).permutation(12)[:3] for k in range(20)]
MODELS = {  # ties in all but the Gaussian ones
    "multispin": (GLASS, multispin),
    "sparse": (WEIGHTED, sparse),
    "sparse, whole numbers": (GLASS, sparse),
    "sparse, tenths": (TENTHS, sparse),  # followed, with ties
    "coloured": (WEIGHTED, coloured),
    "coloured, tenths": (TENTHS, coloured),
    "dense": (fg.sherrington_kirkpatrick(40, "bimodal", seed=3), dense),
    "overlap": (fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (4, 21))), overlap),
    "polynomial": (fg.Polynomial.from_arrays(12, TRIPLES, [1.0, -1.0] * 10), polynomial),
    "layered": (fg.RBM(np.random.default_rng(4).integers(-2, 3, (9, 5))), layered),
}
KEPT = "kept_energy", "kept_states", "kept_counts"


def same(a, b):
    for name in KEPT:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# The lowest states


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_the_lowest_states_equal_the_twins(name, rule):
    model, engine = MODELS[name]
    for reads, keep in ((70, 20), (3, 1000)):
        kwargs = dict(sweeps=25, reads=reads, rule=rule, seed=3)
        result = fg.anneal(model, engine=name.partition(",")[0], keep=keep, **kwargs)
        expected = twin.anneal(engine, model, result.betas, reads, rule, 3, keep=keep)
        for array, wanted in zip((getattr(result, name) for name in KEPT), expected.lowest, strict=True):
            np.testing.assert_array_equal(array, wanted)
        np.testing.assert_array_equal(result.kept_energy, [model.energy(state) for state in result.kept_states])
        if keep == 20 and name not in ("sparse", "coloured", "layered"):
            assert (np.diff(result.kept_energy) == 0).any()
            assert result.kept_counts.max() > 1 or name == "dense"


def test_lowest_states_are_kept_over_all_sweeps_and_not_of_the_best_alone():
    """At infinite temperature nearly all of 2^10 states are seen: the lowest of them, and how often, by enumeration."""
    model = fg.edwards_anderson((10,), "gaussian", seed=1)
    result = fg.anneal(model, betas=[1e-9] * 400, sweeps=400, reads=40, keep=30, seed=1)
    energies = np.sort(model.energy(exact.states(10)))
    np.testing.assert_allclose(result.kept_energy, energies[:30], rtol=1e-14)
    assert (result.kept_counts[2:] < 40).any()
    assert (result.kept_counts[2:] > 5).all()  # of 40 reads a third, 1 - exp(-400 / 1024), sees each


def test_the_lowest_states_do_not_depend_on_threads_blocks_or_chunks(monkeypatch):
    kwargs = dict(sweeps=30, reads=600, seed=3, keep=50)
    for name in ("multispin", "sparse, tenths"):
        model, _ = MODELS[name]
        whole = fg.anneal(model, threads=1, engine=name.partition(",")[0], **kwargs)
        assert whole.kept_energy.size == 50
        same(whole, fg.anneal(model, threads=2, engine=name.partition(",")[0], **kwargs))
        with monkeypatch.context() as patch:
            patch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)
            same(whole, fg.anneal(model, threads=2, engine=name.partition(",")[0], **kwargs))


@pytest.mark.parametrize("name", ["multispin", "sparse"])
def test_the_lowest_states_of_several_batches_are_those_of_each_together(name, monkeypatch):
    model, engine = MODELS[name]
    result = fg.anneal(model, sweeps=[30, 12], reads=1, seed=3, engine=name, keep=25)
    words, seen = site_words(run_entropy(3, "anneal"), model.n), {}
    for verb, sweeps in (("anneal", 30), ("anneal 1", 12)):
        monkeypatch.setattr(twin, "run_entropy", lambda seed, _, start, verb=verb: run_entropy(seed, verb, start))
        for state in twin.anneal(engine, model, fg.beta_schedule(model, sweeps), 1, "gibbs", 3, keep=99).lowest[1]:
            seen[state.tobytes()] = model.energy(state), np.bitwise_xor.reduce(words[state > 0]), verb
    expected = sorted(seen, key=lambda state: seen[state][:2])[:25]
    assert {seen[state][2] for state in expected} == {"anneal", "anneal 1"}
    assert [state.tobytes() for state in result.kept_states] == expected
    assert (result.kept_counts == 1).all()


def test_a_state_that_a_read_sees_in_several_batches_counts_once():
    model = fg.lattice((4,))
    one, three = (fg.anneal(model, sweeps=sweeps, reads=20, seed=3, keep=16) for sweeps in ([90], [90, 30, 30]))
    assert one.kept_counts[:2].min() > 0
    for state, count in zip(one.kept_states, one.kept_counts, strict=True):
        (same_state,) = np.flatnonzero((three.kept_states == state).all(axis=1))
        assert count <= three.kept_counts[same_state] <= 20
    assert three.kept_counts.sum() > one.kept_counts.sum()


def test_a_limit_that_leaves_time_for_the_sweeps_keeps_their_states_alone():
    kwargs = dict(sweeps=200, reads=20, seed=3, keep=30)
    same(fg.anneal(GLASS, time_limit=60, **kwargs), fg.anneal(GLASS, **kwargs))


def test_keeping_states_changes_nothing_else():
    for name in ("multispin", "sparse"):
        plain, kept = (fg.anneal(MODELS[name][0], sweeps=90, reads=20, seed=3, keep=keep) for keep in (0, 30))
        for field in ("energy", "states", "last_states", "trace_min", "trace_mean"):
            np.testing.assert_array_equal(getattr(plain, field), getattr(kept, field))


def test_clamped_sites_and_given_starts_are_kept_as_they_are():
    starts = np.random.default_rng(2).choice(np.array([-1, 1], np.int8), (20, GLASS.n))
    result = fg.anneal(GLASS, sweeps=9, reads=20, start=starts, seed=1, keep=20, clamp={3: 1, 11: -1})
    assert (result.kept_states[:, [3, 11]] == [1, -1]).all()
    stays = fg.anneal(GLASS, betas=[1e4], sweeps=1, reads=3, start=result.states[0], seed=1, keep=20)
    assert stays.kept_energy[0] == stays.energy[0]


def test_lowest_gives_distinct_states_with_their_counts():
    result = fg.anneal(GLASS, sweeps=40, reads=30, seed=1, keep=12)
    assert isinstance(result.lowest(), tuple)
    for k in (1, 5, 12, 100):
        energy, states, counts = result.lowest(k)
        assert energy.size == len(states) == counts.size == min(k, 12)
        np.testing.assert_array_equal(energy, GLASS.energy(states))
    assert len(np.unique(states, axis=0)) == 12
    assert (np.diff(energy) >= 0).all()
    assert energy[0] == result.energy[0]
    lines = repr(result.lowest(3)).splitlines()
    assert lines[0].split() == ["energy", "reads", "state"]
    assert lines[2].split() == [f"{energy[0]:g}", str(counts[0]), "".join("-+"[int(s > 0)] for s in states[0])]


def test_states_print_as_spins_or_units_and_long_ones_in_part():
    long = fg.anneal(fg.lattice((70,)), sweeps=3, reads=2, seed=1).lowest(1)
    assert repr(long).splitlines()[2].endswith("".join("-+"[int(s > 0)] for s in long.states[0, :64]) + " ...")
    units = fg.anneal(fg.RBM(np.ones((2, 1)), [1, -9], [0.5]), sweeps=30, reads=2, seed=1).lowest(1)
    assert repr(units).splitlines()[2].split() == ["-2.5", "2", "101"]
    up = fg.anneal(fg.lattice((5,), h=1.0), sweeps=30, reads=2, seed=1).lowest(1)
    assert repr(up).splitlines()[2].split() == ["-10", "2", "+++++"]


def test_without_kept_states_the_bests_of_the_reads_serve():
    result = fg.anneal(WEIGHTED, sweeps=40, reads=30, seed=1)
    energy, states, counts = result.lowest(100)
    assert counts.sum() == 30
    assert len(np.unique(states, axis=0)) == len(states)
    np.testing.assert_array_equal(np.repeat(energy, counts), result.energy)
    assert result.lowest(2).energy.tolist() == energy[:2].tolist()


def test_a_run_goes_on_to_the_same_lowest_states(tmp_path, monkeypatch):
    kwargs = dict(sweeps=8000, reads=70, seed=5, keep=25)
    for name in ("multispin", "sparse, tenths"):
        model, path = MODELS[name][0], tmp_path / name
        with monkeypatch.context() as patch:
            patch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 1e-9)
            patch.setattr("fastgibbs.threads.TICK_SECONDS", 0.002)
            stops = lambda done, total: done > 0  # noqa: E731
            assert fg.anneal(model, checkpoint=path, progress=stops, **kwargs).interrupted
        same(fg.anneal(model, checkpoint=path, **kwargs), fg.anneal(model, **kwargs))
        with pytest.raises(ValueError, match="keep=25"):
            fg.anneal(model, checkpoint=path, **kwargs | {"keep": 24})


def test_a_result_comes_back_with_its_lowest_states(tmp_path):
    for keep in (0, 7):
        result = fg.anneal(GLASS, sweeps=9, reads=20, seed=1, keep=keep)
        result.save(tmp_path / "run.npz")
        same(fg.load(tmp_path / "run.npz"), result)
        assert fg.load(tmp_path / "run.npz").summary() == result.summary()


def test_more_states_than_memory_holds_are_refused_before_anything_compiles(monkeypatch):
    monkeypatch.setattr("fastgibbs.engines.drivers.anneal", None)
    with pytest.raises(ValueError, match=r"keep=1000000000000 in each of 1 blocks needs .*: keep fewer"):
        fg.anneal(GLASS, keep=10**12)
    for keep, error, message in (
        (-1, ValueError, "keep is -1"),
        (2.5, (TypeError, ValueError), "keep is 2.5"),
        ("x", TypeError, "keep is 'x'"),
    ):
        with pytest.raises(error, match=message):
            fg.anneal(GLASS, keep=keep)


# What it is worth


@pytest.fixture(scope="module")
def result():
    return fg.anneal(GLASS, sweeps=25, reads=50, seed=3)


def test_success_is_the_share_of_reads_that_came_to_the_target(result):
    for target in (*np.unique(result.energy), -1000.0, 1000.0):
        hits = (result.energy <= target).sum()
        rate, low, high = result.success(target)
        assert rate == hits / 50
        assert 0 <= low <= rate <= high <= 1
        # the ends are where p differs from the share by z of its own standard errors, Wilson's definition
        for end in {low, high} - {0.0, 1.0}:
            assert abs(rate - end) == pytest.approx(1.959963985 * math.sqrt(end * (1 - end) / 50), rel=1e-8)
    assert result.success(-1000.0).low == 0
    assert result.success(1000.0).high == 1
    assert result.success() == result.success(result.energy[0])


def test_wilsons_interval_covers_the_truth_in_95_of_100():
    """Exactly, summed over the binomial law of 64 reads, on the mean over p; the normal interval does not."""
    weights = [math.comb(64, k) for k in range(65)]
    ends = []
    for hits in range(65):
        energy = np.repeat([-1.0, 0.0], [hits, 64 - hits])
        ends.append(fake(energy).success(-1.0)[1:])
    covered = []
    for p in np.linspace(0.02, 0.98, 97):
        law = np.array([w * p**k * (1 - p) ** (64 - k) for k, w in enumerate(weights)])
        covered.append(law[[low <= p <= high for low, high in ends]].sum())
    assert 0.945 < np.mean(covered) < 0.96
    assert min(covered) > 0.9


def fake(energy, seconds=0.5):
    """A result with these energies, as if each read had taken so many seconds."""
    base = fg.anneal(fg.Ising.from_edges(2, [0], [1], 1.0), sweeps=1, reads=1, seed=1)
    return replace(base, energy=energy, attempts=seconds, timing=base.timing._replace(updates_per_second=1.0))


def test_energies_equal_a_target_up_to_their_rounding():
    model = fg.sherrington_kirkpatrick(60, seed=1)
    result = fg.anneal(model, sweeps=200, reads=10, seed=1)
    lowest = result.energy[0]
    assert result.success(lowest - 1e-13).rate == result.success(lowest).rate > 0
    assert result.success(lowest - 1e-7).rate == 0


def test_time_to_solution_is_that_of_the_reads_it_takes():
    one = fake(np.repeat([-1.0, 0.0], [16, 48]))
    seconds, low, high = one.time_to_solution(-1.0)
    assert seconds == pytest.approx(0.5 * math.log(0.01) / math.log(0.75))
    p = one.success(-1.0)
    assert low == pytest.approx(0.5 * math.log(0.01) / math.log(1 - p.high))
    assert high == pytest.approx(0.5 * math.log(0.01) / math.log(1 - p.low))
    assert one.time_to_solution(-1.0, confidence=0.75).seconds == pytest.approx(0.5 * math.log(0.25) / math.log(0.75))
    assert one.time_to_solution(-1.0, confidence=0.1).seconds == 0.5  # one read at least
    assert one.time_to_solution(0.0)[:2] == (0.5, 0.5)
    never = one.time_to_solution(-2.0)
    assert (never.seconds, never.high) == (math.inf, math.inf)
    assert 0.5 < never.low < math.inf
    unknown = replace(one, timing=one.timing._replace(updates_per_second=0.0))
    assert all(map(math.isnan, unknown.time_to_solution(-1.0)))


def test_the_time_of_a_read_is_its_share_of_the_kernels_time(tmp_path):
    result = fg.anneal(GLASS, sweeps=3000, reads=64, seed=3, threads=1)
    assert result.seconds_per_read == pytest.approx(result.timing.kernel / 64)
    assert result.attempts == 3000 * GLASS.n
    assert fg.anneal(GLASS, sweeps=[5, 3], reads=9, seed=3, clamp={3: 1, 5: 1}).attempts == 8 * (GLASS.n - 2)
    path, kwargs = tmp_path / "run.npz", dict(sweeps=3000, reads=64, seed=3)
    fg.anneal(GLASS, checkpoint=path, **kwargs)
    assert math.isnan(fg.anneal(GLASS, checkpoint=path, **kwargs).seconds_per_read)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "x", [1.0], 1j])
def test_targets_are_finite_numbers(result, bad):
    for ask in (result.success, result.time_to_solution):
        with pytest.raises((TypeError, ValueError), match="target"):
            ask(bad)


@pytest.mark.parametrize("bad", [0, 1, -0.5, 1.5, math.nan, "x", None])
def test_confidence_is_a_probability_between_0_and_1(result, bad):
    with pytest.raises((TypeError, ValueError), match="confidence"):
        result.time_to_solution(-1.0, confidence=bad)


@pytest.mark.parametrize("bad", [0, -3, 2.5, "x", None, [1]])
def test_the_number_of_lowest_states_is_whole_and_above_0(result, bad):
    with pytest.raises((TypeError, ValueError), match="k is"):
        result.lowest(bad)


def test_a_summary_tells_the_answer_and_how_it_was_found(result):
    text = result.summary()
    assert text == analysis.summary(result)
    assert text.startswith(repr(result))
    hits = (result.energy == result.energy[0]).sum()
    for part in (
        f"{result.energy[0]:g}, in {hits} of 50 reads; distinct states: {len(result.ground_states)}",
        "50 reads of 25 sweeps",
        f"to repeat: seed={result.seed}, sweeps=25\n",
        f"{hits / 50:.3g} of the reads",
        f"{result.time_to_solution().seconds:.3g} s for 99 %",
    ):
        assert part in text
    assert "WARNING" not in text


def test_a_summary_lists_batches():
    few, many = (fg.anneal(GLASS, sweeps=sweeps, reads=4, seed=3).summary() for sweeps in ([3, 5], list(range(1, 12))))
    assert "4 reads that were cooled 2 times, by [3, 5] sweeps" in few
    assert "to repeat: seed=3, sweeps=[3, 5]" in few
    assert "cooled 11 times, by [1, 2, 3, ..., 11] sweeps" in many
    assert "to repeat: seed=3, sweeps=result.sweeps" in many


def test_a_summary_warns_of_runs_that_were_stopped_and_of_lone_reads(monkeypatch):
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 1e-9)
    stopped = fg.anneal(GLASS, sweeps=10**5, reads=64, seed=3, target_energy=1000.0)
    assert stopped.interrupted
    assert f"64 reads of {stopped.done[0]} of 100000 sweeps" in stopped.summary()
    assert "not to be repeated" in stopped.summary()
    assert "WARNING: the run was stopped" in stopped.summary()
    lone = fg.anneal(fg.sherrington_kirkpatrick(200, seed=1), sweeps=3, reads=4, seed=1)
    assert lone.ground_counts.sum() == 1
    assert "WARNING: one read alone" in lone.summary()


def test_a_run_that_saw_nothing_says_so(result):
    arrays = ("energy", "states", "last_states", "read", "ground_states", "ground_counts")
    nothing = replace(result, **{name: getattr(result, name)[:0] for name in arrays}, interrupted=True)
    assert "before any read" in nothing.summary()
    assert math.isnan(nothing.success(0.0).rate)
    assert nothing.success()[1:] == (0, 1)
    assert len(nothing.lowest().energy) == 0
    assert repr(nothing.lowest()).split() == ["energy", "reads", "state", "------", "-----", "-----"]


# Cuts


def test_a_cut_is_the_weight_between_two_sides():
    rng = np.random.default_rng(1)
    i, j = np.triu_indices(12, 1)
    weights = rng.integers(-3, 4, i.size).astype(float)
    graph = fg.Ising.from_edges(12, i, j, -weights)
    states = rng.choice([-1, 1], (30, 12))
    expected = [sum(w for a, b, w in zip(i, j, weights, strict=True) if s[a] != s[b]) for s in states]
    assert fg.cut(graph, states).tolist() == expected
    assert fg.cut(graph, states[0]) == expected[0]
    np.testing.assert_array_equal(fg.cut(graph, states), (weights.sum() - graph.energy(states)) / 2)
    assert fg.cut(graph, states[:0]).shape == (0,)
    assert fg.cut(fg.Ising.from_edges(3, [], [], []), [1, 1, -1]) == 0


def test_the_largest_cut_of_a_file_is_its_ground_state(tmp_path):
    path = tmp_path / "graph.txt"
    path.write_text("4 5\n1 2 1\n2 3 1\n3 4 1\n4 1 1\n1 3 5\n")
    graph = fg.read_rudy(path)
    cuts = [fg.cut(graph, state) for state in itertools.product([-1, 1], repeat=4)]
    assert max(cuts) == 7 == fg.cut(graph, fg.anneal(graph, seed=1, sweeps=50).states[0])


def test_cuts_of_many_states_are_taken_in_parts(monkeypatch):
    graph, states = fg.lattice((5, 5), J=-1.0), np.random.default_rng(1).choice([-1, 1], (50, 25))
    whole = fg.cut(graph, states)
    monkeypatch.setattr("fastgibbs.models.cuts._CHUNK", 60)
    np.testing.assert_array_equal(fg.cut(graph, states), whole)


@pytest.mark.parametrize(
    ("model", "states", "error", "message"),
    [
        (fg.RBM(np.ones((2, 2))), [1, 1, 1, 1], TypeError, "give an Ising model"),
        ("x", [1, 1], TypeError, "model is 'x'"),
        (fg.Ising.from_edges(2, [0], [1], 1.0, [0.0, 0.5]), [1, 1], ValueError, r"fields\[1\] is 0.5"),
        (fg.lattice((3, 3)), [1, 1], ValueError, "states"),
        (fg.lattice((2,)), [0, 1], ValueError, "states"),
        (fg.lattice((2,)), "up", TypeError, "states"),
        (fg.lattice((2,)), [[[1, 1]]], ValueError, "states has shape"),
    ],
)
def test_other_models_and_states_are_refused_in_words(model, states, error, message):
    with pytest.raises(error, match=message):
        fg.cut(model, states)
