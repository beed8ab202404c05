"""A training under way: step after step, and what is recorded at the end of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastgibbs.engines.gradients import Step
from fastgibbs.engines.streams import ADAPT, entropy_of
from fastgibbs.learning import history as monitors
from fastgibbs.learning.advice import fall, stillness
from fastgibbs.learning.asked import Course
from fastgibbs.learning.boltzmann import ExactMachine, SampledMachine
from fastgibbs.learning.data import Data
from fastgibbs.learning.deep import SampledDeep
from fastgibbs.learning.entropies import information
from fastgibbs.learning.exact import Machine
from fastgibbs.learning.helmholtz import SampledHelmholtz
from fastgibbs.learning.history import pseudo_likelihood, reconstruction
from fastgibbs.learning.machines import Estimation, ExactRBM, SampledRBM
from fastgibbs.learning.resuming import TrainingBlock, TrainingState, check_block, take_over, well
from fastgibbs.methods.checkpoints import Checkpoint
from fastgibbs.methods.jobs import Begun, Job
from fastgibbs.methods.log_z import log_likelihood
from fastgibbs.models import RBM, BoltzmannMachine, Helmholtz, checks
from fastgibbs.results.trained import History, InformationHistory, TrainResult
from fastgibbs.types import AnyArray, IntArray

LEARNERS = {  # by the kind of model, and whether the gradient is exact
    (RBM, False): SampledRBM,
    (RBM, True): ExactRBM,
    (BoltzmannMachine, False): SampledMachine,
    (BoltzmannMachine, True): ExactMachine,
    (Helmholtz, False): SampledHelmholtz,
}
PERSISTENT = ("pcd", "tempering")  # those whose chains go on from step to step
RECORDS = tuple(f"history.{name}" for name in History._fields[1:])  # of a block, a row at a time

PREPARED = 2**16  # units of rows that are drawn at once

Shown = tuple[AnyArray, AnyArray, IntArray]  # of a batch units (B, V), coefficients (B,) and the numbers of its rows
Callback = Callable[[int, Machine, History], object]  # called with (epoch, model, history); a True stops the training


def learner_of(model: Machine, method: str, given: tuple[int, ...] = ()) -> Any:
    """The class of the learner of a model, with units that are given."""
    if isinstance(model, RBM) and method != "exact" and (given or not model.restricted):
        return SampledDeep
    kind = next(kind for kind in (RBM, Helmholtz, BoltzmannMachine) if isinstance(model, kind))
    return LEARNERS[kind, method == "exact"]


def scaled(step: Step, rate: float, beta: float) -> Step:
    """The step at such a rate along beta times the difference that a learner has, with pulls as they are."""
    return Step(beta * rate, step.momentum, step.l1 / beta, step.l2 / beta)


class Training(Job):
    """A learner that goes through data as a course has it, step by step; `own` is all that changes."""

    threads = 1  # the learner has its own

    def __init__(
        self,
        model: Machine,
        data: Data,
        estimation: Estimation,
        course: Course,
        start: TrainResult | None,
        callback: Callback | None,
    ) -> None:
        self.learner = learner = learner_of(model, estimation.method, estimation.given)(model, estimation)
        self.data, self.estimation, self.course, self.callback = data, estimation, course, callback
        self.n, self.visible = model.n, model.visible
        numbers = course.first + 1 + np.arange(course.epochs)
        summed = monitors.has_pseudo_likelihood(model, estimation.given)
        self.known = dict(pseudo_likelihood=summed, bound=isinstance(model, Helmholtz))
        history, self.likely = monitors.planned(numbers, course.history_every, course.likelihood_every)
        self.informed = course.informed
        self.own = TrainingBlock(
            learner.block,
            history,
            monitors.unknown(numbers[-1:] if course.history_every or course.likelihood_every else numbers[:0]),
            course.rates,
            course.betas,
            np.full((self.informed.size, len(InformationHistory._fields) - 1), np.nan),
            np.zeros(1, np.int64),
            np.zeros(1, np.int64),
            np.zeros(1),
            np.zeros(1, np.int64),
            learner.parameters(),
        )
        self.earlier = monitors.unknown(numbers[:0]) if start is None else start.history
        self.told = None if start is None else start.information
        self.beta_before, self.heated = 1.0, 0.0
        if start is not None:
            state: TrainingState = start._state
            self.beta_before = state.beta
            take_over(self.own, state)
        self.counted = self._counts()
        self.row_of = {int(one): row for row, one in enumerate(history.epoch)}
        judged = self.own.last.epoch.size > 0 or self.informed.size > 0
        self.monitored = data.monitored(estimation.entropy) if judged else np.empty((0, model.n_visible), np.int8)
        self.order: tuple[int | None, IntArray] = None, np.arange(data.count)
        self.still = course.batches == 1 and data.certain  # whether every batch is the same
        self.shown: dict[tuple[int, int], Shown] = {}  # what is prepared, by epoch and batch
        self.of_epoch: tuple[int | None, Step] = None, course.step  # the step of an epoch
        self.changed: float | None = None

    @property
    def sweeps(self) -> int:
        """Steps in all."""
        return self.course.steps

    @property
    def beta(self) -> float:
        """That of the parameters: of the epoch of the last step that was made and was well, or the one before all."""
        block, course = self.own, self.course
        epochs = -(-int(block.done[0]) // course.batches) if block.done[0] > course.begun else 0
        epochs = int(block.diverged[0]) - 1 if block.diverged[0] else epochs
        return float(course.betas[epochs - 1]) if epochs else self.beta_before

    def model(self, parameters: Any) -> Machine:
        """The model whose law at beta = 1 is that of parameters at theirs."""
        model: Machine = self.learner.model(tuple(self.beta * part for part in parameters))
        return model

    def begin(self, checkpoint: Checkpoint) -> Begun:
        """The training where its start, or the checkpoint, has it."""
        course, block = self.course, self.own

        def epochs(done: int) -> int:
            return -(-done // course.batches)

        def rows(done: int) -> int:
            return int(np.searchsorted(block.history.epoch, course.first + epochs(done), side="right"))

        def informed(done: int) -> int:
            return int(np.searchsorted(self.informed, course.first + epochs(done), side="right"))

        records = dict.fromkeys(RECORDS, rows) | dict(learning_rate=epochs, betas=epochs, information=informed)
        # the row of an epoch is filled in when its steps are done, some of it earlier
        checkpoint.restore([block], [range(1)], records, course.steps, self.check, final=False)
        if block.recorded[0] < course.epochs:  # it was the last row of fewer epochs
            for record in block.last[1:]:
                record[:] = np.nan
        last = (int(block.recorded[0]) + 1) * course.batches - 1  # a chunk may end early: the block knows
        return Begun(self, [block], [range(1)], [min(int(block.done[0]), last)])

    def attempts(self, block: TrainingBlock) -> int:
        """Units that chains visit in a step."""
        return self.estimation.lanes * self.estimation.steps * self.n

    def advance(self, block: TrainingBlock, first: int, last: int, crew: object) -> bool:
        """Make steps `first` ... `last - 1`; returns True if the training is to stop."""
        if first == last:
            self.learner.compile()
        for done in range(first, last):
            epoch, batch = divmod(done, self.course.batches)
            if block.done[0] == done and not block.diverged[0]:  # otherwise it was stopped right after this step
                self._step(epoch, batch)
            if block.diverged[0] or (batch + 1 == self.course.batches and self._record(epoch)):
                return True
        return False

    def history(self, recorded: int) -> History:
        """The rows of all epochs until so many are recorded, those of the start among them; a copy."""
        ended, epoch = recorded == self.course.epochs, self.own.history.epoch
        rows = int(np.searchsorted(epoch, self.course.first + recorded, side="left" if ended else "right"))
        parts = zip(self.earlier, self.own.history, self.own.last, strict=True)
        return History(*(np.concatenate([old, new[:rows], last[: int(ended)]]) for old, new, last in parts))

    def information(self, recorded: int) -> InformationHistory | None:
        """The same of information; None where none was asked for, here or at the start."""
        if not self.informed.size and self.told is None:
            return None
        rows = int(np.searchsorted(self.informed, self.course.first + recorded, side="right"))
        parts = self.informed[:rows], *self.own.information[:rows].T
        earlier = [part[:0] for part in parts] if self.told is None else self.told
        return InformationHistory(*(np.concatenate(pair) for pair in zip(earlier, parts, strict=True)))

    def advice(self) -> list[str]:
        """What to say of a training that has diverged, or come to its end but not to a good one."""
        course, block = self.course, self.own
        finished, diverged = int(block.recorded[0]), int(block.diverged[0])
        if diverged:
            others = ", momentum or l2" if course.step.momentum or course.step.l2 else ""
            return [
                f"the training diverged in epoch {course.first + diverged}: the model after epoch "
                f"{course.first + finished} is returned; lower learning_rate, {course.rates[diverged - 1]:g} "
                f"there{others}"
            ]
        if finished < course.epochs:
            return []
        found = [fall(self.history(finished))]
        if self.changed is not None:
            found.append(stillness(self.changed, self.estimation.mean, self.estimation.chains))
        return [one for one in found if one is not None]

    def _step(self, epoch: int, batch: int) -> None:
        learner, block, course = self.learner, self.own, self.course
        beta = float(course.betas[epoch])
        if beta != self.heated:
            learner.heat(beta)
            self.heated = beta
        if epoch != self.of_epoch[0]:
            self.of_epoch = epoch, scaled(course.step, float(course.rates[epoch]), beta)
        learner.positive(*self._shown(epoch, batch))
        last = self.estimation.method in PERSISTENT and block.done[0] + 1 == course.steps
        before = learner.chains() if last else None
        learner.negative()
        if last:
            self.changed = float((learner.chains() != before)[:, self.visible].mean())
        norm = beta * learner.move(self.of_epoch[1])
        block.done[0] += 1
        block.norms[0] = norm + (block.norms[0] if batch else 0.0)
        now = learner.parameters() if batch + 1 == course.batches else ()
        if not math.isfinite(norm) or (now and not well(now)):
            block.diverged[0] = epoch + 1
            learner.load(*block.well)
            return
        for kept, parameter in zip(block.well, now, strict=False):
            kept[:] = parameter

    def _shown(self, epoch: int, batch: int) -> Shown:
        """What a batch shows; several are prepared at once where they are small."""
        key = 0 if self.still else epoch, batch
        if key not in self.shown:
            self.shown = {(key[0], place): found for place, found in self._prepared(epoch, batch)}
        return self.shown[key]

    def _prepared(self, epoch: int, first: int) -> Iterator[tuple[int, Shown]]:
        """Yield the number of a batch and what it shows, from `first` on."""
        data, address, batches = self.data, self.estimation.entropy, self.course.batches
        number, size = self.course.first + epoch, self.estimation.batch_size
        if batches > 1 and self.order[0] != number:
            self.order = number, data.order(address, number)
        starts = np.arange(first, min(first + max(1, PREPARED // (size * len(data.mean) + 1)), batches)) * size
        rows = self.order[1][starts[0] : starts[-1] + size]
        lengths = np.minimum(size, data.count - starts)
        units = data.batches(rows, size, address, number, first)
        coefficients = (data.weights[rows] / np.repeat(lengths, lengths)).astype(np.float32)
        for place, begin in enumerate((starts - starts[0]).tolist()):
            some = slice(begin, begin + size)
            yield first + place, (units[some], coefficients[some], rows[some])

    def _record(self, epoch: int) -> bool:
        """Finish an epoch whose steps are made, with its row if it has one; returns True if the training is to stop."""
        block, number = self.own, self.course.first + epoch + 1
        row, last = self.row_of.get(number), epoch + 1 == self.course.epochs and self.own.last.epoch.size
        informed = np.flatnonzero(self.informed == number)
        needed = row is not None or last or informed.size or self.callback is not None
        now: Any = self.model(block.well) if needed else None
        try:
            if informed.size:
                block.information[informed[0]] = self._informed(now, number)
            likely = bool(self.course.likelihood_every if last else row is not None and self.likely[row])
            found = self._judged(now, number, likely) if row is not None or last else ()
        except KeyboardInterrupt:  # it is recorded when the training goes on
            return True
        if found:
            for record, end, value in zip(block.history[1:], block.last[1:], found, strict=True):
                if row is not None:
                    record[row] = value
                if last:
                    end[:] = value
            if row is not None and not self.likely[row]:
                block.history.log_likelihood[row] = block.history.log_likelihood_error[row] = np.nan
        block.recorded[0] = epoch + 1
        if self.callback is not None:
            return checks.says_stop(self.callback(number, now, self.history(epoch + 1)))
        return False

    def _judged(self, model: Machine, number: int, likely: bool) -> tuple[float, ...]:
        """The row of an epoch, but for its number."""
        address, threads = self.estimation.entropy, self.estimation.threads
        error, bound = reconstruction(model, self.monitored, address, threads)
        summed = self.known["pseudo_likelihood"]
        pseudo = pseudo_likelihood(model, self.monitored, address) if summed else np.nan
        value, spread, given = np.nan, np.nan, self.estimation.given
        if likely:
            seed = entropy_of(np.random.SeedSequence(address, spawn_key=(ADAPT, number - 1)))
            found = log_likelihood(model, self.monitored, given=given or None, seed=seed, threads=threads)
            value, spread = found.value, found.error
        return error, pseudo, self.own.norms[0] / self.course.batches, value, spread, bound

    def _informed(self, model: RBM, number: int) -> tuple[float, ...]:
        """The row of information of an epoch, but for its number."""
        address, threads = self.estimation.entropy, self.estimation.threads
        seed = entropy_of(np.random.SeedSequence(address, spawn_key=(ADAPT, number - 1, 1)))
        found = information(model, self.monitored, seed=seed, threads=threads)
        pairs = (found.model, found.model_error), (found.data, found.data_error)
        return tuple(getattr(of, name) for pair in pairs for name in ("hidden", "mutual") for of in pair)

    def _counts(self) -> dict[str, int]:
        """What the learner counts, sweeps or rounds of exchange."""
        learner = self.own.learner
        return {name: int(getattr(learner, name)[0]) for name in ("round", "sweeps") if hasattr(learner, name)}

    def check(self, block: TrainingBlock, lanes: range, done: int) -> None:
        """ValueError unless this block, which was saved, is as at most `done` steps leave it."""
        likelihoods = dict.fromkeys(("log_likelihood", "log_likelihood_error"), self.likely)
        check_block(block, done, self.course, likelihoods | self.known)
        made = (int(block.done[0]) - self.course.begun) * self.estimation.steps
        for name, number in self._counts().items():
            if number not in (self.counted[name], self.counted[name] + made):
                raise ValueError(f"cannot be of this run: {name} of the chains is not {self.counted[name] + made}")
