"""What to say of a training that came to its end, but not to a good one."""

from __future__ import annotations

import numpy as np

from fastgibbs.results.trained import History
from fastgibbs.types import FloatArray

FALL, FALL_SHARE = 1.0, 0.05  # nats a row, and share of them, that a training may end below its best
STILL = 0.01  # of the changes between random rows: chains with fewer hardly move
EXPECTED = 5  # changes that chains with as few would make: below it, none at all may be chance


def fall(history: History) -> str | None:
    """What to say if the last row is much worse than the best: by FALL nats, by FALL_SHARE, and by thrice the errors.

    By log-likelihoods, or by pseudo-likelihoods or bounds where the last row has no other.
    """
    values, errors = history.log_likelihood, history.log_likelihood_error
    for others in (history.pseudo_likelihood, history.bound):
        if not np.isfinite(values[-1:]).any():
            values, errors = others, np.zeros(history.epoch.size)
    if not np.isfinite(values[-1:]).any():
        return None
    best = int(np.nanargmax(values))
    lost, error = values[best] - values[-1], errors[best] + errors[-1]
    if not lost > max(FALL, FALL_SHARE * abs(values[best]), 3 * error):
        return None
    return (
        f"the training ends {lost:.2g} nats a row below its best, {values[best]:.4g} after epoch {history.epoch[best]}"
        ": lower learning_rate or let it fall; with chains that persist, give more chains or steps"
    )


def stillness(changed: float, mean: FloatArray, chains: int) -> str | None:
    """What to say of chains if a share `changed` of their visible units changed in the last update, and that is little.

    Two random rows differ in a share 2 m (1 - m), averaged over units of mean m; little is less than STILL of that.
    """
    little = STILL * float((2 * mean * (1 - mean)).mean())
    if changed >= little or little * mean.size * chains < EXPECTED:
        return None
    return (
        f"the chains hardly move: {changed:.2g} of their visible units changed in the last update, so they tell little "
        'of the model: lower learning_rate, raise steps or chains, or use method="tempering"'
    )
