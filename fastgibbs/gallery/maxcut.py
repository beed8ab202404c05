"""Max-cut against the clock: annealing and tempering in turn, in ever longer rounds, on a graph from a file."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgibbs import plots
from fastgibbs.gallery.output import archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.io import read
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.tempering import temper
from fastgibbs.models import Ising, checks, cut, random_regular
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import FloatArray, Progress, States

HOT, COLD, FROZEN = 1.0, 8.0, 1e3  # betas, over the typical local field of random spins
FIRST_ROUND = 1000  # sweeps
QUENCH = 50  # sweeps that take each read to the bottom of its valley
MOST_DRAWS = 20_000  # of a round of tempering, in memory
SPARSE = 6  # up to this mean degree the clusters of two cold replicas do not percolate


@dataclass(frozen=True)
class Config:
    """What the run is told; see maxcut.toml."""

    input: str
    best_known: float
    seconds: float
    reads: int
    ladders: int
    rungs: int
    seed: int


@dataclass
class Search:
    """What the rounds share: the problem, the clock, and the largest cut so far."""

    model: Ising
    config: Config
    progress: Progress
    began: float
    seeds: np.random.SeedSequence
    cut: float = -np.inf
    side: np.ndarray | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    sweeps: int = 0
    stopped: bool = False
    annealed: AnnealResult | None = None  # the longest round that came to its end, or the first

    @property
    def weight(self) -> float:
        """The sum of all weights."""
        return -self.model.bonds[2].sum()

    @property
    def unit(self) -> float:
        """The typical local field of random spins, sqrt(2 sum_<ij> w_ij^2 / n)."""
        return np.sqrt(2 * (self.model.bonds[2] ** 2).sum() / self.model.n)

    @property
    def target(self) -> float | None:
        """The energy of the best-known cut."""
        return self.weight - 2 * self.config.best_known if self.config.best_known else None

    @property
    def seconds(self) -> float:
        """The time since the run began."""
        return time.perf_counter() - self.began

    @property
    def solved(self) -> bool:
        """Whether the best-known cut is reached."""
        return bool(self.config.best_known) and self.cut >= self.config.best_known

    @property
    def over(self) -> bool:
        """Whether to stop: at the best-known cut, when the time is up, or because the user wants it."""
        return self.solved or self.stopped or self.late()

    def late(self, *_: int) -> bool:
        """Whether the time is up; as `progress` of anneal and temper it stops them."""
        return self.seconds >= self.config.seconds

    def note(self, method: str, sweeps: int, energies: FloatArray, lowest_state: Callable[[], States]) -> None:
        """A row for the table, of the lowest energy of each read or ladder; the state is kept if its cut is larger."""
        cuts = (self.weight - energies) / 2
        if cuts.max() > self.cut:
            state = lowest_state()
            self.cut, self.side = float(cut(self.model, state)), state > 0
        self.sweeps += sweeps
        self.rows.append((method, sweeps, cuts.max(), cuts.mean(), self.sweeps, self.seconds))
        if self.progress:
            print(f"{self.seconds:.1f} s: cut {cuts.max():.10g} ({method})", file=sys.stderr, flush=True)


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Anneal, then temper, then both twice as long, until the time is up; report the largest cut (W - E) / 2.

    A run against the clock is not saved: it could not go on to the same result.
    """
    began = time.perf_counter()
    for name, minimum in (("reads", 1), ("ladders", 1), ("rungs", 2)):
        checks.integer(name, getattr(config, name), minimum=minimum)
    if config.seconds <= 0:
        raise ValueError(f"seconds is {config.seconds}: give a time above 0")
    if config.input:
        graph = read(config.input)
        if not isinstance(graph, Ising) or graph.fields.any():
            raise ValueError(f"{config.input} holds {graph!r}: what can be cut is an Ising model without fields")
        model = graph
    else:
        i, j, _ = random_regular(2000, 3, "ferromagnet", seed=config.seed).bonds
        model = Ising.from_edges(2000, i, j, -1.0)
    if not model.bonds[2].any():
        raise ValueError(f"{config.input} has no edges: there is nothing to cut")
    search = Search(model, config, progress, began, np.random.SeedSequence(config.seed))

    sweeps, betas = FIRST_ROUND, None
    while sweeps >= FIRST_ROUND and not search.over:
        kernel = anneal_round(search, sweeps)
        if betas is None and not search.over:
            betas = ladder(search)
        if not search.over:
            kernel += 2 * temper_round(search, sweeps, betas)  # it may temper twice
        sweeps = min(2 * sweeps, int(sweeps * (config.seconds - search.seconds) / kernel))
    interrupted = search.stopped and not search.solved and not search.late()
    if not search.rows and interrupted:
        raise Interrupted("interrupted before there was anything to report")
    if not search.rows:
        raise ValueError(f"{config.seconds} seconds were over before there was anything to report")

    methods, made, cuts, means, totals, seconds = zip(*search.rows, strict=True)
    found = int(np.argmax(cuts))
    columns = {
        "method": ("s", methods),
        "sweeps": ("d", made),
        "best cut": (".10g", cuts),
        "mean": (".1f", means),
        "all sweeps": ("d", totals),
        "seconds": (".1f", seconds),
    }
    known = f"; best known {config.best_known:.10g}" if config.best_known else ""
    text = (
        f"{model.n} sites, {model.bonds[2].size} edges, total weight {search.weight:.6g}; {config.reads} reads, "
        f"{config.ladders} ladders of {config.rungs} rungs; mean over reads, or over ladders\n{table(columns)}\n"
        f"best cut {search.cut:.10g}, by {'annealing' if methods[found] == 'anneal' else 'tempering'} after "
        f"{seconds[found]:.1f} s and {totals[found]} sweeps{known}"
    )
    files = {
        "table.csv": comma_separated(columns),
        "result.npz": archive(
            cut=search.cut, side=search.side, cuts=np.array(cuts), betas=np.empty(0) if betas is None else betas
        ),
    }
    return Findings(text, files, interrupted).with_pictures(lambda: {"maxcut.png": _draw(search)})


def _draw(search: Search) -> bytes:
    """An annealing, and where its reads end, as PNG."""
    result = search.annealed
    assert result is not None, "of whom the first row is"
    figure, (left, right) = plots.figure(1, 2, size=(10, 3.6))
    figure.set_layout_engine("constrained", wspace=0.06)  # the left panel has an axis on either side
    plots.annealing_trace(result, ax=left)
    cuts = left.secondary_yaxis("right", functions=(lambda e: (search.weight - e) / 2, lambda c: search.weight - 2 * c))
    cuts.set_ylabel("cut (W - E) / 2")
    plots.read_histogram(result, ax=right)
    figure.suptitle(f"{search.config.reads} annealing reads of {result.betas.size} sweeps, {search.model.n} sites")
    return picture(figure)


def anneal_round(search: Search, sweeps: int) -> float:
    """Anneal and quench; returns the seconds in kernels."""
    cooling = np.append(np.geomspace(HOT, COLD, sweeps - QUENCH), np.full(QUENCH, FROZEN)) / search.unit
    result = anneal(
        search.model,
        betas=cooling,
        sweeps=sweeps,
        reads=search.config.reads,
        rule="metropolis",
        target_energy=search.target,
        seed=search.seeds.spawn(1)[0],
        progress=search.late,
    )
    if result.energy.size:
        if search.annealed is None or not result.interrupted:
            search.annealed = result
        search.note("anneal", result.trace_min.size, result.energy, lambda: result.states[0])
    search.stopped |= result.interrupted
    return result.timing.kernel


def ladder(search: Search) -> np.ndarray:
    """Betas of equal swap rates between the two ends, float64 (rungs,)."""
    options: dict[str, Any] = dict(seed=search.seeds.spawn(1)[0], progress=search.late)
    result = _temper(search, np.array([HOT, COLD]) / search.unit, FIRST_ROUND, search.config.ladders, **options)
    search.stopped |= result.interrupted
    return result.betas


def temper_round(search: Search, sweeps: int, betas: FloatArray | None) -> float:
    """Temper, and go once more to the lowest draw if it is a larger cut; returns as `anneal_round`.

    `temper` keeps the energies of all draws and the states of the last. The same seed gives the same bytes, so a run
    that ends at the lowest draw has its state.
    """
    thin = 1 + sweeps // MOST_DRAWS
    options: dict[str, Any] = dict(thin=thin, seed=search.seeds.spawn(1)[0], progress=search.late)
    result = _temper(search, betas, sweeps, search.config.ladders, **options)
    if result.energy.size:
        number, rung, draw = map(int, np.unravel_index(result.energy.argmin(), result.energy.shape))

        def state() -> States:
            ladders = min(2 * (number // 2) + 2, search.config.ladders)  # clusters pair ladders 0 and 1, 2 and 3 ...
            again = options | dict(seed=result.seed, progress=False)
            return _temper(search, betas, (draw + 1) * thin, ladders, **again).states[number, rung]

        search.note("temper", thin * result.energy.shape[2], result.energy.min(axis=(1, 2)), state)
    search.stopped |= result.interrupted
    return result.timing.kernel


def _temper(search: Search, betas: FloatArray | None, sweeps: int, ladders: int, **options: Any) -> TemperResult:
    """One tempering run with all that the runs of a search have in common."""
    return temper(
        search.model,
        betas=betas,
        rungs=search.config.rungs,
        sweeps=sweeps,
        ladders=ladders,
        rule="metropolis",
        burn_in=0,
        clusters=ladders > 1 and search.model.indices.size <= SPARSE * search.model.n,
        overlap_every=0,
        **options,
    )
