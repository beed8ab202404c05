"""`train`: a model learns from data."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from fastgibbs.engines.streams import entropy_of
from fastgibbs.learning import asked, resuming
from fastgibbs.learning.asked import Betas, Course, Rates
from fastgibbs.learning.data import Data
from fastgibbs.learning.epochs import Callback, Training, learner_of
from fastgibbs.learning.exact import Machine
from fastgibbs.learning.machines import Estimation
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import through
from fastgibbs.methods.running import running
from fastgibbs.models import RBM, Helmholtz, checks
from fastgibbs.models.rows import RowsLike
from fastgibbs.results.base import Timing
from fastgibbs.results.parts import METHODS, TrainMethod
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import ArrayLike, FloatArray, PathLike, Progress, Seed


@holding
def train(
    model: Machine,
    data: RowsLike,
    *,
    method: TrainMethod = "pcd",
    steps: int = 1,
    chains: int | None = None,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: Rates = None,
    momentum: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    beta: Betas = None,
    centered: bool = True,
    weights: ArrayLike | None = None,
    given: ArrayLike | None = None,
    start: TrainResult | None = None,
    history_every: int | None = None,
    likelihood_every: int | None = None,
    information_every: int = 0,
    seed: Seed = None,
    callback: Callback | None = None,
    progress: Progress = False,
    checkpoint: PathLike | None = None,
    every: float = 60.0,
    threads: int | None = None,
) -> TrainResult:
    """Move a model up the mean log-likelihood of data: v <- m v + r (g - l2 W - l1 sign W), W <- W + v.

    g = <-dE/dW>_data - <-dE/dW>_model, the mean over a batch less an estimate over chains; biases alike, without l1
    and l2. An epoch shows every row once, in a new order. Of a Helmholtz machine g is the slope of <log p(v, h)>, h
    drawn from q given data, and of <log q(h | v)>, both drawn from p: it moves the bound.

    Args:
        model: RBM, BoltzmannMachine or Helmholtz, with the parameters to start from. `RBM.random(visible, hidden,
            data)` is a good start, and `RBM.deep(layers, data)` or `Helmholtz.random(layers, data)`: small weights, and
            visible biases log(m / (1 - m)) of the data's means m. Of a BoltzmannMachine, or a deep machine, the pairs
            that are coupled are trained, others stay uncoupled.
        data: (N, V) of bools, 0 and 1, or probabilities in [0, 1], from which units are drawn whenever they are shown;
            an array, also memory-mapped, or a scipy.sparse matrix. It is read a batch at a time and never copied whole.
        method: the chains of the model: "pcd", persistent (Tieleman, ICML 2008); "cd", from each batch anew (Hinton,
            Neural Comput. 14, 1771 (2002)); "tempering", ladders of 10 temperatures (Desjardins et al., AISTATS 2010);
            "exact", none: all states are summed, of up to 16 units in an RBM's smaller layer, or in all. Of a Helmholtz
            machine "wake-sleep", which has none: as many dreams as a batch has rows (Hinton et al., Science 268, 1158
            (1995)).
        steps: Gibbs steps of the chains for each batch: h | v and v | h of an RBM, sweeps of other machines; as many
            sweeps draw hidden units given the data if they are coupled to each other, from where they were when this
            row was shown last.
        chains: persistent chains, by default batch_size, of fewer rows at most 128; or ladders, by default an eighth.
        epochs: times that all data are shown, after those of a start.
        batch_size: rows for each step of the parameters.
        learning_rate: r, a number above 0; or one per epoch; or a callable of the epoch, from 0, which counts those of
            a start too. By default it falls in equal steps from 0.2 to 0.01, and after a start stays at 0.01.
        momentum: m, from 0 to below 1.
        l1, l2: pull weights to 0.
        beta: annealed learning: inverse temperature of the model in both phases, a number above 0, or one per epoch; a
            schedule of all epochs, as `fastgibbs.linear(0.2, 1)`; or a callable of the epoch, from 0. What is learnt is
            p = exp(-beta E) / Z, and g is the gradient of its log-likelihood, beta times a difference of means. The
            history is of this law, and so is every model that is returned: its energy is beta E, for use at beta = 1.
            So of the weights beta W of the law, a step moves beta^2 r as far, and a new beta scales them. By default 1,
            after a start its last one.
        centered: use the centred gradient (Melchior, Fischer, Wiskott, J. Mach. Learn. Res. 17 (99), 1 (2016)), which
            learns as well whatever the mean of the data; of a Helmholtz machine units that others are drawn given count
            less their means.
        weights: (N,) how much each row counts, at least 0; by default all alike.
        given: indices of visible units of an RBM that the model holds too, at those of the data, so that the
            probability of the other visible units given these is learnt, and not theirs: by "cd", each row going on
            from itself, or "exact". The history's log-likelihoods are those of the others given these.
        start: a TrainResult, still in memory, to go on from with its model: its chains, momentum, offsets, random
            streams and count of epochs go on, and `epochs` more are as if all had been asked for at once. `method`,
            `centered`, `given`, `batch_size` and the number of chains stay; data may be others, as many rows if hidden
            units are coupled to each other; all else may be given anew. The result has the history of both.
        history_every: epochs between two rows of the history; the last epoch has one too. By default as few as make at
            most 200 rows; 0 for no history, which costs nothing.
        likelihood_every: epochs between two log-likelihoods, each in a row of the history, and one at the end; exact
            for up to 16 units in an RBM's smaller layer, or in all, otherwise by annealing; of a Helmholtz machine for
            up to 16 hidden units, otherwise by 100 draws of them from q for each row. By default as often as
            exact ones take less than about a quarter of the training's time, at most in every row; 0 for never.
        information_every: epochs between two rows of the result's `information`, of an RBM: entropies of its hidden
            units, and what they know of the visible ones (`fastgibbs.learning.information`, by default settings, of
            the rows that the history judges); 0 for none.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        callback: called after each epoch as callback(epoch, model, history), from 1; it stops the training by
            returning True. It is called in the thread that trains.
        progress: True shows a bar; a callable gets (done, total) in steps and stops the training by returning True.
        checkpoint, every: a file to save the training to and go on from, and the seconds between, as in `sample`. With
            more epochs than it was saved with, it returns what so many would have at once. Those that began must have
            had the same learning rates, which default ones, falling over all epochs, have not; and rows of the history,
            and log-likelihoods, must be as far apart, which by default depends on the epochs: the error says how far.
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Sampled training of an RBM and wake-sleep compute in float32, all other training in float64. The history judges up
    to 1000 rows of data. The same seed gives the same bytes at any number of threads, with any history.

    Returns a TrainResult, also after Ctrl-C. If a parameter is no longer finite, or above 10^4, the training stops with
    a RuntimeWarning that names the epoch, and the last model that was well is returned. A RuntimeWarning also tells of
    a training that ends more than one nat, and a twentieth, below the best log-likelihood of its history, or
    pseudo-likelihood where the last row has none; and of persistent or tempered chains whose visible units change in
    the last update less than a hundredth as often as between two random rows of the data. Raises ValueError or
    TypeError, naming the argument, before anything is compiled.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> run = fg.train(fg.RBM.random(4, 2, data, seed=1), data, epochs=300, batch_size=10, learning_rate=0.1, seed=1)
    >>> print(f"{fg.log_likelihood(run.model, data).value:.1f}")  # -2.8 before, log 1/2 at best
    -0.9
    """
    began = time.perf_counter()
    checks.choice("method", method, METHODS)
    asked.check_model(model, method, chains, steps)
    held = asked.check_given(model, given, method)
    steps, epochs = checks.integer("steps", steps), checks.integer("epochs", epochs)
    checks.require_memory(200 * epochs, f"a history of {epochs} epochs", "give fewer, and go on from the result")
    checks.progress(progress)
    asked.check_callback(callback)
    centered, threads = checks.flag("centered", centered), checks.thread_count(threads)
    seed = None if seed is None else entropy_of(seed)
    state: Any = None if start is None else resuming.state_of(start, model, method, centered, held, seed)
    first, made = (start.epochs, state.begun) if start is not None else (0, 0)
    step, rates = asked.step_of(momentum, l1, l2), asked.learning_rates(learning_rate, first, epochs)
    before = 1.0 if start is None else state.beta
    betas = asked.model_betas(model, beta, before, first, epochs)
    asked.check_precision(model, method, betas.max() / before)
    shown = Data(data, model.n_visible, weights)
    batch_size, chains = resuming.sizes(state, method, batch_size, chains, shown.count)
    estimation = Estimation(method, steps, chains, batch_size, shown.count, centered, shown.mean, 0, threads, held)
    needed = 8 * estimation.lanes * model.n + learner_of(model, method, held).bytes_per_weight * model.weights.size
    checks.require_memory(needed, f"{chains} chains and batches of {batch_size}")
    every_row, every_likelihood = asked.spacing(history_every, likelihood_every, epochs, model, estimation)
    every_information = asked.information_spacing(information_every, model)
    course = Course(first, made, estimation.batches, rates, betas, step, every_row, every_likelihood, every_information)
    settings: dict[str, Any] = dict(
        model=[model], method_=method, steps=steps, chains=chains, epochs=epochs, batch_size=batch_size
    )
    settings |= dict(momentum=step.momentum, l1=step.l1, l2=step.l2, centered=centered, weights=shown.weights)
    settings |= dict(given=list(held)) if held else {}
    settings |= dict(history_every=every_row, likelihood_every=every_likelihood, information_every=every_information)
    settings |= dict(start=None if start is None else [start.chains, first, made])
    settings |= dict(seed=seed if start is None else start.seed, data=None if checkpoint is None else shown.digest())
    file = Checkpoint(checkpoint, every, "train", settings, grows=("epochs",))
    seed = int(file.settings["seed"])
    entropy = run_entropy(seed, "train", _parameters(model)) if start is None else state.estimation.entropy
    estimation = estimation._replace(entropy=entropy)
    training = Training(model, shown, estimation, course, start, callback)
    block, learner = training.own, training.learner
    begun = training.begin(file)
    with running(progress, file) as under_way:
        try:
            _, end, updates = through(under_way, begun)
        finally:
            learner.close()
        finished, diverged = int(block.recorded[0]), bool(block.diverged[0])
        for told in training.advice():
            warnings.warn(told, RuntimeWarning, stacklevel=3)
        return TrainResult(
            model=training.model(learner.parameters()),
            history=training.history(finished),
            information=training.information(finished),
            chains=learner.chains(),
            method=method,
            epochs=first + finished,
            seed=seed,
            timing=Timing.of(end, updates, began),
            interrupted=finished < epochs and not diverged,
            diverged=diverged,
            _state=resuming.TrainingState(estimation, block, training.beta),
        )


def _parameters(model: Machine) -> FloatArray:
    """All parameters, float64: the same of an RBM and of the machine of its graph."""
    if isinstance(model, RBM):
        return np.concatenate([model.weights.ravel(), model.visible_bias, model.hidden_bias])
    if isinstance(model, Helmholtz):
        return np.concatenate([model.weights, *model.biases, *model.recognition_biases])
    return np.concatenate([4 * model.to_ising().bonds[2], model.biases])
