"""The pictures of a result: those functions of `fastgibbs.plots` that have something to show of it, as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs import plots
from fastgibbs.pages.page import Picture, image
from fastgibbs.results.base import SHOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = "energy_curve", "heat_capacity_curve", "magnetization_curve", "susceptibility_curve"
_TRACES = "energy_trace", "magnetization_trace"
_COLOURS = 128  # a PNG of as many is a third of the size of one of all
_DOTS, _SMALL = 150, 72  # an inch, on a page and in a notebook
_MOST_DRAWS = 20_000  # of which a trace is drawn in a notebook
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


def _is_cheap(result: Any, name: str) -> bool:
    """Whether there are few draws to trace, and no large torus whose exact curve is drawn beside."""
    if name in _TRACES:
        return result.energy.shape[-1] <= _MOST_DRAWS
    return name not in _CURVES or max(getattr(result.model, "shape", None) or (0,)) <= _LARGEST_TORUS


def names(result: Any) -> Iterator[str]:
    """The functions of `fastgibbs.plots` that have something to show of it."""
    kind = getattr(result, "KIND", "")
    if kind in ("sample", "temper") and result.energy.shape[-1]:
        yield from _of_draws(result)
    if kind == "temper" and result.fields is None and result.gammas is None and (result.betas > 0).sum() > 1:
        yield from ("swap_rates", "replica_flow")
    overlaps = kind == "temper" and result.overlap is not None and (result.betas > 0).any()
    if overlaps or hasattr(result, "distribution"):
        yield "overlap_distribution"
    if kind == "anneal" and result.energy.size:
        yield from ("annealing_trace", "read_histogram")
    if kind == "recall" and result.overlaps.shape[1]:
        yield "overlap_trace"
    if kind == "train" and result.history.epoch.size:
        yield "training_history"
    if kind == "fit_ising" and result.couplings.size:
        yield "fitted_couplings"
    if kind == "fit_ising" and result.moments.size:
        yield "fitted_moments"
    if kind == "train" and result.information is not None and result.information.epoch.size:
        yield "information_history"


def _of_draws(result: Any) -> Iterator[str]:
    """Traces, and curves where there are temperatures to go along."""
    if getattr(result.model, "by_worldlines", False):  # whose means are not those of its records
        return
    driven, field = getattr(result, "driven", False), getattr(result, "field", None)
    pooled = not driven and not isinstance(result.model, tuple) and (field is None or np.ptp(field) == 0)
    betas = np.ravel(result.beta if hasattr(result, "beta") else result.betas)
    if pooled and getattr(result, "fields", None) is None and np.unique(betas[(betas > 0) & (betas < np.inf)]).size > 1:
        yield from _CURVES
    yield from _TRACES


def _drawn(result: Any, name: str, dpi: int = _DOTS) -> Picture:
    """What a function draws of it, under what the first line of its docstring says that is."""
    draw = getattr(plots, name)
    figure, ax = plots.figure()
    draw(result, ax=ax)
    return Picture(draw.__doc__.partition("\n")[0].partition(";")[0].rstrip("."), picture(figure, dpi))


def picture(figure: Figure, dpi: int = _DOTS) -> bytes:
    """A matplotlib figure as PNG of 128 colours, a third of the size of one of all."""
    from PIL import Image  # matplotlib brings it

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()
