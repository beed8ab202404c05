"""What an engine is: a class derived from `Engine`, tuples for its plan and its state, and a body for two functions.

Whatever an engine has to keep is on this page; docs/extending.md has a whole one, `fastgibbs.testing.check_engine`
proves it, `register` makes it one of those that `engine=` names and "auto" asks.

**Words.** A block is a range of lanes, a multiple of 16, that sweep together; a lane is a chain or, if the engine cuts
lattices into strips, one of a chain's strips. A rung is one of the points of a block, a beta and perhaps a field beside
the model's, and any lane may be at any rung and change it between sweeps. The plan, a NamedTuple, is what sweeps read:
betas, and a model as the engine likes it. The state, another, is what they change. Both hold arrays, numbers and tuples
of these, of the same types for all models if one compilation shall serve all: arrays of a plan may all be read-only, as
those of models are.

**The state** has `spins`, int8 (n, lanes), each -1 or 1; an engine that keeps them otherwise says so by `spins`,
`snapshot`, `restore` and `retain`. Checkpoints save its arrays: `spins`, that sweeps change at the sites `plan.free`
alone; streams, as `streams` uint64 (4, lanes) and `order` uint64 (4,); and any other.

**Random numbers** of a lane come from a stream of its own (streams.py), that only its own attempts draw from, no other
lane, block or thread, and no measurement. So chain k is the same in any block, beside any others; by the multi-spin
engine beside any at the same beta (rare.py).

**Bodies.** Compiled drivers call the functions `sweep` ... `retain` below. An engine gives them bodies for its class of
plans by `fastgibbs.jit.gives`, plain functions that Numba compiles into the drivers: `sweep` and `measure`, and the
others where spins are not bytes. They allocate nothing: a copy is a loop, not a[:] = b. Kernels of an engine outside
this package are cached too, by what its bodies do: an edited one is never served stale.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bytespins import copy_lanes, pack, unpack
from fastgibbs.engines.vectors import LANE_GROUP
from fastgibbs.jit import stub

GIBBS, METROPOLIS = 0, 1
ALIGN = 2  # of engines for memories: along the field, and as it was where there is none - beta = infinity
SEQUENTIAL, RANDOM = 0, 1
USUAL_RULES = "gibbs", "metropolis"  # that every verb has
RULES = {"gibbs": GIBBS, "metropolis": METROPOLIS, "spiking": GIBBS}  # of neurons that last (spiking.py)
SCANS = {"sequential": SEQUENTIAL, "random": RANDOM}
UNMEASURED, MEASURED, FOLLOWED = 0, 1, 2  # whether `measure` comes next


class Exponents(NamedTuple):
    """A law p(s) = exp(norm - beta E(s) + sum_k push_k X_k(s)) / Z at each rung, of numbers X_k besides the energy."""

    pushes: np.ndarray  # float64 (rungs, numbers)
    norms: np.ndarray  # float64 (rungs,)
    sums: np.ndarray  # float64 (numbers, lanes): the array of the state to which `measure` writes X_k


class Engine:
    """An engine as Python calls it. `name`, `plan`, `prepare` and `start` are its own; all else has a default."""

    name: str  # as `engine=` has it
    plan: type  # the class of its plans, that the bodies are given for
    native = False  # whether it takes models as the user gave them; else Ising models
    follows = False  # whether it makes use of FOLLOWED: E is `state.energies` times `plan.unit` + `plan.offset`
    block_lanes = 64  # of a block, at most
    field_bits = 0  # of the sum of a local field and a rung's own: 0 if `start` takes no `fields`
    rules: tuple[str, ...] = USUAL_RULES  # that it has
    told: tuple[str, ...] = ()  # what `tell` tells of a draw besides energy and magnetisation, by name
    weighs = False  # whether a rung has another law than exp(-beta E), which `exponents` says

    def refusal(self, models: list, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why it cannot run these models, or None if it can; by default one model without strips.

        `scan` is "sequential" or "random"; `tolerance` by how much rounding may change local fields (precision.py).
        """
        if len(models) > 1:
            return "it runs one model at a time"
        return "it does not cut lattices into strips" if strips > 1 else None

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Whether "auto" shall ask it in its turn, not last; `model` as the user gave it, `strips` None if left open.

        Nothing else decides: a run has the same engine on any machine, and at any number of threads.
        """
        return True

    def strips(self, models: list, chains: int) -> int:
        """How many strips a lattice is best cut into, a power of two."""
        return 1

    def prepare(self, models: list, strips: int, free=None):
        """What all blocks share, of models that are not refused: a plan without betas, or whatever `start` takes.

        Sweeps visit the sites `free`, all by default (`free_sites`); the spins of others stay as they start.
        """
        raise NotImplementedError

    def cut(self, lanes: int, threads: int, together: int = LANE_GROUP) -> list[range]:
        """Ranges of lanes that make blocks of at most `block_lanes`; smaller ones if threads would idle.

        They cover all lanes in order, whole groups of 16; each `together` lanes stay in one block.
        """
        size = max(together, min(self.block_lanes, -(-lanes // (threads * LANE_GROUP)) * LANE_GROUP))
        whole = -(-lanes // LANE_GROUP) * LANE_GROUP
        return [range(first, min(first + size, whole)) for first in range(0, whole, size)]

    def start(self, prepared, lanes: range, ups, entropy, betas, rule: int) -> tuple:
        """Plan and state of a block, with rungs at `betas`, float64 (rungs,), of any sign, infinite ones included.

        If the engine has `field_bits`, one argument more: `fields`, b of each rung, float64 (rungs,), or None. Sweeps
        at a rung are those in E(s) - b sum_i s_i; measured energies are E(s). None and zeros give the same bytes, or
        the engine says where not. If it has the rule "spiking", another: `refractory`, sweeps that a spike lasts, or
        None by other rules.

        `ups` gives (first site, which spins are up uint8 (asked, sites)) part by part (`bytespins.start_spins`), of the
        first `asked` lanes: nobody sees what becomes of lanes beyond those, but that numbers there are finite.
        `entropy` addresses the streams (`streams.lane_streams`).
        """
        raise NotImplementedError

    def exponents(self, plan, state) -> Exponents | None:
        """By what replicas exchange their rungs: None if it is energy alone, and the sum of spins in a field.

        Else what draws of ladders tell is what `tell` does, and the log ratios of weights from which log Z is had.
        """
        return None

    def order(self, model, strips: int = 1, free=None) -> np.ndarray:
        """The sites in the order in which sweeps visit them in sequence; side by side those decided at once."""
        return free_sites(model.n, free)

    def crew(self, plan) -> int:
        """How many threads may share a block."""
        return 1

    def spins(self, plan, state) -> np.ndarray:
        """The block's spins, int8 (n, lanes)."""
        return state.spins

    def seen(self, plan):
        """What `spins` reads of a plan: results keep no more of it. Nothing, where spins are bytes."""
        return None if type(self).spins is Engine.spins else plan


ENGINES = {}  # by name; "auto" asks them in this order


def register(engine: Engine) -> Engine:
    """Add an engine to those that `engine=` names and that "auto" asks, after all others; returns it.

    TypeError says what it lacks, ValueError that another has its name.
    """
    if not isinstance(engine, Engine):
        raise TypeError(
            f"{engine!r} is no engine: derive its class from {Engine.__module__}.Engine, and give an instance"
        )
    kind = type(engine)
    lacks = [name for name in ("name", "plan") if not hasattr(engine, name)]
    lacks += [f"{name}()" for name in ("prepare", "start") if getattr(kind, name) is getattr(Engine, name)]
    lacks += [
        f"a body of {one.__name__}, by gives({one.__name__}, {engine.plan.__name__})"
        for one in (sweep, measure)
        if hasattr(engine, "plan") and engine.plan not in one.given
    ]
    if lacks:
        raise TypeError(f"{kind.__qualname__} lacks {', '.join(lacks)}")
    if not isinstance(engine.name, str) or not engine.name.isidentifier() or engine.name == "auto":
        raise ValueError(f"name is {engine.name!r} of {kind.__qualname__}: give an identifier other than 'auto'")
    other = type(ENGINES.get(engine.name, engine))
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):  # but a cell that runs again
        raise ValueError(f"name is {engine.name!r} of {kind.__qualname__}: {other.__qualname__} has it")
    ENGINES[engine.name] = engine
    return engine


def free_sites(n: int, free) -> np.ndarray:
    """The sites that sweeps visit, int32, read-only: `free`, or all n if that is None."""
    sites = np.arange(n, dtype=np.int32) if free is None else np.array(free, np.int32)
    sites.flags.writeable = False
    return sites


class Crew(NamedTuple):
    """One of the threads that advance a block together, each by a call of its own."""

    worker: int
    workers: int
    gate: np.ndarray  # uint64 (1,): where they wait for each other (gates.py)
    late: int  # how often it offers its core to others after each meeting: 0, but in tests of the gates


@stub
def sweep(plan, state, rungs, rule, scan, counts, crew):
    """Advance every lane by one sweep, an attempt a free site, each at the beta of its rung, `rungs` int64 (lanes,).

    By `rule` GIBBS or METROPOLIS; `scan` SEQUENTIAL, in the order of `plan.free`, or RANDOM: every attempt at a site
    drawn from these, the same in all lanes.
    `counts` is MEASURED if `measure` comes next; FOLLOWED if it does after every sweep, nothing but energies is asked,
    and they may be followed from flip to flip; otherwise UNMEASURED. An engine may count as it sweeps, or look away:
    spins do not depend on it. Every worker of the crew makes the call.
    """
    raise NotImplementedError("the engine has given `sweep` no body for its plan")


@stub
def measure(plan, state, energies, magnetizations, crew):
    """Write every chain's energy and sum of spins, float64 (chains,): a lane's, or that of a chain's strips.

    An energy is that of `model.energy`, but for the order of additions. It may be asked before any sweep.
    """
    raise NotImplementedError("the engine has given `measure` no body for its plan")


@stub
def tell(plan, state, rungs, values, row):
    """Write what `Engine.told` names of a draw, of every chain, to rows `row` ... of `values`, float64 (rows, chains).

    It is asked right after `measure`; lanes are at `rungs`, int64 (lanes,).
    """


@stub
def snapshot(plan, state, words):
    """Write every spin as one bit, uint16 (sites of a lane, lanes // 16 or more): bit b of word g is lane 16 g + b."""
    pack(state.spins, words)


@stub
def restore(plan, state, words):
    """Set every spin as `snapshot` wrote it, in a block without strips, and whatever follows from spins."""
    unpack(words, state.spins)


@stub
def retain(plan, state, kept, better):
    """Copy the spins of the lanes that `better`, uint8 (lanes,), marks to `kept`, an array like `state.spins`."""
    copy_lanes(state.spins, kept, better)


@stub
def exactly(plan, ups, energy):
    """The energy of the state whose sites `ups`, uint8 (n,), are up; `energy` is what was measured."""
    return energy
