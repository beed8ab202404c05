"""The inverse Ising problem: couplings and fields from samples, with errors. `fit_ising`."""

from __future__ import annotations

import warnings
from typing import Literal, NamedTuple

import numpy as np

from fastgibbs.exact import spectrum
from fastgibbs.exact.enumeration import states
from fastgibbs.learning import conditionals, pseudolikelihood, spreads
from fastgibbs.learning.asked import at_least_0
from fastgibbs.learning.conditionals import Rows
from fastgibbs.learning.observed import Observed, observed, pairs_of
from fastgibbs.learning.pseudolikelihood import Fit, Numbers
from fastgibbs.learning.training import train
from fastgibbs.methods.running import Run, running
from fastgibbs.models import BoltzmannMachine, Ising, checks
from fastgibbs.results.fitted import IsingFit, IsingPath
from fastgibbs.results.parts import FIT_METHODS, FitMethod
from fastgibbs.types import ArrayLike, FloatArray, Problem, Progress, Seed, Sites

EXACT = 16  # spins whose states are summed for moments and likelihood
CHAINS, STEPS, BATCHES = 1000, 600, 20  # of "pcd": chains, steps in all, and batches of an epoch at most
RATES = 0.1, 0.002  # its learning rates, first and last
STILL = 1e-9  # that of the first tenth of all epochs, in which chains forget where they began
_NEVER = 1e-12  # four times the share of rows that are in a state, if there are none


class Found(NamedTuple):
    """What a method has come to."""

    numbers: Numbers
    errors: FloatArray  # float64 (bonds + n,), or NaN
    interrupted: bool
    l1: float = 0.0
    path: IsingPath | None = None
    seed: int = 0


def fit_ising(
    samples: ArrayLike | object,
    method: FitMethod = "pseudolikelihood",
    *,
    l1: float | Literal["path"] | ArrayLike = 0.0,
    l2: float = 0.0,
    graph: Problem | None = None,
    weights: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
    progress: Progress = False,
) -> IsingFit:
    """The J and h of p(s) = exp(1/2 s.J.s + h.s) / Z that samples are of, with standard errors: an `IsingFit`.

    Args:
        samples: spins -1 and +1, (..., n), each an independent draw; a `SampleResult` with keep_states, of one model at
            one temperature; a dimod SampleSet, whose num_occurrences are the weights; a pandas DataFrame. Labels come
            back in the model.
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
        graph: a model whose bonds are the only pairs; by default all are fitted. Not of "mean_field". Where both have
            labels, these tell which spin is which.
        weights: (...), how often each row was drawn, from 0, at least 2 in all; by default once. Correlated draws
            tell less than as many independent ones: to have the right errors, weigh them 1 / (2 tau) each.
        seed, threads: of "pcd"; it is reproducible given its seed.
        progress: True shows a bar of l1="path" and of "pcd"; a callable gets (done, total) and stops the fit by
            returning True.

    A fit that Ctrl-C stops returns what it has come to, with `interrupted` set and without errors: of a path the best
    graph so far.

    Errors are asymptotic, of the sampling alone: of "pseudolikelihood" the sandwich A^-1 B A^-1 / N, of "mean_field"
    the delta method on rows, of "pcd" Fisher's information, without the noise of its chains. They do not know of
    biases: of mean field, of l2, and of samples that are few for the k couplings and fields of a spin: without l2
    couplings come out too large by about 1 / (1 - 1.3 k / N) - 1, which is 3, 7, 15 and 35 % at k / N = 0.02, 0.05, 0.1
    and 0.2 (measured: 2 to 4, 6 to 7, 12 to 15 and 31 to 38 %, of glasses and lattices of 64 spins, all pairs, more of
    strong couplings), and errors are 2, 5, 8 and 20 % too small; `summary()` warns of 5 % and more. With more than 4096
    numbers, all errors but those of "mean_field" are NaN.

    TypeError or ValueError, naming the argument, of other values than -1 and +1; fewer than two rows; a spin that is
    the same in all of them; and, without l2, where couplings grow without bound: two spins that are never in one of
    their four states, fewer rows than a spin has couplings, a spin that the others tell in every row, or (of up to 4096
    numbers) several that no row holds together. RuntimeWarning if the maximum was not reached.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((3, 3), seed=1)
    >>> run = fg.sample(glass, beta=0.4, sweeps=1000, burn_in=100, thin=10, chains=64, keep_states=True, seed=1)
    >>> fit = fg.fit_ising(run.samples, graph=glass)
    >>> bool(np.abs((fit.couplings - 0.4 * glass.bonds[2]) / fit.couplings_error).max() < 4)
    True
    """
    checks.choice("method", method, FIT_METHODS)
    checks.progress(progress)
    l2, penalties = at_least_0("l2", l2), _penalties(l1)
    if method == "mean_field" and (graph is not None or penalties is None or penalties.any()):
        raise ValueError('method is "mean_field", which inverts the whole covariance: leave out graph and l1')
    data = observed(samples, weights)
    i, j, labels = pairs_of(graph, data.labels, data.spins.shape[1])
    rows = conditionals.rows_of(data.spins, data.counts)
    _require_varying(rows)
    if method == "mean_field":
        found = _mean_field(rows, i, j, l2)
    else:
        chooses = penalties is None or bool(penalties.any())
        if not l2:
            _require_different(rows, i, j)
            if not chooses:
                _require_rows(rows, i, j)
        with running(progress if penalties is None or penalties.size > 1 else False) as under_way:
            found = _most_likely(rows, (i, j), penalties, l2, under_way)
            if method == "pcd" and not found.interrupted:
                found = _trained(data, rows, found, l2, seed, threads, progress)
            elif not found.interrupted and found.numbers.converged:
                found = found._replace(errors=spreads.of_pseudo_likelihood(rows, *found.numbers[:4], l2))
    if not found.numbers.converged and not found.interrupted:
        warnings.warn(
            "the greatest pseudo-likelihood was not reached: couplings may be without bound, give l2",
            RuntimeWarning,
            stacklevel=2,
        )
    numbers = found.numbers
    model = Ising.from_edges(numbers.h.size, *numbers[:4])
    log_likelihood, seen, moments = _met(model, rows)
    up = (1 + rows.means) / 2
    return IsingFit(
        model=model if labels is None else model.with_labels(labels),
        i=numbers.i,
        j=numbers.j,
        couplings=numbers.J,
        couplings_error=found.errors[: numbers.i.size],
        fields_error=found.errors[numbers.i.size :],
        method=method,
        l1=found.l1,
        l2=l2,
        samples=rows.total,
        pseudo_likelihood=pseudolikelihood.told(rows, numbers).value,
        independent=float((up * np.log(up) + (1 - up) * np.log1p(-up)).sum()),
        log_likelihood=log_likelihood,
        moments_seen=seen,
        moments=moments,
        converged=numbers.converged,
        interrupted=found.interrupted,
        seed=found.seed,
        path=found.path,
    )


def _most_likely(
    rows: Rows, pairs: tuple[Sites, Sites], penalties: FloatArray | None, l2: float, under_way: Run
) -> Found:
    """The greatest pseudo-likelihood of these pairs, or of those that l1 chooses; without errors."""
    fit = Fit(rows, l2, under_way.asked.__bool__)
    numbers, path, l1 = Numbers.none(rows.means), None, 0.0
    if penalties is None or penalties.size > 1:
        path = pseudolikelihood.path_of(rows, pairs, penalties, l2, under_way)
        best = int(path.bic.argmin())
        l1, pairs = float(path.l1[best]), tuple(path.graphs[best])
    elif l1 := float(penalties[0]):
        wanted = pseudolikelihood.slopes_of_none(rows, *pairs)
        numbers, _ = pseudolikelihood.chosen(fit, *pairs, l1, numbers, wanted)
        pairs = numbers.i, numbers.j
    if path is not None and under_way.asked:
        fit = fit._replace(stop=_never)
    numbers = pseudolikelihood.fitted(fit, *pairs, 0.0, numbers)
    if not under_way.asked:
        _require_finite(rows, numbers, l2)
        if path is not None:
            errors = spreads.of_pseudo_likelihood(rows, *numbers[:4], l2)[: numbers.J.size]
            least = np.sqrt(np.log(rows.total) + 2 * np.log(rows.means.size))
            kept = ~(np.abs(numbers.J / errors) < least)  # also where there are no errors
            numbers = pseudolikelihood.fitted(fit, numbers.i[kept], numbers.j[kept], 0.0, numbers)
    nothing = np.full(numbers.J.size + numbers.h.size, np.nan)
    return Found(numbers, nothing, bool(under_way.asked), l1, path)


def _never() -> bool:
    return False


def _penalties(l1: float | str | ArrayLike) -> FloatArray | None:
    """All l1 in turn, descending; None of the default path."""
    if isinstance(l1, str):
        checks.choice("l1", l1, ("path",))
        return None
    values = np.atleast_1d(checks.finite_array("l1", l1))
    if values.ndim != 1 or not values.size or values.min() < 0:
        raise ValueError(f'l1 is {checks.shown(l1)}: give a number of at least 0, several, or "path"')
    return np.sort(values)[::-1]


def _require_varying(rows: Rows) -> None:
    """ValueError at a spin that never changes."""
    same = (rows.spins == rows.spins[0]).all(axis=0)
    if same.any():
        site = int(same.argmax())
        raise ValueError(
            f"samples: spin {site} is {rows.spins[0, site]:+d} in every row, so that its field has no bound: "
            "leave it out, or give more rows"
        )


def _require_different(rows: Rows, i: Sites, j: Sites) -> None:
    """ValueError at a pair that is never in one of its four states: always equal, always opposite, never both up ..."""
    m, C = rows.means, pseudolikelihood.slopes_of_none(rows, i, j) / 2
    products = C + m[i] * m[j]
    seen = [(a, b, 1 + a * m[i] + b * m[j] + a * b * products > _NEVER) for a in (1, -1) for b in (1, -1)]
    bound = ~np.all([one for _, _, one in seen], axis=0)
    if bound.any():
        k = int(bound.argmax())
        never = [(a, b) for a, b, one in seen if not one[k]]
        kind = f"never {never[0][0]:+d} and {never[0][1]:+d} in one row"
        if len(never) == 2:
            kind = f"{'opposite' if never[0] == (1, 1) else 'equal'} in every row"
        raise ValueError(
            f"samples: spins {i[k]} and {j[k]} are {kind}, so that their coupling has no bound: give l2 above 0, more "
            "rows, or leave one out"
        )


def _require_rows(rows: Rows, i: Sites, j: Sites) -> None:
    """ValueError at once if rows are so few that the neighbours of a spin tell it, whatever it is."""
    n, count = rows.means.size, len(rows.spins)
    site = int(np.bincount(np.concatenate([i, j]), minlength=n).argmax())
    others = np.concatenate([j[i == site], i[j == site]])
    if count <= others.size + 1:
        seen = np.column_stack([rows.spins[:, others], np.ones(count)])
        if np.linalg.matrix_rank(seen) == count:
            raise ValueError(
                f"samples: {count} different rows are too few for the {others.size} couplings of spin {site}, which "
                f"have no bound: {spreads.ADVICE}"
            )


def _require_finite(rows: Rows, numbers: Numbers, l2: float) -> None:
    """ValueError if a spin can be told from the others in every row: its couplings have no bound then."""
    if l2:
        return
    there = pseudolikelihood.told(rows, numbers)
    certain = there.told & ((there.widths <= 4 / rows.total) | (not numbers.converged))
    if certain.any():
        raise ValueError(
            f"samples: the others tell spin {certain.argmax()} in every row, so that couplings have no bound: "
            f"{spreads.ADVICE}"
        )


def _mean_field(rows: Rows, i: Sites, j: Sites, l2: float) -> Found:
    """J = -K off the diagonal, K = (C + l2)^-1, and h; and their errors by what each row adds to C and m."""
    n, m, C = rows.means.size, rows.means, conditionals.covariance(rows)
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
    return Found(Numbers(i, j, J[i, j], h, True), np.sqrt(np.maximum(variances, 0.0)), False)


def _trained(
    data: Observed, rows: Rows, start: Found, l2: float, seed: Seed, threads: int | None, progress: Progress
) -> Found:
    """Couplings and fields after epochs of persistent chains, from a start on."""
    i, j, J, h, converged = start.numbers
    count, n = data.spins.shape
    batch = min(count, max(CHAINS, -(-count // BATCHES)))
    epochs = STEPS * batch // count
    rates = np.geomspace(*RATES, epochs)
    rates[: epochs // 10] = STILL
    run = train(
        BoltzmannMachine.from_edges(n, i, j, 4 * J, 2 * h - 2 * start.numbers.felt(np.ones(n))),
        data.spins > 0,
        epochs=epochs,
        batch_size=batch,
        chains=CHAINS,
        learning_rate=rates,
        l2=l2 / 16,
        weights=data.counts,
        history_every=0,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    ising = run.model.to_ising()
    first, second, values = ising.bonds
    J = Numbers(first, second, values, ising.fields, True).of(i, j)
    numbers = Numbers(i, j, J, ising.fields, converged and not run.diverged)
    errors = start.errors if run.interrupted else spreads.of_likelihood(rows, i, j)
    return start._replace(numbers=numbers, errors=errors, interrupted=run.interrupted, seed=run.seed)


def _met(model: Ising, rows: Rows) -> tuple[float, FloatArray, FloatArray]:
    """The log-likelihood, and moments of the rows and of the model, of up to EXACT spins."""
    n, m = model.n, rows.means
    if n > EXACT:
        return np.nan, np.empty(0), np.empty(0)
    known = spectrum(model)
    all_spins = states(n).astype(np.float64)
    p = known.probabilities(1.0)
    i, j = np.triu_indices(n, 1)
    seen = (conditionals.covariance(rows) + np.outer(m, m))[i, j]
    products = (all_spins.T @ (p[:, None] * all_spins))[i, j]
    first, second, J = model.bonds
    pairs = np.zeros((n, n))
    pairs[i, j] = seen
    log_likelihood = float(J @ pairs[first, second] + model.fields @ m - known.log_z(1.0))
    return log_likelihood, np.concatenate([m, seen]), np.concatenate([p @ all_spins, products])
