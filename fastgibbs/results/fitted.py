"""Couplings and fields that were found from samples."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Self

import numpy as np

from fastgibbs.analysis.reports import Report, with_error
from fastgibbs.fields import described
from fastgibbs.integrations.tables import Table
from fastgibbs.models import Ising, checks
from fastgibbs.models.foreign import names_of
from fastgibbs.results.base import Result, run_result
from fastgibbs.results.parts import FIT_METHODS
from fastgibbs.types import FloatArray, IntArray, Sites

MOST = 4096  # couplings and fields that have errors: matrices of so many rows
_STRONG = 5.0  # a coupling that few samples bound: without it a pair would be opposite once in 22,000 rows
_SHOWN = 12  # couplings in a summary


@checks.by_contents
@described
class IsingPath(NamedTuple):
    """The graphs that one l1 after the other chooses, from the greatest l1 down.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> ring = fg.lattice((8,), J=0.5)
    >>> samples = fg.sample(ring, beta=1.0, sweeps=200, burn_in=100, chains=64, keep_states=True, seed=1).samples
    >>> path = fg.fit_ising(samples[:, ::10], l1="path").path
    >>> path.bonds[path.bic.argmin()].item()
    8
    """

    l1: Annotated[FloatArray, "float64 (models,)", "Those tried, descending."]
    bonds: Annotated[IntArray, "int64 (models,)", "Pairs that are coupled."]
    pseudo_likelihood: Annotated[FloatArray, "float64 (models,)", "Of the graph without l1, a row's mean, in nats."]
    bic: Annotated[
        FloatArray, "float64 (models,)", "The criterion, least where the graph is chosen (`fastgibbs.fit_ising`)."
    ]
    pairs: Annotated[Sites, "int32 (pairs, ends)", "The pairs i < j of one graph after the other, (pairs, 2)."]

    @property
    def graphs(self) -> list[Sites]:
        """Of each model its pairs, int32 (2, bonds).

        >>> import numpy as np
        >>> import fastgibbs as fg
        >>> ring = fg.lattice((8,), J=0.5)
        >>> samples = fg.sample(ring, beta=1.0, sweeps=200, burn_in=100, chains=64, keep_states=True, seed=1).samples
        >>> path = fg.fit_ising(samples[:, ::10], l1="path").path
        >>> path.graphs[path.bic.argmin()].shape
        (2, 8)
        """
        return [graph.T for graph in np.split(self.pairs, np.cumsum(self.bonds)[:-1])]


@run_result
class IsingFit(Result):
    """What `fit_ising` returns.

    >>> import fastgibbs as fg
    >>> fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    IsingFit(Ising(n=2, bonds=1, fields=2), method='pseudolikelihood', samples=5)
    """

    KIND = "fit_ising"
    model: Annotated[Ising, "The model, at beta = 1: its couplings and fields are beta J and beta h."]
    i: Annotated[Sites, "int32 (bonds,)", "The first spin of every pair that was fitted, or that l1 left."]
    j: Annotated[Sites, "int32 (bonds,)", "The second one, above it."]
    couplings: Annotated[FloatArray, "float64 (bonds,)", "Their couplings."]
    couplings_error: Annotated[FloatArray, "float64 (bonds,), or NaN", "Standard errors; NaN of too many."]
    fields_error: Annotated[FloatArray, "float64 (n,), or NaN", "Standard errors of the fields."]
    method: Annotated[str, '"pseudolikelihood", "mean_field" or "pcd".']
    l1: Annotated[float, "The l1 that chose the pairs; 0 if none did."]
    l2: Annotated[float, "As it was given."]
    samples: Annotated[float, "How many there were: the sum of the weights."]
    pseudo_likelihood: Annotated[float, "Of the samples, a row's mean, in nats: sum_i log p(s_i | the others)."]
    independent: Annotated[float, "The same of spins without couplings."]
    log_likelihood: Annotated[float, "float, or NaN", "A row's mean log p(s), in nats; NaN of more than 16 spins."]
    moments_seen: Annotated[
        FloatArray,
        "float64 (moments,)",
        "<s_i> of the samples, then <s_i s_j> of all i < j; none of more than 16 spins.",
    ]
    moments: Annotated[FloatArray, "float64 (moments,)", "The same of the model."]
    converged: Annotated[bool, "False if the greatest pseudo-likelihood was not reached, or chains diverged."]
    interrupted: Annotated[bool, "True if it was stopped: couplings are those that it had come to."]
    seed: Annotated[int, 'Of "pcd": pass it as `seed` to get the same bytes again; 0 of others.']
    path: Annotated[IsingPath | None, "What every l1 came to, where there were several; None otherwise."] = None

    @property
    def means_missed(self) -> float:
        """rms of <s_i> of the model less that of the samples; NaN of more than 16 spins."""
        return self._missed(slice(self.model.n))

    @property
    def pairs_missed(self) -> float:
        """rms of <s_i s_j> of all pairs likewise."""
        return self._missed(slice(self.model.n, None))

    def _missed(self, which: slice) -> float:
        if not self.moments.size:
            return np.nan
        off = (self.moments - self.moments_seen)[which]
        return float(np.sqrt((off**2).sum() / max(off.size, 1)))

    @property
    def excess(self) -> float:
        """By how much couplings are too large on average, as a share of them, about 1 / (1 - 1.3 k / samples) - 1.

        k is the mean number of couplings and fields of a spin. Measured on glasses and lattices of all pairs, without
        l2; inf where samples are fewer than 1.3 k.

        >>> import fastgibbs as fg
        >>> fit = fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> round(fit.means_missed, 3), round(fit.pairs_missed, 3), round(fit.excess, 2)
        (0.0, 0.0, 1.08)
        """
        share = 1.3 * (2 * self.i.size / self.model.n + 1) / self.samples
        return share / (1 - share) if share < 1 else np.inf

    def report(self) -> Report:
        """The strongest couplings with errors, likelihoods, and whether moments are met.

        >>> import fastgibbs as fg
        >>> fit = fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> list(fit.report().table), sorted(fit.table().variables)[:2]
        (['i', 'j', 'J'], ['J', 'J_error'])
        """
        facts = {
            "pseudo-likelihood": f"{self.pseudo_likelihood:.6g} nats a row, {self.independent:.6g} without couplings"
        }
        if self.moments.size:
            facts["log-likelihood"] = f"{self.log_likelihood:.6g} nats a row"
            facts["moments missed"] = f"<s_i> by {self.means_missed:.2g} rms, <s_i s_j> by {self.pairs_missed:.2g}"
        if self.l1 or self.l2:
            facts["penalties"] = f"l1 {self.l1:.4g}, l2 {self.l2:.4g}"
        if self.path is not None:
            facts["path"] = f"{self.path.l1.size} graphs of {self.path.bonds[0]} to {self.path.bonds[-1]} bonds"
        order = np.argsort(-np.abs(self.couplings), kind="stable")[:_SHOWN]
        names = [str(name) for name in names_of(self.model)]
        table = {
            "i": [names[self.i[k]] for k in order],
            "j": [names[self.j[k]] for k in order],
            "J": [with_error(self.couplings[k], self.couplings_error[k]) for k in order],
        }
        notes = [f"The {order.size} strongest of {self.couplings.size} couplings."] if order.size else []
        return Report([repr(self)], facts, table if order.size else {}, [*notes, *self._doubts()])

    def _doubts(self) -> list[str]:
        """What to know before it is believed."""
        found = []
        if self.i.size + self.model.n > MOST and np.isnan(self.couplings_error).any():
            found.append(f"No errors: {self.i.size} couplings are more than {MOST} numbers; give graph= or l1=.")
            if (strongest := np.abs(self.couplings).max()) > _STRONG:
                found.append(
                    f"WARNING: there are couplings of up to {strongest:.3g}, which may be without bound; give l2."
                )
        if self.method != "mean_field" and not self.l2 and self.excess > 0.05:
            found.append(
                f"WARNING: {self.samples:.6g} samples are few for so many couplings: these are some "
                f"{self.excess:.0%} too large, and errors do not know of it; give l2, l1 or graph."
            )
        if self.interrupted:
            found.append("WARNING: the fit was stopped before its end.")
        elif not self.converged:
            found.append("WARNING: the greatest pseudo-likelihood was not reached: couplings may be without bound.")
        return found

    def table(self) -> Table:
        """The couplings and their errors as named arrays, (bond,); i and j belong to bonds."""
        return Table(
            {"J": (("bond",), self.couplings), "J_error": (("bond",), self.couplings_error)},
            {"bond": ("bond", np.arange(self.i.size)), "i": ("bond", self.i), "j": ("bond", self.j)},
            self._settings(),
        )

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        model, i, j, path = values["model"], values["i"], values["j"], values["path"]
        if not isinstance(model, Ising):
            raise ValueError(f"model is {model!r}: give an Ising model")
        if not ((i >= 0) & (i < j) & (j < model.n)).all():
            raise ValueError(f"pairs are not i < j of {model.n} spins")
        checks.choice("method", values["method"], FIT_METHODS)
        if values["moments"].size not in (0, model.n * (model.n + 1) // 2):
            raise ValueError(f"there are {values['moments'].size} moments of {model.n} spins")
        if path is not None and (path.pairs.shape != (path.bonds.sum(), 2) or path.bonds.min(initial=0) < 0):
            raise ValueError(f"graphs of {path.bonds.sum()} bonds hold {len(path.pairs)} pairs")
        return super()._of(values)

    def __repr__(self) -> str:
        return f"IsingFit({self.model!r}, method={self.method!r}, samples={self.samples:.6g}{self._ends()})"
