"""What students of a perceptron learn at a temperature, beside theory; and the noise of SGD, measured as one."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgibbs import exact, plots
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.running import running
from fastgibbs.methods.tempering import temper
from fastgibbs.models import Perceptron, checks, teacher
from fastgibbs.models.perceptron import Teaching
from fastgibbs.types import FloatArray, Progress

LADDERS, RUNGS, THIN = 2, 25, 8
TRIPS = 10  # of replicas up and down each ladder, or its draws are not counted
EVERY = 10  # steps of SGD between measurements


@dataclass(frozen=True)
class Config:
    """What the run is told; see generalization.toml."""

    n: int
    loads: list[float]
    temperatures: list[float]
    coldest: float
    samples: int
    sweeps: int
    rates: list[float]
    batches: list[int]
    steps: int
    students: int
    seed: int


class Bottom(NamedTuple):
    """L(w) = <(w.x - label)^2> / 2 over examples around its minimum: sum_k curvatures_k d_k^2 / 2 more, by modes d."""

    w: FloatArray  # (n,)
    curvatures: FloatArray  # (n,), ascending
    vectors: FloatArray  # (n, n), the modes in columns
    noise: FloatArray  # (n,): the variance of the gradient of one example along each


class Descent(NamedTuple):
    """Students of real weights, who learn by SGD at all rates and one batch size."""

    excess: FloatArray  # L - min L, (measurements, rates, students)
    modes: FloatArray  # <curvature d^2> of every mode, its temperature, (rates, n)
    error: FloatArray  # on new inputs, (rates, students)


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Temper students at every load, and let others learn the examples of the largest by SGD.

    It takes seconds, so it is not saved. Of the noise: Mandt, Hoffman and Blei, J. Mach. Learn. Res. 18, 134 (2017).
    """
    _check(config)
    shown = [*sorted(config.temperatures, reverse=True), config.coldest]
    rng = np.random.default_rng(config.seed)
    errors, volumes = np.empty((2, len(config.loads), config.samples, len(shown)))
    jobs = [(load, sample) for load in range(len(config.loads)) for sample in range(config.samples)]
    descents: list[Descent] = []
    with running(progress) as under_way:
        for done in range(len(jobs) + len(config.batches)):
            if done < len(jobs):
                lesson = teacher(config.n, round(config.loads[jobs[done][0]] * config.n), seed=rng)
                errors[jobs[done]], volumes[jobs[done]] = _taught(config, lesson, 1 / np.array(shown), rng)
            else:
                bottom = _bottom(lesson)
                descents.append(_descend(config, lesson, bottom, config.batches[done - len(jobs)], rng))
            if under_way.report(done + 1, len(jobs) + len(config.batches)) is True or under_way.asked:
                raise Interrupted("interrupted before there was anything to report")
    loads, noise = _of_loads(config, shown, errors, volumes), _of_noise(config, bottom, descents)
    pairs = [f"{name}{T:g}" for T in shown for name in ("T = ", "theory ")]
    told = ["P/N", "teachers", *pairs, f"log Z {shown[-1]:g}", f"log Z theory {shown[-1]:g}"]
    slope = np.polyfit(np.log(bottom.curvatures), np.log(descents[-1].modes[0]), 1)[0]
    text = (
        f"{config.samples} teachers of {config.n} weights at every load, but for those whose students were stuck: how "
        "often students at\ntemperature T are wrong about new inputs, beside the theory of many weights; and log Z / N "
        "of the coldest, nearly all\nwithout error, beside the theory of T = 0\n"
        f"{table({name: loads[name] for name in told})}\n\n"
        f"SGD of real weights on the examples of load {config.loads[-1]:g}: the temperature 2 <L - min L> / N of its "
        f"loss, in theory {bottom.noise.mean() / 2:.4f} rate / batch\nfor small rates; and 2 Var L / (N T^2), 1 at "
        f"equilibrium\n{table(noise)}\n\n"
        f"The temperature of a mode goes as the power {slope:.2f} of its curvature: the noise is one to every mode, "
        "not to all together"
    )
    files = {"loads.csv": comma_separated(loads), "noise.csv": comma_separated(noise)}
    lines = _small_rates(config, lesson, bottom)
    return Findings(text, files).with_pictures(
        lambda: {"generalization.png": _draw(config, shown, loads, noise, lines)}
    )


def _check(config: Config) -> None:
    for name in ("samples", "students"):
        checks.integer(name, getattr(config, name), minimum=2)
    checks.integer("steps", config.steps, minimum=EVERY)
    for name in ("temperatures", "rates", "batches"):
        if min(getattr(config, name), default=0) <= 0:
            raise ValueError(f"{name} is {getattr(config, name)}: give numbers above 0")
    if not config.loads or min(config.loads) < 0 or sorted(config.loads) != config.loads or config.loads[-1] < 2:
        raise ValueError(f"loads is {config.loads}: give ascending numbers, the last at least 2")
    if not 0 < config.coldest < min(config.temperatures):
        raise ValueError(f"coldest is {config.coldest}: give a temperature below {min(config.temperatures)}")


def _taught(
    config: Config, lesson: Teaching, betas: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Errors on new inputs and log Z / N of students at `betas`; no numbers where replicas were stuck."""
    dense = betas[-2] * (np.arange(RUNGS) / (RUNGS - 1)) ** 1.5
    ladder = np.unique(np.concatenate([dense, np.geomspace(betas[-2].item(), betas[-1].item(), 4)[1:-1], betas]))
    result = temper(
        Perceptron(lesson.inputs, lesson.labels),
        betas=ladder,
        sweeps=config.sweeps,
        burn_in=config.sweeps // 5,
        thin=THIN,
        ladders=LADDERS,
        overlap_every=0,
        observe={"R": lesson.teacher / config.n},
        seed=rng,
    )
    if result.round_trips.sum() < TRIPS * LADDERS:
        return np.full(betas.size, np.nan), np.full(betas.size, np.nan)
    rungs = np.searchsorted(ladder, betas)
    errors = _error(result.observables["R"][:, rungs]).mean(axis=(0, 2))
    return errors, result.log_z.bar[rungs] / config.n


def _error(overlap: FloatArray) -> FloatArray:
    """How often an answer is not the teacher's."""
    return np.arccos(np.clip(overlap, -1, 1)) / np.pi


def _bottom(lesson: Teaching) -> Bottom:
    x, y = lesson.inputs.astype(np.float64), lesson.labels.astype(np.float64)
    curvatures, vectors = np.linalg.eigh(x.T @ x / len(x))
    w = vectors @ (vectors.T @ (x.T @ y / len(x)) / curvatures)
    return Bottom(w, curvatures, vectors, (((x @ w - y)[:, None] * (x @ vectors)) ** 2).mean(axis=0))


def _descend(config: Config, lesson: Teaching, bottom: Bottom, size: int, rng: np.random.Generator) -> Descent:
    """SGD from the minimum: w -= rate times the mean gradient of `size` examples, drawn anew at every step."""
    x, y = lesson.inputs.astype(np.float64), lesson.labels.astype(np.float64)
    shape = len(config.rates), config.students
    rates = np.repeat(config.rates, config.students)[:, None] / size
    w = np.tile(bottom.w, (rates.size, 1))
    excess, modes, errors = [], [], []
    for step in range(-(config.steps // 2), config.steps):
        some = rng.integers(len(x), size=(rates.size, size))
        batch = x[some]
        off = (batch @ w[:, :, None])[:, :, 0] - y[some]
        w -= rates * (off[:, None, :] @ batch)[:, 0]
        if step >= 0 and step % EVERY == 0:
            parts = bottom.curvatures * ((w - bottom.w) @ bottom.vectors) ** 2
            excess.append(parts.sum(axis=1).reshape(shape) / 2)
            modes.append(parts.reshape(*shape, -1).mean(axis=1))
            errors.append(_error(w @ lesson.teacher / np.sqrt((w * w).sum(axis=1) * config.n)).reshape(shape))
    return Descent(np.array(excess), np.mean(modes, axis=0), np.mean(errors, axis=0))


def _small_rates(config: Config, lesson: Teaching, bottom: Bottom) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rates per example of a batch, and the temperature and the error of SGD in the limit of small ones."""
    ends = min(config.rates) / max(config.batches) / 1.3, max(config.rates) / min(config.batches) * 1.3
    ratio = np.geomspace(*ends, 100)
    squares = bottom.w @ bottom.w + ratio / 2 * (bottom.noise / bottom.curvatures).sum()
    return ratio, ratio / 2 * bottom.noise.mean(), _error(bottom.w @ lesson.teacher / np.sqrt(squares * config.n))


def _mean(found: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means of the numbers along the last axis, and their standard errors."""
    count = (~np.isnan(found)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):  # of one there is no error, and of none no mean
        mean = np.nansum(found, axis=-1) / count
        return mean, np.sqrt(np.nansum((found - mean[..., None]) ** 2, axis=-1) / (count - 1) / count)


def _of_loads(config: Config, shown: list[float], errors: FloatArray, volumes: FloatArray) -> dict[str, Any]:
    theory = exact.learning_curve(np.array(config.loads)[:, None], [*shown[:-1], 0.0])
    columns: dict[str, Any] = {"P/N": (".2f", config.loads), "teachers": ("d", (errors[..., 0] >= 0).sum(axis=1))}
    for name, found, line in (("T = ", errors, theory.error), ("log Z ", volumes, theory.log_z)):
        for k, T in enumerate(shown):
            mean, error = _mean(found[..., k])
            columns |= {f"{name}{T:g}": (".4f", mean), f"error {name}{T:g}": (".4f", error)}
            columns[f"{name}theory {T:g}".removeprefix("T = ")] = (".4f", line[:, k])
    return columns


def _of_noise(config: Config, bottom: Bottom, descents: list[Descent]) -> dict[str, Any]:
    pairs = [(rate, size) for size in config.batches for rate in config.rates]
    excess = np.concatenate([one.excess for one in descents], axis=1)
    T, error = _mean(2 * excess.mean(axis=0) / config.n)
    wrong, error_wrong = _mean(np.concatenate([one.error for one in descents]))
    return {
        "batch": ("d", [size for _, size in pairs]),
        "rate": ("g", [rate for rate, _ in pairs]),
        "T theory": (".3e", [rate / size * bottom.noise.mean() / 2 for rate, size in pairs]),
        "T": (".3e", T),
        "error T": (".1e", error),
        "2 Var L/(N T^2)": (".3f", 2 * excess.var(axis=(0, 2)) / (config.n * T * T)),
        "wrong": (".4f", wrong),
        "error wrong": (".4f", error_wrong),
    }


def _draw(
    config: Config, shown: list[float], loads: dict[str, Any], noise: dict[str, Any], lines: tuple[FloatArray, ...]
) -> bytes:
    """Learning curves and volumes by load, temperature of SGD and its errors by rate / batch, as PNG."""
    figure, axes = plots.figure(2, 2, size=(10.5, 7.5))
    fine = np.linspace(0, config.loads[-1] * 1.03, 240)
    how: Any = dict(fmt="o", markersize=4, elinewidth=1, capsize=2)
    for k, T in enumerate(shown):
        known = exact.learning_curve(fine, T if k < len(shown) - 1 else 0.0)
        label = f"T = {T:g}" if k < len(shown) - 1 else f"T = {T:g}, theory of T = 0"
        for ax, name, line in ((axes[0, 0], f"T = {T:g}", known.error), (axes[0, 1], f"log Z {T:g}", known.log_z)):
            ax.plot(fine, line, color=plots.PALETTE[k % 7], linewidth=1.2)
            points = loads[name][1], loads[f"error {name}"][1]
            ax.errorbar(config.loads, *points, color=plots.PALETTE[k % 7], label=label, **how)
            ax.set_xlabel("load P / N")
    axes[0, 0].set_ylabel("error on new inputs, arccos(R) / $\\pi$")
    axes[0, 1].set_ylabel("log Z / N")
    axes[0, 0].legend(frameon=False, fontsize=9)
    sizes = np.array(noise["batch"][1])
    for ax, name, line in ((axes[1, 0], "T", lines[1]), (axes[1, 1], "wrong", lines[2])):
        ax.plot(lines[0], line, color=plots.PALETTE[6], linewidth=1, label="small rates, in theory")
        for k, size in enumerate(config.batches):
            found, error, rates = (
                np.array(noise[column][1])[sizes == size] for column in (name, f"error {name}", "rate")
            )
            ax.errorbar(rates / size, found, error, color=plots.PALETTE[k % 6], label=f"batches of {size}", **how)
        ax.set_xscale("log")
        ax.set_xlabel("learning rate / batch size of SGD")
    axes[1, 0].set_yscale("log")
    axes[1, 0].set_ylabel("temperature of its loss, 2 <L - min L> / N")
    axes[1, 1].set_ylabel("error on new inputs")
    axes[1, 0].legend(frameon=False, fontsize=9)
    figure.suptitle(
        f"Students of perceptrons of {config.n} weights: sampled at a temperature, beside the theory of many weights; "
        f"and by SGD at load {config.loads[-1]:g}"
    )
    return picture(figure)
