"""The inverse Ising problem: couplings and fields from samples, with errors. `fit_ising`."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal, NamedTuple

import numpy as np

from fastgibbs.analysis.reports import Report, shown, with_error
from fastgibbs.exact import spectrum
from fastgibbs.exact.enumeration import states
from fastgibbs.fields import described
from fastgibbs.io.problems import problem
from fastgibbs.learning import conditionals, pseudolikelihood
from fastgibbs.learning.conditionals import Rows
from fastgibbs.learning.pseudolikelihood import IsingPath, Numbers
from fastgibbs.learning.training import train
from fastgibbs.models import BoltzmannMachine, Ising, checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, Problem, Seed, Sites, States

FitMethod = Literal["pseudolikelihood", "mean_field", "pcd"]
METHODS: tuple[FitMethod, ...] = ("pseudolikelihood", "mean_field", "pcd")
EXACT = 16  # spins whose states are summed for moments and likelihood
CHAINS, STEPS, BATCHES = 1000, 600, 20  # of "pcd": chains, steps in all, and batches of an epoch at most
RATES = 0.1, 0.002  # its learning rates, first and last
STILL = 1e-9  # that of the first tenth of all epochs, in which chains forget where they began
_SHOWN = 12  # couplings in a summary
_EQUAL = 1 - 1e-12  # |correlation| of spins that are equal or opposite in all rows


@checks.by_contents
@described
class IsingFit(NamedTuple):
    """What `fit_ising` returns.

    >>> import fastgibbs as fg
    >>> fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    IsingFit(Ising(n=2, bonds=1, fields=2), method='pseudolikelihood', samples=5)
    """

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
    log_likelihood: Annotated[float, "A row's mean log p(s), in nats; NaN of more than 16 spins."]
    means_missed: Annotated[float, "rms of <s_i> of the model less that of the samples; NaN of more than 16 spins."]
    pairs_missed: Annotated[float, "rms of <s_i s_j> of all pairs likewise."]
    path: Annotated[IsingPath | None, "What every l1 came to, where there were several; None otherwise."]

    def summary(self) -> str:
        """The strongest couplings with errors, likelihoods, and whether moments are met.

        >>> import fastgibbs as fg
        >>> print(fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]]).summary().splitlines()[0])
        IsingFit(Ising(n=2, bonds=1, fields=2), method='pseudolikelihood', samples=5)
        """
        return str(self.report())

    def report(self) -> Report:
        """The same as a report."""
        facts = {
            "pseudo-likelihood": f"{self.pseudo_likelihood:.6g} nats a row, {self.independent:.6g} without couplings"
        }
        if np.isfinite(self.log_likelihood):
            facts["log-likelihood"] = f"{self.log_likelihood:.6g} nats a row"
            facts["moments missed"] = f"<s_i> by {self.means_missed:.2g} rms, <s_i s_j> by {self.pairs_missed:.2g}"
        if self.l1 or self.l2:
            facts["penalties"] = f"l1 {self.l1:.4g}, l2 {self.l2:.4g}"
        if self.path is not None:
            facts["path"] = f"{self.path.l1.size} graphs of {self.path.bonds[0]} to {self.path.bonds[-1]} bonds"
        order = np.argsort(-np.abs(self.couplings), kind="stable")[:_SHOWN]
        table = {
            "i": [str(self.i[k]) for k in order],
            "j": [str(self.j[k]) for k in order],
            "J": [with_error(self.couplings[k], self.couplings_error[k]) for k in order],
        }
        notes = [f"The {order.size} strongest of {self.couplings.size} couplings."] if order.size else []
        if np.isnan(self.couplings_error).any():
            notes.append(
                f"No errors: {self.couplings.size} couplings are more than {conditionals.MOST} numbers; give "
                "graph= or l1=."
            )
        return Report([repr(self)], facts, table if order.size else {}, notes)

    def _repr_html_(self) -> str:
        return shown(self)

    def __repr__(self) -> str:
        return f"IsingFit({self.model!r}, method={self.method!r}, samples={self.samples:.6g})"


def fit_ising(
    samples: ArrayLike,
    method: FitMethod = "pseudolikelihood",
    *,
    l1: float | Literal["path"] | ArrayLike = 0.0,
    l2: float = 0.0,
    graph: Problem | None = None,
    weights: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> IsingFit:
    """The J and h of p(s) = exp(1/2 s.J.s + h.s) / Z that samples are of, with standard errors: an `IsingFit`.

    Args:
        samples: spins -1 and +1, (..., n), each an independent draw: kept states of a run, or data.
        method: "pseudolikelihood" maximises <sum_i log p(s_i | the others)> over symmetric J and all h together
            (joint and symmetric: not one regression for each spin, whose J_ij and J_ji differ). It is consistent: exact
            with enough samples, at any coupling (Besag, J. R. Stat. Soc. D 24, 179 (1975)). "mean_field" inverts the
            covariance C, J = -C^-1 off the diagonal, h_i = atanh m_i - sum_j J_ij m_j (Kappen and Rodriguez, Neural
            Comput. 10, 1137 (1998)): one matrix for any number of samples, good for weak couplings, many to a spin, and
            otherwise biased however many samples (Roudi, Tyrcha and Hertz, Phys. Rev. E 79, 051915 (2009)).
            "pcd" moves on from the greatest pseudo-likelihood by persistent chains (`fastgibbs.train`) towards the
            greatest likelihood, which meets <s_i> and <s_i s_j>: slower, and of use where chains mix.
        l1: chooses the pairs: those that -l1 sum |J_ij| leaves coupled are fitted anew without it, so that couplings
            are not shrunk; errors are those of this graph, as if it had been known. "path" tries 20 values, from that
            which leaves no pair to a fiftieth, or as many as are given, and takes the graph that the Bayesian criterion
            for many candidates likes best, 2 bonds (log N + 2 log n) + n log N - 2 N (pseudo-likelihood), each bond
            twice since both its spins see it (Foygel and Drton, NeurIPS 2010, gamma = 1/2); then it leaves out
            the bonds within sqrt(log N + 2 log n) errors of 0, as the same criterion would. It ends where the criterion
            has risen three times in a row.
        l2: -l2/2 sum J_ij^2 beside the mean over rows; of "mean_field" it is added to the diagonal of C.
        graph: a model whose bonds are the only pairs; by default all are fitted. Not of "mean_field".
        weights: (...), how often each row was drawn, from 0; by default once. Correlated draws tell less than as many
            independent ones: to have the right errors, weigh them 1 / (2 tau) each.
        seed, threads: of "pcd"; it is reproducible given its seed.

    Errors are asymptotic, of the sampling alone: of "pseudolikelihood" the sandwich A^-1 B A^-1 / N, of "mean_field"
    the delta method on rows, of "pcd" Fisher's information, without the noise of its chains. They do not know of
    biases: of mean field, of l2, of samples few for their couplings (N below 20 n or so, all pairs being fitted). With
    more than 4096 numbers, all but those of "mean_field" are NaN.

    TypeError or ValueError, naming the argument, of other values than -1 and +1; fewer than two rows; a spin that is
    the same in all of them; and, without l2, where couplings grow without bound: two spins that are always equal or
    opposite, or one that the others tell in every row. RuntimeWarning if the maximum was not reached.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((3, 3), seed=1)
    >>> run = fg.sample(glass, beta=0.4, sweeps=1000, burn_in=100, thin=10, chains=64, keep_states=True, seed=1)
    >>> fit = fg.fit_ising(run.samples, graph=glass)
    >>> bool(np.abs((fit.couplings - 0.4 * glass.bonds[2]) / fit.couplings_error).max() < 4)
    True
    """
    checks.choice("method", method, METHODS)
    l2 = _at_least_0("l2", l2)
    spins, counts = _spins(samples, weights)
    n = spins.shape[1]
    i, j = _pairs(graph, n)
    penalties = _penalties(l1)
    if method == "mean_field" and (graph is not None or penalties is None or penalties.any()):
        raise ValueError('method is "mean_field", which inverts the whole covariance: leave out graph and l1')
    rows = conditionals.rows_of(spins, counts)
    _require_varying(rows)
    C = conditionals.covariance(rows)
    path = None
    if method == "mean_field":
        found, spread = _mean_field(rows, C, l2)
    else:
        if not l2:
            _require_different(C, i, j)
        if penalties is None or penalties.size > 1:
            path = pseudolikelihood.path_of(rows, C, i, j, penalties, l2)
            best = int(path.bic.argmin())
            chosen, (i, j) = float(path.l1[best]), path.graphs[best].astype(np.int32)
        elif chosen := float(penalties[0]):
            kept = pseudolikelihood.fitted(rows, C, i, j, chosen, l2).J[i, j] != 0
            i, j = i[kept], j[kept]
        found = pseudolikelihood.fitted(rows, C, i, j, 0.0, l2)
        _require_finite(rows, found, l2)
        if path is not None:
            score = found.J[i, j] / conditionals.errors(rows, found.J, found.h, i, j, l2)[: i.size]
            kept = ~(score**2 < np.log(rows.total) + 2 * np.log(n))  # also where there are no errors
            i, j = i[kept], j[kept]
            found = pseudolikelihood.fitted(rows, C, i, j, 0.0, l2, found)
        if method == "pcd":
            found = _trained(spins, counts, found, (i, j), l2, seed, threads)
            spread = conditionals.likelihood_errors(rows, i, j)
        else:
            spread = conditionals.errors(rows, found.J, found.h, i, j, l2)
    if not found.converged:
        warnings.warn(
            "the greatest pseudo-likelihood was not reached: couplings may be without bound, give l2",
            RuntimeWarning,
            stacklevel=2,
        )
    model = Ising.from_edges(n, i, j, found.J[i, j], found.h)
    value = conditionals.slopes(rows, found.J, found.h).value
    alone = conditionals.slopes(rows, np.zeros((n, n)), np.arctanh(rows.means)).value
    return IsingFit(
        model=model,
        i=i,
        j=j,
        couplings=found.J[i, j],
        couplings_error=spread[: i.size],
        fields_error=spread[i.size :],
        method=method,
        l1=0.0 if method == "mean_field" else chosen,
        l2=l2,
        samples=rows.total,
        pseudo_likelihood=value,
        independent=alone,
        **_met(model, rows, C),
        path=path,
    )


def _at_least_0(name: str, value: float) -> float:
    number = checks.finite_number(name, value)
    if number < 0:
        raise ValueError(f"{name} is {number}: give a number of at least 0")
    return number


def _penalties(l1: float | str | ArrayLike) -> FloatArray | None:
    """All l1 in turn, descending; None of the default path."""
    if isinstance(l1, str):
        checks.choice("l1", l1, ("path",))
        return None
    values = np.atleast_1d(checks.finite_array("l1", l1))
    if values.ndim != 1 or not values.size or values.min() < 0:
        raise ValueError(f'l1 is {checks.shown(l1)}: give a number of at least 0, several, or "path"')
    return np.sort(values)[::-1]


def _spins(samples: ArrayLike, weights: ArrayLike | None) -> tuple[States, FloatArray]:
    """All samples, int8 (rows, n), and what each weighs, float64 (rows,)."""
    given: AnyArray = checks.real_array("samples", samples)
    if given.dtype.kind == "b" or (given.size and given.min() == 0 and given.max() <= 1):
        raise ValueError("samples are bools, or units of 0 and 1: give spins of -1 and +1, 2.0 * samples - 1")
    if given.ndim < 2 or not given.shape[-1]:
        raise ValueError(f"samples has shape {given.shape}: give (rows, n), with n of at least 1")
    spins = checks.rows(checks.spins("samples", given))
    if len(spins) < 2:
        raise ValueError(f"samples has shape {given.shape}, {len(spins)} rows: give at least 2")
    if weights is None:
        return spins, np.ones(len(spins))
    counts = checks.finite_array("weights", weights, given.shape[:-1]).ravel()
    if counts.min() < 0 or not counts.any():
        raise ValueError(f"weights are from {counts.min()} to {counts.max()}: give at least 0, not all 0")
    return spins, counts


def _pairs(graph: Problem | None, n: int) -> tuple[Sites, Sites]:
    """All pairs i < j, or those that are bonds of the graph."""
    if graph is None:
        checks.require_memory(100 * n * n, f"couplings of all pairs of {n} spins")
        first, second = np.triu_indices(n, 1)
        return first.astype(np.int32), second.astype(np.int32)
    ising: Ising = problem("graph", graph).to_ising()
    if ising.n != n:
        raise ValueError(f"graph has {ising.n} sites: samples have {n} spins")
    return ising.bonds[:2]


def _require_varying(rows: Rows) -> None:
    """ValueError at a spin that never changes."""
    same = (rows.spins == rows.spins[0]).all(axis=0)
    if same.any():
        site = int(same.argmax())
        raise ValueError(
            f"samples: spin {site} is {rows.spins[0, site]:+d} in every row, so that its field has no bound: "
            "leave it out, or give more rows"
        )


def _require_different(C: FloatArray, i: Sites, j: Sites) -> None:
    """ValueError at a pair that is always equal, or always opposite."""
    roots = np.sqrt(C.diagonal())
    bound = np.abs(C[i, j]) >= _EQUAL * roots[i] * roots[j]
    if bound.any():
        k = int(bound.argmax())
        kind = "equal" if C[i[k], j[k]] > 0 else "opposite"
        raise ValueError(
            f"samples: spins {i[k]} and {j[k]} are {kind} in every row, so that their coupling has no bound: "
            "give l2 above 0, more rows, or leave one out"
        )


def _require_finite(rows: Rows, found: Numbers, l2: float) -> None:
    """ValueError if a spin can be told from the others in every row: its couplings have no bound then."""
    if l2:
        return
    there = conditionals.slopes(rows, found.J, found.h)
    certain = there.told & ((there.widths <= 4 / rows.total) | (not found.converged))
    if certain.any():
        raise ValueError(
            f"samples: the others tell spin {certain.argmax()} in every row, so that couplings have no bound: give l2 "
            "above 0, l1, a graph= of fewer pairs, or more rows"
        )


def _mean_field(rows: Rows, C: FloatArray, l2: float) -> tuple[Numbers, FloatArray]:
    """J = -K off the diagonal, K = (C + l2)^-1, and h; and their errors by what each row adds to C and m."""
    n, m = rows.means.size, rows.means
    i, j = np.triu_indices(n, 1)
    least = np.linalg.eigvalsh(C)[0] + l2
    if least <= 1e-10:
        raise ValueError(
            f"samples: the covariance of {n} spins in {len(rows.spins)} different rows has no inverse: give l2 above "
            "0, or more rows"
        )
    K = np.linalg.inv(C + l2 * np.eye(n))
    J = (-K - K.T) / 2
    np.fill_diagonal(J, 0.0)
    of_J, of_h, mean = np.zeros((n, n)), np.zeros(n), np.zeros(n)
    for s, shares in conditionals.parts(rows, n):
        x = s - m
        y = x @ K
        of_J += (y * y).T @ (shares * y * y)  # a row moves J_ij by y_i y_j
        moved = x / (1 - m * m) - y * (y @ m)[:, None] + y * y * m - x @ J
        of_h += (shares * moved * moved).sum(axis=0)
        mean += (shares * moved).sum(axis=0)
    inside = K @ C @ K
    variances = np.concatenate([(of_J - inside * inside)[i, j], of_h - mean * mean]) / rows.total
    h = np.arctanh(m) - J @ m
    return Numbers(J, h, True), np.sqrt(np.maximum(variances, 0.0))


def _trained(
    spins: States,
    counts: FloatArray,
    start: Numbers,
    pairs: tuple[Sites, Sites],
    l2: float,
    seed: Seed,
    threads: int | None,
) -> Numbers:
    """Couplings and fields after epochs of persistent chains, from a start on."""
    i, j = pairs
    batch = min(len(spins), max(CHAINS, -(-len(spins) // BATCHES)))
    epochs = STEPS * batch // len(spins)
    rates = np.geomspace(*RATES, epochs)
    rates[: epochs // 10] = STILL
    biases = 2 * start.h - 2 * start.J.sum(axis=1)
    run = train(
        BoltzmannMachine.from_edges(spins.shape[1], i, j, 4 * start.J[i, j], biases),
        spins > 0,
        epochs=epochs,
        batch_size=batch,
        chains=CHAINS,
        learning_rate=rates,
        l2=l2 / 16,
        weights=counts,
        history_every=0,
        seed=seed,
        threads=threads,
    )
    ising = run.model.to_ising()
    J = np.zeros_like(start.J)
    first, second, values = ising.bonds
    J[first, second] = J[second, first] = values
    return Numbers(J, ising.fields, start.converged and not run.diverged)


def _met(model: Ising, rows: Rows, C: FloatArray) -> dict[str, float]:
    """The log-likelihood and how far moments are missed, of up to EXACT spins."""
    n, m = model.n, rows.means
    if n > EXACT:
        return dict.fromkeys(("log_likelihood", "means_missed", "pairs_missed"), np.nan)
    known = spectrum(model)
    all_spins = states(n).astype(np.float64)
    p = known.probabilities(1.0)
    means, products = p @ all_spins, all_spins.T @ (p[:, None] * all_spins)
    seen = C + np.outer(m, m)
    i, j = np.triu_indices(n, 1)
    return {
        "log_likelihood": float(-_mean_energy(model, seen, m) - known.log_z(1.0)),
        "means_missed": _rms(means - m),
        "pairs_missed": _rms((products - seen)[i, j]),
    }


def _mean_energy(model: Ising, products: FloatArray, means: FloatArray) -> float:
    i, j, J = model.bonds
    return float(-(J @ products[i, j]) - model.fields @ means)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).sum() / max(values.size, 1)))
