"""Neurons that spike: their law, exactly and as engines draw it, what they count, and when they spike."""

import itertools

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact, testing
from fastgibbs.engines import ENGINES
from fastgibbs.reference import dense, sampling, sparse, sparse64
from fastgibbs.reference import spiking as twin
from fastgibbs.reference.arithmetic import exponents
from fastgibbs.reference.streams import start_spins
from fastgibbs.testing import laws

TWINS = {"sparse": sparse, "sparse64": sparse64, "dense": dense}
_RNG = np.random.default_rng(3)
MACHINE = fg.RBM(_RNG.normal(size=(3, 2)), _RNG.normal(size=3), _RNG.normal(size=2))
GLASS = fg.random_regular(6, 3, seed=1)  # whole numbers, in 8 bits
MODELS = {"machine": MACHINE, "glass": GLASS, "Gaussian": fg.edwards_anderson((2, 3), "gaussian", seed=2)}
SPIKING = dict(rule="spiking", refractory=3)
FALSE_ALARM = 1e-6


# The law of the chain of all counts, exactly


def chain(tau, biases, weights, probability):
    """The counts of all states (k, n), a transition matrix of each neuron, and p(z) tau^-|z|."""
    n = len(biases)
    counts = np.array(list(itertools.product(range(tau + 1), repeat=n)), np.int8)
    number = {row.tobytes(): k for k, row in enumerate(counts)}
    z = (counts > 0).astype(float)
    matrices = np.zeros((n, len(counts), len(counts)))
    for i, (k, row) in itertools.product(range(n), enumerate(counts)):
        p = probability(biases[i] + weights[i] @ z[k])
        for drawn, weight in ((1, p), (-1, 1 - p)):
            after = row.copy()
            after[i] = twin.counted(row[i], drawn, tau)
            matrices[i, k, number[after.tobytes()]] += weight
    law = np.exp(z @ biases + 0.5 * ((z @ weights) * z).sum(axis=1)) / tau ** z.sum(axis=1)
    return counts, matrices, law / law.sum()


def small_net(n=3):
    rng = np.random.default_rng(3)
    weights = np.triu(rng.normal(size=(n, n)), 1)
    return rng.normal(size=n), weights + weights.T


def spikes_with(tau):
    """The probability of a spike at the log odds u."""
    return lambda u: 1 / (1 + tau * np.exp(-u))


def stationary(sweep):
    """The law that a sweep leaves as it is."""
    return np.linalg.solve(np.eye(len(sweep)) - sweep.T + 1, np.ones(len(sweep)))


@pytest.mark.parametrize("tau", [1, 2, 3, 5])
def test_any_order_of_attempts_leaves_p_of_z_over_tau_to_the_number_of_neurons_on(tau):
    """The law of all counts is p(z) tau^-|z|: that of z is Boltzmann's, to the last digits."""
    _, matrices, law = chain(tau, *small_net(), spikes_with(tau))
    for order in itertools.permutations(range(3)):
        sweep = np.linalg.multi_dot([matrices[i] for i in order])
        assert np.abs(law @ sweep - law).max() < 1e-15
        np.testing.assert_allclose(stationary(sweep), law, atol=1e-12)
    assert np.abs(law @ matrices.mean(axis=0) - law).max() < 1e-15  # neurons drawn at random


def test_an_attempt_of_a_neuron_is_not_reversible():
    _, matrices, law = chain(3, *small_net(), spikes_with(3))
    flow = law[:, None] * matrices[0]
    assert np.abs(flow - flow.T).max() > 0.05
    _, matrices, law = chain(1, *small_net(), spikes_with(1))  # which is the heat bath
    flow = law[:, None] * matrices[0]
    assert np.abs(flow - flow.T).max() < 1e-15


def far(counts, sweep):
    """How far the law of spins that a sweep leaves as it is lies from Boltzmann's, in total variation."""
    biases, weights = small_net()
    numbers = (counts > 0) @ (1 << np.arange(3))
    z = (np.arange(8)[:, None] >> np.arange(3)) & 1
    right = np.exp(z @ biases + 0.5 * ((z @ weights) * z).sum(axis=1))
    found = np.bincount(numbers, stationary(sweep))
    return 0.5 * np.abs(found - right / right.sum()).sum()


def test_wrong_neurons_have_another_law():
    """Without log tau, or with that of a sweep less; and all neurons at once, each given the others as they were."""
    for probability, least, most in ((1, 0.1, 1), (2, 0.03, 1), (3, 0, 1e-14)):
        counts, matrices, _ = chain(3, *small_net(), spikes_with(probability))
        assert least <= far(counts, np.linalg.multi_dot(matrices)) <= most
    alike = [counts[:, None, i] == counts[None, :, i] for i in range(3)]
    at_once = np.prod([of_one @ same for of_one, same in zip(matrices, alike, strict=True)], axis=0)
    np.testing.assert_allclose(at_once.sum(axis=1), 1, rtol=1e-14)
    assert far(counts, at_once) > 0.01


@pytest.mark.parametrize("tau", [1, 3, 20, 127])
def test_the_twin_spikes_with_probability_sigma_of_u_less_log_tau(tau):
    """Of its 2^32 uniforms those that make a spike are counted by bisection."""
    u = np.linspace(-12, 12, 97)
    scale, push = exponents(np.ones(u.size), None, 1.0, tau)
    t = scale * np.float32(u / 2) + push
    spiking = lambda r: sparse.gibbs(t, None, sparse.uniform(np.asarray(r))) > 0  # noqa: E731
    low, first = np.zeros(u.size, np.int64), spiking(np.zeros(u.size, np.int64))
    high = np.full(u.size, 2**32)
    while (high - low > 1).any():
        middle = (low + high) // 2
        same = spiking(middle) == first
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    shares = high / 2**32
    np.testing.assert_allclose(np.where(first, shares, 1 - shares), spikes_with(tau)(u), atol=3e-7)


# Engines, bit by bit


def in_twin(engine, model, chains, sweeps, **options):
    """The spins of all sweeps, int8 (sweeps, chains, n), and which neurons spiked in each."""
    names = ("beta", "field", "seed")
    beta, field, seed = (options.pop(name, default) for name, default in zip(names, (1.0, None, 1), strict=True))
    state = TWINS[engine].start(model, chains, seed, "spiking", **options)
    spins, spiked = [], []
    for _ in sampling.draws(TWINS[engine].sweep, state, beta, sweeps, 0, 1, field):
        spins.append(state.spins.copy())
        spiked.append(state.neurons.zeta == state.neurons.refractory)
    return np.array(spins), np.array(spiked)


@pytest.mark.parametrize(
    ("engine", "name", "scan"),
    [
        ("sparse", "machine", "sequential"),
        ("sparse", "glass", "sequential"),
        ("sparse", "machine", "random"),
        ("sparse64", "machine", "sequential"),
        ("dense", "machine", "sequential"),
        ("dense", "machine", "random"),
    ],
)
@pytest.mark.parametrize("chains", [3, 35])
def test_engines_spike_with_their_twins(engine, name, scan, chains):
    """With betas, fields and a clamped neuron; dense goes lane by lane for 3 chains."""
    model, betas = MODELS[name], np.linspace(0.3, 1.5, chains)
    free, fields = np.arange(1, model.n), np.linspace(-0.5, 0.5, chains)
    options = dict(beta=betas, field=fields, scan=scan, engine=engine, seed=7, chains=chains, clamp={0: 1})
    run = fg.sample(model, sweeps=70, keep_states=True, **options, **SPIKING)
    start = start_spins(7, model.n, chains)
    start[:, 0] = 1
    told = dict(beta=betas, field=fields, scan=scan, free=free, spins=start, seed=7, refractory=3)
    spins, spiked = in_twin(engine, model, chains, 70, **told)
    np.testing.assert_array_equal(model.to_spins(run.samples), spins.swapaxes(0, 1))
    assert np.abs(run.energy - model.energy(run.samples)).max() < 1e-12
    if scan == "sequential":
        spiked[..., 0] = False
        np.testing.assert_array_equal(run.spikes, spiked.swapaxes(0, 1))


@pytest.mark.parametrize("engine", TWINS)
def test_neurons_that_are_on_for_a_sweep_are_drawn_by_the_heat_bath_bit_for_bit(engine):
    options = dict(beta=1.0, sweeps=40, chains=20, seed=1, engine=engine)
    spikes, gibbs = fg.sample(MACHINE, **options, rule="spiking", refractory=1), fg.sample(MACHINE, **options)
    np.testing.assert_array_equal(spikes.energy, gibbs.energy)
    np.testing.assert_array_equal(spikes.states, gibbs.states)


# Engines, by their law


def ends(engine, model, start, **options):
    """The p-value of the states in which chains end that began at draws from the law, by sweeps at beta = 1."""
    options = dict(beta=1.0, sweeps=7, seed=3, engine=engine, start=start, chains=len(start)) | SPIKING | options
    return laws.pvalue(model, fg.sample(model, **options).states, laws.boltzmann(model, 1.0))


@pytest.mark.parametrize(("engine", "name"), [("sparse", "machine"), ("sparse", "glass"), ("dense", "machine")])
def test_draws_from_the_law_have_it_after_each_sweep(engine, name):
    """Where neurons count anywhere from 1 to tau at first. At another beta they lose it."""
    model = MODELS[name]
    _, start = laws.draw_exactly(model, 1.0, np.random.default_rng(1), 2**14)
    for sweeps in (1, 2, 7):
        assert ends(engine, model, start, sweeps=sweeps) > FALSE_ALARM
    assert ends(engine, model, start, beta=1.2) < FALSE_ALARM


def test_the_law_would_be_lost_for_a_while_if_all_began_to_count_at_1():
    """The broken twin of the first counts."""
    _, start = laws.draw_exactly(MACHINE, 1.0, np.random.default_rng(1), 2**14)
    state = sparse.start(MACHINE, len(start), 3, "spiking", spins=MACHINE.to_spins(start), refractory=3)
    broken = state._replace(spins=state.spins.copy(), neurons=twin.Neurons(3, (state.neurons.zeta > 0).astype(np.int8)))
    for one, right in ((state, True), (broken, False)):
        sparse.sweep(one, np.ones(len(start)))
        p = laws.pvalue(MACHINE, MACHINE.from_spins(one.spins), laws.boltzmann(MACHINE, 1.0))
        assert (p > FALSE_ALARM) == right


def test_engines_are_proven_by_this_rule_and_one_without_log_tau_is_not():
    class Eager(type(ENGINES["sparse"])):
        def start(self, *arguments, **options):
            plan, state = super().start(*arguments, **options)
            return plan._replace(pushes=plan.pushes[:0].copy()), state

    proven = testing.cases(ENGINES["sparse"], {"machine": MACHINE}, rules=["spiking"])
    assert [(case.rule, case.scan) for case in proven] == [("spiking", "sequential"), ("spiking", "random")]
    for case in proven:
        assert testing.check_case(ENGINES["sparse"], case, sparse) > FALSE_ALARM
        with pytest.raises(AssertionError, match="sweeps change the Boltzmann law"):
            testing.check_case(Eager(), case)


def test_hidden_units_of_a_machine_spike_as_its_visible_ones_and_energies_are_those_of_states():
    """A Boltzmann machine in units of 0 and 1, a long run of few chains: rates of spikes are means over tau."""
    rng = np.random.default_rng(4)
    machine = fg.BoltzmannMachine(weights := np.triu(m := rng.normal(size=(5, 5)), 1) + np.triu(m, 1).T, weights[0])
    run = fg.sample(machine, beta=1.0, sweeps=4000, burn_in=50, chains=32, seed=1, keep_states=True, **SPIKING)
    p = laws.boltzmann(machine, 1.0)
    means = p @ machine.from_spins(exact.states(5))
    by_chain = run.spikes.mean(axis=1) * 3
    errors = by_chain.std(axis=0, ddof=1) / np.sqrt(len(by_chain))
    assert np.abs((by_chain.mean(axis=0) - means) / errors).max() < 5
    assert np.abs(run.energy - machine.energy(run.samples)).max() < 1e-12


# Spikes


def test_a_spike_lasts_tau_sweeps_and_another_may_follow_at_once():
    run = fg.sample(MACHINE, beta=1.0, sweeps=60, chains=20, seed=1, keep_states=True, **SPIKING)
    spikes, on = run.spikes, run.samples == 1
    since = np.lib.stride_tricks.sliding_window_view(spikes, 3, axis=1).any(axis=-1)  # in this sweep or two before
    np.testing.assert_array_equal(since, on[:, 2:])
    assert np.lib.stride_tricks.sliding_window_view(spikes, 3, axis=1).sum(axis=-1).max() == 1
    assert (spikes[:, 3:] & spikes[:, :-3]).any()


def test_spikes_of_every_nth_sweep_are_those_of_the_whole_and_the_saved_ones_come_back(tmp_path):
    options = dict(beta=1.0, chains=70, seed=1, keep_states=True, clamp={1: 1, 3: 0}) | SPIKING
    run, thinned = (fg.sample(MACHINE, sweeps=12, thin=thin, **options) for thin in (1, 4))
    np.testing.assert_array_equal(run.spikes[:, 3::4], thinned.spikes)
    assert run.spikes.any() and not run.spikes[..., [1, 3]].any()
    assert (run.samples[..., [1, 3]] == [1, 0]).all()
    run.save(tmp_path / "run.npz")
    again = fg.load(tmp_path / "run.npz")
    assert (again.rule, again.refractory) == ("spiking", 3)
    np.testing.assert_array_equal(again.spikes, run.spikes)
    np.testing.assert_array_equal(again.samples, run.samples)
    np.testing.assert_array_equal(again.packed, run.packed)
    fg.sample(MACHINE, sweeps=3, **options | dict(keep_states=False)).save(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="samples were not kept"):
        fg.load(tmp_path / "other.npz").spikes  # noqa: B018


def test_spikes_are_of_runs_in_sequence_by_this_rule():
    for options in (dict(rule="gibbs"), dict(scan="random", **SPIKING)):
        run = fg.sample(MACHINE, beta=1.0, sweeps=3, chains=2, seed=1, keep_states=True, **options)
        with pytest.raises(ValueError, match="give a run by rule='spiking' in sequence"):
            run.spikes  # noqa: B018


# Runs that go on


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_a_run_that_goes_on_counts_on(engine, tmp_path):
    """From a result, and from a checkpoint: the same bytes as in one run."""
    options = dict(beta=1.0, chains=70, engine=engine, keep_states=True) | SPIKING
    whole = fg.sample(MACHINE, sweeps=20, seed=1, **options)
    first = fg.sample(MACHINE, sweeps=7, seed=1, **options)
    rest = fg.sample(MACHINE, sweeps=13, start=first, rule="spiking", beta=1.0, keep_states=True)
    assert rest.refractory == 3
    for name in ("samples", "spikes", "energy"):
        parts = [getattr(run, name) for run in (first, rest)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), getattr(whole, name))
    file = dict(checkpoint=tmp_path / "run", seed=1, threads=1)
    fg.sample(MACHINE, sweeps=7, **file, **options)
    np.testing.assert_array_equal(fg.sample(MACHINE, sweeps=20, **file, **options).spikes, whole.spikes)
    with pytest.raises(ValueError, match="was written with refractory=3, this run has refractory=4"):
        fg.sample(MACHINE, sweeps=20, **file, **options | dict(refractory=4))


def test_bins_and_observables_are_those_of_the_draws():
    options = dict(beta=1.0, chains=40, sweeps=50, seed=1, observe={"first": np.eye(5)[0]}) | SPIKING
    run, binned = fg.sample(MACHINE, keep_states=True, **options), fg.sample(MACHINE, record="bins", **options)
    np.testing.assert_array_equal(run.observables["first"], 2.0 * run.samples[..., 0] - 1)
    assert binned.energy.mean() == pytest.approx(run.energy.mean(), rel=1e-12)
    functions = fg.sample(MACHINE, **options | dict(observe={"first": lambda states: states[:, 0]}))
    np.testing.assert_array_equal(functions.observables["first"], run.samples[..., 0])


def test_neurons_that_no_run_can_have_saved_are_refused(tmp_path):
    options = dict(beta=1.0, sweeps=5, chains=16, seed=1, threads=1, clamp={0: 1}, **SPIKING)
    path = tmp_path / "run"
    fg.sample(MACHINE, checkpoint=path, **options)
    _, arrays, header, _ = fg.io.read_archive(path, "checkpoint")
    name = next(name for name in arrays if name.endswith("neurons.zeta"))
    for place, value in (((1, 0), 4), ((1, 0), -1), ((2, 3), None), ((0, 0), None)):
        wrong = {key: array.copy() for key, array in arrays.items()}
        zeta = wrong[name]
        zeta[place] = value if value is not None else (0 if zeta[place] else 1) if place[0] else zeta[place] % 3 + 1
        fg.io.write_archive(tmp_path / "wrong", "checkpoint", wrong, header)
        with pytest.raises(
            ValueError, match=r"neurons.zeta of block 0 is .* at \[\d, \d\]: 1 to 3 where a neuron is on"
        ):
            fg.sample(MACHINE, checkpoint=tmp_path / "wrong", **options | dict(sweeps=6))


# What is refused


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (dict(rule="spiking"), TypeError, "refractory is missing: by rule='spiking' a spike lasts 1 to 127 sweeps"),
        (dict(SPIKING, refractory=0), ValueError, "refractory is 0: give an integer of at least 1"),
        (dict(SPIKING, refractory=128), ValueError, "refractory is 128: give an integer of at most 127"),
        (dict(SPIKING, refractory=2.0), TypeError, "refractory is 2.0: give an integer"),
        (dict(refractory=3), ValueError, "refractory is 3, and rule 'gibbs': give rule='spiking', or leave it out"),
        (dict(rule="metropolis", refractory=3), ValueError, "refractory is 3, and rule 'metropolis'"),
        (dict(SPIKING, clusters="wolff"), ValueError, "clusters is 'wolff': neurons that spike are not turned"),
        (dict(SPIKING, engine="layered"), ValueError, "'layered' cannot run this: it has no neurons that spike; .*can"),
        (dict(SPIKING, engine="coloured"), ValueError, "'coloured' cannot run this: it has no neurons that spike"),
        (dict(SPIKING, engine="multispin"), ValueError, "'multispin' cannot run this: it has no neurons that spike"),
        (dict(rule="spikes"), ValueError, "rule is 'spikes': give one of 'gibbs', 'metropolis', 'spiking'"),
    ],
)
def test_bad_arguments_are_named_before_anything_compiles(options, error, told):
    with pytest.raises(error, match=told):
        fg.sample(GLASS, beta=1.0, sweeps=1, **options)


def test_other_verbs_have_no_neurons_that_spike():
    for verb, options in ((fg.anneal, dict(sweeps=2)), (fg.temper, dict(betas=[0.5, 1.0], sweeps=2))):
        with pytest.raises(ValueError, match="rule is 'spiking': only `sample` of one model has neurons that spike"):
            verb(GLASS, rule="spiking", **options)
    several = [fg.random_regular(n, 3, seed=n) for n in (6, 10)]
    with pytest.raises(ValueError, match="rule is 'spiking': runs of several models go without"):
        fg.sample(several, beta=1.0, sweeps=2, **SPIKING)
    with pytest.raises(ValueError, match="rule is 'spiking': only `sample` of one model"):
        fg.anneal(several, sweeps=2, rule="spiking")
    with pytest.raises(ValueError, match="engine 'sparse' cannot run this: it runs one model at a time"):
        fg.sample([fg.edwards_anderson((4, 4), seed=k) for k in (1, 2)], beta=1.0, sweeps=2, **SPIKING)
    with pytest.raises(ValueError, match="engine 'overlap' cannot run this: it has no neurons that spike"):
        fg.sample(fg.Hopfield(np.ones((1, 5)), order=3), beta=1.0, sweeps=2, **SPIKING)
    with pytest.raises(ValueError, match="engine 'worldline' cannot run this: it has no neurons that spike"):
        fg.sample(fg.TransverseIsing(GLASS, 1.0, 4), beta=1.0, sweeps=2, **SPIKING)


def test_a_run_goes_on_by_this_rule_from_one_by_it():
    options = dict(beta=1.0, sweeps=3, chains=4)
    gibbs, spikes = fg.sample(MACHINE, seed=1, engine="sparse", **options), fg.sample(MACHINE, **options, **SPIKING)
    with pytest.raises(ValueError, match="start is of a run by 'gibbs', whose spins count no sweeps: give states"):
        fg.sample(MACHINE, beta=1.0, sweeps=3, start=gibbs, **SPIKING)
    with pytest.raises(ValueError, match="refractory is 4, and start is of a run with 3"):
        fg.sample(MACHINE, beta=1.0, sweeps=3, start=spikes, rule="spiking", refractory=4)
    assert fg.sample(MACHINE, beta=1.0, sweeps=3, start=spikes).refractory is None
    assert fg.sample(MACHINE, start=gibbs.states, **options, **SPIKING).refractory == 3
