"""Structure factors, correlations at a distance and their lengths, of spins and of overlaps, against exact ones."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.models.waves import places, planes, turns

RING = fg.lattice((12,))
SQUARE = fg.lattice((4, 4))
GLASS = fg.edwards_anderson((4, 4), seed=7)
BETA = 0.3
KEPT = dict(chains=64, sweeps=400, burn_in=100, keep_states=True, seed=3)
Z = 4.5  # of 64 rows: missed by chance once in 3 * 10^4; some 60 are taken


def law(model, beta):
    return exact.states(model.n), exact.spectrum(model).probabilities(beta)


def exact_structure_factor(model, beta, k):
    """<|sum_i s_i exp(-i k.r_i)|^2> / n, float64 (waves,), of vectors k (waves, dimensions), from all states."""
    states, p = law(model, beta)
    return p @ abs(states @ np.exp(-1j * model.positions @ k.T)) ** 2 / model.n


def scores(mean, error, expected):
    return np.abs((mean - expected) / error)


@pytest.fixture(scope="module")
def ring():
    waves = fg.waves(RING, [[m] for m in range(1, 7)])
    return fg.sample(RING, beta=[0.3] * 32 + [0.7] * 32, observe=waves, **KEPT)


@pytest.fixture(scope="module")
def square():
    return fg.sample(SQUARE, beta=BETA, observe=fg.waves(SQUARE, [[1, 0], [0, 1], [2, 1], [2, 2]]), **KEPT)


def test_structure_factors_are_those_of_all_states(ring, square):
    found = analysis.structure_factor(ring)
    assert found.beta.tolist() == [0.3, 0.7] and found.m.ravel().tolist() == list(range(7))
    for row, beta in enumerate(found.beta):
        known = exact_structure_factor(RING, beta, found.k)
        assert scores(found.mean[row], found.error[row], known).max() < Z
        shifted = exact_structure_factor(RING, beta + 0.05, found.k)  # the broken twin
        assert scores(found.mean[row], found.error[row], shifted).max() > Z
    found = analysis.structure_factor(square)
    assert found.m.tolist() == [[0, 0], [1, 0], [0, 1], [2, 1], [2, 2]]
    assert scores(found.mean, found.error, exact_structure_factor(SQUARE, BETA, found.k)).max() < Z


@pytest.mark.parametrize("cell", ["triangular", "honeycomb", "kagome"])
def test_cells_with_any_vectors_and_sites_have_the_structure_factors_of_their_positions(cell):
    model = fg.lattice((3, 2) if cell == "kagome" else (3, 3), cell=cell, J=[0.7])
    waves = fg.waves(model, [[1, 0], [0, 1], [1, -1]])
    run = fg.sample(model, beta=BETA, observe=waves, chains=16, sweeps=50, engine="sparse", keep_states=True, seed=1)
    found, s = analysis.structure_factor(run), run.samples
    power = abs(s @ np.exp(-1j * model.positions @ found.k.T)) ** 2 / model.n
    np.testing.assert_allclose(found.mean[0], power.mean(axis=(0, 1)), atol=1e-10)
    np.testing.assert_allclose(found.k @ model.periods.T, 2 * np.pi * found.m, atol=1e-9)


def test_what_is_observed_is_the_transform_of_the_states(square):
    found, s = analysis.structure_factor(square), square.samples
    power = abs(s @ np.exp(-1j * SQUARE.positions @ found.k.T)) ** 2 / 16
    np.testing.assert_allclose(found.mean[0], power.mean(axis=(0, 1)), atol=1e-10)
    of_chains = power.mean(axis=1)
    np.testing.assert_allclose(found.error[0], of_chains.std(axis=0, ddof=1) / 8, rtol=1e-10)


def test_bins_and_ladders_have_the_same_structure_factors():
    waves = fg.waves(GLASS, [[1, 0], [2, 2]]) | {"first": np.eye(16)[0]}
    kwargs = dict(beta=BETA, chains=16, sweeps=96, observe=waves, seed=1)
    one, other = (analysis.structure_factor(fg.sample(GLASS, record=record, **kwargs)) for record in ("draws", "bins"))
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
    np.testing.assert_allclose(one.error, other.error, rtol=1e-10)
    kwargs = dict(betas=[0.2, 0.5, 0.8], ladders=32, sweeps=400, burn_in=100, observe=waves, seed=1)
    found = analysis.structure_factor(fg.temper(GLASS, **kwargs))
    for row, beta in enumerate(found.beta):
        known = exact_structure_factor(GLASS, beta, found.k)
        assert scores(found.mean[row], found.error[row], known).max() < Z
    binned = analysis.structure_factor(fg.temper(GLASS, record="bins", **kwargs))
    np.testing.assert_allclose(found.mean, binned.mean, rtol=1e-12)


def test_the_correlation_length_is_that_of_the_exact_structure_factor(ring, square):
    for run, model, n in ((ring, RING, 12), (square, SQUARE, 4)):
        found = analysis.correlation_length(run)
        for row, beta in enumerate(found.beta):
            S = exact_structure_factor(model, beta, np.vstack([np.zeros(model.positions.shape[1]), found_k(model)]))
            known = np.sqrt(S[0] / S[1:].mean() - 1) / (2 * np.sin(np.pi / n))
            assert scores(found.xi[row], found.xi_error[row], known) < Z
            np.testing.assert_allclose(found.ratio[row], found.xi[row] / n)
            np.testing.assert_allclose(found.ratio_error[row], found.xi_error[row] / n)
    assert found.xi_error[0] < 0.05 * found.xi[0]
    cold = fg.sample(fg.lattice((4, 4), J=-1.0), beta=1.0, chains=4, sweeps=9, observe=fg.waves(SQUARE, [1, 0]), seed=1)
    assert analysis.correlation_length(cold).xi[0] == 0  # of a sublattice order


def found_k(model):
    return fg.smallest_waves(model)


def test_errors_of_the_correlation_length_are_the_spread_over_seeds():
    """Of 40 runs; the mean of their errors is known to 12 % and so is the spread: 40 % is 3 sigma."""
    waves = fg.waves(SQUARE, fg.smallest_waves(SQUARE))
    kwargs = dict(beta=BETA, chains=16, sweeps=100, burn_in=20, observe=waves)
    runs = [analysis.correlation_length(fg.sample(SQUARE, seed=seed, **kwargs)) for seed in range(40)]
    spread = np.std([run.xi[0] for run in runs], ddof=1)
    assert abs(np.log(spread / np.mean([run.xi_error[0] for run in runs]))) < 0.4


# C(r)


def test_correlations_of_a_ring_are_powers_of_tanh(ring):
    """C(r) = (t^r + t^(n - r)) / (1 + t^n), t = tanh(beta)."""
    found = analysis.correlations(ring)
    assert found.r.tolist() == list(range(7))
    for row, beta in enumerate(found.beta):
        t, r = np.tanh(beta), found.r
        known = (t**r + t ** (12 - r)) / (1 + t**12)
        assert found.mean[row, 0] == 1 and found.error[row, 0] == 0
        assert scores(found.mean[row, 1:], found.error[row, 1:], known[1:]).max() < Z
        assert scores(found.mean[row, 1:], found.error[row, 1:], t ** r[1:] * 1.1).max() > Z


def test_correlations_and_structure_factors_of_a_ring_are_a_fourier_pair(ring):
    """S(k) = sum_r C(r) cos(k r), of the very same draws."""
    C, S = analysis.correlations(ring), analysis.structure_factor(ring)
    around = np.concatenate([C.mean, C.mean[:, 5:0:-1]], axis=1)
    np.testing.assert_allclose(S.mean, around @ np.cos(np.outer(np.arange(12), S.k[:, 0])), atol=1e-9)


@pytest.mark.parametrize(("axis", "periodic"), [(0, True), (1, True), (0, False), (1, False)])
def test_correlations_are_means_over_all_pairs(axis, periodic):
    model = fg.lattice((5, 6), cell="honeycomb")
    run = fg.sample(model, beta=[0.3, 0.5] * 2, sweeps=7, keep_states=True, engine="sparse", seed=1)
    found = analysis.correlations(run, axis=axis, periodic=periodic)
    s, side = np.moveaxis(run.samples.reshape(4, 7, 5, 6, 2), 2 + axis, 2).astype(float), (5, 6)[axis]
    for r in range(side // 2 + 1 if periodic else side):
        shifted = np.roll(s, -r, axis=2)
        products = s * shifted if periodic else (s * shifted)[:, :, : side - r]
        expected = [products[k::2].mean() for k in range(2)]
        np.testing.assert_allclose(found.mean[:, r], expected, atol=1e-12)
        assert found.r[r] == pytest.approx(r * np.sqrt(3))


def test_neighbours_are_as_alike_as_the_energy_says(square):
    """C(1) = -E / bonds, the mean of both axes."""
    both = [analysis.correlations(square, axis=axis).mean[0, 1] for axis in (0, 1)]
    assert np.mean(both) == pytest.approx(-square.energy.mean() / 32, abs=1e-12)
    assert abs(both[0] + exact.torus((4, 4), BETA).energy / 32) < 0.02


def test_connected_correlations_lack_the_square_of_the_mean_magnetisation(square):
    plain, connected = (analysis.correlations(square, connected=flag) for flag in (False, True))
    m = abs(square.magnetization).mean()
    np.testing.assert_allclose(plain.mean - connected.mean, m**2, atol=1e-12)
    assert (connected.error[0] > 0).all()


# Overlaps


def exact_overlaps(model, beta, k):
    """n <|q(k)|^2> of two independent draws, from all pairs of states by way of <s_i s_j>^2."""
    states, p = law(model, beta)
    both = (states * p[:, None]).T @ states
    phases = np.exp(-1j * model.positions @ k.T)
    return np.real(np.einsum("ik,ij,jk->k", phases, both**2, phases.conj())) / model.n


def test_overlaps_of_chains_and_ladders_have_the_exact_structure_factor():
    run = fg.sample(GLASS, beta=[0.4] * 128 + [0.8] * 128, sweeps=600, burn_in=200, thin=4, keep_states=True, seed=5)
    tempered = fg.temper(GLASS, betas=[0.4, 0.8], ladders=128, sweeps=2000, burn_in=200, overlap_every=4, seed=5)
    for found in (analysis.overlap_structure_factor(run), analysis.overlap_structure_factor(tempered)):
        assert found.m.tolist() == [[0, 0], [1, 0], [0, 1]]
        for row, beta in enumerate(found.beta):
            known = exact_overlaps(GLASS, beta, found.k)
            assert scores(found.mean[row], found.error[row], known).max() < Z
            assert scores(found.mean[row], found.error[row], exact_overlaps(GLASS, beta + 0.2, found.k)).max() > Z
    length = analysis.overlap_correlation_length(run)
    known = exact_overlaps(GLASS, 0.8, found.k)
    xi = np.sqrt(known[0] / known[1:].mean() - 1) / (2 * np.sin(np.pi / 4))
    assert scores(length.xi[1], length.xi_error[1], xi) < Z
    assert scores(*(getattr(analysis.overlap_correlation_length(tempered), x)[1] for x in ("xi", "xi_error")), xi) < Z


def test_overlaps_of_chains_are_products_of_their_states():
    run = fg.sample(GLASS, beta=[0.4] * 5, sweeps=8, keep_states=True, seed=1)
    found, s = analysis.overlap_structure_factor(run, [[2, 1]]), run.samples.astype(float)
    q = (s[:4:2] * s[1:4:2]) @ np.exp(-1j * GLASS.positions @ found.k.T)
    np.testing.assert_allclose(found.mean[0], (abs(q) ** 2).mean(axis=(0, 1)) / 16, atol=1e-10)


def test_chains_in_other_fields_are_groups_of_their_own():
    run = fg.sample(SQUARE, beta=BETA, field=[0.0, 0.0, 0.9, 0.9], sweeps=16, keep_states=True, seed=1)
    along, overlaps = analysis.correlations(run).mean, analysis.overlap_structure_factor(run).mean
    for k, chains in enumerate((slice(2), slice(2, 4))):
        s = run.samples[chains].astype(float).reshape(2, 16, 4, 4)
        assert abs(along[k, 1] - (s * np.roll(s, 1, axis=2)).mean()) < 1e-12
        assert abs(overlaps[k, 0] - ((s[0] * s[1]).sum(axis=(1, 2)) ** 2).mean() / 16) < 1e-12


def test_one_pair_of_ladders_tells_no_error():
    found = analysis.overlap_structure_factor(fg.temper(GLASS, betas=[0.1, 0.5], sweeps=20, seed=1))
    assert (found.error == np.inf).all() and np.isfinite(found.mean).all()


# Waves


@pytest.mark.parametrize("cell", ["chain", "square", "triangular", "honeycomb", "kagome", "bcc", "pyrochlore"])
def test_the_smallest_waves_fit_a_lattice_and_their_planes_hold_all_sites(cell):
    dimensions = {"chain": 1, "bcc": 3, "pyrochlore": 3}.get(cell, 2)
    model = fg.lattice((3, 2, 4)[:dimensions], cell=cell)
    k = fg.smallest_waves(model)
    np.testing.assert_allclose(k @ model.periods.T, 2 * np.pi * np.eye(dimensions), atol=1e-12)
    of_turns = turns(model, k)
    for wave, which, mine in zip(of_turns, *planes(of_turns), strict=True):
        assert (np.abs((mine[which] - wave + 0.5) % 1 - 0.5) < 1e-9).all() and (np.diff(mine) > 1e-6).all()


def test_sines_that_are_0_and_k_0_are_left_out():
    assert list(fg.waves(SQUARE, [[0, 0], [2, 0], [1, 2]])) == ["cos(2, 0)", "cos(1, 2)", "sin(1, 2)"]
    model = fg.lattice((6, 5), cell="triangular")
    m = np.array([[1, 2], [-2, 1]])
    assert list(fg.waves(model, m)) == list(fg.waves(model, m @ places("model", model).reciprocal))
    assert "cos(9, 0)" in fg.waves(fg.lattice((4, 4), cell="kagome"), [9, 0])  # whose S(k) does not repeat there


BAD = {
    "outside the zone": (SQUARE, [3, 0], ValueError, r"k\[0\] is outside the zone, \[3, 0\]"),
    "outside it, as a vector": (SQUARE, [[0.0, -1.5 * np.pi]], ValueError, "outside the zone"),
    "what does not fit": (SQUARE, [1.0, 0.0], ValueError, r"k\[0\] is \[1.0, 0.0\], .*whole multiples"),
    "what does not fit a hexagon": (
        fg.lattice((4, 4), cell="honeycomb"),
        [np.pi / 2, 0],
        ValueError,
        "whole multiples",
    ),
    "other axes": (SQUARE, [[1, 0, 0]], ValueError, r"k has shape \(1, 3\)"),
    "a number": (SQUARE, 1, ValueError, r"k has shape \(\)"),
    "nothing": (SQUARE, [], ValueError, "k has shape"),
    "NaN": (SQUARE, [np.nan, 0.0], ValueError, r"k\[0\] is nan"),
    "flags": (SQUARE, [True, False], TypeError, "k has dtype bool"),
    "text": (SQUARE, "x", TypeError, "k has dtype"),
    "no positions": (fg.sherrington_kirkpatrick(8), [1], ValueError, "model is .* no positions: give a lattice"),
    "another shape alone": (fg.Ising.from_edges(4, [0], [1], 1.0, shape=(2, 2)), [1, 0], ValueError, "no positions"),
    "no model": (3, [1], TypeError, "model is 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_waves_are_refused(name):
    model, k, error, message = BAD[name]
    with pytest.raises(error, match=message):
        fg.waves(model, k)


def test_results_without_what_is_asked_are_refused(square):
    plain = fg.sample(SQUARE, beta=BETA, sweeps=4, chains=2, seed=1)
    waves = fg.waves(SQUARE, [1, 0])
    half = fg.sample(SQUARE, beta=BETA, sweeps=4, chains=2, observe={"cos(1, 0)": waves["cos(1, 0)"]}, seed=1)
    at = fg.sample(SQUARE, beta=BETA, at=[1, 3], chains=2, observe=waves, seed=1)
    one = fg.sample(GLASS, beta=[0.4, 0.5], sweeps=4, keep_states=True, seed=1)
    ladder = fg.temper(GLASS, betas=[0.1, 0.5], ladders=1, sweeps=4, seed=1)
    anywhere = fg.sample(fg.random_regular(8, 3), beta=0.4, chains=2, sweeps=4, keep_states=True, seed=1)
    diluted = fg.edwards_anderson((4, 4), sites=0.5, seed=1)
    holes = fg.sample(diluted, beta=0.4, chains=2, sweeps=4, keep_states=True, seed=1)
    cases = [
        (analysis.structure_factor, plain, ValueError, "observed no waves"),
        (analysis.correlation_length, plain, ValueError, "observed no waves"),
        (analysis.structure_factor, half, ValueError, r"has observed cos\(1, 0\) alone"),
        (analysis.structure_factor, at, ValueError, "evenly spaced"),
        (analysis.structure_factor, 3, TypeError, "result is 3"),
        (analysis.correlations, plain, ValueError, "samples were not kept"),
        (analysis.correlations, ladder, TypeError, r"result is .*TemperResult"),
        (analysis.correlations, anywhere, ValueError, "no positions"),
        (analysis.correlations, holes, ValueError, "not all there"),
        (lambda run: analysis.correlations(run, axis=2), square, ValueError, "axis is 2"),
        (analysis.overlap_structure_factor, plain, ValueError, "samples were not kept"),
        (analysis.overlap_structure_factor, one, ValueError, r"1 chains of 4 draws at beta = 0.4: give pairs"),
        (analysis.overlap_structure_factor, anywhere, ValueError, "no positions"),
        (analysis.overlap_correlation_length, ladder, ValueError, "no overlaps at k"),
        (lambda run: analysis.overlap_structure_factor(run, [1, 0]), ladder, ValueError, "smallest k alone"),
        (analysis.overlap_structure_factor, [ladder], TypeError, "list of 1"),
    ]
    for function, result, error, message in cases:
        with pytest.raises(error, match=message):
            function(result)
