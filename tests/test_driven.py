"""Driven systems: the exact cycle, and the response that chains of each engine have, in its own order of sites."""

import itertools

import numpy as np
import pytest

import fastgibbs as fg

RING, DRIVE = fg.lattice((6,)), fg.oscillating(0.1, period=40)
EXACT = {  # T: |X| and lag of sites in order, and of the even ones first
    0.5: (0.01039667, 1.506099, 0.01038946, 1.525182),
    1.0: (0.20764321, 1.072099, 0.20888855, 1.086523),
    1.2: (0.23694142, 0.777244, 0.23880077, 0.786817),
    1.5: (0.19964471, 0.467625, 0.20098635, 0.471912),
    2.2: (0.10753071, 0.196661, 0.10788015, 0.197662),
    6.0: (0.02317819, 0.036986, 0.02318809, 0.037058),
}
SIGMAS = 4.5  # of about 200 comparisons: one in 700 such runs is refused


@pytest.mark.parametrize("T", EXACT)
def test_the_cycle_of_the_ring_has_the_amplitudes_and_lags_that_are_known(T):
    for order, (amplitude, lag) in ((None, EXACT[T][:2]), ([0, 2, 4, 1, 3, 5], EXACT[T][2:])):
        found = fg.exact.driven(RING, 1 / T, DRIVE, order=order)
        assert abs(found.amplitude - amplitude) < 1e-8 and abs(found.lag - lag) < 1e-6


def test_one_spin_follows_without_lag_and_without_a_drive_the_law_is_boltzmanns():
    found = fg.exact.driven(fg.Ising([[0]]), 0.8, DRIVE)
    np.testing.assert_allclose(found.magnetization, np.tanh(0.8 * DRIVE.values), atol=1e-13)
    assert abs(found.lag) < 1e-12 and abs(found.area) < 1e-15
    for model in (RING, fg.RBM(np.eye(3), [0.1, 0.2, 0.3], [1.0, 0.0, -1.0]), fg.lattice((3, 3), h=0.3)):
        for rule in ("gibbs", "metropolis") if model is not RING else ("gibbs",):  # where Metropolis never forgets
            still = fg.exact.driven(model, 0.6, rule=rule, order=np.arange(model.n)[::-1])
            np.testing.assert_allclose(still.energy, fg.exact.spectrum(model).energy(0.6), atol=1e-11)


def cycle(model, betas, fields, order):
    """m_t and E_t by the matrices of all attempts, written from P(s_i = 1) = 1 / (1 + exp(-2 beta (f_i + b)))."""
    spins = np.array(list(itertools.product([-1, 1], repeat=model.n)))
    places = {tuple(s): k for k, s in enumerate(spins.tolist())}
    J = np.zeros((model.n, model.n))
    i, j, values = model.bonds
    J[i, j] = J[j, i] = values
    sweeps = []
    for beta, b in zip(betas, fields, strict=True):
        sweep = np.eye(len(spins))
        for site in order:
            attempt = np.zeros((len(spins), len(spins)))
            for k, s in enumerate(spins):
                for new in (-1, 1):
                    end = [*s[:site], new, *s[site + 1 :]]
                    f = J[site] @ s + model.fields[site] + b
                    attempt[k, places[tuple(map(int, end))]] += 1 / (1 + np.exp(-2 * beta * f * new))
            sweep = sweep @ attempt
        sweeps.append(sweep)
    period = np.linalg.multi_dot(sweeps)
    law = np.linalg.lstsq(
        np.vstack([period.T - np.eye(len(spins)), np.ones(len(spins))]), np.eye(len(spins) + 1)[-1], None
    )[0]
    found = []
    for sweep in sweeps:
        law = law @ sweep
        found.append((law @ spins.mean(axis=1), law @ model.energy(spins.astype(np.int8))))
    return np.array(found).T


def test_the_cycle_is_that_of_the_matrices_of_all_attempts():
    """Of fields of all sites and a beta that is driven too; not of another order, or a sweep later."""
    model = fg.Ising.from_edges(
        4, [0, 1, 2, 3, 0], [1, 2, 3, 0, 2], [1.0, -0.5, 0.7, 1.2, -1.0], fields=[0.2, 0.0, -0.4, 0.1]
    )
    betas, fields = np.array([0.4, 0.9]), np.array([0.5, -0.2, -0.6, 0.3])
    order = [2, 0, 3, 1]
    right = cycle(model, np.tile(betas, 2), fields, order)
    found = fg.exact.driven(model, fg.protocol(betas), fg.protocol(fields), order=order)
    np.testing.assert_allclose([found.magnetization, found.energy], right, atol=1e-10)
    for broken in (
        fg.exact.driven(model, fg.protocol(betas), fg.protocol(fields)),
        fg.exact.driven(model, fg.protocol(betas), fg.protocol(np.roll(fields, 1)), order=order),
    ):
        assert np.abs(broken.magnetization - right[0]).max() > 1e-3


CHAINS = {"multispin": 1024, "sparse": 512}


@pytest.fixture(scope="module", params=CHAINS)
def responses(request):
    chains = CHAINS[request.param]
    run = fg.sample(
        RING,
        beta=np.repeat([1 / 1.2, 1 / 2.2], chains),
        field=DRIVE,
        burn_in=120,
        sweeps=1200,
        seed=1,
        engine=request.param,
    )
    return run, fg.analysis.response(run), [fg.exact.driven(RING, 1 / T, DRIVE, order=run.order) for T in (1.2, 2.2)]


def off(found, exact, k):
    """By how many errors the response k is off: amplitude, lag, phases, loop, and the curve at each sweep."""
    X = exact.amplitude * np.exp(1j * exact.lag)
    pairs = [
        (found.amplitude[k] - exact.amplitude, found.amplitude_error[k]),
        (found.lag[k] - exact.lag, found.lag_error[k]),
        (found.in_phase[k] - X.real, found.in_phase_error[k]),
        (found.quadrature[k] - X.imag, found.quadrature_error[k]),
        (found.area[k] - exact.area, found.area_error[k]),
        *zip(found.curve[k] - exact.magnetization, found.curve_error[k], strict=True),
    ]
    return max(abs(difference) / error for difference, error in pairs)


def test_chains_respond_as_the_cycle_in_the_order_of_their_engine(responses):
    run, found, exact = responses
    assert (run.engine == "multispin") == (run.order.tolist() == [0, 2, 4, 1, 3, 5])
    assert found.chains.tolist() == [CHAINS[run.engine]] * 2 and found.beta.tolist() == [1 / 1.2, 1 / 2.2]
    for k in range(2):
        assert off(found, exact[k], k) < SIGMAS
    energy = run.energy[: CHAINS[run.engine]].reshape(CHAINS[run.engine], -1, 40).mean(axis=1)
    assert (np.abs(energy.mean(axis=0) - exact[0].energy) < SIGMAS * energy.std(axis=0) / np.sqrt(len(energy))).all()


def test_another_phase_another_field_or_another_temperature_is_told_apart(responses):
    _, found, exact = responses
    late = exact[0]._replace(magnetization=np.roll(exact[0].magnetization, 1), lag=exact[0].lag + 2 * np.pi / 40)
    assert off(found, late, 0) > SIGMAS
    assert off(found, fg.exact.driven(RING, 1 / 1.2, fg.oscillating(0.12, 40)), 0) > SIGMAS
    assert off(found, exact[1], 0) > SIGMAS


def test_the_response_of_known_draws_is_known():
    """v = 0.1 + 0.3 cos(x - 0.5) + noise at 12 times a period of 36 sweeps, thin 3."""
    run = fg.sample(RING, beta=0.5, field=fg.oscillating(0.2, 36), chains=8, burn_in=36, sweeps=720, thin=3, seed=1)
    t = 2 * np.pi * 3 * np.arange(1, 241) / 36
    rng = np.random.default_rng(1)
    run.magnetization[:] = 0.1 + 0.3 * np.cos(t - 0.5) + 1e-3 * rng.normal(size=(8, 240))
    found = fg.analysis.response(run)
    for name, value in (("mean", 0.1), ("amplitude", 0.3), ("lag", 0.5), ("in_phase", 0.3 * np.cos(0.5))):
        assert abs(getattr(found, name)[0] - value) < 6 * getattr(found, f"{name}_error")[0] < 1e-3
    assert abs(found.area[0] - np.pi * 0.2 * 0.3 * np.sin(0.5) * np.sin(np.pi / 6) / (np.pi / 6)) < 1e-3
    assert found.sweeps.tolist() == list(range(3, 37, 3))
    np.testing.assert_allclose(found.curve[0], 0.1 + 0.3 * np.cos(t[:12] - 0.5), atol=1e-3)
    expected = 240 * 0.3**2 / 4 / 1e-6  # power 240^2 0.3^2 / 4 over 240 1e-6
    assert abs(found.signal_to_noise[0] / expected - 1) < 0.3  # of 128 exponential powers: 9 % each way
    assert 0 < found.signal_to_noise_error[0] < 0.3 * expected


def test_the_energy_follows_a_driven_beta_and_a_summary_has_averages_by_phase():
    run = fg.sample(RING, beta=fg.oscillating(0.2, 8), chains=64, sweeps=800, seed=1, engine="sparse")
    run = fg.sample(
        RING, beta=fg.protocol(0.5 + fg.oscillating(0.2, 8).values), chains=64, sweeps=800, seed=1, engine="sparse"
    )
    found, exact = fg.analysis.response(run), fg.exact.driven(RING, fg.protocol(run.beta[:, 0]))
    of_energy = fg.exact.driven(RING, fg.protocol(run.beta[:, 0])).energy / 6
    assert (np.abs(found.curve[0] - of_energy) < SIGMAS * found.curve_error[0]).all() and exact.amplitude < 1e-9
    told = run.summary()
    assert "no stationary law" in told and "R-hat" not in told and "chi" not in told
    for phase in (1, 8):
        assert f"{found.curve[0, phase - 1]:.3f}"[:5] in told
    with pytest.raises(ValueError, match="result is of a driven run"):
        fg.analysis.reweight(run, 0.5)
    with pytest.raises(ValueError, match="result is of a driven run"):
        fg.plots.energy_curve(run)


def test_chains_in_fields_of_their_own_are_groups_of_their_own():
    kwargs = dict(beta=[0.5, 0.5, 0.2, 0.5], field=[0.1, 0.0, 0.0, 0.1], sweeps=40, seed=1, engine="sparse")
    run = fg.sample(RING, **kwargs)
    assert [(g.beta, g.field, len(g.energy)) for g in run.by_beta()] == [(0.2, 0.0, 1), (0.5, 0.0, 1), (0.5, 0.1, 2)]
    assert "field" in run.summary() and "field" in run.table().coordinates
    with pytest.raises(ValueError, match="in fields beside the model's"):
        fg.analysis.to_u_kn(run)
    with pytest.raises(ValueError, match="of several fields"):
        fg.plots.energy_curve(run)
    np.testing.assert_array_equal(
        fg.sample(RING, beta=[0.0, 0.5, np.inf], sweeps=1, seed=1).temperature, [np.inf, 2, 0]
    )


def test_what_has_no_response_is_refused_in_words():
    still = fg.sample(RING, beta=0.5, chains=4, sweeps=8, seed=1, engine="multispin")
    kwargs = dict(beta=0.5, chains=4, sweeps=8, seed=1, engine="multispin")
    run = fg.sample(RING, field=fg.oscillating(0.1, 8), **kwargs)
    binned = fg.sample(RING, field=fg.oscillating(0.1, 8), record="bins", **kwargs)
    for arguments, said in (
        ((still,), "run is not driven"),
        ((binned,), "run keeps bins"),
        ((run, 5), "period is 5: give a part of the 8 sweeps"),
        ((run, 2), "period is 2: give a part"),
    ):
        with pytest.raises(ValueError, match=said):
            fg.analysis.response(*arguments)
    with pytest.raises(TypeError, match="run is"):
        fg.analysis.response(3)
    for arguments, said in (
        (dict(model=fg.lattice((4, 4))), "model has 16 variables: give 12 at most"),
        (dict(order=[0, 1]), r"order is \[0, 1\]: give each of the 6 sites once"),
        (dict(order=[0, 1, 2, 3, 4, 4]), "give each of the 6 sites once"),
        (dict(field=np.inf), "field is inf"),
        (dict(field=fg.oscillating([0.1, 0.2], 4)), "field has 2 chains"),
        (dict(beta=fg.protocol([0.1, np.inf])), "the values of beta"),
    ):
        with pytest.raises(ValueError, match=said):
            fg.exact.driven(**dict(model=RING, beta=0.5) | arguments)
