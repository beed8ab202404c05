"""What a directed machine dreams of."""

from __future__ import annotations

from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods import directed
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.models import Helmholtz, checks
from fastgibbs.types import Seed, States


def dream(machine: Helmholtz, count: int, *, seed: Seed = None) -> States:
    """Independent states x ~ p(x_0 ... x_L), layer after layer from the top one down, as they are: int8 (count, n).

    Visible units are `states[:, :machine.n_visible]`. State k is the same however many are asked for.

    `seed`: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced). TypeError or ValueError names
    the argument.

    >>> import fastgibbs as fg
    >>> machine = fg.Helmholtz([[[9.0], [-9.0]]], [[[9.0, -9.0]]], [[-4.5, 4.5], [0.0]])  # v = (h, 1 - h)
    >>> fg.learning.dream(machine, 3, seed=2).tolist()
    [[0, 1, 0], [0, 1, 0], [0, 1, 0]]
    """
    if not isinstance(machine, Helmholtz):
        raise TypeError(f"machine is {checks.shown(machine)}: give a Helmholtz machine; fastgibbs.sample draws others")
    count = checks.integer("count", count)
    checks.require_memory(count * machine.n, f"{count} dreams")
    directed.check(machine)
    return directed.dreamed(machine, count, run_entropy(entropy_of(seed), "dream"))
