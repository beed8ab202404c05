"""What an array of a checkpoint must be: a rule for every array that sweeps change, by its name in a block.

A rule is called with the array that was found, the one of a block that has just been started, the sweeps done, and the
tuples around it; it returns what to write there, or raises ValueError. None stands for what is not saved.
"""

import re
from functools import cache

import numpy as np

from fastgibbs.engines import binning, graphs, multispin, sparse
from fastgibbs.engines.coloured import ColouredPlan
from fastgibbs.methods.spiking import counted


def refuse_unless(right, array, what):
    """ValueError at the first entry that is not right."""
    if not np.all(right):
        right = np.broadcast_to(right, array.shape)
        index = np.unravel_index(int(np.argmin(right)), array.shape)
        raise ValueError(f"is {array[index]} at [{', '.join(map(str, index))}]: {what}")


def _any(found, fresh, done, owners):
    return found


def within(low, high):
    """The rule for finite numbers from `low` to `high`."""

    def rule(found, fresh, done, owners):
        refuse_unless((found >= low) & (found <= high), found, f"a run has numbers from {low:g} to {high:g} there")
        return found

    return rule


def _drawn(axis):
    """The rule for states of SFC64 streams, a, b, c and counter along an axis: those of this run, further on."""

    def rule(found, fresh, done, owners):
        ours, theirs = np.moveaxis(fresh, axis, 0), np.moveaxis(found, axis, 0)
        drawn = theirs[3] - ours[3]
        refuse_unless(drawn < 2**53, theirs[3], "a stream of this run does not come there")
        same = (theirs == ours).all(axis=0)
        refuse_unless((drawn > 0) | same, theirs[0], "a stream from which nothing was drawn stands where it began")
        return found

    return rule


def _spins(found, fresh, done, owners):
    """Spins as an engine keeps them: those of sites that sweeps do not visit as they are."""
    plan = next(owner.plan for owner in owners[::-1] if hasattr(owner, "plan"))
    if isinstance(plan, multispin.MultispinPlan):
        return _spin_words(found, fresh, plan)
    refuse_unless((found == -1) | (found == 1), found, "give -1 or 1")
    if isinstance(plan, ColouredPlan):
        swept = np.arange(found.shape[1]) < plan.ends[-1]
        refuse_unless((found == fresh) | swept, found, "this site is clamped to another value")
        return found
    if not hasattr(owners[0], "learner"):  # which shows its data to other sites
        held = np.ones(len(found), bool)
        held[plan.free] = False
        refuse_unless((found == fresh) | ~held[:, None], found, "this site is clamped to another value")
    return found


def _spin_words(found, fresh, plan):
    """The words of cells; whatever else lies between them is as it was."""
    cells = (plan.position[:, None] * plan.words + np.arange(plan.words)).ravel()
    swept = np.zeros(found.size + graphs.VECTOR, bool)
    for first_tile, end, *_ in plan.phases:
        for first, last, *_ in plan.tiles[first_tile:end]:
            swept[graphs.VECTOR * first : graphs.VECTOR * last] = True
    mine = found[cells]
    refuse_unless((mine == fresh[cells]) | swept[cells], mine, "this site is clamped to another value")
    words = fresh.copy()
    words[cells] = mine
    return words


def _lane_at(found, fresh, done, owners):
    """The lane at every rung: all lanes of a ladder, each once."""
    refuse_unless(np.sort(found, axis=-1) == np.sort(fresh, axis=-1), found, "a ladder has each of its lanes once")
    return found


def _lanes_of_draws(found, fresh, done, owners):
    return _lane_at(found, np.broadcast_to(owners[-1].lane_at, found.shape), done, owners)


def _swap_rounds(ladders, done):
    """The numbers of the first swap round that counts, and of the first that does not yet."""
    first, end = ladders.burn_in // ladders.swap_every, done // ladders.swap_every
    return min(first, end), end


def _attempts(ladders, done):
    """How often each two rungs have tried to swap, int64 (rungs - 1,): even and odd pairs in turn."""
    first, end = _swap_rounds(ladders, done)
    counts = (end + 1) // 2 - (first + 1) // 2, end // 2 - first // 2
    return np.resize(np.array(counts, np.int64), ladders.betas.size - 1)


def _tried(found, fresh, done, owners):
    expected = np.broadcast_to(_attempts(owners[-1], done), found.shape)
    refuse_unless(found == expected, found, f"after {done} sweeps it is another number")
    return found


def _accepted(found, fresh, done, owners):
    most = np.broadcast_to(_attempts(owners[-1], done), found.shape)
    refuse_unless((found >= 0) & (found <= most), found, "it is from 0 to the number of attempts")
    return found


def _counted(found, fresh, done, owners):
    first, end = _swap_rounds(owners[-1], done)
    return within(0, end - first)(found, fresh, done, owners)


def _measured(owners, done):
    """How often the overlaps of a block were measured."""
    ladders = owners[-2].ladders
    return max(done - ladders.burn_in, 0) // ladders.overlap_every if ladders.overlap_every else 0


def _histogram(found, fresh, done, owners):
    within(0, _measured(owners, done))(found, fresh, done, owners)
    counts = found.sum(axis=2)
    refuse_unless(counts == _measured(owners, done), counts, f"there were {_measured(owners, done)} measurements")
    return found


def _moments(found, fresh, done, owners):
    most = _measured(owners, done) * (1 + 1e-9)
    refuse_unless(np.abs(found) <= most, found, f"{_measured(owners, done)} numbers from -1 to 1 were added up")
    squares = np.delete(found, [0, 4], axis=-1)
    refuse_unless(squares >= 0, squares, "no square was negative")
    return found


def _units(found, fresh, done, owners):
    """Units, of any layers."""
    refuse_unless((found == 0) | (found == 1), found, "give 0 or 1")
    return found


def _layers(found, fresh, done, owners):
    """The units of an RBM's chains; rows that fill up stay 0."""
    _units(found, fresh, done, owners)
    parameters = owners[0].learner.parameters
    rows = np.zeros(len(found), bool)
    rows[: parameters.visible_velocity.size] = True
    rows[parameters.visible_bias.size :][: parameters.hidden_velocity.size] = True
    refuse_unless((found == 0) | rows[:, None], found, "there is no such unit")
    return found


def _tiles(found, fresh, done, owners):
    """Weights in tiles; what fills them up stays 0."""
    V, H = owners[-1].visible_velocity.size, owners[-1].hidden_velocity.size
    W = found.swapaxes(0, 1).reshape(found.shape[1], -1).copy()
    W[:V, :H] = 0
    refuse_unless(W == 0, W, "there is no such pair of units")
    return found


def _padded(velocity):
    """The rule for biases of a layer that is filled up with zeros."""

    def rule(found, fresh, done, owners):
        beyond = found[getattr(owners[-1], velocity).size :]
        refuse_unless(beyond == 0, beyond, "there is no such unit")
        return found

    return rule


def _history(low, high):
    """The rule for a record of epochs: numbers from `low` to `high`, or NaN where there is none."""

    def rule(found, fresh, done, owners):
        refuse_unless(np.isnan(found) | (found >= low) & (found <= high), found, f"it is from {low:g} to {high:g}")
        return found

    return rule


def _rates(found, fresh, done, owners):
    """The learning rates of epochs that have begun: those of this run."""
    why = "this run has another there; default rates fall over all epochs, so give your own to train for more"
    refuse_unless(found == fresh, found, why)
    return found


_finite = within(-np.finfo(np.float64).max, np.finfo(np.float64).max)
_count = within(0, 2**53)

_MOVED = "velocity visible_velocity hidden_velocity bias_velocity weights biases offsets mu"  # by steps of a training

# by name, or None for what is not saved: it is constant, follows from the rest, or is written before it is read
_NOTHING = {
    "": "rungs",
    "record.observables.": "weights packed sums by_lane",
    "state.": "current planes scratch counters numbers alike rare counted words scale push fields uniforms totals "
    "stale fine seen changes sites panel up down ups overlaps turned pending units inputs marked products multiplied "
    "sums path",
    "clusters.": "betas lane_at taken models packed words rows spins active starts turns before parents coins sizes",
    "reads.": "rungs energies magnetizations better",
    "lowest.": "hashes highest packed followed lane_hashes waiting ups near",
    "ladders.": "betas pushes norms first_lane rungs energies magnetizations sums",
    "pairs.": "ladders bonds indptr indices lane_at packed words rows unequal queue in_planes in_chunk",
    **dict.fromkeys(("shown.", "chains."), "means scale energies inputs sums marked units"),
}
RULES = {part + name: None for part, names in _NOTHING.items() for name in names.split()} | {
    "state.spins": _spins,
    "state.streams": _drawn(-2),
    "state.tails": _drawn(-1),
    "state.order": _drawn(0),
    "state.neurons.zeta": counted,
    "state.energies": _finite,
    "state.followed": within(0, sparse.MOST_FOLLOWED),
    "clusters.streams": _drawn(-2),
    "clusters.single": _drawn(-1),
    "clusters.estimates": within(-1, 1),
    "record.energies": _finite,
    "record.magnetizations": _finite,
    "record.observables.record": _finite,
    **dict.fromkeys((f"record.bins.{name}" for name in ("first", "sums", "open", "cells")), _finite),
    "record.bins.width": within(0, np.finfo(np.float64).max),
    "record.bins.range": within(1 - binning.CELLS, binning.CELLS - 1),
    "reads.best": within(-np.finfo(np.float64).max, np.inf),
    "reads.kept": _spins,
    "reads.lowest": _finite,
    "reads.sums": _finite,
    "members.families": _count,
    **dict.fromkeys(("members.influence", "members.energies"), _finite),
    "members.record": within(-np.finfo(np.float64).max, np.inf),
    "lowest.energies": within(-np.finfo(np.float64).max, np.inf),
    "lowest.reads": within(0, 1),
    "ladders.lane_at": _lane_at,
    "ladders.streams": _drawn(-1),
    "ladders.acceptance": _accepted,
    "ladders.attempts": _tried,
    "ladders.labels": within(0, 3),
    "ladders.restarts": _counted,
    "ladders.round_trips": _counted,
    "ladders.visits": _counted,
    "ladders.lanes_of_draws": _lanes_of_draws,
    "pairs.streams": _drawn(-1),
    "pairs.histogram": _histogram,
    "pairs.moments": _moments,
    "parameters.tiles": _tiles,
    "parameters.visible_bias": _padded("visible_velocity"),
    "parameters.hidden_bias": _padded("hidden_velocity"),
    **dict.fromkeys((f"parameters.{name}" for name in _MOVED.split()), _any),
    **dict.fromkeys(("record.samples", "lowest.states", "hidden", "norms", "well"), _any),
    **dict.fromkeys(("shown.spins", "chains.spins"), _layers),
    **dict.fromkeys(("shown.streams", "chains.streams", "streams"), _drawn(0)),
    "lane_at": _lane_at,
    "swaps": _drawn(-1),
    "dreams": _units,
    "reconstruction": _history(0, 1),
    "pseudo_likelihood": _history(-np.finfo(np.float64).max, 0),
    "gradient_norm": _history(0, np.finfo(np.float64).max),
    "log_likelihood": _history(-np.finfo(np.float64).max, np.finfo(np.float64).max),
    "log_likelihood_error": _history(0, np.inf),
    "bound": _history(-np.finfo(np.float64).max, 0),
    "learning_rate": _rates,
    "betas": _rates,
    "information": _history(-np.finfo(np.float64).max, np.inf),
    **dict.fromkeys(("done", "recorded", "diverged", "round", "sweeps"), _count),
}
GOES_ON = re.compile(r"state\.|(ladders|pairs|(ladders\.)?clusters)\.(streams|single|lane_at|labels|estimates)$")
_PREFIX = re.compile(r"^(history|last|ladders(?=\.clusters))\.|^learner\.((shown|chains)\.\d+\.)?|(?<=^well)\.\d+$")


@cache
def rule_of(name: str):
    """The rule of an array, whatever learner or list its block is in; KeyError if this table has none."""
    name = _PREFIX.sub("", name)
    if name.startswith("state."):  # an engine outside this package may change what it likes
        return RULES.get(name, _any)
    return RULES[name] if name in RULES else RULES[f"parameters.{name}"]
