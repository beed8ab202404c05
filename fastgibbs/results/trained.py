"""What a model has learned, and how."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Self

import numpy as np

from fastgibbs.analysis.reports import Report, with_error
from fastgibbs.fields import described
from fastgibbs.integrations.tables import Table, Variables
from fastgibbs.models import RBM, BoltzmannMachine, Helmholtz, checks
from fastgibbs.results.base import Result, Timing, run_result
from fastgibbs.results.parts import METHODS
from fastgibbs.types import FloatArray, IntArray, States

_MOST = 12  # rows of the history in a summary


@checks.by_contents
@described
class History(NamedTuple):
    """What some epochs came to, one row for each of them."""

    epoch: Annotated[IntArray, "int64 (rows,)", "The epochs that have a row, from 1."]
    reconstruction: Annotated[
        FloatArray,
        "float64 (rows,)",
        "Mean of (v - v')^2 over units and data; v' is the mean of v given the mean of h given v, and of a "
        "BoltzmannMachine that of each visible unit given all other units, h being drawn given v; of a Helmholtz "
        "machine that given the layer above, drawn from q.",
    ]
    pseudo_likelihood: Annotated[
        FloatArray,
        "float64 (rows,), or NaN",
        "`fastgibbs.pseudo_likelihood` in nats; of a large machine, estimated from some units of each row. NaN if more "
        "than 20 hidden units are coupled to each other, and of a Helmholtz machine.",
    ]
    gradient_norm: Annotated[
        FloatArray,
        "float64 (rows,)",
        "Mean over the epoch's steps of the length of the gradient, of all parameters together.",
    ]
    log_likelihood: Annotated[
        FloatArray, "float64 (rows,), or NaN", "Mean log p(v) of the data in nats, or NaN where it was not asked for."
    ]
    log_likelihood_error: Annotated[
        FloatArray, "float64 (rows,), or NaN or inf", "The standard error that log Z gives it: 0 if it is exact."
    ]
    bound: Annotated[
        FloatArray,
        "float64 (rows,), or NaN",
        "Of a Helmholtz machine, the mean of log p(v, h) - log q(h | v) in nats, h drawn from q once for each row.",
    ]


@checks.by_contents
@described
class InformationHistory(NamedTuple):
    """Entropies of an RBM's hidden units in nats after some epochs, as `fastgibbs.learning.information` has them."""

    epoch: Annotated[IntArray, "int64 (told,)", "The epochs, from 1."]
    hidden: Annotated[FloatArray, "float64 (told,)", "H(h) of the model."]
    hidden_error: Annotated[FloatArray, "float64 (told,), or inf", "Its standard error; 0 if it is exact."]
    mutual: Annotated[FloatArray, "float64 (told,)", "I(v; h) of the model."]
    mutual_error: Annotated[FloatArray, "float64 (told,), or inf", "Its standard error; 0 if it is exact."]
    data_hidden: Annotated[FloatArray, "float64 (told,)", "H(h) of what the model makes of the data."]
    data_hidden_error: Annotated[FloatArray, "float64 (told,), or inf", "Its standard error; 0 if it is exact."]
    data_mutual: Annotated[FloatArray, "float64 (told,)", "I(v; h) of rows of the data and what it makes of them."]
    data_mutual_error: Annotated[FloatArray, "float64 (told,), or inf", "Its standard error; 0 if it is exact."]


@run_result
class TrainResult(Result):
    """What `train` returns.

    In memory it keeps chains, momentum and random streams, so that `train` goes on from it; its archive does not.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> run = fg.train(fg.RBM.random(4, 2, data, seed=1), data, epochs=5, seed=1)
    >>> run, run.history.epoch.tolist()
    (TrainResult(RBM(n_visible=4, n_hidden=2), method='pcd', epochs=5), [1, 2, 3, 4, 5])
    """

    KIND = "train"
    model: Annotated[
        RBM | BoltzmannMachine | Helmholtz,
        "The model trained; of a training that diverged, as it was after the last epoch that had not.",
    ]
    history: Annotated[History, "Of the epochs that were finished, those that have a row, also of a start."]
    chains: Annotated[
        States,
        "int8 (chains, n)",
        "The states of the model's chains at the end: persistent ones, or those of the last batch, or its dreams.",
    ]
    method: Annotated[str, '"pcd", "cd", "tempering", "exact" or "wake-sleep".']
    epochs: Annotated[int, "Epochs finished, those of a start among them."]
    seed: Annotated[int, "Pass it as `seed` to get the same bytes again."]
    timing: Annotated[Timing, "Seconds, and attempts per second."]
    interrupted: Annotated[bool, "True if the training was stopped before the last step."]
    diverged: Annotated[bool, "True if parameters went beyond 10^4."]
    information: Annotated[
        InformationHistory | None, "After every `information_every` epochs, also of a start; None if not asked for."
    ] = None
    _state: Any = None

    def report(self) -> Report:
        """Rows of the history, the last among them."""
        lines = [repr(self), f"{len(self.chains)} chains, {self.timing.total:.3g} s in all, seed={self.seed}"]
        rows = np.unique(np.linspace(0, self.history.epoch.size - 1, min(_MOST, self.history.epoch.size)).astype(int))
        history = History(*(record[rows] for record in self.history))
        table = {
            "epoch": [str(epoch) for epoch in history.epoch],
            "reconstruction": [f"{error:.5f}" for error in history.reconstruction],
            "pseudo-likelihood": [f"{value:.6g}" for value in history.pseudo_likelihood],
            "log-likelihood": [
                with_error(*pair) for pair in zip(history.log_likelihood, history.log_likelihood_error, strict=True)
            ],
            "bound": [f"{value:.6g}" for value in history.bound],
            "gradient": [f"{norm:.4g}" for norm in history.gradient_norm],
        }
        table = {name: ["-" if cell == "nan" else cell for cell in cells] for name, cells in table.items()}
        table = {name: cells for name, cells in table.items() if set(cells) != {"-"} or name == "log-likelihood"}
        notes = ["Likelihoods in nats, per row of data."] if rows.size else ["no table: no epoch has a row"]
        if self.information is not None and self.information.epoch.size:
            of = {name: record[-1] for name, record in self.information._asdict().items()}
            pairs = (with_error(of[name], of[f"{name}_error"]) for name in ("mutual", "data_mutual"))
            notes.append("After epoch {} I(v; h) is {} nats in the model, {} of the data.".format(of["epoch"], *pairs))
        if self.diverged:
            notes.append(
                f"WARNING: the training diverged in epoch {self.epochs + 1}; the model is the last that was well."
            )
        elif self.interrupted:
            notes.append(f"WARNING: the training was stopped after epoch {self.epochs}.")
        return Report(lines, {}, table if rows.size else {}, notes)

    def table(self) -> Table:
        """The history as named arrays, (epoch,).

        >>> import fastgibbs as fg
        >>> data = [[1, 1, 0, 0], [0, 0, 1, 1]]
        >>> run = fg.train(fg.RBM.random(4, 2, data, seed=1), data, epochs=5, seed=1)
        >>> sorted(run.table().variables)
        ['bound', 'gradient_norm', 'log_likelihood', 'log_likelihood_error', 'pseudo_likelihood', 'reconstruction']
        >>> list(run.report().table)
        ['epoch', 'reconstruction', 'pseudo-likelihood', 'log-likelihood', 'gradient']
        """
        records: Variables = {
            name: (("epoch",), record) for name, record in self.history._asdict().items() if name != "epoch"
        }
        return Table(records, {"epoch": ("epoch", self.history.epoch)}, self._settings())

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        epoch = values["history"].epoch
        if not isinstance(values["model"], RBM | BoltzmannMachine | Helmholtz):
            raise ValueError(f"model is {values['model']!r}: give an RBM, a BoltzmannMachine or a Helmholtz machine")
        checks.choice("method", values["method"], METHODS)
        if (np.diff(epoch, prepend=0) < 1).any() or epoch.max(initial=0) > values["epochs"]:
            raise ValueError(f"the history has other epochs than 1 to {values['epochs']}, in order")
        return super()._of(values)

    def __repr__(self) -> str:
        state = ", diverged" if self.diverged else self._ends()
        return f"TrainResult({self.model!r}, method={self.method!r}, epochs={self.epochs}{state})"
