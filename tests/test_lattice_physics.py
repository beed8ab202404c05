"""What is known of lattices: their critical points, and the entropies of those that no state satisfies.

Runs are of fixed seeds. Means are held to 5 standard errors, of 512 chains or more: a false alarm in 10^6 each.
"""

import itertools
import math

import numpy as np
import pytest
from test_cells import ODD

import fastgibbs as fg

TRIANGULAR, HONEYCOMB, KAGOME = math.log(3) / 4, math.log(2 + 3**0.5) / 2, math.log(3 + 2 * 3**0.5) / 4


def kagome_energy():
    """-<s_i s_j> 2 a site at the critical point, from the honeycomb's 4 / (3 sqrt 3) a bond.

    Z of kagome(K) is A^(-2n/3) B^n times that of a honeycomb(M): each triangle is a star of arms L, e^4K = cosh 3L /
    cosh L and A = 2 cosh 3L e^-3K, and summing over the spins between the centres leaves B = 2 e^M, e^2M = cosh 2L.
    """
    e = math.exp(4 * KAGOME)
    L = math.acosh(math.sqrt((e + 3) / 4))  # cosh 3L / cosh L = 4 cosh^2 L - 3
    assert math.log(math.cosh(2 * L)) / 2 == pytest.approx(HONEYCOMB)
    dL = 4 * e / (8 * math.cosh(L) * math.sinh(L))
    dA, dM = 3 * math.tanh(3 * L) * dL - 3, math.tanh(2 * L) * dL
    return -(-2 / 3 * dA + dM + 4 / (3 * 3**0.5) * dM)


def energy_error(name, beta, energy):
    """How many standard errors the energy a site at beta is from this one, its 1/L taken off by two sizes."""
    means, errors = [], []
    for side in (8, 16):
        model = fg.lattice((side, side), cell=name)
        run = fg.sample(model, beta=beta, sweeps=3000, burn_in=3000, thin=10, chains=512, seed=1, engine="multispin")
        chains = run.energy.mean(axis=1) / model.n
        means.append(chains.mean())
        errors.append(chains.std() / math.sqrt(chains.size))
    return abs(2 * means[1] - means[0] - energy) / math.hypot(2 * errors[1], errors[0])


CRITICAL = {
    "triangular": (TRIANGULAR, -2.0),
    "honeycomb": (HONEYCOMB, -2 / 3**0.5),
    "kagome": (KAGOME, kagome_energy()),
}


@pytest.mark.parametrize("name", CRITICAL)
def test_energies_at_exact_critical_points_are_exact(name):
    """Houtappel, Physica 16, 425 (1950); Syozi, Prog. Theor. Phys. 6, 306 (1951)."""
    beta, energy = CRITICAL[name]
    assert energy_error(name, beta, energy) < 5
    assert energy_error(name, 0.98 * beta, energy) > 5


def kurtosis_error(name, beta, sides):
    """How many standard errors <m^4>/<m^2>^2 is from 1.6036, of all 3D Ising models in a periodic cube.

    The correction L^-0.83 is taken off by two sizes, one twice the other (Hasenbusch, Phys. Rev. B 82, 174433 (2010)).
    """
    values, errors = [], []
    for side in sides:
        model = fg.lattice((side,) * 3, cell=name)
        run = fg.sample(model, beta=beta, sweeps=1500, burn_in=500, thin=5, chains=2048, seed=1, engine="multispin")
        m2, m4 = ((run.magnetization**k).mean(axis=1) for k in (2, 4))
        ratio = m4.mean() / m2.mean() ** 2
        values.append(ratio)
        errors.append((m4 / m2.mean() ** 2 - 2 * ratio * m2 / m2.mean()).std() / math.sqrt(m2.size))
    factor = 2**0.83
    apart = (factor * values[1] - values[0]) / (factor - 1) - 1.6036
    return abs(apart) * (factor - 1) / math.hypot(factor * errors[1], errors[0])


@pytest.mark.parametrize("name, beta, sides", [("bcc", 0.1573725, (4, 8)), ("fcc", 0.1020707, (3, 6))])
def test_kurtosis_at_critical_points_of_the_literature_is_that_of_all_cubes(name, beta, sides):
    """bcc: Butera and Comi, Phys. Rev. B 62, 14837 (2000); fcc: Lundow and others, Phil. Mag. 89, 2009 (2009)."""
    assert kurtosis_error(name, beta, sides) < 5
    assert kurtosis_error(name, 0.99 * beta, sides) > 5


def transfer(model, beta):
    """exp(-beta E) between a layer of the first axis and the next, (2^w, 2^w), from the model's bonds of layer 0."""
    width = model.n // model.shape[0]
    spins = np.array(list(itertools.product((-1, 1), repeat=width)))
    energy = np.zeros((len(spins), len(spins)))
    for i, j, J in zip(*(part.tolist() for part in model.bonds), strict=True):
        if i < width and j < width:
            energy -= J * (spins[:, i] * spins[:, j])[:, None]
        elif i < width <= j < 2 * width:
            energy -= J * np.outer(spins[:, i], spins[:, j - width])
    return np.exp(-beta * energy)


def ring(model, beta):
    """log Z of a lattice, layer by layer around the first axis."""
    return math.log(np.trace(np.linalg.matrix_power(transfer(model, beta), model.shape[0])))


CATALAN = 0.9159655941772190
FRUSTRATED = {
    # build (layers, width), widths whose 1/w^2 is taken off, entropy a site at T = 0
    "triangular": (lambda layers, width: fg.triangular((layers, width), J=-1.0), (6, 9), 0.3230659669),  # Wannier 1950
    "odd": (
        lambda layers, width: fg.lattice((layers, width // 2), J=(1, -1), cell=ODD),
        (6, 8),
        CATALAN / math.pi,
    ),
}


@pytest.mark.parametrize("name", FRUSTRATED)
def test_entropies_without_temperature_are_wannier_s_and_villain_s(name):
    """Widths w have s + c / w^2, and a little of 1 / w^4: a thousandth; energies are -1 a site."""
    build, widths, entropy = FRUSTRATED[name]
    found = []
    for width in widths:
        model = build(4, width)
        one = transfer(model, 20.0) * math.exp(-20.0 * width)
        found.append(math.log(np.abs(np.linalg.eigvals(one)).max()) / width)
    (a, b), (s, t) = widths, found
    assert (b**2 * t - a**2 * s) / (b**2 - a**2) == pytest.approx(entropy, abs=1.5e-3)
    assert abs(t - entropy) > 1.5e-3


@pytest.mark.parametrize("name", FRUSTRATED)
def test_tempering_finds_the_log_z_of_frustrated_lattices(name):
    build, _, _ = FRUSTRATED[name]
    model, betas = build(6, 6), np.linspace(0, 3, 13)
    run = fg.temper(model, betas=betas, sweeps=4000, ladders=16, seed=1)
    assert abs(run.log_z.bar[-1] - ring(model, betas[-1])) < 5 * run.log_z.bar_error[-1]
    assert abs(run.log_z.bar[-1] - ring(build(6, 6), 1.01 * betas[-1])) > 5 * run.log_z.bar_error[-1]


def is_ice(model, states):
    """Of which states every tetrahedron, four sites that are all neighbours, has two spins up."""
    neighbors = [set(model.indices[a:b].tolist()) for a, b in itertools.pairwise(model.indptr.tolist())]
    corners = {
        (i, j, k, m)
        for i, own in enumerate(neighbors)
        for j, k, m in itertools.combinations(sorted(own), 3)
        if i < j and {k, m} <= neighbors[j] and m in neighbors[k]
    }
    assert len(corners) == model.n // 2
    return (states[:, np.array(sorted(corners))].sum(axis=2) == 0).all(axis=1)


def test_spin_ice_of_a_cubic_cell_has_the_states_that_enumeration_counts():
    model = fg.lattice((1, 1, 1), J=-1.0, cell="pyrochlore")
    states = np.array(list(itertools.product((-1, 1), repeat=16)), np.int8)
    ice = states[is_ice(model, states)]
    assert len(ice) == 90  # Pauling: 2^16 (3/8)^8 = 25.6
    spectrum = fg.exact.spectrum(model)
    assert spectrum.ground_energy == -16 and {*map(bytes, spectrum.ground_states)} == {*map(bytes, ice)}


def test_spin_ice_has_a_little_more_entropy_than_pauling_s_estimate():
    """0.2050 a spin in the limit (Nagle, J. Math. Phys. 7, 1484 (1966)), above Pauling's ln(3/2) / 2 = 0.2027; and more
    in small boxes, of which the cell above has ln 90 / 16 = 0.28."""
    model = fg.lattice((2, 2, 2), J=-1.0, cell="pyrochlore")
    betas = np.linspace(0, 3, 16)
    run = fg.temper(model, betas=betas, sweeps=4000, ladders=16, seed=1)
    entropy, error = (run.log_z.bar[-1] - 3.0 * model.n) / model.n, run.log_z.bar_error[-1] / model.n
    assert 0.5 * math.log(1.5) + 5 * error < entropy < math.log(90) / 16 - 5 * error
