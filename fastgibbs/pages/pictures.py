"""The pictures of a result: those functions of `fastgibbs.plots` that have something to show of it, as PNG."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs import plots
from fastgibbs.analysis.reports import SHOWN
from fastgibbs.pages.page import Picture, image
from fastgibbs.plots.curves import curves, lines_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = "energy_curve", "heat_capacity_curve", "magnetization_curve", "susceptibility_curve"
_TRACES = "energy_trace", "magnetization_trace"
_MEANS = "energy", "magnetization", "heat_capacity", "susceptibility"
_TOLD = "binder", "tau", "x", "zz", "kinks", "cluster_m2"  # the last four by worldlines and moves
_ELSEWHERE = "log_likelihood", "pseudo_likelihood", "bound", "q4", "qk2", "l1"  # drawn with others, or told by others
_COLOURS = 128  # a PNG of as many is a third of the size of one of all
_DOTS, _SMALL = 150, 72  # an inch, on a page and in a notebook
_MOST_DRAWS = 20_000  # of a chain, of which a trace is drawn in a notebook
_MOST_RECORDED = 1_000_000  # draws of all chains, likewise of curves
_LARGEST_TORUS = 64  # side, likewise


def pictures(result: Any) -> list[Picture]:
    """Of any result, none of one without pictures. ImportError if there are some and matplotlib is missing."""
    return [_drawn(result, name) for name in names(result)]


def small(result: Any) -> str:
    """The first of them that is drawn at once, small, as HTML for a notebook; none without matplotlib."""
    name = next((name for name in names(result) if _is_cheap(result, name)), None)
    try:
        return "" if name is None else image(_drawn(result, name, _SMALL))
    except ImportError:
        return ""


SHOWN.append(small)


def _is_cheap(result: Any, name: tuple[str, ...]) -> bool:
    """Whether there are few draws to go through, and no large torus whose exact curve is drawn beside."""
    if name[0] in _TRACES:
        return bool(result.energy.shape[-1] <= _MOST_DRAWS)
    if hasattr(result, "by_beta") and math.prod(result.energy.shape) > _MOST_RECORDED:
        return False
    return name[0] not in _CURVES or max(getattr(result.model, "shape", None) or (0,)) <= _LARGEST_TORUS


def names(result: Any) -> Iterator[tuple[str, ...]]:
    """The functions of `fastgibbs.plots` that have something to show of it, and their arguments besides."""
    kind = getattr(result, "KIND", "")
    if kind in ("sample", "temper") and result.energy.shape[-1]:
        yield from _of_draws(result)
    if kind == "temper" and result.fields is None and (result.betas > 0).sum() > 1:
        yield from (("swap_rates",), ("replica_flow",))
    overlaps = kind == "temper" and result.overlap is not None and (result.betas > 0).any()
    if overlaps or hasattr(result, "distribution"):
        yield ("overlap_distribution",)
    if kind == "anneal" and result.energy.size:
        yield from (("annealing_trace",), ("read_histogram",))
    if kind == "recall" and result.overlaps.shape[1]:
        yield from (("overlap_trace",), ("recall_histogram",))
    if kind == "train" and result.history.epoch.size:
        yield ("training_history",)
    if kind == "fit_ising" and result.couplings.size:
        yield ("fitted_couplings",)
    if kind == "fit_ising" and result.moments.size:
        yield ("fitted_moments",)
    if kind == "train" and result.information is not None and result.information.epoch.size:
        yield ("information_history",)
    if hasattr(result, "model_error"):
        yield ("entropies",)
    if kind not in ("sample", "temper"):
        yield from (("curve", name) for name in curves(result) if name not in _ELSEWHERE)


def _of_draws(result: Any) -> Iterator[tuple[str, ...]]:
    """Curves where there is something to go along, the four means first, and traces."""
    along = any(line.x.size > 1 for line in lines_of(result, "energy").lines)
    told = curves(result) if along else []
    if getattr(result, "driven", False) and result.field is not None:  # what follows comes first
        told.sort(key=lambda name: name != "magnetization")
    if along and "tau" in told and _is_pooled(result):
        yield from ((name,) for name in _CURVES)
    else:
        yield from (("curve", name) for name in told if name in _MEANS)
    yield from ((name,) for name in _TRACES)
    yield from (("curve", name) for name in told if name in _TOLD)


def _is_pooled(result: Any) -> bool:
    """Whether all chains at one temperature are of one classical model in one field."""
    field, quantum = getattr(result, "field", None), getattr(result.model, "by_worldlines", False)
    alone = not isinstance(result.model, tuple) and (field is None or np.ptp(field) == 0)
    return alone and not quantum and getattr(result, "fields", None) is None


def _drawn(result: Any, name: tuple[str, ...], dpi: int = _DOTS) -> Picture:
    """What a function draws of it, under what its axes or the first line of its docstring say that is."""
    draw, (figure, ax) = getattr(plots, name[0]), plots.figure()
    draw(result, *name[1:], ax=ax)
    caption = draw.__doc__.partition("\n")[0].partition(";")[0].rstrip(".")
    if len(name) > 1:
        against = re.sub(r" *(\(.*\)|\$.*\$)", "", ax.get_xlabel())
        caption = f"{name[1].replace('_', ' ')} against {against}, with errors where they are known"
    return Picture(caption, picture(figure, dpi))


def picture(figure: Figure, dpi: int = _DOTS) -> bytes:
    """A matplotlib figure as PNG of 128 colours, a third of the size of one of all."""
    from PIL import Image  # matplotlib brings it

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()
