"""Any mean that a summary says, with its error, against what was varied: T, a field, Gamma, sweeps, epochs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.ageing import mean_and_error
from fastgibbs.analysis.errors import FEWEST_DRAWS, split_r_hat, standard_error
from fastgibbs.analysis.quantum import of_group
from fastgibbs.analysis.records import Group, by_beta, first_model, sites_of
from fastgibbs.analysis.response import drives, following, of_phases, phases
from fastgibbs.analysis.summaries import felt
from fastgibbs.analysis.thermodynamics import binder_cumulant, heat_capacity, magnitude, susceptibility, temperature
from fastgibbs.fields import fields
from fastgibbs.models import checks
from fastgibbs.plots.style import (
    GAMMA,
    MARK,
    QUIET,
    TEMPERATURE,
    bars,
    colors,
    given_or_new,
    legend_above,
    look,
    nothing,
    right_axis,
    temperature_axis,
)
from fastgibbs.types import AnyArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 8  # lines in a legend; those of more are told apart by colour alone, from dark to light
_LONG = 20  # last sweep over first: beyond it their axis is logarithmic
_T, FIELD = "T", "field b (J)"
_SWEEPS, _PERIOD = "sweeps", "sweeps of a period"
_ALONG = {"betas": _T, "beta": _T, "epoch": "epochs", "bonds": "bonds of the graph"}  # fields of what was found
_PARTS = "population", "history", "path"  # of results, that have such fields
_MEANS = "energy", "magnetization"  # at any sweep
_OF_DRAWS = *_MEANS, "heat_capacity", "susceptibility", "binder", "tau", "effective_draws", "r_hat"
LABELS = {
    "energy": "energy per site E/N (J)",
    "magnetization": "magnetisation per site <|m|>",
    "heat_capacity": "heat capacity per site C/N (k$_B$)",
    "susceptibility": "susceptibility per site $\\chi$ (1/J)",
    "binder": "Binder cumulant U",
    "tau": "autocorrelation time $\\tau$ (draws)",
    "effective_draws": "independent draws",
    "r_hat": "R-hat of half chains",
    "log_z": "log Z (nats)",
    "x": r"$\langle\sigma^x\rangle$ per site",
    "zz": r"$\langle\sigma^z\sigma^z\rangle$ of bonds",
    "kinks": "share of neighbouring slices that differ",
    "cluster_m2": r"$\langle m^2\rangle$, told by clusters",
    "cluster_size": "share of sites in the cluster of one",
    "q_abs": r"overlap $[\langle|q|\rangle]$",
    "q2": r"overlap $[\langle q^2\rangle]$",
    "q4": r"overlap $[\langle q^4\rangle]$",
    "link": r"link overlap $[\langle q_l\rangle]$",
    "xi": r"correlation length $\xi$",
    "xi_ratio": r"correlation length $\xi_L\,/\,L$",
    "ratio": r"correlation length $\xi\,/\,L$",
    "relation": "E/N less that of link overlaps (J)",
    "rho": r"$\rho_t$: reads over families in effect",
    "family_entropy": "entropy of families S$_f$ (nats)",
    "log_likelihood": "log-likelihood (nats per row)",
    "pseudo_likelihood": "pseudo-likelihood (nats per row)",
    "reconstruction": "reconstruction error",
    "gradient_norm": "length of the gradient",
    "bic": "criterion BIC",
    "lag": "lag behind the drive (radians)",
    "area": "area of the loop",
}
_OTHERWISE = {  # where a field of these axes is something else
    ("temperatures", "energy"): "energy E (J)",
    ("rungs", "binder"): "Binder ratio g",
    ("rungs", "susceptibility"): r"$\chi_{SG} = N\,[\langle q^2\rangle]$",
}
_GIVE = "a result of draws, of a population or of a training, or what fastgibbs.analysis found at several temperatures"


class Line(NamedTuple):
    """Points of one line, ascending in x; errors that are not known are not finite."""

    label: str
    x: AnyArray
    values: AnyArray
    errors: AnyArray


class Lines(NamedTuple):
    """What axes are of, what tells lines apart, and the lines."""

    axis: str
    label: str
    title: str
    lines: list[Line]


def curve(result: Any, name: str, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """A mean with its error against what was varied: a column of `summary()`, or of what an analysis found.

    Of what `sample` and `temper` return `name` is "energy", "magnetization" (<|m|>), "heat_capacity", "susceptibility",
    "binder", "tau", "effective_draws" or "r_hat", of ladders "log_z" besides, of quantum spins "x", "zz" or "kinks",
    and anything that was observed; of a driven run, where it is m itself, and of draws at chosen sweeps "energy",
    "magnetization" or what was observed, sweep by sweep. Of an AnnealResult with population=True "log_z", "energy",
    "rho" or "family_entropy"; of a TrainResult a field of its history; of `fit_ising` with l1="path" "bic"; of what
    `disorder_average`, `reweight`, `response` or `correlation_length` of `fastgibbs.analysis` found a field of that.

    It stands against T, against the field or Gamma where more of these than of T differ, or against sweeps, those of a
    period beside its field; whatever differs besides has a line each. Infinite and zero T have no place on an axis of
    T. `errorbar`: keywords of `Axes.errorbar`. TypeError at a result, ValueError at a name without a curve.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=1000, seed=1)
    >>> fg.plots.curve(run, "binder").get_ylabel()
    'Binder cumulant U'
    """
    axis, label, title, lines = lines_of(result, name)
    ax = given_or_new(ax)
    ax.set_ylabel(label)
    places = np.concatenate([line.x for line in lines]) if lines else np.empty(0)
    if axis == _T:
        temperature_axis(ax, places)
    else:
        ax.set_xlabel(axis)
    if not places.size:
        return nothing(ax, "no draws at T > 0" if axis == _T else "no draws")
    if axis not in (_T, FIELD, GAMMA):
        ax.locator_params(axis="x", integer=True, nbins=6)
    if axis == _SWEEPS and places.max() > _LONG * places.min():
        ax.set_xscale("log")
    if axis == _PERIOD and result.field is not None and result.field.ndim > 1:
        _draw_field(result, ax)
    for line, color in zip(lines, colors(len(lines)), strict=True):
        house = dict(color=color, fmt="o-", markersize=3.5, linewidth=1, elinewidth=1, capsize=2)
        ax.errorbar(line.x, line.values, bars(line.errors), **look(errorbar, **house, label=line.label))
    if 1 < len(lines) <= _MOST_NAMED:
        legend_above(ax, title)
    return ax


def curves(result: Any) -> list[str]:
    """The names of which `curve` draws a result, what was observed last; none of one that has no curves."""
    if not hasattr(result, "by_beta"):
        found = _holder(result)
        return [name for name in _columns(found)[1:] if np.isfinite(getattr(found, name)).any()]
    if getattr(result, "driven", False) or np.size(getattr(result, "at", ())):
        told: tuple[str, ...] = _MEANS
    else:
        told = *_OF_DRAWS, *(["log_z"] if hasattr(result, "round_trips") else [])
    axes = len(result.energy.shape)
    return [*told, *(name for name, record in result.observables.items() if len(record.shape) == axes)]


def lines_of(result: Any, name: str) -> Lines:
    """What a curve has to show."""
    told = curves(result)
    if not told:
        raise TypeError(f"result is {checks.shown(result)}, of which there are no curves: give {_GIVE}")
    checks.choice("name", name, told)
    if not hasattr(result, "by_beta"):
        return _of_columns(_holder(result), name)
    own = name in result.observables and not _told(result)
    label = name if own else LABELS.get(name, name)
    if getattr(result, "driven", False):
        return _of_phases(result, name, label.replace("<|m|>", "m"))
    return (_of_sweeps if np.size(getattr(result, "at", ())) else _of_groups)(result, name, label)


def _told(result: Any) -> bool:
    """Whether moves or engines have told of draws what was not asked for."""
    return result.clusters is not None or getattr(first_model(result), "by_worldlines", False)


def _holder(result: Any) -> Any:
    """The part of a result that has columns, or itself."""
    parts = [part for part in (getattr(result, name, None) for name in _PARTS) if hasattr(part, "_fields")]
    return parts[0] if parts else result


def _columns(found: Any) -> list[str]:
    """The fields that stand side by side, the one that the others are against first; none of what has none."""
    if not hasattr(found, "_fields"):
        return []
    shapes = {field.name: field.shape for field in fields(type(found))}
    along = next((name for name in _ALONG if re.search(r"64 \(\w+,\)", shapes.get(name, ""))), None)
    if along is None:
        return []
    axes = shapes[along].partition(" ")[2].partition(")")[0]
    same = [name for name, shape in shapes.items() if shape.startswith(f"float64 {axes})") and name != along]
    return [along, *(name for name in same if not name.endswith("_error") and getattr(found, name) is not None)]


def _of_columns(found: Any, name: str) -> Lines:
    """One line, against T, epochs or bonds; of drives at one T against their amplitude."""
    along, *_ = _columns(found)
    axis, x, values = _ALONG[along], getattr(found, along), getattr(found, name)
    errors = getattr(found, f"{name}_error", np.full(values.shape, np.nan))
    if axis == _T:
        if hasattr(found, "drive") and np.ptp(x) == 0:
            axis, x = "amplitude of the drive", np.ptp(found.drive, axis=1) / 2
        else:
            warm = (x > 0) & (x < np.inf)
            x, values, errors = temperature(x[warm]), values[warm], errors[warm]
    known, order = np.isfinite(values), np.argsort(x, kind="stable")
    order = order[known[order]]
    told = next(field.shape for field in fields(type(found)) if field.name == along)
    label = _OTHERWISE.get((told[told.find("(") + 1 : told.find(",")], name), LABELS.get(name, name.replace("_", " ")))
    return Lines(axis, label, "", [Line("", x[order], values[order], errors[order])] if order.size else [])


def _of_groups(result: Any, name: str, label: str) -> Lines:
    """A line for all groups that differ in nothing but what most of them differ in."""
    groups, model = by_beta(result), first_model(result)
    if groups[0].energy.shape[1] < FEWEST_DRAWS:
        return Lines(_T, label, "", [])
    if name == "log_z":
        values, errors = result.log_z.bar, result.log_z.bar_error
    else:
        values, errors = np.transpose([_estimate(name, group, model) for group in groups])
    places = _places(groups)
    axis = max((_T, FIELD, GAMMA), key=lambda name: np.unique(places[name]).size)
    x = places.pop(axis)
    title, keys = _apart(places)
    if len(set(keys)) == len(groups):  # along a path, where nothing is the same twice
        keys = [""] * len(groups)
    lines = []
    for key in dict.fromkeys(keys):
        mine = np.array([one == key for one in keys]) & (x < np.inf) & ((x > 0) | (axis != _T)) & np.isfinite(values)
        order = np.flatnonzero(mine)[np.argsort(x[mine], kind="stable")]
        lines += [Line(key, x[order], values[order], errors[order])] if order.size else []
    return Lines(axis, label, title, lines)


def _places(groups: list[Group]) -> dict[str, AnyArray]:
    """Where groups stand, by what that is."""
    return {
        _T: temperature([group.beta for group in groups]),
        FIELD: np.array([group.field for group in groups]),
        GAMMA: np.array([0.0 if group.gamma is None else group.gamma for group in groups]),
        "model": np.array([group.model for group in groups]),
    }


def _apart(places: dict[str, AnyArray]) -> tuple[str, list[str]]:
    """What tells groups apart, and what each has of it, as text."""
    differ = {name: values.tolist() for name, values in places.items() if np.unique(values).size > 1}
    titles = {_T: TEMPERATURE}
    keys = [", ".join(f"{value:.4g}" for value in values) for values in zip(*differ.values(), strict=True)]
    return ", ".join(titles.get(name, name) for name in differ), keys or [""] * places["model"].size


def _estimate(name: str, group: Group, model: Any) -> tuple[float, float]:
    """What the summary says of a group, and its error, NaN where none is known."""
    n, energy, m = sites_of(model), group.energy, magnitude(group.magnetization)
    if getattr(model, "by_worldlines", False):
        energy, m = group.observables["total_energy"], group.observables["abs_m"]
        if name in ("heat_capacity", "binder"):
            value, error = getattr(of_group(group, model), name)
            return (value / n, error / n) if name == "heat_capacity" else (value, error)
    if name in _MEANS:
        found = standard_error(energy / n if name == "energy" else m)
        return found.mean, found.error
    if name in ("tau", "effective_draws"):
        each = [getattr(standard_error(record), name) for record in (energy / n, m)]
        return (max if name == "tau" else min)(each), np.nan
    if name == "r_hat":
        return max(split_r_hat(energy), split_r_hat(m)), np.nan
    if name == "binder":
        return binder_cumulant(group.magnetization)
    if name not in _OF_DRAWS:
        found = standard_error(group.observables[name])
        return found.mean, found.error
    if group.beta == np.inf or (name == "heat_capacity" and group.bins and group.field):
        return np.nan, np.nan
    if name == "heat_capacity":
        return heat_capacity(felt(group, n), group.beta, n)
    return susceptibility(group.magnetization, group.beta, n)


def _of_phases(result: Any, name: str, label: str) -> Lines:
    """A line for each drive, by sweeps of a period."""
    sweeps, lines = phases(result), []
    for chains in drives(result) if sweeps.size else ():
        values, errors = of_phases(_record(result, name)[chains], sweeps.size)
        order, driven = np.argsort(sweeps), following(result)[:, chains[0]]
        lines.append(Line(f"{np.ptp(driven) / 2:.4g}", sweeps[order], values[order], errors[order]))
    return Lines(_PERIOD, label, "amplitude of the drive", lines)


def _of_sweeps(result: Any, name: str, label: str) -> Lines:
    """A line for each group of chains, sweep by sweep."""
    groups, lines = result.by_beta() if result.energy.shape[1] else [], []
    title, keys = _apart(_places(groups)) if groups else ("", [])
    for group, key in zip(groups, keys, strict=True):
        record = {"energy": group.energy / sites_of(first_model(result)), "magnetization": np.abs(group.magnetization)}
        lines.append(Line(key, result.drawn_at, *mean_and_error((record | dict(group.observables))[name])))
    return Lines(_SWEEPS, label, title, lines)


def _record(result: Any, name: str) -> AnyArray:
    """Of all draws, per site."""
    if name == "energy":
        return result.energy / sites_of(first_model(result))
    return result.magnetization if name == "magnetization" else result.observables[name]


def _draw_field(result: Any, ax: Axes) -> None:
    """The fields of a period, on an axis at the right, behind the lines."""
    other = right_axis(ax, FIELD, QUIET)
    for chains in drives(result):
        other.plot(np.arange(1, len(result.field) + 1), result.field[:, chains[0]], "--", color=MARK, linewidth=1)
    ax.set_zorder(other.get_zorder() + 1)
    ax.patch.set_visible(False)
