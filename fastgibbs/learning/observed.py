"""Samples as users have them: arrays, draws of a run, a dimod SampleSet, a pandas DataFrame; as spins with labels."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.io.problems import problem
from fastgibbs.models import Ising, checks
from fastgibbs.models.foreign import VARTYPES, ordered
from fastgibbs.results.base import Result
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, Problem, Sites, States

Labels = tuple[Hashable, ...] | None
_RIGHT = "spins -1 and +1 (rows, n), what sample(..., keep_states=True) returned, or a dimod SampleSet"


class Observed(NamedTuple):
    """Rows of spins, how often each was seen, and what the spins are called, if not by their numbers."""

    spins: States  # int8 (rows, n)
    counts: FloatArray  # float64 (rows,)
    labels: Labels


def observed(samples: Any, weights: ArrayLike | None) -> Observed:
    """All rows of `samples`; TypeError or ValueError at what is no spins of one law."""
    labels: Labels = None
    if isinstance(samples, SampleResult):
        labels = getattr(samples.model, "labels", None)
        spins = _of_run(samples)
    elif isinstance(samples, Result):
        raise TypeError(f"samples is {checks.shown(samples)}, whose states are no draws of one law: give {_RIGHT}")
    elif all(hasattr(samples, name) for name in ("record", "variables", "vartype")):
        labels, spins = tuple(samples.variables), np.asarray(samples.record.sample)
        if VARTYPES.get(getattr(samples.vartype, "name", samples.vartype)) == "binary":
            spins = 2 * spins.astype(np.int8) - 1
        weights = samples.record.num_occurrences if weights is None else weights
    else:
        if hasattr(samples, "columns") and hasattr(samples, "to_numpy"):
            labels, samples = tuple(samples.columns), samples.to_numpy()
        spins = checks.real_array("samples", samples)
    if spins.dtype.kind == "b" or (spins.size and spins.min() == 0 and spins.max() <= 1):
        raise ValueError("samples are bools, or units of 0 and 1: give spins of -1 and +1, 2.0 * samples - 1")
    if spins.ndim < 2 or not spins.shape[-1]:
        raise ValueError(f"samples has shape {spins.shape}: give (rows, n), with n of at least 1")
    leading = spins.shape[:-1]
    spins = checks.rows(checks.spins("samples", spins))
    if len(spins) < 2:
        raise ValueError(f"samples has shape {(*leading, spins.shape[1])}, {len(spins)} rows: give at least 2")
    counts = np.ones(len(spins)) if weights is None else _counts(weights, leading)
    if labels is not None and set(labels) == set(range(len(labels))):  # as models order them
        return Observed(np.ascontiguousarray(spins[:, np.argsort(np.array(labels))]), counts, None)
    return Observed(spins, counts, labels)


def _of_run(run: SampleResult) -> AnyArray:
    """The draws of a run of one model at one temperature."""
    if isinstance(run.model, tuple):
        raise ValueError(f"samples is of {len(run.model)} models: give the draws of one, samples.samples[chains]")
    if getattr(run.model, "by_worldlines", False):
        raise TypeError(f"samples is of {checks.shown(run.model)}, whose law is not exp(-beta E): give {_RIGHT}")
    if run.driven or np.ptp(run.beta) > 0 or (run.field is not None and np.ptp(run.field) > 0):
        raise ValueError("samples is of several temperatures or fields: give the draws of one, samples.samples[chains]")
    return run.model.to_spins(run.samples)


def _counts(weights: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    counts = checks.finite_array("weights", weights, shape).ravel()
    if counts.min() < 0 or counts.sum() < 2:
        raise ValueError(
            f"weights are from {counts.min():g} to {counts.max():g}, {counts.sum():g} in all: give how often each row "
            "was drawn, at least 0, at least 2 in all"
        )
    return counts


def pairs_of(graph: Problem | None, labels: Labels, n: int) -> tuple[Sites, Sites, Labels]:
    """All pairs i < j of n spins, or those that are bonds of the graph; and what the spins are called.

    A graph with labels tells by these which spins it couples, where samples have labels too.
    """
    if graph is None:
        checks.require_memory(100 * n * n, f"couplings of all pairs of {n} spins")
        first, second = np.triu_indices(n, 1)
        return first.astype(np.int32), second.astype(np.int32), labels
    model = problem("graph", graph)
    ising: Ising = model.to_ising()
    if ising.n != n:
        raise ValueError(f"graph has {ising.n} sites: samples have {n} spins")
    i, j, _ = ising.bonds
    named: Labels = getattr(model, "labels", None)
    if labels is None or named is None or labels == named:
        return i, j, labels or named
    if unknown := [label for label in ordered(named) if label not in set(labels)]:
        raise ValueError(f"graph has the site {checks.shown(unknown[0])}: samples have {checks.shown(labels)}")
    place = {label: site for site, label in enumerate(labels)}
    sites = np.array([place[label] for label in named], np.int32)
    ends = np.sort(np.stack([sites[i], sites[j]]), axis=0)
    first, second = ends[:, np.lexsort(ends[::-1])]
    return first, second, labels
