"""`BernoulliRBM`: scikit-learn's estimator of that name, trained by fastgibbs. Needs scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("fastgibbs.integrations.sklearn needs scikit-learn: pip install 'fastgibbs[sklearn]'") from error

from fastgibbs.analysis import pseudo_likelihoods
from fastgibbs.learning import train
from fastgibbs.models import RBM, checks
from fastgibbs.results.parts import TrainMethod
from fastgibbs.results.trained import History, TrainResult
from fastgibbs.types import AnyArray, FloatArray, Mask

_TYPES = [np.float64, np.float32, np.bool_, np.int8, np.uint8]  # of data that is read as it is


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """E(v, h) = -a.v - b.h - v.W.h learned from data v in [0, 1]; its features are p(h = 1 | v).

    In place of `sklearn.neural_network.BernoulliRBM`, with its parameters and attributes, in pipelines and searches.

    Args:
        n_components: hidden units, H.
        learning_rate: of the mean gradient of a batch; a number, or all else that `fastgibbs.train` takes.
        batch_size: rows of a batch, and persistent chains.
        n_iter: times that all data are shown.
        verbose: 1 or True prints the pseudo-likelihood after each of these.
        random_state: None, an int, a RandomState, a Generator or a SeedSequence.
        method, steps, momentum, centered, threads: as `fastgibbs.train` has them.

    Attributes: `components_` (H, V), `intercept_hidden_` (H,) and `intercept_visible_` (V,), of the type of the data if
    that is float32, else float64; `h_samples_` (chains, H), hidden units of the chains; `n_features_in_`,
    `feature_names_in_` if columns have names; and `rbm_`, the `fastgibbs.RBM`, for all else.

    Data are an array, a frame or a SciPy sparse matrix; what is outside [0, 1] is clipped with one warning. ValueError
    or TypeError names a bad parameter, also by the name that `fastgibbs.train` has for it.

    >>> import numpy as np
    >>> from fastgibbs.integrations.sklearn import BernoulliRBM
    >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> BernoulliRBM(n_components=2, n_iter=50, random_state=1).fit_transform(X).shape
    (100, 2)
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: Any = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: Any = None,
        method: TrainMethod = "pcd",
        steps: int = 1,
        momentum: float = 0.0,
        centered: bool = True,
        threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.method = method
        self.steps = steps
        self.momentum = momentum
        self.centered = centered
        self.threads = threads

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn from `X` (N, V) anew; `y` is ignored."""
        X = self._checked(X, reset=True)
        self._begin(X)
        return self._learn(X, checks.integer("n_iter", self.n_iter, minimum=0))

    def partial_fit(self, X: Any, y: object = None) -> Self:
        """Show `X` (N, V) once, in batches; chains, momentum and random streams go on from the last call.

        >>> import numpy as np
        >>> from fastgibbs.integrations.sklearn import BernoulliRBM
        >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
        >>> machine = BernoulliRBM(n_components=2, random_state=1).fit(X)
        >>> machine.partial_fit(X).transform(X).shape
        (100, 2)
        """
        first = not hasattr(self, "rbm_")
        X = self._checked(X, reset=first)
        if first:
            self._begin(X)
        return self._learn(X, 1)

    def transform(self, X: Any) -> FloatArray:
        """p(h = 1 | v) of every row v of `X`, (N, H)."""
        X = self._checked(X)
        return self.rbm_.hidden_means(_dense(X)).astype(self._type, copy=False)

    def score_samples(self, X: Any) -> FloatArray:
        """The pseudo-likelihood of every row in nats, (N,), exactly: `fastgibbs.analysis.pseudo_likelihoods`.

        scikit-learn's estimates it from one unit, drawn anew at each call; over rows its mean is the same.
        """
        X = self._checked(X)
        return pseudo_likelihoods(self.rbm_, _dense(X))

    def gibbs(self, v: Any) -> Mask:
        """One Gibbs step, h | v and v | h, of every row of `v` (N, V).

        >>> import numpy as np
        >>> from fastgibbs.integrations.sklearn import BernoulliRBM
        >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
        >>> machine = BernoulliRBM(n_components=2, random_state=1).fit(X)
        >>> machine.gibbs(X).shape, machine.score_samples(X).shape
        ((100, 4), (100,))
        """
        v = _dense(self._checked(v))
        h = self._random.random((len(v), self.rbm_.n_hidden)) < self.rbm_.hidden_means(v)
        return self._random.random(v.shape) < self.rbm_.visible_means(h.astype(np.float64))

    @property
    def _n_features_out(self) -> int:
        return self.rbm_.n_hidden

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _checked(self, X: Any, reset: bool = False) -> Any:
        """`X` as data of this estimator, in [0, 1]."""
        if not reset:
            check_is_fitted(self)
        if checks.masked(X):
            raise TypeError("X has masked entries, whose mask would be lost: fill them or leave their rows out")
        X = validate_data(self, X, accept_sparse="csr", dtype=_TYPES, reset=reset)
        values = X.data if hasattr(X, "indptr") else X
        least, most = values.min(initial=0), values.max(initial=1)
        if least < 0 or most > 1:
            told = f"X holds {least if least < 0 else most}: what is outside [0, 1] is clipped"
            warnings.warn(told, UserWarning, stacklevel=3)
            X = X.copy()
            np.clip(values, 0, 1, out=X.data if hasattr(X, "indptr") else X)
        return X

    def _begin(self, X: Any) -> None:
        """The machine and the random numbers to start from."""
        hidden = checks.integer("n_components", self.n_components)
        self._random = _generator(self.random_state)
        self._run: TrainResult | None = None
        self.rbm_: Any = RBM.random(X.shape[1], hidden, X, seed=self._random)
        self._type = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)

    def _learn(self, X: Any, epochs: int) -> Self:
        """Show data so many times more; rows that fill up a batch are shown with weight 0."""
        batch_size = checks.integer("batch_size", self.batch_size)
        hidden = np.zeros((batch_size, self.rbm_.n_hidden), self._type)
        if epochs:
            count, size = X.shape[0], max(X.shape[0], batch_size)
            run = train(
                self.rbm_,
                X if size == count else X[np.arange(size) % count],
                method=self.method,
                steps=self.steps,
                chains=batch_size if self.method == "pcd" else None,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=self.learning_rate,
                momentum=self.momentum,
                centered=self.centered,
                weights=np.arange(size) < count,
                start=self._run,
                history_every=1 if self.verbose else 0,
                likelihood_every=0,
                seed=self._random if self._run is None else None,
                callback=_tell if self.verbose else None,
                threads=self.threads,
            )
            self._run, self.rbm_, hidden = run, run.model, run.chains[:, run.model.n_visible :]
        self.components_ = self.rbm_.weights.T.astype(self._type)
        self.intercept_hidden_ = self.rbm_.hidden_bias.astype(self._type)
        self.intercept_visible_ = self.rbm_.visible_bias.astype(self._type)
        self.h_samples_ = hidden.astype(self._type)
        if epochs and run.interrupted:  # a search over parameters is to end, too
            raise KeyboardInterrupt
        return self


def _tell(epoch: int, _: object, history: History) -> None:
    print(f"[BernoulliRBM] Iteration {epoch}, pseudo-likelihood = {history.pseudo_likelihood[-1]:.2f}")


def _dense(X: Any) -> AnyArray:
    return X.toarray() if hasattr(X, "indptr") else X


def _generator(random_state: Any) -> np.random.Generator:
    """A Generator of what scikit-learn takes, or NumPy does; a RandomState or a Generator is advanced."""
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(2**31))
    return checks.generator(random_state)
