"""What ladders of replicas have drawn at every rung, how they moved, and log Z."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.bins import Bins
from fastgibbs.analysis.disorder import NO_PAIRS, Replicas, replicas
from fastgibbs.analysis.records import Group
from fastgibbs.analysis.reports import Report
from fastgibbs.analysis.summaries import by_temperature
from fastgibbs.fields import described
from fastgibbs.integrations.tables import Table
from fastgibbs.models import checks
from fastgibbs.results.base import BEGUN, SITES, Timing, no_sites, run_result
from fastgibbs.results.drawn import KEPT, Drawn
from fastgibbs.results.lanes import Left
from fastgibbs.types import FloatArray, IntArray, ModelLike, States


@described
class Round(NamedTuple):
    """One round of adaptation."""

    sweeps: Annotated[int, "Its sweeps."]
    rungs: Annotated[int, "Rungs of its ladder."]
    barrier: Annotated[float, "Lambda, the sum of the rejection rates that it met."]
    least_acceptance: Annotated[float, "The least swap probability of two neighbouring rungs."]


@checks.by_contents
@described
class ReplicaOverlaps(NamedTuple):
    """Overlaps q = (1/n) sum_i s_i^a s_i^b of ladders a and b at every rung, and link overlaps.

    The link overlap is the mean over bonds of s_i^a s_j^a s_i^b s_j^b. All are means over `draws` measurements.
    """

    draws: Annotated[IntArray, "int64 (pairs,)", "Measurements."]
    histogram: Annotated[
        IntArray,
        "int64 (pairs, rungs, bins)",
        'Counts of q in bins of equal width from -1 to 1: one bin a value up to 1000 spins, or 128 by record="bins".',
    ]
    q: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of q."]
    q_abs: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of |q|."]
    q2: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of q^2."]
    q4: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of q^4."]
    link: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of the link overlap."]
    link2: Annotated[FloatArray, "float64 (pairs, rungs)", "Mean of its square."]
    qk2: Annotated[
        FloatArray,
        "float64 (pairs, rungs, waves)",
        "Mean of |q(k)|^2, q(k) = (1/n) sum_i s_i^a s_i^b exp(-i k.r_i), at the smallest k along each axis of a "
        "lattice that has more than one cell there (`fastgibbs.smallest_waves`); other models have no waves.",
    ] = np.empty((0, 0, 0))


@run_result
class TemperResult(Drawn):
    """What `temper` returns for one model. Rungs ascend in beta; a replica is a state that moves between them.

    Besides the fields: `log_z`, `barrier` and `equilibration`.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> print(run, f"log Z = {run.log_z.bar[-1]:.1f}")
    TemperResult(Ising(n=64, bonds=128, fields=0), ladders=2, rungs=3, draws=1000, engine='multispin') log Z = 56.6
    """

    KIND = "temper"
    model: Annotated[ModelLike, "The model."]
    betas: Annotated[FloatArray, "float64 (rungs,)", "Inverse temperature of each rung, ascending but in fields."]
    energy: Annotated[FloatArray, "float64 (ladders, rungs, draws)", "E of every draw, in the units of J and h."]
    magnetization: Annotated[
        FloatArray,
        "float64 (ladders, rungs, draws)",
        "Mean spin of every draw, in [-1, 1]; of an RBM, the mean of 2 x - 1.",
    ]
    observables: Annotated[
        dict[str, FloatArray],
        "float64 (ladders, rungs, draws, ...)",
        "What was observed, by name; more axes are a function's.",
    ]
    states: Annotated[States, "int8 (ladders, rungs, n)", "The states at the end, in the model's own units."]
    acceptance: Annotated[FloatArray, "float64 (rungs - 1,)", "Mean swap probability of each two neighbouring rungs."]
    round_trips: Annotated[
        IntArray, "int64 (ladders, rungs)", "How often each replica went from the hot end to the cold one and back."
    ]
    restarts: Annotated[
        IntArray, "int64 (ladders, rungs)", "How often each replica reached the cold end coming from the hot one."
    ]
    flow: Annotated[
        FloatArray,
        "float64 (rungs,)",
        "f: of the replicas met at a rung, the share that was last at the hot end; 1 ... 0.",
    ]
    overlap: Annotated[
        ReplicaOverlaps | None, "Of ladders 0 and 1, 2 and 3 ...; None if there is one ladder or overlap_every = 0."
    ]
    adaptation: Annotated[
        tuple[Round, ...], "The rounds in which the ladder was built; none of their draws is in the result."
    ]
    seed: Annotated[int, "Pass it as `seed` to get the same bytes again."]
    engine: Annotated[str, "The engine that ran it."]
    rule: Annotated[str, '"gibbs" or "metropolis".']
    swap_every: Annotated[int, "Sweeps between swap rounds."]
    burn_in: Annotated[int, "Sweeps made first and not recorded."]
    thin: Annotated[int, "Sweeps from one draw to the next."]
    timing: Annotated[Timing, "Seconds, and attempts per second."]
    interrupted: Annotated[bool, "True if the run was stopped: the draws are those that every ladder had done."]
    clamped: Annotated[IntArray, *SITES] = field(default_factory=no_sites)
    bins: Annotated[Bins | None, KEPT] = None
    clusters: Annotated[str | None, 'Cluster moves that were made, "houdayer" ... "cmr", or None.'] = None
    cluster_every: Annotated[int | None, "Sweeps from one to the next; None without."] = None
    fields: Annotated[
        FloatArray | None,
        "float64 (rungs,)",
        "The field of each rung beside the model's own, which `energy` is without, or None.",
    ] = None
    gammas: Annotated[
        FloatArray | None,
        "float64 (rungs,)",
        "Of a ladder in Gamma the largest of all sites, or None.",
    ] = None
    start: Annotated[str | None, BEGUN] = None
    together: Annotated[
        int | None,
        "How many models of the call, which differ in signs alone, shared random numbers, or None if one did.",
    ] = None
    _blocks: list[Left] = field(default_factory=list)

    @property
    def temperature(self) -> FloatArray:
        """T = 1 / beta of each rung, float64 (rungs,), inf at beta = 0 (see `fastgibbs.analysis.temperature`)."""
        return analysis.temperature(self.betas)

    @property
    def barrier(self) -> analysis.Barrier:
        """Lambda, the sum of the rejection rates, and its density in beta (see `fastgibbs.analysis.barrier`).

        In Gamma, of a ladder in it. ValueError of a ladder in fields: it has no density in beta.

        >>> import fastgibbs as fg
        >>> run = fg.temper(fg.edwards_anderson((4, 4), seed=1), betas=[0.0, 0.5, 1.0], sweeps=200, seed=1)
        >>> run.barrier.density.shape, run.temperature.tolist()
        ((2,), [inf, 2.0, 1.0])
        """
        self._require_no_fields("barrier is a density in beta; acceptance tells how rungs swap")
        return analysis.barrier(self.betas if self.gammas is None else -self.gammas, 1 - self.acceptance)

    @cached_property
    def log_z(self) -> analysis.LogZ:
        """log Z at every rung, with errors (see `fastgibbs.analysis.log_z`); log Z / Z(betas[0]) if betas[0] > 0.

        In fields it is log sum_s exp(-beta_r (E(s) - b_r sum_i s_i)), of worldlines log Z_M. Clamped sites are not
        summed over.

        >>> import fastgibbs as fg
        >>> run = fg.temper(fg.edwards_anderson((4, 4), seed=1), betas=[0.0, 0.5, 1.0], sweeps=200, seed=1)
        >>> run.log_z.bar.round(1).tolist()  # 16 log 2 first
        [11.1, 15.2, 23.8]
        """
        model: Any = self.model
        quantum = getattr(model, "by_worldlines", False)
        if self.bins is not None and (quantum or self.fields is not None):
            raise ValueError("result has bins in place of draws, which do not tell the weights at other rungs")
        sites = model.sites if quantum else model.n - self.clamped.size
        reference = sites * np.log(2) if self.betas[0] == 0 else 0.0
        if quantum:
            return analysis.log_z_of_ratios(self.observables["log_up"], self.observables["log_down"], reference)
        if self.fields is not None:
            sums = self.magnetization * self.model.n
            return analysis.log_z(self.betas, self.energy, reference, self.fields, sums)
        energies = self.energy if self.bins is None else self.bins.levels().reshape(*self.round_trips.shape)
        return analysis.log_z(self.betas, energies, reference)

    @cached_property
    def equilibration(self) -> analysis.Equilibration:
        """Whether the run looks equilibrated, and what speaks against it.

        >>> import fastgibbs as fg
        >>> run = fg.temper(fg.edwards_anderson((4, 4), seed=1), betas=[0.0, 0.5, 1.0], sweeps=200, seed=1)
        >>> type(run.equilibration).__name__, len(run.by_beta()), len(run.replicas())
        ('Equilibration', 3, 1)
        """
        return analysis.equilibration(self.energy, self.round_trips, max(self.model.n, 1))

    def replicas(self) -> list[Replicas]:
        """What its pairs of ladders tell, for `analysis.disorder_average`; ValueError if none were compared."""
        self._require_no_fields("give a ladder of betas")
        if self.overlap is None or not self.overlap.draws.all() or not self.energy.shape[2]:
            raise ValueError(NO_PAIRS)
        told = self.overlap._asdict()
        return [replicas(self.model, self.betas, self.energy, told, self.equilibration.reached)]

    def by_beta(self) -> list[Group]:
        """All ladders, rung by rung."""
        rungs, fields = self.betas.size, np.zeros(self.betas.size) if self.fields is None else self.fields
        gammas = [None] * rungs if self.gammas is None else self.gammas.tolist()
        return [
            self._group(beta, 0, (slice(None), r), slice(r, None, rungs))._replace(field=b, gamma=gamma)
            for r, (beta, b, gamma) in enumerate(zip(self.betas.tolist(), fields.tolist(), gammas, strict=True))
        ]

    def report(self) -> Report:
        """A table by temperature with errors, and warnings."""
        return by_temperature(self)

    def table(self) -> Table:
        """Its records as named arrays, (chain, draw, rung), or the means of bins, (chain, bin, rung).

        A chain for each ladder; beta, and the field or Gamma, belong to rungs.

        >>> import fastgibbs as fg
        >>> run = fg.temper(fg.edwards_anderson((4, 4), seed=1), betas=[0.0, 0.5, 1.0], sweeps=200, seed=1)
        >>> sorted(run.table().variables), list(run.report().table)
        (['energy', 'magnetization'], ['beta', 'T', 'chains', 'tau', 'ESS', 'R-hat', 'E/N', '|m|', 'C/N', 'chi', 'U'])
        """
        points = {"beta": self.betas, "field": self.fields, "gamma": self.gammas}
        places = {name: ("rung", values) for name, values in points.items() if values is not None}
        return self._drawn(("chain", "draw", "rung"), lambda record: record.swapaxes(1, 2), places)

    def to_u_kn(self) -> tuple[FloatArray, IntArray]:
        """u_kn and N_k of nearly independent draws, for pymbar (see `fastgibbs.analysis.to_u_kn`).

        >>> import fastgibbs as fg
        >>> run = fg.temper(fg.edwards_anderson((4, 4), seed=1), betas=[0.0, 0.5, 1.0], sweeps=200, seed=1)
        >>> u_kn, N_k = run.to_u_kn()
        >>> u_kn.shape == (3, N_k.sum())
        True
        """
        return analysis.to_u_kn(self)

    def _require_no_fields(self, instead: str) -> None:
        """ValueError of a ladder in fields."""
        if self.fields is not None:
            raise ValueError(f"result is of a ladder in fields: {instead}")

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        return super()._of(cls._with_records(values))

    @property
    def _axes(self) -> tuple[int, ...]:
        return self.round_trips.shape

    def __repr__(self) -> str:
        ladders, rungs, draws = self.energy.shape
        size = f"ladders={ladders}, rungs={rungs}, draws={draws}{self._kept()}"
        return f"TemperResult({self.model!r}, {size}, engine={self.engine!r}{self._ends()})"
