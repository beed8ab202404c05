"""What changes with time: correlations of the states of draws made at chosen sweeps, and means sweep by sweep."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.records import Group, first_model, sites_of
from fastgibbs.analysis.reports import Report, with_error
from fastgibbs.analysis.response import drives
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, FloatArray, IntArray

_MOST_ROWS = 200  # of a table


@checks.by_contents
@described
class TwoTime(NamedTuple):
    """C(t_w, t_w + t) = (1/n) sum_i s_i(t_w) s_i(t_w + t) at the sweeps of all pairs of draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, at=[1, 2, 4], keep_states=True, seed=1)
    >>> found = fg.analysis.two_time(run)
    >>> found.at.tolist(), found.mean.shape
    ([1, 2, 4], (1, 3, 3))
    """

    beta: Annotated[
        FloatArray,
        "float64 (groups,), or inf",
        "Inverse temperature of each group of chains, ascending; of a protocol its mean.",
    ]
    model: Annotated[IntArray, "int64 (groups,)", "Which of several models they run."]
    at: Annotated[IntArray, "int64 (draws,)", "The sweeps."]
    mean: Annotated[
        FloatArray, "float64 (groups, draws, draws)", "C of the draws at the sweeps at[a] and at[b], mean over chains."
    ]
    error: Annotated[FloatArray, "float64 (groups, draws, draws), or inf", "Its standard error, inf of one chain."]


def two_time(result: Any) -> TwoTime:
    """C(t_w, t_w + t) = (1/n) sum_i s_i(t_w) s_i(t_w + t) of what `sample(..., keep_states=True)` returns: a `TwoTime`.

    n counts all sites, those that are clamped too. Chains of one beta, field and model are averaged, groups of them
    ascend in these; they are independent, so that the error is their spread over sqrt(chains), whatever the dynamics.
    `sample(..., at=[1, 2, 4, ...])` draws at sweeps of your choice. In equilibrium C depends on t alone; after a quench
    it ages (Cugliandolo and Kurchan, Phys. Rev. Lett. 71, 173 (1993)).

    TypeError unless it is such a result, ValueError if states were not kept or memory is too small for pairs of draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((32, 32)), beta=1.0, at=[1, 10, 20, 100], keep_states=True, seed=1)
    >>> found = fg.analysis.two_time(run)
    >>> print(f"C(1, 10) = {found.mean[0, 0, 1]:.2f}, C(10, 20) = {found.mean[0, 1, 2]:.2f}")
    C(1, 10) = 0.34, C(10, 20) = 0.71
    """
    words = checks.able("result", result, "packed", "what sample(..., keep_states=True) returned").packed
    chains, draws, _ = words.shape
    betas, fields = (np.atleast_2d(0.0 if of is None else of).mean(axis=0) for of in (result.beta, result.field))
    models, fields = result.model_number, np.broadcast_to(fields, betas.shape)
    groups = sorted(drives(result), key=lambda mine: [of[mine[0]] for of in (betas, fields, models)])
    checks.require_memory(8 * (chains + 3 * len(groups)) * draws**2, f"correlations of {draws} x {draws} draws")
    of_chains = _overlaps(words, first_model(result).n)
    mean, error = np.empty((2, len(groups), draws, draws))
    for k, mine in enumerate(groups):
        mean[k], error[k] = mean_and_error(of_chains[mine])
    first = [mine[0] for mine in groups]
    return TwoTime(betas[first], models[first], result.drawn_at, mean, error)


def _overlaps(words: AnyArray, n: int) -> FloatArray:
    """The mean of s_i s_i' over n sites, of each two draws of each chain, float64 (chains, draws, draws)."""
    chains, draws, _ = words.shape
    found = np.ones((chains, draws, draws))
    for draw in range(draws - 1):
        differ = np.bitwise_count(words[:, draw, None] ^ words[:, draw + 1 :]).sum(axis=2, dtype=np.int64)
        found[:, draw, draw + 1 :] = found[:, draw + 1 :, draw] = (n - 2 * differ) / max(n, 1)
    return found


def mean_and_error(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean over independent chains, values (chains, ...), and its standard error, inf of one."""
    if len(values) == 1:
        return values[0], np.full(values[0].shape, np.inf)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def by_sweep(result: Any) -> Report:
    """The report of draws made at chosen sweeps: energy and |m| of each, their errors from the spread of chains."""
    several, at, n = isinstance(result.model, tuple), result.drawn_at, sites_of(first_model(result))
    rows = [row for group in result.by_beta() for row in _rows(group, at, n, several, result.field is not None)]
    columns = {name: [row[name] for row in rows[:_MOST_ROWS]] for name in rows[0]} if rows else {}
    notes = ["Draws at chosen sweeps: what they tell may change with time, so nothing is averaged over it."]
    if len(rows) > _MOST_ROWS:
        notes.append(f"{_MOST_ROWS} of {len(rows)} rows are shown.")
    lines = [repr(result), "means over chains at each sweep; (12) is the error of the last digits"]
    return Report(lines, {}, columns, notes)


def _rows(group: Group, at: IntArray, n: int, several: bool, in_fields: bool) -> list[dict[str, str]]:
    """A row for each sweep."""
    (energy, energy_error), (m, m_error) = (
        mean_and_error(values) for values in (group.energy / n, np.abs(group.magnetization))
    )
    first = {"beta": f"{group.beta:.6g}"} | ({"model": str(group.model)} if several else {})
    first |= {"field": f"{group.field:.5g}"} if in_fields else {}
    return [
        first
        | {"sweep": str(sweep), "chains": str(len(group.energy))}
        | {"E/N": with_error(energy[k], energy_error[k]), "|m|": with_error(m[k], m_error[k])}
        for k, sweep in enumerate(at.tolist())
    ]
