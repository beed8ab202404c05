"""How large the fields and the energies of a model may be."""

from fastgibbs.models import checks
from fastgibbs.models.hopfield import Hopfield
from fastgibbs.models.rbm import RBM


def largest_field(model) -> float:
    """A bound on |h_i| + sum_j |J_ij|."""
    match model:
        case RBM():
            of_units = [checks.largest(bias) for bias in (model.visible_bias, model.hidden_bias)]
            return checks.largest(model.weights) * model.n + max(of_units)
        case Hopfield():
            return checks.largest(model.fields) + len(model.patterns)
    ising = model.to_ising()
    J = checks.largest(ising.couplings) if ising.coupling is None else ising.coupling
    h = checks.largest(ising.fields) if ising.field is None else abs(ising.field)
    return J * ising.degree + h


def most_energy(model) -> float:
    """A bound on |E|; units of 0 and 1 have at most twice that of fields and couplings of spins."""
    return 2 * model.n * largest_field(model) + abs(getattr(model, "offset", 0.0))
