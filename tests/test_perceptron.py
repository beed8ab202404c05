"""Binary perceptrons: the model, the overlap engine beside its twin and enumeration, learning at a temperature.

Each statistical test has fixed seeds, a stated false-alarm rate and a broken twin that must fail it.
"""

import copy
import itertools
import pickle

import numpy as np
import pytest
from probe import assert_one_sweep_leaves_the_law, memory_fields, z_score
from test_models import refused
from test_overlap import parity
from test_proofs import CHAINS, LEVEL

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, memories, overlap
from fastgibbs.methods.settings import choose_engine
from fastgibbs.reference import annealing, sampling, tempering
from fastgibbs.reference import overlap as twin
from fastgibbs.testing.laws import draw_exactly, pvalue

LESSON = fg.teacher(11, 14, seed=5)
STUDENTS = fg.Perceptron(LESSON.inputs, LESSON.labels)
RNG = np.random.default_rng(6)
MODELS = {
    "odd": fg.Perceptron(RNG.choice([-1, 1], (40, 21))),
    "even": fg.Perceptron(RNG.choice([-1, 1], (33, 20))),
    "one weight": fg.Perceptron([[1], [-1], [1]]),
    "no examples": fg.Perceptron(np.empty((0, 4))),
}
SMALL = {
    "odd": fg.Perceptron(RNG.choice([-1, 1], (12, 7))),
    "even": fg.Perceptron(RNG.choice([-1, 1], (15, 6))),
    "two weights": fg.Perceptron([[1, 1], [1, -1], [1, 1]]),
}


# The model


@pytest.mark.parametrize("name", MODELS)
def test_the_energy_is_the_number_of_examples_on_the_wrong_side(name):
    model = MODELS[name]
    states = RNG.choice(np.array([-1, 1], np.int8), (2, 50, model.n))
    expected = [[sum(int(xi @ s) < 0 for xi in model.patterns.astype(int)) for s in part] for part in states]
    np.testing.assert_array_equal(model.energy(states), expected)
    assert model.energy(states[0, 0]) == expected[0][0]


def test_an_undecided_student_of_an_even_number_of_weights_is_right():
    model = fg.Perceptron([[1, 1], [-1, -1], [1, -1]])
    assert model.energy([[1, 1], [-1, -1], [1, -1], [-1, 1]]).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("name", SMALL)
def test_flips_cost_what_the_energy_says_and_carry_their_sums(name):
    """In Python, from all spins down to every state."""
    model = SMALL[name]
    told, energies = model.flips(), model.energy(exact.states(model.n))
    for number, state in enumerate(exact.states(model.n)):
        spins, sums = np.full(model.n, -1), np.array(told.sums, np.float64)
        for site in np.flatnonzero(state > 0):
            told.turn(spins, site, sums, *told.parameters)
            spins[site] = 1
        np.testing.assert_array_equal(sums, model.sums(state))
        for site in range(model.n):
            cost = told.cost(spins, site, sums, *told.parameters)
            assert cost == energies[number ^ 1 << site] - energies[number]
            assert abs(cost) <= 2 * model.field_bound


def test_labels_turn_inputs():
    assert fg.Perceptron(LESSON.labels[:, None] * LESSON.inputs) == STUDENTS
    assert fg.Perceptron(LESSON.inputs) != STUDENTS
    assert (STUDENTS.sums(LESSON.teacher) > 0).all()


def test_a_teacher_and_its_examples_are_those_of_numpys_generator():
    rng = np.random.default_rng(5)
    weights, inputs = rng.choice([-1, 1], 11), rng.choice([-1, 1], (14, 11))
    np.testing.assert_array_equal(LESSON.teacher, weights)
    np.testing.assert_array_equal(LESSON.inputs, inputs)
    np.testing.assert_array_equal(LESSON.labels, np.sign(inputs @ weights))
    assert {part.dtype for part in LESSON} == {np.dtype(np.int8)}
    assert fg.teacher(3, 0, seed=1).labels.shape == (0,)


def test_models_are_frozen_and_come_back_as_they_were():
    given = np.ones((2, 3), np.int8)
    model = fg.Perceptron(given)
    given[:] = -1
    assert (model.patterns == 1).all() and not model.patterns.flags.writeable
    assert copy.deepcopy(STUDENTS) == pickle.loads(pickle.dumps(STUDENTS)) == STUDENTS
    assert repr(STUDENTS) == "Perceptron(n=11, patterns=14)"


def test_what_is_no_example_is_named():
    refused(ValueError, lambda: fg.Perceptron([[1, -1], [1, 0]]), "patterns[1, 1] is 0", "-1 and +1")
    refused(ValueError, lambda: fg.Perceptron([1, -1]), "patterns", "(2,)", "(P, N)")
    refused(ValueError, lambda: fg.Perceptron(np.empty((2, 0))), "patterns", "(2, 0)")
    refused(TypeError, lambda: fg.Perceptron([["a"]]), "patterns")
    refused(ValueError, lambda: fg.Perceptron([[1], [-1]], [1, 0]), "labels[1] is 0", "-1 and +1")
    refused(ValueError, lambda: fg.Perceptron([[1], [-1]], [1, 2.5]), "labels[1] is 2.5")
    refused(ValueError, lambda: fg.Perceptron([[1], [-1]], [1]), "labels has shape (1,)", "(2,)")
    refused(ValueError, lambda: fg.Perceptron([[1], [-1]], [[1], [1]]), "labels has shape (2, 1)", "(2,)")
    refused(TypeError, lambda: fg.Perceptron([[1], [-1]], [True, False]), "labels has dtype bool")
    refused(ValueError, lambda: fg.teacher(10, 5), "n is 10", "odd")
    refused(ValueError, lambda: fg.teacher(0, 5), "n is 0")
    refused(ValueError, lambda: fg.teacher(11, -1), "examples is -1")
    refused(TypeError, lambda: fg.teacher(11.0, 5), "n is 11.0")
    refused(ValueError, lambda: fg.teacher(10**9 + 1, 10**6), "inputs", "GiB")
    refused(ValueError, lambda: STUDENTS.energy(np.zeros(11)), "states[0] is 0")
    refused(TypeError, lambda: fg.recall(STUDENTS, LESSON.teacher), "Hopfield")


def test_the_known_students_have_their_sums_of_states():
    """Numbers computed beforehand, by another program."""
    spectrum, overlaps = exact.spectrum(STUDENTS), exact.states(11) @ LESSON.teacher / 11
    for beta, *expected in (
        (0.5, 4.6628051181, 4.8748448738, 0.1914558786),
        (1.0, 2.6945781877, 3.0750605086, 0.3818108818),
        (2.0, 0.8327087547, 0.9727227189, 0.7116122785),
        (4.0, 0.0944746791, 0.0974081319, 0.9598335454),
    ):
        found = spectrum.log_z(beta), spectrum.energy(beta), spectrum.probabilities(beta) @ overlaps
        np.testing.assert_allclose(found, expected, rtol=0, atol=5.1e-11)
    np.testing.assert_array_equal(spectrum.ground_states, [LESSON.teacher])


# The engine


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(name, rule, scan):
    parity(MODELS[name], rule=rule, scan=scan)


@pytest.mark.parametrize("chains", [1, 48, 64, 130])
def test_blocks_of_any_width_equal_the_twin(chains):
    parity(MODELS["odd"], np.linspace(0.3, 2, chains), sweeps=6)


@pytest.mark.parametrize("name", ["odd", "even"])
def test_annealing_and_tempering_equal_the_twins(name):
    model, betas = MODELS[name], np.geomspace(0.1, 20, 30)
    result = fg.anneal(model, betas=betas, sweeps=30, reads=37, seed=8)
    expected = annealing.anneal(twin, sampling.Whole(model), betas, 37, "gibbs", 8)
    order = np.argsort(result.read)
    np.testing.assert_array_equal(result.energy[order], expected.best_energies)
    np.testing.assert_array_equal(result.states[order], expected.best_states)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)
    schedule = dict(sweeps=40, burn_in=10, thin=2, swap_every=2, overlap_every=4, clusters=False, rule="gibbs", seed=9)
    result = fg.temper(model, betas=betas[::6], ladders=4, threads=2, **schedule)
    expected = tempering.temper(twin, sampling.Whole(model), betas[::6], 4, **schedule)
    np.testing.assert_array_equal(result.energy, expected.energies)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.round_trips, expected.round_trips)


def test_overlaps_of_32_bits_give_the_bits_of_those_of_16(monkeypatch):
    def run():
        model = copy.deepcopy(MODELS["even"])  # nothing is kept with it
        result = fg.sample(model, beta=np.linspace(0.3, 2, 70), sweeps=30, seed=6)
        return result, type(ENGINES["overlap"].prepare([model], 1).plan.memory)

    (narrow, steps), _ = run(), monkeypatch.setattr(overlap, "MOST_HALVES", 0)
    wide, wide_steps = run()
    assert (steps, wide_steps) == (memories.Steps, memories.WideSteps)
    np.testing.assert_array_equal(narrow.energy, wide.energy)
    np.testing.assert_array_equal(narrow.states, wide.states)


@pytest.mark.parametrize(("n", "examples"), [(2**15 - 1, 3), (2**15, 3), (1, 2**15 - 1), (1, 2**15)])
def test_nothing_overflows_where_16_bits_end(n, examples):
    """Every overlap goes from n to -n and back; of one weight all examples are decided by it."""
    model, start = fg.Perceptron(np.ones((examples, n))), np.ones(n)
    for sign in (-1, 1):
        how = dict(beta=float(sign)) if n == 1 else dict(beta=1.0, field=50.0 * sign)
        result = fg.sample(model, **how, sweeps=1, chains=2, start=start, seed=3)
        start = result.states[0]
        assert (result.states == sign).all()
        assert (result.energy == (examples if sign < 0 else 0)).all()


@pytest.mark.parametrize("name", SMALL)
def test_flip_cost_equals_the_energy_difference(name):
    """Exactly; fields are in halves of an example."""
    model = SMALL[name]
    states = exact.states(model.n)
    energy = model.energy(states)
    difference = energy[np.arange(2**model.n)[:, None] ^ (1 << np.arange(model.n))] - energy[:, None]
    np.testing.assert_array_equal(states * memory_fields(model, states), difference)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.8, -0.8])
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    assert_one_sweep_leaves_the_law("overlap", SMALL[name], beta, rule, 1e-6)


INVARIANT = {"odd": (SMALL["odd"], 1.5), "even": (SMALL["even"], 1.2)}


@pytest.mark.parametrize(
    ("name", "rule", "scan"), list(itertools.product(INVARIANT, ("gibbs", "metropolis"), ("sequential", "random")))
)
def test_exactly_drawn_students_stay_exactly_distributed(name, rule, scan):
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(sweeps=3, chains=CHAINS, rule=rule, scan=scan, start=start, seed=12, engine="overlap")
    assert pvalue(model, fg.sample(model, beta=beta, **kwargs).states, p) > LEVEL


@pytest.mark.parametrize("name", INVARIANT)
def test_a_wrong_beta_fails_the_invariance_test(name):
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    result = fg.sample(model, beta=1.05 * beta, sweeps=30, chains=CHAINS, start=start, seed=12, engine="overlap")
    assert pvalue(model, result.states, p) < LEVEL


def stale(fresh):
    """What the last flip did to the overlaps is not yet there."""
    last = []

    def field(model, overlaps, i, s, factors):
        last.append(overlaps.copy())
        return fresh(model, last[-2] if i else overlaps, i, s, factors)

    return field


def undecided_is_wrong(fresh):
    """An example with M = 0 counts as wrong."""
    return lambda model, overlaps, i, s, factors: fresh(model, overlaps - 1, i, s, factors)


@pytest.mark.parametrize(("name", "broken"), [("odd", stale), ("even", stale), ("even", undecided_is_wrong)])
def test_broken_twins_fail_the_invariance_test(name, broken, monkeypatch):
    model, beta = INVARIANT[name]

    def after():
        p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
        state = twin.start(model, CHAINS, 12, "gibbs", spins=start)
        for _ in range(3):
            twin.sweep(state, np.full(CHAINS, beta))
        return pvalue(model, state.spins, p)

    assert after() > LEVEL
    monkeypatch.setitem(twin.FIELDS, "steps", broken(twin.steps))
    assert after() < LEVEL


def test_auto_takes_the_overlap_engine_and_others_say_why_not():
    assert choose_engine("auto", [STUDENTS], "sequential", 1, 64)[0] == "overlap"
    assert choose_engine("auto", [STUDENTS], "random", 1, 1, 0.0)[0] == "overlap"
    with pytest.raises(ValueError, match=r"no Ising form.*\"?overlap"):
        fg.sample(STUDENTS, beta=1.0, sweeps=1, engine="sparse")
    with pytest.raises(ValueError, match="one model at a time"):
        fg.sample([STUDENTS, STUDENTS], beta=1.0, sweeps=1, engine="overlap")


# Learning at a temperature


def test_students_drawn_exactly_keep_their_errors_and_their_likeness_to_the_teacher():
    """|z| < 4.5 of 20,000 chains: two scores, false alarm 2e-5; at 1.05 beta one of them is beyond."""
    _, start = draw_exactly(STUDENTS, 2.0, np.random.default_rng(1), 20_000)
    for beta, right in ((2.0, True), (2.1, False)):
        result = fg.sample(STUDENTS, beta=beta, sweeps=30, chains=20_000, start=start, thin=30, seed=1)
        scores = z_score(result.energy, 0.9727227189), z_score(result.states @ LESSON.teacher / 11, 0.7116122785)
        assert (np.abs(scores).max() < 4.5) == right


def test_tempering_finds_learning_curves_and_the_volume_of_students_without_error():
    """|z| < 4.5 of 64 ladders at four rungs and of log Z: a false-alarm rate of 1e-4; at 1.1 beta they are beyond."""
    betas, spectrum = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 12.0]), exact.spectrum(STUDENTS)
    how = dict(sweeps=1500, burn_in=200, ladders=64, thin=5, seed=2, observe={"R": LESSON.teacher / 11})
    result = fg.temper(STUDENTS, betas=betas, overlap_every=0, **how)
    overlaps = exact.states(11) @ LESSON.teacher / 11
    for rung in (1, 2, 4, 6):
        for beta, right in ((betas[rung], True), (1.1 * betas[rung], False)):
            known = spectrum.energy(beta), spectrum.probabilities(beta) @ overlaps
            scores = [z_score(result.energy[:, rung], known[0]), z_score(result.observables["R"][:, rung], known[1])]
            assert (np.abs(scores).max() < 4.5) == right
    assert abs(result.log_z.bar[-1] - np.log(len(spectrum.ground_states))) < 4.5 * result.log_z.bar_error[-1] < 0.3


def test_the_theory_of_many_weights_has_the_transitions_of_the_literature():
    """At T = 0 at 1.245 (Gyorgyi), in the limit of high T at alpha / T = 1.70 (Seung, Sompolinsky and Tishby)."""
    cold = exact.learning_curve([0, 1.2445, 1.2455])
    assert cold.overlap[0] == 0 and cold.overlap[2] == 1 and cold.error[2] == 0
    assert cold.log_z[0] == pytest.approx(np.log(2)) and 0 < cold.log_z[1] < 1e-3
    assert cold.overlap[1] == pytest.approx(0.6937, abs=1e-3)
    ratios = np.array([0.5, 1.0, 1.5, 1.69])
    hot = exact.learning_curve(1e5 * ratios, 1e5)
    np.testing.assert_allclose(hot.overlap, np.tanh(ratios / np.pi / np.sqrt(1 - hot.overlap**2)), atol=1e-5)
    up, down = (1 + hot.overlap) / 2, (1 - hot.overlap) / 2
    np.testing.assert_allclose(hot.log_z, -ratios * hot.error - up * np.log(up) - down * np.log(down), atol=5e-5)
    assert exact.learning_curve(1.71e5, 1e5).overlap == 1
    assert exact.learning_curve([[1.0], [2.0]], [0.5, 1.0, 2.0]).error.shape == (2, 3)
    refused(ValueError, lambda: exact.learning_curve(-1.0), "alpha is -1")
    refused(ValueError, lambda: exact.learning_curve(1.0, [-0.5]), "temperature is [-0.5]")


def test_annealed_and_quenched_students_are_minima_and_some_make_no_error():
    model, states = MODELS["odd"], RNG.choice(np.array([-1, 1], np.int8), (40, 21))
    found = fg.quench(model, states)
    flipped = np.repeat(found.states[None], 21, axis=0)
    flipped[np.arange(21), :, np.arange(21)] *= -1
    assert (model.energy(flipped) >= found.energies).all()
    assert (found.energies[found.basin] <= model.energy(states)).all()
    best = fg.anneal(STUDENTS, sweeps=300, reads=16, seed=1)
    assert best.energy[0] == 0 and (best.states[0] == LESSON.teacher).all()
    cold = fg.sample(STUDENTS, beta=np.inf, sweeps=5, chains=64, start=LESSON.teacher, seed=1)
    assert (cold.states == LESSON.teacher).all()


def test_clamped_weights_stay_and_the_others_have_their_conditional_law():
    """Two chi-square tests of 12,288 chains after 40 sweeps: LEVEL each; at 1.2 beta it fails."""
    model, beta = SMALL["odd"], 1.0
    states = exact.states(7)
    weights = np.exp(-beta * model.energy(states)) * (states[:, [2, 5]] == [1, -1]).all(axis=1)
    for factor, right in ((1.0, True), (1.2, False)):
        result = fg.sample(model, beta=factor * beta, sweeps=60, thin=60, chains=CHAINS, clamp={2: 1, 5: -1}, seed=4)
        assert (result.states[:, [2, 5]] == [1, -1]).all()
        assert (pvalue(model, result.states, weights / weights.sum()) > LEVEL) == right


def test_checkpoints_and_results_in_memory_go_on_to_the_bytes_of_one_run(tmp_path):
    """Overlaps are found again from states."""
    model, how = MODELS["even"], dict(beta=[0.5, 1.0, 2.0], seed=3)
    whole = fg.sample(model, sweeps=60, **how)
    half = fg.sample(model, sweeps=25, checkpoint=tmp_path / "run.fg", **how)
    for rest in (
        fg.sample(model, sweeps=60, checkpoint=tmp_path / "run.fg", **how),
        fg.sample(model, sweeps=35, beta=how["beta"], start=half),
    ):
        np.testing.assert_array_equal(rest.energy[:, -35:], whole.energy[:, 25:])
        np.testing.assert_array_equal(rest.states, whole.states)


def test_results_are_saved_with_their_students(tmp_path):
    result = fg.sample(STUDENTS, beta=[0.5, 1.0], sweeps=6, seed=8, keep_states=True)
    result.save(tmp_path / "run.fg")
    back = fg.load(tmp_path / "run.fg")
    assert back.model == STUDENTS
    np.testing.assert_array_equal(back.energy, result.energy)
    np.testing.assert_array_equal(back.samples, result.samples)
    fg.save(STUDENTS, tmp_path / "model.fg")
    assert fg.load(tmp_path / "model.fg") == STUDENTS
