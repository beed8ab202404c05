"""What every method does before it runs: choose the engine, and give the lanes of a block their first spins."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import dense, layered, multispin, overlap, sparse
from fastgibbs.engines.streams import random_ups
from fastgibbs.models import RBM, Hopfield, checks

STRIPS = (1, 2, 4, 8, 16, 32, 64)
# "auto" tries them in this order
ENGINES = {"layered": layered, "overlap": overlap, "multispin": multispin, "dense": dense, "sparse": sparse}
_PART = 2**24  # spins unpacked at once


class Timing(NamedTuple):
    """Seconds spent compiling (or loading compiled code), in kernels, and in all; attempts per kernel second."""

    compile: float
    kernel: float
    total: float
    updates_per_second: float


def one_model(model) -> None:
    """TypeError unless this is a model."""
    if isinstance(model, type) or not hasattr(model, "to_ising"):
        raise TypeError(f"model is {model!r}: give an Ising, Hopfield or RBM model, or a sequence of Ising models")


def choose_engine(engine: str, models: list, scan: str, strips: int | None, chains: int) -> tuple[str, int, list]:
    """The engine's name, the number of strips, and the models as the engine takes them: as they are, or Ising models.

    ValueError says why none, or not this one, can run the models.
    """
    if strips is not None:
        strips = checks.integer("strips", strips)
        if strips not in STRIPS:
            raise ValueError(f"strips is {strips}: give one of {', '.join(map(str, STRIPS))}")
    refusals, taken = {}, {True: models}
    for name in _by_speed(models[0]) if engine == "auto" else [engine]:
        native = getattr(ENGINES[name], "NATIVE", False)
        if native not in taken:
            taken[native] = [one.to_ising() for one in models]
        refusals[name] = ENGINES[name].refusal(taken[native], scan, strips or 1)
        if refusals[name] is None:
            return name, ENGINES[name].strips(taken[native], chains) if strips is None else strips, taken[native]
    raise ValueError("; ".join(f"engine {name!r} cannot run this: {why}" for name, why in refusals.items()))


def _by_speed(model) -> list[str]:
    """The engines that "auto" tries, best first."""
    slow = {name for name in ("overlap", "dense") if not ENGINES[name].pays(model)}
    return sorted(ENGINES, key=slow.__contains__)


def check_betas(name: str, betas: np.ndarray, models: list) -> None:
    """ValueError if beta times the cost of a flip, 2 (|h_i| + sum_j |J_ij|), might overflow at one of `betas`."""
    for model in models:
        match model:
            case RBM():
                of_units = [checks.largest(bias) for bias in (model.visible_bias, model.hidden_bias)]
                field = checks.largest(model.weights) * model.n + max(of_units)
            case Hopfield():
                field = checks.largest(model.fields) + len(model.patterns)
            case _:
                J = checks.largest(model.couplings) if model.coupling is None else model.coupling
                h = checks.largest(model.fields) if model.field is None else abs(model.field)
                field = J * model.degree + h
        checks.require_range(8 * checks.largest(betas) * field, f"{name} times the cost of a flip")


def given_start(model, start, chains: int) -> np.ndarray | None:
    """Spins to start from, int8 (chains, n), or None for random ones."""
    if start is None:
        return None
    try:
        spins = model.to_spins(start)
    except (TypeError, ValueError) as error:
        raise type(error)(f"start: {error}") from None
    if spins.shape not in ((model.n,), (chains, model.n)):
        raise ValueError(f"start has shape {spins.shape}: give ({model.n},) or (chains, n) = ({chains}, {model.n})")
    return np.broadcast_to(spins, (chains, model.n))


def first_ups(seed, spins: np.ndarray | None, chains: list, n: int, strips: int = 1):
    """Which spins of a block's lanes are up at first: yields (first site, uint8 (lanes, sites)), part by part.

    `chains`: the chain of each column of `strips` lanes, or None for one that nobody asked for: it starts up. A chain
    starts at its row of `spins`, or at random.
    """
    packed = [
        None
        if chain is None
        else random_ups(seed, chain, n)
        if spins is None
        else np.packbits(spins[chain] > 0, bitorder="little")
        for chain in chains
    ]
    sites = n // strips
    step = max(1, _PART // max(1, len(packed) * strips))
    for first in range(0, sites, step):
        last = min(first + step, sites)
        ups = np.ones((len(packed), strips, last - first), np.uint8)
        for column, bits in enumerate(packed):
            for strip in range(strips if bits is not None else 0):
                begin, end = strip * sites + first, strip * sites + last
                ones = np.unpackbits(bits[begin // 8 : -(-end // 8)], bitorder="little")
                ups[column, strip] = ones[begin % 8 : begin % 8 + last - first]
        yield first, ups.reshape(-1, last - first)


def by_lane(blocks: list, lanes: int) -> np.ndarray:
    """Arrays (rows, lanes) of all blocks as one (lanes, rows), without the lanes that nobody asked for."""
    joined = np.empty((lanes, blocks[0].shape[0]), blocks[0].dtype)
    first = 0
    for block in blocks:
        members = joined[first : first + block.shape[1]]
        members[:] = block.T[: len(members)]
        first += len(members)
    return joined
