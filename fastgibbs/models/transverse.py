"""A classical energy in a transverse field, as worldlines in slices of imaginary time."""

from __future__ import annotations

import numpy as np

from fastgibbs.models import checks, foreign
from fastgibbs.models.csr import MAX_SITES
from fastgibbs.models.energy import Energy
from fastgibbs.models.ising import Ising
from fastgibbs.types import ArrayLike, FloatArray, ModelLike, Problem, States


class TransverseIsing(Energy):
    """H = E(sigma^z) - sum_i Gamma_i sigma^x_i: quantum spins 1/2, E the energy of a classical model.

    Z = Tr exp(-beta H) in M = `slices` steps dt = beta / M of imaginary time, periodic, is a sum over M classical
    states, of which site i has the worldline s_i1 ... s_iM (Suzuki, Prog. Theor. Phys. 56, 1454 (1976)):

    Z_M = sum exp(-dt sum_t E(s_t)) prod_it <s_it| exp(dt Gamma_i sigma^x) |s_i,t+1>,

    matrix elements being cosh(dt Gamma_i) of equal spins and sinh(dt Gamma_i) of different ones, a kink. What is
    sampled is the law of Z_M; means differ from those of H by O(1/M^2), so that (4 v_2M - v_M) / 3 are right to
    O(1/M^4) (`fastgibbs.analysis.extrapolate`). M >= 4 beta max(Gamma, |J|) is a fair start.

    `model`: of spins -1 and 1 with an Ising form. `gamma`: Gamma, a number or one per site, (sites,), at least 0, in
    the units of J. `slices`: M >= 1.

    Its variables are n = sites x slices spins, those of a worldline side by side: `worldlines(states)`. `energy` is
    the diagonal part of H, the mean over slices of E(s_t), and no exponent of a law: verbs that would take it for one
    refuse the model. `anneal` takes its field away, `temper` exchanges fields or betas; `sample` tells of each draw
    what H has besides (`fastgibbs.analysis.quantum`): "total_energy"; "energy_slope", what the heat capacity takes
    besides beta^2 times its variance; "x"; "zz", over bonds; "kinks"; and "abs_m", "m2", "m4", |m|, m^2 and m^4
    averaged over slices.

    Attributes: `model`, `gamma` float64 (sites,), `slices`, `sites`, `ising`. TypeError or ValueError names what is
    not so.

    >>> import fastgibbs as fg
    >>> quantum = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0, slices=16)
    >>> quantum, quantum.n
    (TransverseIsing(Ising(n=6, bonds=6, fields=0), gamma=1, slices=16), 96)
    >>> run = fg.sample(quantum, beta=2.0, sweeps=500, burn_in=50, seed=1)
    >>> print(f"{run.observables['x'].mean():.2f} {fg.exact.transverse(quantum, beta=2.0).x:.2f}")
    0.58 0.57
    """

    by_worldlines = True
    batch_invariant = True

    model: ModelLike
    gamma: FloatArray
    slices: int
    sites: int

    def __init__(self, model: Problem, gamma: ArrayLike, slices: int = 32) -> None:
        model = checks.model("model", foreign.taken("model", model))
        low = getattr(model, "low", -1)
        if low != -1 or not getattr(model, "has_ising_form", True):
            why = "it has no Ising form" if low == -1 else "its units are 0 and 1: give its to_ising()"
            raise ValueError(f"model is {checks.shown(model)}: give one of spins with an Ising form, {why}")
        given = checks.finite_array("gamma", gamma)
        if given.shape not in ((), (model.n,)):
            raise ValueError(f"gamma has shape {given.shape}: give a number or one per site, ({model.n},)")
        checks.refuse("gamma", given, given < 0, "give fields of at least 0, as the sign changes no mean in z")
        slices = checks.integer("slices", slices)
        if model.n * slices > MAX_SITES:
            raise ValueError(f"slices is {slices}: {model.n} sites have at most {MAX_SITES // model.n} of them")
        checks.require_range(8 * checks.largest(given) * model.n, "gamma")
        fields = np.broadcast_to(given, model.n).copy()
        attributes = {"model": model, "gamma": fields, "slices": slices, "sites": model.n}
        self.__setstate__({"n": model.n * slices} | attributes)

    @property
    def ising(self) -> Ising:
        """E as an `Ising` model.

        >>> import fastgibbs as fg
        >>> quantum = fg.TransverseIsing(fg.lattice((4,)), gamma=1.0, slices=8)
        >>> quantum.ising
        Ising(n=4, bonds=4, fields=0)
        """
        return self.model.to_ising()

    @property
    def even(self) -> bool:
        """Whether E(-s) = E(s)."""
        return self.ising.field == 0

    @property
    def field_bound(self) -> float:
        """A bound on |h_i| + sum_j |J_ij| of all sites."""
        return self.ising.field_bound

    def worldlines(self, states: ArrayLike) -> States:
        """The worldlines int8 (..., sites, slices) of `states` (..., n); errors as for `to_spins`.

        >>> import fastgibbs as fg
        >>> fg.TransverseIsing(fg.lattice((3,)), 1.0, slices=2).worldlines([1, 1, -1, 1, -1, -1]).tolist()
        [[1, 1], [-1, 1], [-1, -1]]
        """
        spins = self.to_spins(states)
        return spins.reshape(*spins.shape[:-1], self.sites, self.slices)

    def energy(self, states: ArrayLike) -> FloatArray:
        """The mean over slices of E(s_t), of `states` (..., n): float64 in the shape of the leading axes."""
        of_slices = self.ising.energy(np.ascontiguousarray(np.swapaxes(self.worldlines(states), -1, -2)))
        total = np.zeros(of_slices.shape[:-1])
        for t in range(self.slices):
            total += of_slices[..., t]
        return (total / self.slices)[()]

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log of what states `v` (..., n) add to Z_M at inverse temperature beta >= 0: float64 (...)."""
        lines = self.worldlines(v)
        g = beta / self.slices * self.gamma
        with np.errstate(divide="ignore"):  # no kink without a field
            equal, kink = np.log(np.cosh(g)), np.log(np.sinh(g))
        kinks = (lines != np.roll(lines, -1, axis=-1)).sum(axis=-1)
        of_kinks = np.multiply(kinks, kink, out=np.zeros(kinks.shape), where=kinks > 0)
        return -beta * self.energy(v) + ((self.slices - kinks) * equal + of_kinks).sum(axis=-1)

    def __repr__(self) -> str:
        low, high = self.gamma.min(initial=np.inf), self.gamma.max(initial=0.0)
        fields = f"{high:g}" if low >= high else f"{low:g}...{high:g}"
        return f"TransverseIsing({self.model!r}, gamma={fields}, slices={self.slices})"
