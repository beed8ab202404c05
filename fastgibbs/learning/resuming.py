"""Going on: from a result in memory, whose arrays a training takes over, or from a checkpoint, whose it must trust."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.io import digest
from fastgibbs.learning import asked
from fastgibbs.learning.asked import Course
from fastgibbs.learning.exact import Machine
from fastgibbs.learning.machines import Estimation
from fastgibbs.methods import restoring
from fastgibbs.models import checks
from fastgibbs.results.trained import History, TrainResult
from fastgibbs.types import AnyArray, FloatArray, IntArray, Mask

LARGEST = 1e4  # of weights and biases: beyond it a training has diverged
MOST = 1e6  # of what a training changes, within an epoch


class TrainingBlock(NamedTuple):
    """All that a training changes; steps and epochs are those of this call."""

    learner: Any  # a NamedTuple
    history: History
    last: History  # the row of the last epoch, which a longer training does not have
    learning_rate: FloatArray  # float64 (epochs,), which no step changes
    betas: FloatArray  # so too
    information: FloatArray  # float64 (rows, 8): an InformationHistory, but for its epochs
    done: IntArray  # int64 (1,): steps
    recorded: IntArray  # int64 (1,): epochs finished, with their rows of the history
    norms: FloatArray  # float64 (1,): sum over the steps of this epoch, or of the last
    diverged: IntArray  # int64 (1,): the epoch, from 1, or 0
    well: tuple[AnyArray, ...]  # parameters at the end of the last epoch that was well


class TrainingState(NamedTuple):
    """What a result keeps in memory for a training that goes on from it."""

    estimation: Estimation
    block: TrainingBlock
    beta: float  # of the parameters

    @property
    def begun(self) -> int:
        """Steps of the epoch that is not finished."""
        return int(self.block.done[0] - self.block.recorded[0] * self.estimation.batches)


def state_of(
    start: TrainResult, model: Machine, method: str, centered: bool, given: tuple[int, ...], seed: int | None
) -> TrainingState:
    """The state of `start`; TypeError or ValueError tells why a training does not go on from it."""
    if not isinstance(start, TrainResult):
        raise TypeError(f"start is {checks.shown(start)}: give what train returned")
    if start._state is None:
        raise ValueError(
            "start was read from a file, which holds neither momentum nor random streams: train its model anew; "
            "to go on in another process, give both trainings a checkpoint"
        )
    if start.diverged:
        raise ValueError(f"start diverged in epoch {start.epochs + 1}: train its model, the last that was well, anew")
    if model is not start.model and (repr(model), digest(model)) != (repr(start.model), digest(start.model)):
        raise ValueError(f"model is {model!r}, not that of start: give start.model")
    theirs = start._state.estimation
    for name, value, other in (
        ("method", method, theirs.method),
        ("centered", centered, theirs.centered),
        ("given", given, theirs.given),
    ):
        if value != other:
            raise ValueError(f"{name} is {value!r}, start has {other!r}: give the same")
    if seed not in (None, start.seed):
        raise ValueError(f"seed is {seed}: the random streams of start go on, whose seed is {start.seed}; leave it out")
    return start._state


def sizes(state: TrainingState | None, method: str, batch_size: int, chains: int | None, rows: int) -> tuple[int, int]:
    """Rows of a batch, and chains, or ladders of them; those of a start must be the same, or a ValueError says so."""
    if state is None:
        return asked.sizes(method, batch_size, chains, rows)
    theirs = state.estimation
    batch_size = checks.integer("batch_size", batch_size)
    if min(batch_size, max(rows, theirs.batch_size)) != theirs.batch_size:
        raise ValueError(f"batch_size is {batch_size}, start has batches of {theirs.batch_size}: give the same")
    if chains is not None and checks.integer("chains", chains) != theirs.chains:
        raise ValueError(f"chains is {chains}, start has {theirs.chains}: give as many, or leave chains out")
    kept = np.size(getattr(state.block.learner, "hidden", ()))
    if rows != theirs.rows and (kept or state.begun):
        why = "whose hidden units are kept" if kept else "in an epoch of which it was stopped"
        raise ValueError(f"data has {rows} rows, start had {theirs.rows}, {why}: give these")
    return theirs.batch_size, theirs.chains


def take_over(block: TrainingBlock, state: TrainingState) -> None:
    """Bring a block that has just been started to where a result has come to, whose arrays stay as they are."""
    for name in ("learner", "norms", "well"):
        mine, theirs = (restoring.changing((getattr(part, name),)) for part in (block, state.block))
        theirs = {place: array for place, array, _ in theirs}  # more than ours in a copy, where all can be written
        for place, array, _ in mine:
            if array.size:  # of other data there may be other hidden units, where none are kept
                array[...] = theirs[place]
    block.done[0] = state.begun


def check_block(block: TrainingBlock, most: int, course: Course, has: dict[str, Mask | bool]) -> None:
    """ValueError unless a block that was saved is as at most `most` steps of training leave it.

    `has`: which rows of the history have what others have not, by name.
    """
    done, diverged, batches = int(block.done[0]), int(block.diverged[0]), course.batches
    if not course.begun <= done <= most:
        raise ValueError(f"cannot be of this run: {done} steps are done of {most}, after {course.begun}")
    if diverged not in (0, -(-done // batches)):
        raise ValueError(f"cannot be of this run: it diverged in epoch {diverged}, after {done} steps")
    if not well(block.well):
        raise ValueError(f"cannot be of this run: well holds a parameter above {LARGEST:g}")
    if not diverged and not 0 <= block.norms[0] < np.inf:
        raise ValueError(f"cannot be of this run: norms add up to {block.norms[0]}")
    parts = getattr(block.learner, "parameters", block.learner)
    for name, part in {} if diverged else parts._asdict().items():
        restoring.check_record(f"learner.{name}", part, MOST)
    recorded = int(block.recorded[0])
    if recorded not in (done // batches, (done - 1) // batches):
        raise ValueError(f"cannot be of this run: {recorded} epochs are recorded after {done} steps")
    numbers = sum(part.size for part in block.well)
    largest = (4 * LARGEST + 1) * numbers**2  # more nats than sums of parameters come to
    _check_history(block.history, course.first + recorded, has, largest)
    known, told = ~np.isnan(block.information), course.informed <= course.first + recorded
    if (known != told[:, None]).any() or (block.information[told, 1::2] < 0).any():
        raise ValueError(f"cannot be of this run: information is not that of {recorded} epochs")
    restoring.check_record("information", block.information[told, ::2], largest)


def _check_history(history: History, recorded: int, has: dict[str, Mask | bool], most: float) -> None:
    """`most`: more nats than a log-likelihood is away from 0."""
    for name, record in history._asdict().items():
        if name == "epoch":
            continue
        known, kept = ~np.isnan(record), (history.epoch <= recorded) & has.get(name, True)
        if (known != kept).any():
            raise ValueError(f"cannot be of this run: history.{name} is not that of {recorded} epochs")
        if name in ("pseudo_likelihood", "log_likelihood", "bound"):
            restoring.check_record(f"history.{name}", record[known], most)


def well(parameters: Iterable[AnyArray]) -> bool:
    """Whether all parameters are finite and none is out of bounds, which a small sum of squares tells faster."""
    return all(np.vdot(part, part) <= LARGEST**2 or bool((np.abs(part) <= LARGEST).all()) for part in parameters)
