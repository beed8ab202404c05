"""What every method does before it runs: choose the engine, and give the lanes of a block their first spins."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import multispin, sparse
from fastgibbs.engines.streams import random_ups
from fastgibbs.models import checks

STRIPS = (1, 2, 4, 8, 16, 32, 64)
ENGINES = {"multispin": multispin, "sparse": sparse}  # "auto" takes the first that can run the model
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


def choose_engine(engine: str, isings: list, scan: str, strips: int | None, chains: int) -> tuple[str, int]:
    """The engine's name and the number of strips; ValueError says why none, or not this one, can run the models."""
    if strips is not None:
        strips = checks.integer("strips", strips)
        if strips not in STRIPS:
            raise ValueError(f"strips is {strips}: give one of {', '.join(map(str, STRIPS))}")
    refusals = {}
    for name in ENGINES if engine == "auto" else [engine]:
        refusals[name] = ENGINES[name].refusal(isings, scan, strips or 1)
        if refusals[name] is None:
            return name, ENGINES[name].strips(isings, chains) if strips is None else strips
    raise ValueError("; ".join(f"engine {name!r} cannot run this: {why}" for name, why in refusals.items()))


def check_betas(name: str, betas: np.ndarray, isings: list) -> None:
    """ValueError if beta times the cost of a flip, 2 (|h_i| + sum_j |J_ij|), might overflow at one of `betas`."""
    for ising in isings:
        J = checks.largest(ising.couplings) if ising.coupling is None else ising.coupling
        h = checks.largest(ising.fields) if ising.field is None else abs(ising.field)
        checks.require_range(8 * checks.largest(betas) * (J * ising.degree + h), f"{name} times the cost of a flip")


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
