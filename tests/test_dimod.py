"""`integrations.dimod`: samplers with the contract of dimod's, and the answers of the verbs that they call."""

import unittest
import warnings

import numpy as np
import pytest

import fastgibbs as fg

dimod = pytest.importorskip("dimod", reason="samplers of dimod need it")

from fastgibbs.integrations.dimod import (  # noqa: E402  # after dimod is known to be there
    AnnealingSampler,
    QuantumAnnealingSampler,
    TemperingSampler,
    default_beta_range,
)

KINDS = [AnnealingSampler, TemperingSampler, QuantumAnnealingSampler]
RNG = np.random.default_rng(4)
LABELS = ["a", ("b", 1), 7, frozenset("c"), "d", 2.5, "e", "f"]
GLASS = dimod.BinaryQuadraticModel(
    {label: float(h) for label, h in zip(LABELS, RNG.normal(size=8), strict=True)},
    {(LABELS[i], LABELS[j]): float(RNG.normal()) for i in range(8) for j in range(i)},
    1.5,
    "SPIN",
)
LABELS = list(GLASS.variables)
SHORT = dict(num_reads=8, num_sweeps=50, seed=3)


@dimod.testing.load_sampler_bqm_tests(AnnealingSampler)
@dimod.testing.load_sampler_bqm_tests(TemperingSampler)
@dimod.testing.load_sampler_bqm_tests(QuantumAnnealingSampler)
class TestContract(unittest.TestCase):
    """dimod's own tests of a sampler."""

    def test_api(self):
        for kind in KINDS:
            dimod.testing.assert_sampler_api(kind())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_energies_are_those_of_the_problem_and_its_ground_state_is_found(kind, vartype):
    bqm = GLASS.change_vartype(vartype, inplace=False)
    found = kind().sample(bqm, **SHORT | dict(num_sweeps=300))
    assert found.vartype.name == vartype
    assert list(found.variables) == LABELS
    assert len(found) == 8
    dimod.testing.assert_sampleset_energies(found, bqm, precision=9)
    assert found.first.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy, rel=1e-12)
    again = kind().sample(bqm, **SHORT | dict(num_sweeps=300, seed=found.info["seed"]))
    np.testing.assert_array_equal(again.record.sample, found.record.sample)
    assert min(found.info["timing"].values()) > 0


def test_a_cooling_is_that_of_anneal_and_answers_are_the_last_states():
    model = fg.as_model(GLASS)
    for keyword, value in (("Gibbs", "gibbs"), ("Metropolis", "metropolis")):
        for random in (False, True):
            options = dict(proposal_acceptance_criteria=keyword, randomize_order=random)
            found = AnnealingSampler().sample(GLASS, **SHORT, **options)
            scan = "random" if random else "sequential"
            betas = fg.beta_schedule(model, 50)
            run = fg.anneal(model, betas=betas, sweeps=50, reads=8, seed=3, rule=value, scan=scan)
            np.testing.assert_array_equal(found.record.sample, run.last_states[np.argsort(run.read)])
            np.testing.assert_array_equal(found.info["betas"], run.betas)
            assert found.info["beta_range"] == [betas[0], betas[-1]]
            assert found.info["engine"] == run.engine
    three, eight = (AnnealingSampler().sample(GLASS, **SHORT | dict(num_reads=k, engine="sparse")) for k in (3, 8))
    np.testing.assert_array_equal(three.record.sample, eight.record.sample[:3])


def test_schedules_are_what_was_asked_for():
    def betas(**options):
        return AnnealingSampler().sample(GLASS, num_reads=1, seed=1, **options).info["betas"]

    np.testing.assert_allclose(betas(beta_range=[0.1, 10], num_sweeps=3), [0.1, 1, 10])
    np.testing.assert_allclose(betas(beta_range=[0, 4], num_sweeps=3, beta_schedule_type="linear"), [0, 2, 4])
    np.testing.assert_allclose(betas(beta_range=[4, 1], num_sweeps=4, num_sweeps_per_beta=2), [4, 4, 1, 1])
    np.testing.assert_allclose(betas(beta_range=[0.1, 3], num_sweeps=1), [3])
    custom = dict(beta_schedule_type="custom", beta_schedule=[1, np.inf])
    np.testing.assert_array_equal(betas(**custom, num_sweeps_per_beta=2), [1, 1, np.inf, np.inf])
    assert len(betas()) == 1000


def test_initial_states_come_with_labels_in_any_order_and_no_sweep_returns_them():
    states = RNG.choice([-1, 1], (2, 8))
    given = (states[:, ::-1], LABELS[::-1])
    kept = AnnealingSampler().sample(GLASS, num_sweeps=0, initial_states=given)
    np.testing.assert_array_equal(kept.record.sample, states)
    tiled = AnnealingSampler().sample(
        GLASS, num_sweeps=0, initial_states=given, initial_states_generator="tile", num_reads=5
    )
    np.testing.assert_array_equal(tiled.record.sample, np.tile(states, (3, 1))[:5])
    cold = dict(beta_schedule_type="custom", beta_schedule=[np.inf] * 20)
    found = AnnealingSampler().sample(GLASS, initial_states=given, **cold)
    run = fg.anneal(fg.as_model(GLASS), betas=[np.inf] * 20, sweeps=20, start=states, reads=2, seed=1)
    assert sorted(found.record.energy.round(9)) == sorted(GLASS.energies((run.last_states, LABELS)).round(9))
    random = AnnealingSampler().sample(GLASS, num_sweeps=0, num_reads=200, seed=1).record.sample
    assert 0.4 < (random == 1).mean() < 0.6


@pytest.mark.parametrize("ends_with", [lambda: True, lambda: 1 / 0])
def test_an_interrupt_keeps_what_was_read(ends_with):
    options = dict(num_reads=200, num_sweeps=20, seed=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        one = AnnealingSampler().sample(GLASS, **options, interrupt_function=ends_with)
    assert len(one) == 1
    assert [str(one.message) for one in told] in (
        [],
        ["interrupt_function raised ZeroDivisionError('division by zero'): the sampling ends"],
    )
    asked = []
    whole = AnnealingSampler().sample(GLASS, **options, interrupt_function=lambda: asked.append(1))
    assert (len(whole), len(asked)) == (200, 5)  # after 1, 65, 129, 193 and 200
    np.testing.assert_array_equal(whole.record.sample[:1], one.record.sample)


def test_a_limit_in_time_returns_the_lowest_states():
    found = AnnealingSampler().sample(GLASS, num_reads=4, time_limit=0.05, seed=1)
    assert found.record.energy.max() == pytest.approx(dimod.ExactSolver().sample(GLASS).first.energy, rel=1e-12)


def test_it_works_inside_composites():
    composites = pytest.importorskip("dwave.preprocessing", reason="composites of dimod are in dwave-preprocessing")
    bare = AnnealingSampler()
    for sampler in (
        composites.SpinReversalTransformComposite(bare),
        composites.ConnectedComponentsComposite(bare),
        composites.FixVariablesComposite(bare, algorithm="roof_duality"),
        composites.ScaleComposite(bare),
        dimod.TruncateComposite(bare, 2),
        dimod.TrackingComposite(bare),
    ):
        found = sampler.sample(GLASS, num_reads=5, seed=1)
        assert found.first.energy == pytest.approx(dimod.ExactSolver().sample(GLASS).first.energy, rel=1e-12)


def test_the_default_range_of_dwave_samplers_is_theirs_by_its_formula():
    bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1.0, "b": 0.0}, {"ab": -0.5, "bc": 2.0})
    hot, cold = np.log(2) / (2 * 2.5), np.log(2 / 0.01) / (2 * 0.5)  # b has 2.5 in all; a and b have 0.5 at least
    np.testing.assert_allclose(default_beta_range(bqm), [hot, cold])
    np.testing.assert_allclose(default_beta_range(bqm.change_vartype("BINARY", inplace=False)), [hot, cold])
    np.testing.assert_allclose(default_beta_range(bqm, 0.001, False), [hot, np.log(1000)])
    with pytest.warns(UserWarning, match="no bias differs from 0"):
        assert default_beta_range(dimod.BinaryQuadraticModel("SPIN")) == [0.1, 1.0]


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (dict(num_reads=0), ValueError, "num_reads is 0"),
        (dict(num_reads=2.5), TypeError, "num_reads is 2.5"),
        (dict(num_sweeps=-1), ValueError, "num_sweeps is -1"),
        (dict(num_sweeps=5, num_sweeps_per_beta=2), ValueError, "num_sweeps is 5: give a multiple"),
        (dict(num_sweeps_per_beta=1.5), TypeError, "num_sweeps_per_beta is 1.5"),
        (dict(seed=-1), ValueError, "seed"),
        (dict(seed=2**65), ValueError, "seed is 3689"),
        (dict(seed="x"), TypeError, "seed is 'x'"),
        (dict(beta_range=[1]), ValueError, "beta_range"),
        (dict(beta_range=[-1, 1]), ValueError, "beta_range"),
        (dict(beta_range=[0, 1]), ValueError, "geometric schedule never leaves"),
        (dict(beta_schedule_type="log"), ValueError, "beta_schedule_type is 'log'"),
        (dict(beta_schedule=[1, 2]), ValueError, "beta_schedule is given"),
        (dict(beta_schedule_type="custom"), ValueError, "beta_schedule"),
        (dict(beta_schedule_type="custom", beta_schedule=["x"]), ValueError, "beta_schedule"),
        (dict(beta_schedule_type="custom", beta_schedule=[1, -1]), ValueError, "beta_schedule"),
        (dict(beta_schedule_type="custom", beta_schedule=[1, 2], num_sweeps=3), ValueError, "num_sweeps is 3"),
        (dict(beta_schedule_type="custom", beta_schedule=[1, 2], beta_range=[1, 3]), ValueError, "beta_range"),
        (dict(proposal_acceptance_criteria="Glauber"), ValueError, "proposal_acceptance_criteria is 'Glauber'"),
        (dict(randomize_order=2), TypeError, "randomize_order"),
        (dict(interrupt_function=3), TypeError, "interrupt_function is 3"),
        (dict(engine="gpu"), ValueError, "engine is 'gpu'"),
        (dict(initial_states_generator="none"), ValueError, "initial states"),
    ],
)
def test_what_cannot_be_is_named(wrong, error, told):
    with pytest.raises(error, match=told):
        AnnealingSampler().sample(GLASS, **wrong)


def test_nan_biases_and_other_objects_are_refused():
    broken = dimod.BinaryQuadraticModel.from_ising({"a": np.nan}, {"ab": 1})
    for kind in KINDS:
        with pytest.raises(ValueError, match=r"bqm\['a'\] is nan|bqm\[\('a',\)\] is nan"):
            kind().sample(broken)
        with pytest.raises(TypeError, match=r"give a dimod\.BinaryQuadraticModel"):
            kind().sample({("a", "b"): 1})
        with pytest.warns(dimod.exceptions.SamplerUnknownArgWarning, match="chain_strength"):
            kind().sample(GLASS, **SHORT, chain_strength=3)
