"""What proves the worldline engine: its twin's own probabilities over all worldlines, the twin's bits, exact means."""

import numpy as np
import pytest
from test_transverse import glass, law

import fastgibbs as fg
from fastgibbs.engines import ENGINES
from fastgibbs.engines.worldline import TOLD
from fastgibbs.exact import states
from fastgibbs.jit import compiled_only
from fastgibbs.reference import worldline as twin
from fastgibbs.reference.streams import run_entropy

SMALL = [(sites, slices) for sites in (1, 2, 3) for slices in (1, 2, 3, 4)]
CLOSE = 1e-6  # float32 arithmetic


def small(sites, slices, gamma=None, seed=0):
    """Random couplings and fields between all sites, and transverse fields."""
    rng = np.random.default_rng(seed + sites)
    i, j = np.triu_indices(sites, 1)
    model = fg.Ising.from_edges(sites, i, j, rng.normal(size=i.size), rng.normal(size=sites))
    return fg.TransverseIsing(model, rng.uniform(0.2, 1.5, sites) if gamma is None else gamma, slices)


def probabilities(state, betas, site):
    """P(line | others) of the twin for every line of `site`, float64 (lanes, 2^M), from its messages."""
    model, classical = state.model, state.classical
    dt = betas / model.slices
    r = np.float32(np.maximum(np.tanh(dt * model.gamma[site]), 2.0**-40))
    lines = state.spins.reshape(len(betas), model.sites, model.slices)
    scale = np.float32((2.0 * twin.LOG2E) * (dt * classical.unit))
    fields = [twin.sparse.field(classical, lines[:, :, t].T, site) for t in range(model.slices)]
    weights = [twin.sparse.exp2(np.clip(scale * f, -twin.MOST, twin.MOST)) for f in fields]
    ups, downs, (a, b) = (np.asarray(part, np.float64) for part in twin.messages(weights, r))
    found = np.empty((len(betas), 2**model.slices))
    for number, line in enumerate(states(model.slices)):
        p = (a if line[0] > 0 else b) / (a + b)
        for t in range(1, model.slices):
            x, q = (ups if line[0] > 0 else downs)[t - 1]
            turn, stay = (r * q, x) if line[t - 1] > 0 else (r * x, q)
            p = p * (turn if line[t] != line[t - 1] else stay) / (turn + stay)
        found[:, number] = p
    return found


def swept(quantum, beta, p, of=probabilities):
    """The law `p`, float64 (2^n,), after one sweep by the probabilities of the twin."""
    spins, M = states(quantum.n), quantum.slices
    state = twin.start(quantum, len(spins), 1, spins=spins)
    for site in range(quantum.sites):
        first = site * M
        others = (np.arange(p.size) & ~((2**M - 1) << first)).astype(np.int64)
        conditional = of(state, np.full(len(spins), beta), site)
        line = np.arange(p.size) >> first & 2**M - 1
        p = np.bincount(others, p, p.size)[others] * conditional[np.arange(p.size), line]
    return p


@pytest.mark.parametrize("sites, slices", SMALL)
def test_a_sweep_of_the_twin_leaves_the_law_of_all_worldlines_as_it_is(sites, slices):
    for beta, gamma in ((0.0, None), (1.3, None), (4.0, None), (1.0, 0.05), (1.0, 6.0)):
        quantum = small(sites, slices, gamma)
        _, p, _ = law(quantum, beta)
        np.testing.assert_allclose(swept(quantum, beta, p), p, rtol=0, atol=CLOSE)


def test_a_draw_of_the_twin_is_the_conditional_law_itself():
    """From any law of the own worldline: what is drawn does not depend on it."""
    quantum = small(1, 5)
    _, p, _ = law(quantum, 2.0)
    np.testing.assert_allclose(swept(quantum, 2.0, np.eye(1, p.size, 9)[0]), p, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("fault", ["beta", "open in time", "other ends"])
def test_other_probabilities_do_not_leave_the_law_as_it_is(fault):
    def wrong(state, betas, site):
        if fault == "beta":
            return probabilities(state, 1.02 * betas, site)
        kept = twin.messages

        def messages(weights, r):
            ups, downs, (a, b) = kept(weights, r)
            return (downs, downs, (a, b)) if fault == "open in time" else (ups, downs, (a / r, b))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(twin, "messages", messages)
            return probabilities(state, betas, site)

    quantum = small(2, 3)
    _, p, _ = law(quantum, 1.3)
    assert np.abs(swept(quantum, 1.3, p, wrong) - p).max() > 100 * CLOSE


def test_the_twin_draws_by_its_probabilities():
    """Of one worldline in fixed fields: one false alarm in 10^4 runs."""
    lanes, quantum = 20_000, small(2, 4)
    start = np.tile(np.array([1, 1, -1, 1, 1, -1, -1, -1], np.int8), (lanes, 1))
    state = twin.start(quantum, lanes, 3, spins=start)
    expected = probabilities(state, np.full(lanes, 1.3), 0)[0]
    twin.sweep(state, np.full(lanes, 1.3))
    counts = np.bincount((state.spins[:, :4] > 0) @ (1 << np.arange(4)), minlength=16)
    assert fg.testing.laws.chi_square([(counts, expected * lanes)]) > 1e-4
    assert fg.testing.laws.chi_square([(counts, expected[::-1] * lanes)]) < 1e-4


@pytest.mark.parametrize("sites, slices", SMALL)
def test_what_draws_tell_has_the_exact_means(sites, slices):
    quantum, beta = small(sites, slices), 1.3
    spins, p, _ = law(quantum, beta)
    exact = fg.exact.transverse(quantum, beta, slices)
    told = twin.told(quantum, spins, np.full(len(spins), beta))
    means = {name: p @ values for name, values in told.items()}
    assert means["total_energy"] == pytest.approx(exact.energy, abs=1e-10)
    variance = p @ (told["total_energy"] - exact.energy) ** 2
    assert beta**2 * (variance + means["energy_slope"]) == pytest.approx(exact.heat_capacity, abs=1e-10)
    for name in ("x", "zz", "kinks", "abs_m", "m2", "m4"):
        assert means[name] == pytest.approx(getattr(exact, name), abs=1e-10), name


# --- the engine: the twin's bits


def dilute():
    """Sites without bonds and without fields beside those that have them; transverse fields of three kinds, one 0."""
    rng = np.random.default_rng(3)
    model = fg.Ising.from_edges(9, [0, 1, 2, 5, 5], [1, 2, 0, 6, 7], rng.normal(size=5), np.arange(9) // 5 * 0.4, 1.5)
    return model, np.array([1.0, 0.5, 0.0] * 3)


SIGNS = fg.edwards_anderson((3, 4), seed=3).bonds
MODELS = {
    "ring": (fg.lattice((10,)), 1.0, 32),
    "+-J in a field": (fg.Ising.from_edges(12, *fg.edwards_anderson((3, 4), seed=3).bonds, np.full(12, 0.5)), 0.7, 7),
    "+-J in a field, a table": (
        fg.Ising.from_edges(12, *fg.edwards_anderson((3, 4), seed=3).bonds, np.ones(12)),
        0.7,
        16,
    ),
    "six neighbours": (fg.edwards_anderson((3, 3, 3), seed=1), 0.9, 16),
    "Gaussian": (fg.random_regular(16, 3, "gaussian", seed=2), 1.3, 16),
    "all kinds": (*dilute(), 5),
    "complete": (fg.sherrington_kirkpatrick(20, seed=1), np.linspace(0.0, 2.0, 20), 3),
    "memories": (fg.Hopfield(np.random.default_rng(5).choice([-1, 1], (2, 8)), field=0.1), 0.4, 9),
    "many slices": (fg.lattice((3,)), 1.0, 130),
    "one slice": (fg.lattice((4,), h=0.3), 0.5, 1),
    "two slices": (fg.lattice((4,), h=0.3), 0.5, 2),
    "one site": (fg.Ising([[0.0]]), 1.0, 6),
}
BETAS = np.array([0.0, 0.3, 1.0, 2.5, 40.0, 2000.0])


def by_twin(quantum, betas, seed, sweeps, scan="sequential", start=None):
    """States, energies and what was told after every sweep, by the twin."""
    state = twin.start(quantum, len(betas), run_entropy(seed, "sample", start), scan=scan, spins=start)
    for _ in range(sweeps):
        twin.sweep(state, betas)
        yield state.spins, quantum.energy(state.spins), twin.told(quantum, state.spins, betas)


@pytest.mark.parametrize("chains, scan", [(3, "random"), (20, "sequential"), (70, "sequential")])
@pytest.mark.parametrize("name", MODELS)
def test_states_are_those_of_the_twin_bit_for_bit(name, chains, scan):
    """And what draws tell, but for the order of additions; a block of 64 lanes and of 16, one lane in four a chain."""
    quantum, betas = fg.TransverseIsing(*MODELS[name]), np.resize(BETAS, chains)
    run = fg.sample(quantum, beta=betas, sweeps=3, seed=7, scan=scan, keep_states=True, threads=1)
    assert run.engine == "worldline" and tuple(run.observables) == TOLD
    for draw, (spins, energies, told) in enumerate(by_twin(quantum, betas, 7, 3, scan)):
        np.testing.assert_array_equal(run.samples[:, draw], spins)
        np.testing.assert_allclose(run.energy[:, draw], energies, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(run.magnetization[:, draw], spins.mean(axis=1), rtol=1e-14, atol=1e-15)
        for key, values in told.items():
            np.testing.assert_allclose(run.observables[key][:, draw], values, rtol=1e-9, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("beta, period", [(1.0, 114), (40.0, 42), (400.0, 5), (4000.0, 1)])
def test_messages_of_many_slices_stay_in_range(beta, period):
    """They are scaled as seldom as their growth at the coldest rung allows; the twin scales them at every slice."""
    quantum, betas = fg.TransverseIsing(*MODELS["many slices"]), np.full(3, beta)
    start = np.ones((3, quantum.n), np.int8)
    run = fg.sample(quantum, beta=betas, sweeps=2, seed=7, start=start)
    plan, _ = ENGINES["worldline"].start(ENGINES["worldline"].prepare([quantum], 1), range(16), [], 1, betas, 0)
    assert plan.period == period
    *_, (spins, _, _) = by_twin(quantum, betas, 7, 2, start=start)
    np.testing.assert_array_equal(run.states, spins)


def test_runs_from_states_and_in_two_parts_are_those_of_the_twin():
    quantum, betas = fg.TransverseIsing(*MODELS["Gaussian"]), np.full(5, 1.2)
    start = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (5, quantum.n))
    kwargs = dict(beta=betas, seed=3)
    run = fg.sample(quantum, sweeps=2, start=start, **kwargs)
    *_, (spins, _, _) = by_twin(quantum, betas, 3, 4, start=start)
    run = fg.sample(quantum, sweeps=2, start=run, beta=betas)
    np.testing.assert_array_equal(run.states, spins)


def test_bytes_depend_on_no_threads_nor_on_other_chains(tmp_path):
    quantum = fg.TransverseIsing(*MODELS["ring"])
    kwargs = dict(beta=1.5, sweeps=6, seed=2)
    run, other = fg.sample(quantum, chains=100, threads=2, **kwargs), fg.sample(quantum, chains=70, threads=1, **kwargs)
    np.testing.assert_array_equal(run.states[:70], other.states)
    for name in TOLD:
        np.testing.assert_array_equal(run.observables[name][:70], other.observables[name])
    file = tmp_path / "run.npz"
    fg.sample(quantum, chains=70, checkpoint=file, **kwargs | dict(sweeps=3))
    again = fg.sample(quantum, chains=70, checkpoint=file, **kwargs)
    np.testing.assert_array_equal(again.observables["x"], other.observables["x"])
    run.save(tmp_path / "result.npz")
    found = fg.load(tmp_path / "result.npz")
    assert found.model == quantum
    np.testing.assert_array_equal(found.observables["total_energy"], run.observables["total_energy"])


# --- the law, simulated: 4 sigma, by errors between 256 chains; of 60 numbers one false alarm in 250 sets of seeds

CHAINS = 256


def sigmas(record, exact):
    """How many standard errors the mean of a record is from the exact value, by the means of chains."""
    means = record.mean(axis=1)
    return abs(means.mean() - exact) / (means.std(ddof=1) / np.sqrt(len(means)))


def distances(run, exact):
    """In standard errors, by name."""
    names = {"total_energy": "energy"} | {name: name for name in ("x", "zz", "kinks", "abs_m", "m2", "m4")}
    return {name: sigmas(run.observables[name], getattr(exact, of)) for name, of in names.items()}


CHECKED = {
    "ring, 4": (fg.TransverseIsing(fg.lattice((6,)), 1.0, 4), 2.0),
    "ring, 8": (fg.TransverseIsing(fg.lattice((6,)), 1.0, 8), 2.0),
    "ring, 32": (fg.TransverseIsing(fg.lattice((6,)), 1.0, 32), 2.0),
    "ring, 64": (fg.TransverseIsing(fg.lattice((6,)), 1.0, 64), 2.0),
    "glass, 8": (fg.TransverseIsing(glass().model, 0.7, 8), 3.0),
    "glass, 32": (fg.TransverseIsing(glass().model, 0.7, 32), 3.0),
    "fields of three kinds": (small(3, 6, [0.3, 0.3, 2.0]), 1.5),
    "nearly classical": (fg.TransverseIsing(fg.lattice((5,)), 0.02, 16), 0.7),
}


@pytest.mark.parametrize("name", CHECKED)
def test_means_are_exact(name):
    """1e5 draws and more."""
    quantum, beta = CHECKED[name]
    run = fg.sample(quantum, beta=beta, sweeps=400, burn_in=50, chains=CHAINS, seed=11)
    found = distances(run, fg.exact.transverse(quantum, beta, quantum.slices))
    assert max(found.values()) < 4, found


def test_means_at_another_beta_or_in_another_field_are_not_exact():
    """The broken twin: 3 % of either."""
    quantum, beta = CHECKED["ring, 32"]
    exact = fg.exact.transverse(quantum, beta, 32)
    run = fg.sample(quantum, beta=1.03 * beta, sweeps=400, burn_in=50, chains=CHAINS, seed=11)
    assert max(distances(run, exact).values()) > 4
    stronger = fg.TransverseIsing(quantum.model, 1.03, 32)
    run = fg.sample(stronger, beta=beta, sweeps=400, burn_in=50, chains=CHAINS, seed=11)
    assert max(distances(run, exact).values()) > 4


def test_more_slices_take_no_more_sweeps():
    """tau of m^2 of a cold ring: from 16 slices to 128 it stays within a quarter; errors of tau are 3 %."""
    taus = []
    for slices in (16, 128):
        quantum = fg.TransverseIsing(fg.lattice((8,)), 1.0, slices)
        run = fg.sample(quantum, beta=4.0, sweeps=600, burn_in=100, chains=64, seed=4)
        taus.append(fg.analysis.autocorrelation_time(run.observables["m2"]))
    assert abs(np.log(taus[1] / taus[0])) < 0.25, taus


def test_without_a_field_worldlines_turn_whole_as_classical_spins_do():
    """At Gamma = 0 slices are copies, and the run is one of the classical model."""
    quantum = fg.TransverseIsing(fg.lattice((6,), h=0.1), 0.0, 16)
    run = fg.sample(quantum, beta=0.8, sweeps=400, burn_in=50, chains=CHAINS, seed=3)
    assert not run.observables["kinks"].any() and not run.observables["x"].any()
    lines = quantum.worldlines(run.states)
    assert (lines == lines[..., :1]).all()
    exact = fg.exact.spectrum(quantum.model)
    assert sigmas(run.energy, exact.energy(0.8)) < 4
    np.testing.assert_allclose(run.observables["total_energy"], run.energy, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(beta=-1.0), ValueError, "beta is -1: worldlines have a law at finite betas from 0 on"),
        (dict(beta=np.inf), ValueError, "beta is inf: worldlines have a law at finite betas from 0 on"),
        (dict(beta=np.nan), ValueError, "beta is nan"),
        (dict(rule="metropolis"), ValueError, "rule is 'metropolis': engine 'worldline' has 'gibbs'"),
        (dict(clamp={0: 1}), ValueError, "clamp is given: worldlines are drawn whole"),
        (dict(clusters="wolff"), ValueError, "has no bonds, for it has no Ising form"),
        (dict(field=0.1), ValueError, "field"),
        (dict(strips=2), ValueError, "it does not cut lattices into strips"),
        (dict(engine="sparse"), ValueError, "the model has no Ising form"),
        (dict(start=np.ones(6)), ValueError, "start: states"),
    ],
)
def test_what_worldlines_cannot_do_is_named_before_anything_is_compiled(arguments, error, message):
    quantum = fg.TransverseIsing(fg.lattice((6,)), 1.0)
    with compiled_only(), pytest.raises(error, match=message):
        fg.sample(quantum, **dict(beta=1.0, sweeps=1) | arguments)


def test_other_models_are_refused_by_the_engine():
    with pytest.raises(ValueError, match="it runs models in a transverse field"):
        fg.sample(fg.lattice((6,)), beta=1.0, sweeps=1, engine="worldline")


# --- what results say


@pytest.fixture(scope="module")
def runs():
    quantum = fg.TransverseIsing(fg.lattice((6,)), 1.0, 8)
    kwargs = dict(beta=[1.0, 2.0] * 32, sweeps=2000, burn_in=50, seed=2)
    return fg.sample(quantum, **kwargs), fg.sample(quantum, record="bins", **kwargs)


def test_means_of_results_are_exact_within_their_errors(runs):
    """Four errors, of 2 x 16 numbers: one false alarm in 500 seeds."""
    for run in runs:
        for found in fg.analysis.quantum(run):
            exact = fg.exact.transverse(run.model, found.beta, 8)
            pairs = [(found.heat_capacity, exact.heat_capacity), (found.binder, 1 - exact.m4 / (3 * exact.m2**2))]
            for name in ("energy", "x", "zz", "abs_m", "kinks"):
                pairs.append((getattr(found, name)[:2], getattr(exact, name)))
            for (mean, error), value in pairs:
                assert abs(mean - value) < 4 * error < 0.2, (found, exact)


def test_the_susceptibility_is_the_response_to_a_field(runs):
    """d<m>/dh by differences of exact log Z_M, h along z; above its connected form by beta n <|m|>^2."""
    run, step = runs[0], 1e-2
    found = fg.analysis.quantum(run)[0]
    logs = [
        fg.exact.transverse(fg.TransverseIsing(fg.lattice((6,), h=h), 1.0, 8), 1.0, 8).log_z for h in (-step, 0, step)
    ]
    response = (logs[0] - 2 * logs[1] + logs[2]) / step**2 / 6
    mine, error = fg.analysis.susceptibility(run.magnetization[run.beta == 1.0], 1.0, 6, connected=False)
    assert abs(mine - response) < 4 * error < 0.1 * response
    assert found.susceptibility[0] < mine


def test_summaries_have_a_row_of_quantum_means_for_each_beta(runs):
    for run in runs:
        found, lines = fg.analysis.quantum(run), run.summary().splitlines()
        assert lines[0].startswith("SampleResult(TransverseIsing(Ising(n=6, bonds=6, fields=0), gamma=1, slices=8)")
        header, _, *rows = lines[3:7]
        assert " ".join(header.split()) == "beta T chains tau ESS R-hat E/N |m| C/N chi U <x> <zz>"
        for row, of in zip(rows, found, strict=True):
            shown = dict(zip(header.split(), row.split(), strict=True))
            for name, value in (("E/N", of.energy.mean / 6), ("<x>", of.x.mean), ("|m|", of.abs_m.mean)):
                assert float(shown[name].partition("(")[0]) == pytest.approx(value, abs=2e-3)
            assert float(shown["C/N"].partition("(")[0]) == pytest.approx(of.heat_capacity[0] / 6, abs=2e-2)


def test_reports_by_sweep_have_the_diagonal_energy_per_site():
    quantum = fg.TransverseIsing(fg.lattice((6,)), 1.0, 8)
    kwargs = dict(chains=32, seed=1)
    chosen = fg.sample(quantum, beta=1.0, at=[10, 20], **kwargs)
    driven = fg.sample(quantum, beta=fg.protocol([0.5, 1.0, 1.5]), sweeps=30, **kwargs)
    for run, energy in ((chosen, chosen.energy[:, 0]), (driven, driven.energy[:, ::3].mean(axis=1))):
        rows = [line.split() for line in run.summary().splitlines()]
        head = next(k for k, row in enumerate(rows) if "E/N" in row)
        shown = rows[head + 2][rows[head].index("E/N")].partition("(")[0]
        assert float(shown) == pytest.approx(energy.mean() / 6, abs=5e-3)


def test_what_takes_energies_for_exponents_refuses_results_of_worldlines(runs):
    for verb in (lambda run: fg.analysis.reweight(run, 1.5), lambda run: run.to_u_kn(), lambda run: run.replicas()):
        with pytest.raises(TypeError, match="whose law is not exp"):
            verb(runs[0])
    for curve in (fg.plots.energy_curve, fg.plots.heat_capacity_curve, fg.plots.susceptibility_curve):
        with pytest.raises(TypeError, match="its means are those of"):
            curve(runs[0])
    with pytest.raises(TypeError, match="give what sample returned of a TransverseIsing model"):
        fg.analysis.quantum(fg.sample(fg.lattice((4,)), beta=1.0, sweeps=10))


def test_a_protocol_of_beta_draws_and_tells_at_each_sweeps_own():
    quantum, betas = fg.TransverseIsing(*MODELS["Gaussian"]), [0.5, 2.0, 1.0]
    run = fg.sample(quantum, beta=fg.Protocol(betas), sweeps=6, chains=4, seed=3, keep_states=True)
    state = twin.start(quantum, 4, 3)
    for draw in range(6):
        at_beta = np.full(4, betas[draw % 3])
        twin.sweep(state, at_beta)
        np.testing.assert_array_equal(run.samples[:, draw], state.spins)
        told = twin.told(quantum, state.spins, at_beta)
        np.testing.assert_allclose(run.observables["total_energy"][:, draw], told["total_energy"], rtol=1e-9)
