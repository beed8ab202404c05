"""What a checkpoint holds of a block: arrays are saved, left for a run that goes on, and filled in again.

A file is checked like an argument: whatever it holds, kernels stay inside their arrays, and what no run can have
written is refused. What a run finds again by itself is not in the file at all: places of ladders, local fields,
overlaps of memories, thresholds, and whatever is computed anew before it is read. Rules for arrays are in rules.py.
"""

import numpy as np

from fastgibbs.methods import binned
from fastgibbs.methods.renewing import renew
from fastgibbs.methods.rules import GOES_ON, refuse_unless, rule_of
from fastgibbs.models import checks
from fastgibbs.models.bounds import most_energy

_CHEAP = 2**24  # spins whose energies are computed to check those on record
ROUNDING = 1e-6  # of the largest energy there is


def changing(block, prefix="", owners=()):
    """Yield (dotted name, array, the tuples around it) of all arrays that may be written, but those of a plan."""
    names = block._fields if hasattr(block, "_fields") else map(str, range(len(block)))
    for name, value in zip(names, block, strict=True):
        if isinstance(value, np.ndarray) and value.flags.writeable:
            yield prefix + name, value, (*owners, block)
        elif isinstance(value, tuple) and name != "plan":
            yield from changing(value, f"{prefix}{name}.", (*owners, block))


def saved(block):
    """Yield (dotted name, array) of all arrays that a checkpoint holds."""
    for name, array, _ in changing(block):
        if rule_of(name) is not None:
            yield name, array


def left(block) -> dict[str, np.ndarray]:
    """The arrays, by dotted name, without which a run cannot go on where it left a block: all but what it recorded."""
    return {name: array for name, array in saved(block) if GOES_ON.match(name)}


def go_on(block, arrays: dict[str, np.ndarray]):
    """Bring a block that has just been started to where another was `left`; ValueError if it has other arrays."""
    for name, array in left(block).items():
        shape = arrays[name].shape
        if shape != array.shape:
            raise ValueError(f"start has {name} of shape {shape}, this run of {array.shape}: ask for the same as there")
        array[...] = arrays[name]
    renew(block)


def fill(block, where: str, found: dict, done: int, rows: dict):
    """Write what a checkpoint has `found`, by dotted name, into a block that has just been started.

    `rows`: how much of an array is written after `done` sweeps, by name, where that is not all. ValueError says what no
    run can have written, and `where`.
    """
    for name, array, owners in changing(block):
        rule = rule_of(name)
        if rule is None:
            continue
        array, mine = array[: rows.get(name)], found.pop(name, None)
        if mine is None or (mine.dtype, mine.shape) != (array.dtype, array.shape):
            raise ValueError(f"does not hold {name} of {where}: another version wrote it")
        try:
            array[...] = rule(mine, array, done, owners)
        except ValueError as error:
            raise ValueError(f"cannot be of this run: {name} of {where} {error}") from None
    if found:
        raise ValueError(f"holds {min(found)} of {where}, which this run has not: another version wrote it")
    renew(block)


def check_record(name: str, record: np.ndarray, most):
    """ValueError unless the numbers that a block has recorded are from -`most` to `most`."""
    right = np.abs(record) <= np.multiply(most, 1 + 1e-9)
    _refuse_unless_named(name, right, record, f"give a number of at most {np.max(most, initial=0):g}")


def check_records(record, draws: int, setting, told: int):
    """ValueError unless records of a block, of which engines have `told` some, are what states of models may have."""
    weights = np.abs(record.observables.weights).sum(axis=1)[:, : record.observables.strips].sum(axis=1)
    by_engine = np.full(told, 1e150)
    by_clusters = np.ones(record.observables.record.shape[1] - weights.size - by_engine.size)
    weights, most = np.concatenate([weights, by_engine, by_clusters]), max(map(most_energy, setting.given))
    if record.bins is not None:
        binned.check(record.bins, draws, most, setting.n, weights)
        return
    check_record("magnetizations", record.magnetizations[:draws], setting.n)
    check_record("energies", record.energies[:draws], most)
    check_record("observables", record.observables.record[:draws], weights[:, None])


def check_draws(energies: np.ndarray, magnetizations: np.ndarray | None, models: list, states):
    """ValueError unless these are the energies and sums of spins of `states()`, where that is cheap.

    `energies` and `magnetizations` are (chains, ...), `states()` spins (chains, ..., n), of a model for each chain.
    """
    different = {id(model): model for model in models}.values()
    check_record("energies", energies, max(map(most_energy, different), default=0))
    if not energies.size or energies.size * models[0].n > _CHEAP:
        return
    spins = states()
    for model in different:
        mine = np.array([model is other for other in models])
        expected = model.energy(model.from_spins(spins[mine]))
        most = most_energy(model)
        most = checks.largest(expected) if most == np.inf else most
        right = np.abs(energies[mine] - expected) <= ROUNDING * (most + 1)
        _refuse_unless_named("energies", right, energies[mine], "the states saved with it have another energy")
    if magnetizations is not None:
        right = magnetizations == spins.sum(axis=-1)
        _refuse_unless_named("magnetizations", right, magnetizations, "the states saved with it have another sum")


def _refuse_unless_named(name, right, array, what):
    try:
        refuse_unless(right, array, what)
    except ValueError as error:
        raise ValueError(f"cannot be of this run: {name} {error}") from None
