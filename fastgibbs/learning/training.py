"""`train`: a model learns from data."""

import math
import time
import warnings
from typing import NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.engines import layered, sparse
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.streams import ADAPT, entropy_of
from fastgibbs.learning import exact
from fastgibbs.learning import history as monitors
from fastgibbs.learning.advice import fall, stillness
from fastgibbs.learning.boltzmann import ExactMachine, SampledMachine
from fastgibbs.learning.data import Data
from fastgibbs.learning.history import pseudo_likelihood, reconstruction
from fastgibbs.learning.machines import RUNGS, ExactRBM, SampledRBM, Setting
from fastgibbs.methods import restoring
from fastgibbs.methods.blocks import tolerable
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.free_energies import log_likelihood
from fastgibbs.methods.running import running
from fastgibbs.models import RBM, BoltzmannMachine, checks
from fastgibbs.results.base import Timing
from fastgibbs.results.parts import METHODS
from fastgibbs.results.trained import History, TrainResult

LEARNERS = {  # by the kind of model, and whether the gradient is exact
    (RBM, False): SampledRBM,
    (RBM, True): ExactRBM,
    (BoltzmannMachine, False): SampledMachine,
    (BoltzmannMachine, True): ExactMachine,
}
PERSISTENT = ("pcd", "tempering")  # those whose chains go on from step to step
RATES = 0.2, 0.01  # of the first and the last epoch, by default
CHAINS = 128  # that may be more than there are rows, if a batch is to hold as many
LARGEST = 1e4  # of weights and biases: beyond it a training has diverged
MOST = 1e6  # of what a training changes, within an epoch


class Block(NamedTuple):
    """All that a training changes."""

    learner: tuple
    history: History
    done: np.ndarray  # int64 (1,): steps
    recorded: np.ndarray  # int64 (1,): epochs finished, with their rows of the history
    norms: np.ndarray  # float64 (1,): sum over the steps of this epoch, or of the last
    diverged: np.ndarray  # int64 (1,): the epoch, from 1, or 0
    well: tuple  # parameters at the end of the last epoch that was well


@holding
def train(
    model,
    data,
    *,
    method="pcd",
    steps=1,
    chains=None,
    epochs=10,
    batch_size=128,
    learning_rate=None,
    momentum=0.0,
    l1=0.0,
    l2=0.0,
    centered=True,
    weights=None,
    history_every=None,
    likelihood_every=None,
    seed=None,
    callback=None,
    progress=False,
    checkpoint=None,
    every=60.0,
    threads=None,
) -> TrainResult:
    """Move a model up the mean log-likelihood of data: v <- m v + r (g - l2 W - l1 sign W), W <- W + v.

    g = <-dE/dW>_data - <-dE/dW>_model, the mean over a batch less an estimate over chains; biases alike, without l1
    and l2. An epoch shows every row once, in a new order.

    Args:
        model: RBM or BoltzmannMachine, with the parameters to start from. `RBM.random(visible, hidden, data)` is a good
            start: small weights, and visible biases log(m / (1 - m)) of the data's means m. Of a BoltzmannMachine the
            pairs that are coupled are trained, others stay uncoupled.
        data: (N, V) of bools, 0 and 1, or probabilities in [0, 1], from which units are drawn whenever they are shown;
            an array, also memory-mapped, or a scipy.sparse matrix. It is read a batch at a time and never copied whole.
        method: the chains of the model: "pcd", persistent (Tieleman, ICML 2008); "cd", from each batch anew (Hinton,
            Neural Comput. 14, 1771 (2002)); "tempering", ladders of 10 temperatures (Desjardins et al., AISTATS 2010);
            "exact", none: all states are summed, of up to 16 units in an RBM's smaller layer, or in all.
        steps: Gibbs steps of the chains for each batch: h | v and v | h of an RBM, sweeps of other machines; as many
            sweeps draw hidden units given the data if they are coupled to each other.
        chains: persistent chains, by default batch_size, of fewer rows at most 128; or ladders, by default an eighth.
        epochs: times that all data are shown.
        batch_size: rows for each step of the parameters.
        learning_rate: r, a number above 0; or one per epoch; or a callable of the epoch, from 0. By default it falls in
            equal steps from 0.2 to 0.01.
        momentum: m, from 0 to below 1.
        l1, l2: pull weights to 0.
        centered: use the centred gradient (Melchior, Fischer, Wiskott, J. Mach. Learn. Res. 17 (99), 1 (2016)), which
            learns as well whatever the mean of the data.
        weights: (N,) how much each row counts, at least 0; by default all alike.
        history_every: epochs between two rows of the history; the last epoch has one too. By default as few as make at
            most 200 rows; 0 for no history, which costs nothing.
        likelihood_every: epochs between two log-likelihoods, each in a row of the history, and one at the end; exact
            for up to 16 units in an RBM's smaller layer, or in all, otherwise by annealing. By default as often as
            exact ones take less than about a quarter of the training's time, at most in every row; 0 for never.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        callback: called after each epoch as callback(epoch, model, history), from 1; it stops the training by
            returning True. It is called in the thread that trains.
        progress: True shows a bar; a callable gets (done, total) in steps and stops the training by returning True.
        checkpoint, every: a file to save the training to and go on from, and the seconds between, as in `sample`.
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Sampled training of an RBM computes in float32, all other training in float64. The history judges up to 1000 rows of
    data. The same seed gives the same bytes at any number of threads, with any history.

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
    if not isinstance(model, RBM | BoltzmannMachine):
        raise TypeError(f"model is {checks.shown(model)}: give an RBM or a BoltzmannMachine")
    if not model.n_visible or (isinstance(model, RBM) and not model.n_hidden):
        raise ValueError(f"model is {checks.shown(model)}: give at least one visible unit, and an RBM one hidden unit")
    checks.choice("method", method, METHODS)
    steps, epochs = checks.integer("steps", steps), checks.integer("epochs", epochs)
    batch_size = checks.integer("batch_size", batch_size)
    checks.progress(progress)
    centered = checks.flag("centered", centered)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {checks.shown(callback)}: give a callable of (epoch, model, history), or None")
    rates = _rates(learning_rate, epochs)
    momentum, l1, l2 = (_at_least_0(*one) for one in (("momentum", momentum), ("l1", l1), ("l2", l2)))
    if momentum >= 1:
        raise ValueError(f"momentum is {momentum}: give a number from 0 to below 1")
    if chains is not None and method in ("cd", "exact"):
        raise ValueError(f'chains is {chains}: method={method!r} has no chains of its own, use "pcd"')
    if method == "exact":
        exact.require_small(model)
    else:
        engine, form = (layered, model) if isinstance(model, RBM) else (sparse, model.to_ising())
        if why := engine.refusal([form], "sequential", 1, tolerable(1.0)):
            raise ValueError(f'model is {model!r}: {why}; method="exact" sums in float64')
    seed, threads = None if seed is None else entropy_of(seed), checks.thread_count(threads)
    data = Data(data, model.n_visible, weights)
    asked, batch_size = min(batch_size, max(data.count, CHAINS)), min(batch_size, data.count)
    default = {"pcd": asked, "tempering": max(1, asked // 8)}.get(method, batch_size)
    chains = default if chains is None else checks.integer("chains", chains)
    lanes = batch_size + chains * (RUNGS if method == "tempering" else 1)
    learner_of = LEARNERS[RBM if isinstance(model, RBM) else BoltzmannMachine, method == "exact"]
    needed = 8 * lanes * model.n + learner_of.bytes_per_weight * model.weights.size
    checks.require_memory(needed, f"{chains} chains and batches of {batch_size}")
    batches = -(-data.count // batch_size)
    products = batches * monitors.STEP + steps * data.count * model.weights.size
    every_row, every_likelihood = _rows(history_every, likelihood_every, epochs, model, method, products)

    settings = dict(model=[model], method_=method, steps=steps, chains=chains, epochs=epochs, batch_size=batch_size)
    settings |= dict(learning_rate=rates, momentum=momentum, l1=l1, l2=l2, centered=centered)
    settings |= dict(weights=data.weights, history_every=every_row, likelihood_every=every_likelihood)
    settings |= dict(seed=seed, data=None if checkpoint is None else data.digest())
    checkpoint = Checkpoint(checkpoint, every, "train", settings)
    seed = checkpoint.settings["seed"]
    address = run_entropy(seed, "train", _parameters(model))
    told = Setting(method, steps, chains, batch_size, data.count, centered, data.mean, address, threads)
    learner = learner_of(model, told)
    history, likely = monitors.planned(epochs, every_row, every_likelihood)
    block = Block(
        learner.block,
        history,
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.zeros(1),
        np.zeros(1, np.int64),
        learner.parameters(),
    )

    def check(block, lanes, told):
        _check(block, told, batches, steps, likely)

    checkpoint.restore([block], [range(1)], {}, epochs * batches, check)
    begun = int(min(block.done[0], (block.recorded[0] + 1) * batches - 1))  # a chunk may end early: the block knows
    monitored = data.monitored(address) if history.epoch.size else None
    row_of = {int(one): row for row, one in enumerate(history.epoch)}
    persistent, visible, changed = method in PERSISTENT, _visible(model), []
    order, always = (None, np.arange(data.count)), []

    def shown(epoch, batch):
        """Units (B, V), coefficients and numbers of the rows of a batch; the same ones if a batch holds them all."""
        nonlocal order
        if always:
            return always[0]
        if batches > 1 and order[0] != epoch:
            order = epoch, data.order(address, epoch)
        rows = order[1][batch * batch_size : (batch + 1) * batch_size]
        found = data.units(rows, address, epoch, 1, batch), np.float32(data.weights[rows] / len(rows)), rows
        if batches == 1 and data.certain:
            always.append(found)
        return found

    def step(epoch, batch):
        learner.positive(*shown(epoch, batch))
        last = persistent and block.done[0] + 1 == epochs * batches
        before = learner.chains() if last else None
        learner.negative()
        if last:
            changed.append(float((learner.chains() != before)[:, visible].mean()))
        norm = learner.move(Step(float(rates[epoch]), momentum, l1, l2))
        block.done[0] += 1
        block.norms[0] = norm + (block.norms[0] if batch else 0.0)
        now = learner.parameters() if batch + 1 == batches else ()
        if not math.isfinite(norm) or not _well(now):
            block.diverged[0] = epoch + 1
            learner.load(*block.well)
            return
        for kept, parameter in zip(block.well, now, strict=False):
            kept[:] = parameter

    def record(epoch):
        """Finish an epoch whose steps are made, with its row if it has one; returns True if the training is to stop."""
        row = row_of.get(epoch + 1)
        now = None if row is None and callback is None else learner.model(block.well)
        try:
            if row is not None:
                fill(row, now)
        except KeyboardInterrupt:  # it is recorded when the training goes on
            return True
        block.recorded[0] = epoch + 1
        if callback is not None:
            return checks.says_stop(callback(epoch + 1, now, monitors.until(history, epoch + 1)))

    def fill(row, now):
        history.reconstruction[row] = reconstruction(now, monitored, address, threads)
        history.pseudo_likelihood[row] = pseudo_likelihood(now, monitored, address)
        if likely[row]:
            other = entropy_of(np.random.SeedSequence(address, spawn_key=(ADAPT, int(history.epoch[row]) - 1)))
            value, error, _ = log_likelihood(now, monitored, seed=other, threads=threads)
            history.log_likelihood[row], history.log_likelihood_error[row] = value, error
        history.gradient_norm[row] = block.norms[0] / batches

    def run(block, first, last, crew):
        if first == last:
            learner.compile()
        for done in range(first, last):
            epoch, batch = divmod(done, batches)
            if block.done[0] == done:  # otherwise the training was stopped right after this step
                step(epoch, batch)
            if block.diverged[0] or (batch + 1 == batches and record(epoch) is True):
                return True

    with running(progress, checkpoint) as under_way:
        if learner.kernel is not None:
            under_way.announce(learner.kernel)
        try:
            end = under_way.advance(run, [block], [begun], epochs * batches, 1)
        finally:
            learner.close()
        finished, diverged = int(block.recorded[0]), int(block.diverged[0])
        if diverged:
            warnings.warn(
                f"the training diverged in epoch {diverged}: the model after epoch {finished} is returned; lower "
                f"learning_rate, {rates[diverged - 1]:g} there" + (", momentum or l2" if momentum or l2 else ""),
                RuntimeWarning,
                stacklevel=3,
            )
        elif finished == epochs:
            for found in (fall(history), *(stillness(share, data.mean, chains) for share in changed)):
                if found is not None:
                    warnings.warn(found, RuntimeWarning, stacklevel=3)
        return TrainResult(
            model=learner.model(learner.parameters()),
            history=monitors.until(history, finished),
            chains=learner.chains(),
            method=method,
            epochs=finished,
            seed=seed,
            timing=Timing.of(end, (int(block.done[0]) - begun) * lanes * steps * model.n, began),
            interrupted=finished < epochs and not diverged,
            diverged=bool(diverged),
        )


def _visible(model) -> np.ndarray:
    """The places of visible units in a joint state."""
    return np.arange(model.n_visible) if isinstance(model, RBM) else model.visible


def _parameters(model) -> np.ndarray:
    """All parameters, float64: the same of an RBM and of the machine of its graph."""
    if isinstance(model, RBM):
        return np.concatenate([model.weights.ravel(), model.visible_bias, model.hidden_bias])
    return np.concatenate([4 * model.to_ising().bonds[2], model.biases])


def _check(block: Block, most: int, batches: int, steps: int, likely: np.ndarray):
    """ValueError unless a block that was saved is as at most `most` steps of training leave it."""
    done, diverged = int(block.done[0]), int(block.diverged[0])
    if done > most:
        raise ValueError(f"cannot be of this run: {done} steps are done of {most}")
    if diverged not in (0, -(-done // batches)):
        raise ValueError(f"cannot be of this run: it diverged in epoch {diverged}, after {done} steps")
    if not _well(block.well):
        raise ValueError(f"cannot be of this run: well holds a parameter above {LARGEST:g}")
    if not diverged and not 0 <= block.norms[0] < np.inf:
        raise ValueError(f"cannot be of this run: norms add up to {block.norms[0]}")
    parts = getattr(block.learner, "parameters", block.learner)
    for name, part in {} if diverged else parts._asdict().items():
        restoring.check_record(f"learner.{name}", part, MOST)
    recorded = int(block.recorded[0])
    if recorded not in (done // batches, (done - 1) // batches):
        raise ValueError(f"cannot be of this run: {recorded} epochs are recorded after {done} steps")
    epoch = block.history.epoch
    ended = epoch != recorded + 1  # of the next one, something may be known
    for name, record in block.history._asdict().items():
        if name == "epoch":
            continue
        known, kept = ~np.isnan(record), epoch <= recorded
        if name.startswith("log_likelihood"):
            kept &= likely
        if (known != kept)[ended].any() and not (name == "pseudo_likelihood" and not known.any()):
            raise ValueError(f"cannot be of this run: history.{name} is not that of {recorded} epochs")
    for name in ("round", "sweeps"):
        if int(getattr(block.learner, name, np.zeros(1))[0]) not in (0, done * steps):
            raise ValueError(f"cannot be of this run: {name} of the chains is not {done * steps}")


def _rates(learning_rate, epochs: int) -> np.ndarray:
    """The learning rate of every epoch, float64 (epochs,)."""
    if learning_rate is None:
        learning_rate = np.linspace(*RATES, epochs)
    if callable(learning_rate):
        learning_rate = [learning_rate(epoch) for epoch in range(epochs)]
    rates = checks.finite_array("learning_rate", learning_rate)
    if rates.shape not in ((), (epochs,)):
        raise ValueError(f"learning_rate has shape {rates.shape}: give a number, or one per epoch, ({epochs},)")
    rates = np.broadcast_to(rates, (epochs,))
    if not (rates > 0).all():
        epoch = int((rates <= 0).argmax())
        raise ValueError(f"learning_rate is {rates[epoch]} in epoch {epoch}: give rates above 0")
    return rates.copy()


def _at_least_0(name, value) -> float:
    value = checks.finite_number(name, value)
    if value < 0:
        raise ValueError(f"{name} is {value}: give a number of at least 0")
    return value


def _rows(history_every, likelihood_every, epochs: int, model, method: str, products: int) -> tuple[int, int]:
    """Epochs between two rows of the history, and between two log-likelihoods; 0 for never."""
    often = -(-epochs // monitors.ROWS)
    if history_every is not None:
        often = checks.integer("history_every", history_every, minimum=0)
    if likelihood_every is None:
        return often, often if method == "exact" else monitors.affordable(model, epochs, often, products)
    likely = checks.integer("likelihood_every", likelihood_every, minimum=0)
    if likely and not often:
        raise ValueError(f"likelihood_every is {likely}, history_every 0, for no history: leave one of them out")
    if likely:
        analysis.log_weights(model, np.zeros((1, model.n_visible), np.int8))  # ValueError if hidden units are too many
    return often, likely


def _well(parameters) -> bool:
    """Whether all parameters are finite and none is out of bounds, which a small sum of squares tells faster."""
    return all(np.vdot(part, part) <= LARGEST**2 or bool((np.abs(part) <= LARGEST).all()) for part in parameters)
