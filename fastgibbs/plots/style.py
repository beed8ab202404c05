"""What all pictures share: one look, the axis of temperature, and what they take from a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.analysis.bins import Binned
from fastgibbs.analysis.records import first_model, sites_of
from fastgibbs.models import checks
from fastgibbs.results.sampled import SampleResult
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Drawn = SampleResult | TemperResult

# distinguishable to every eye (Okabe and Ito, Color Universal Design, 2008), without their yellow: too light for lines
PALETTE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"
QUIET, MARK, SHADE = "0.35", "0.8", "0.93"  # greys: of notes and frames, of lines and areas behind the data
TEMPERATURE = "T (J/k$_B$)"
GAMMA = "transverse field $\\Gamma$ (J)"

_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "figure.titlesize": 11,
}
_TICKS: Any = {"color": QUIET, "labelsize": 9}  # made when they are drawn, out of reach of a style
_PANEL = 4.2, 3.2  # inches
_LINE = 52  # letters above a panel, those of five in the place of a line's mark
_COLUMNS = 10  # of a mosaic, at most, unless there is a reason
_WIDE = 8  # hottest over coldest: beyond it the axis is logarithmic
MISSING = 'pictures need matplotlib: pip install "fastgibbs[plot]"'


def figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **subplots: Any
) -> tuple[Figure, Any]:
    """A new matplotlib Figure in the house style and its Axes, as `Figure.subplots` returns them; pyplot stays out.

    `size`: (width, height) in inches. ImportError if matplotlib is missing.

    >>> import fastgibbs as fg
    >>> figure, axes = fg.plots.figure(1, 2)
    >>> axes.shape
    (2,)
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(MISSING) from None
    with rc_context(_STYLE):
        made = Figure(figsize=size or (_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
        axes = made.subplots(rows, columns, **subplots)
    for ax in made.axes:
        ax.tick_params(**_TICKS)
    return made, axes


def given_or_new(ax: Axes | None) -> Axes:
    """`ax`, or the Axes of a new pyplot figure if it is None; TypeError if it is no Axes."""
    if ax is None:
        try:
            from matplotlib import pyplot, rc_context
        except ImportError:
            raise ImportError(MISSING) from None
        with rc_context(_STYLE):
            ax = pyplot.subplots(figsize=_PANEL, layout="constrained")[1]
        ax.tick_params(**_TICKS)
    elif not hasattr(ax, "plot"):
        raise TypeError(f"ax is {checks.shown(ax)}: give one matplotlib Axes, or None for new ones")
    return ax


def legend_above(ax: Axes, title: str | None = None) -> None:
    """A legend over the Axes, where no data are; none of no lines."""
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    lines = -(-sum(len(label) + 5 for label in labels) // _LINE)
    text = {"title": title, "fontsize": 9, "title_fontsize": 9, "alignment": "left"}
    space = {"frameon": False, "handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 1.0, "borderaxespad": 0.1}
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=-(-len(labels) // lines), **text, **space)


def look(given: dict[str, Any], **house: Any) -> dict[str, Any]:
    """Keywords of matplotlib: those of the house, but where others are given."""
    return house | given


def bars(errors: FloatArray) -> FloatArray:
    """Errors as bars have them: none, nan, where one is infinite."""
    return np.where(np.isfinite(errors), errors, np.nan)


def nothing(ax: Axes, why: str) -> Axes:
    """Say on empty Axes why they are empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=QUIET)
    return ax


def colors(count: int) -> Sequence[Any]:
    """`count` colours that can be told apart: the palette, or where it is too short, from dark to light."""
    if count <= len(PALETTE):
        return PALETTE[:count]
    from matplotlib import colormaps

    return [colormaps["viridis"](x) for x in np.linspace(0, 0.9, count)]


def temperature_axis(ax: Axes, temperatures: Sequence[float] | FloatArray) -> Axes:
    """Label the x axis as one of temperature; logarithmic, in plain numbers, over a wide range."""
    ax.set_xlabel(f"temperature {TEMPERATURE}")
    if len(temperatures) and max(temperatures) > _WIDE * min(temperatures):
        from matplotlib.ticker import LogLocator, NullFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


def require(result: object, makers: str, *names: str, argument: str = "result") -> None:
    """TypeError unless `result` has the attributes of what `makers` return; it is given as `argument`."""
    if isinstance(result, list | tuple) and not hasattr(result, "_fields"):
        raise TypeError(f"{argument} is a {type(result).__name__} of {len(result)}: give one of them")
    missing = [name for name in names if not hasattr(result, name)]
    if missing:
        raise TypeError(f"{argument} is {checks.shown(result)}, without {missing[0]}: give what {makers} returns")


def records(result: Drawn, name: str) -> tuple[FloatArray, FloatArray]:
    """Betas float64 (rows,) and the draws of `name`, (rows, draws), or bins of them: a row a chain, or a rung.

    Of a driven run the beta of a chain is its mean, of quantum spins the energy that of all of H. Row k of a
    TemperResult is rung k % rungs of ladder k // rungs.
    """
    require(result, "fastgibbs.sample or fastgibbs.temper", "energy", "magnetization", "burn_in", "thin")
    quantum = name == "energy" and getattr(result.model, "by_worldlines", False)
    values: FloatArray = result.observables["total_energy"] if quantum else getattr(result, name)
    if hasattr(result, "beta"):
        return np.atleast_2d(result.beta).mean(axis=0), values
    ladders, rungs, draws = values.shape
    rows: Any = (ladders * rungs,) if isinstance(values, Binned) else (ladders * rungs, draws)
    return np.tile(result.betas, ladders), values.reshape(*rows)


def sites(result: Drawn) -> int:
    """The number of sites of the model or models, at least 1; TypeError of worldlines, whose energies are other."""
    model = first_model(result)
    if getattr(model, "by_worldlines", False):
        told = "its means are those of fastgibbs.analysis.quantum(result)"
        raise TypeError(f"result is of {checks.shown(model)}: {told}")
    return sites_of(model)


def right_axis(ax: Axes, label: str, color: str) -> Axes:
    """Axes over `ax` with a y axis of their own, at the right, in `color`."""
    other = ax.twinx()
    other.set_ylabel(label, color=color)
    other.spines[:].set_visible(False)
    other.spines["right"].set(visible=True, edgecolor=QUIET)
    other.tick_params(axis="y", colors=color, labelsize=9)
    return other


def mosaic(
    ax: Axes | None,
    images: AnyArray,
    shape: Shape,
    *,
    columns: int | None = None,
    labels: Sequence[str] = (),
    **image: Any,
) -> Axes:
    """Images (N, pixels) of one shape side by side, a pixel apart, without frame or ticks; `labels` of their rows."""
    shape = tuple(shape)
    if len(shape) != 2 or images.ndim != 2 or images.shape[1] != np.prod(shape):
        raise ValueError(f"shape is {shape}: give (rows, columns) of {images.shape[-1]} pixels in all")
    ax = given_or_new(ax)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if not len(images):
        return nothing(ax, "no images")
    columns = columns or min(_COLUMNS, math.isqrt(2 * len(images) - 1) + 1)
    rows, (height, width) = -(-len(images) // columns), shape
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for k, picture in enumerate(images):
        top, left = k // columns * (height + 1), k % columns * (width + 1)
        canvas[top : top + height, left : left + width] = picture.reshape(shape)
    ax.imshow(canvas, **look(image, interpolation="nearest"))
    if labels:
        ax.set_yticks([k * (height + 1) + (height - 1) / 2 for k in range(rows)], labels)
    return ax


def spread(size: int, most: int) -> IntArray:
    """At most `most` of the numbers 0 ... size - 1, the ends among them."""
    return np.unique(np.linspace(0, size - 1, min(most, size)).round().astype(int))


def nearest_rungs(betas: ArrayLike, temperatures: ArrayLike | None, most: int = 4) -> IntArray:
    """Rungs (k,) below infinite T nearest to `temperatures`, or if that is None, at most `most` spread over them all.

    There are none where all are at infinite T. TypeError or ValueError if a temperature is not a finite number above 0.
    """
    betas = np.asarray(betas)
    warm = np.flatnonzero(betas > 0)
    if temperatures is None:
        return warm[spread(warm.size, most)]
    temperatures = np.atleast_1d(checks.finite_array("temperatures", temperatures))
    if temperatures.ndim != 1 or temperatures.size == 0:
        raise ValueError(f"temperatures has shape {temperatures.shape}: give one or more in a 1-D array")
    if temperatures.min() <= 0:
        raise ValueError(f"temperatures holds {temperatures.min()}: give temperatures above 0")
    if not warm.size:
        return warm
    return np.array(list(dict.fromkeys(int(warm[np.abs(betas[warm] - 1 / T).argmin()]) for T in temperatures)))
