"""Annealed learning of bars and stripes: `train(beta=...)` from hot to cold, and from cold to hot, against beta = 1.

    python -m pytest bench/bench_annealed_learning.py -s

All 30 pictures of 4 x 4 pixels whose rows, or columns, are each of one colour: log p is -3.401 nats a picture at best.
An RBM of 16 and 8 units, all pictures a step, 2000 steps, rates falling to a twentieth. Each schedule has the first
rate of RATES that is best for it over other seeds; then, over 20 seeds, the exact log-likelihood of the model at
beta = 1. Every schedule starts each seed from the same weights as the others, so that differences are paired. In the
weights beta W of the law a step at beta moves beta^2 times as far: "matched" has beta = 1 and those rates, so that it
tells what of a difference is that, and "even" a rate over beta^2, so that all steps move as far as without a schedule.
"""

import warnings

import numpy as np
import pytest

import fastgibbs as fg

SEEDS, TUNING = range(20), range(100, 103)
RATES = {"pcd": (0.1, 0.2, 0.5, 1.0, 2.0, 5.0), "exact": (2.0, 5.0, 10.0, 20.0)}
EPOCHS = 2000
PATHS = {"0.1 to 1": np.linspace(0.1, 1, EPOCHS), "0.5 to 1": np.linspace(0.5, 1, EPOCHS)}
PATHS["2 to 1"] = np.linspace(2, 1, EPOCHS)
ARMS = {"beta = 1": (1.0, 1.0)} | {  # name -> beta, and what the rate is times
    f"{name}{which}": arm
    for name, beta in PATHS.items()
    for which, arm in {"": (beta, 1.0), ", matched": (1.0, beta**2), ", even": (beta, beta**-2)}.items()
}
BEST = np.log(1 / 30)


def pictures():
    """Bars and stripes, uint8 (30, 16)."""
    lines = np.arange(16)[:, None] >> np.arange(4) & 1
    return np.unique(np.concatenate([np.repeat(lines, 4, axis=1), np.tile(lines, 4)]), axis=0).astype(np.uint8)


def learnt(method, arm, rate, seed):
    """Nats a picture of a machine at beta = 1 after a training."""
    data, (beta, factor) = pictures(), ARMS[arm]
    rbm = fg.RBM.random(16, 8, data, seed=seed)
    rates = np.geomspace(rate, rate / 20, EPOCHS) * factor
    chains = dict(chains=100) if method == "pcd" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that diverge, which their likelihood tells
        run = fg.train(rbm, data, method=method, beta=beta, learning_rate=rates, epochs=EPOCHS, batch_size=30,
                       history_every=0, seed=seed, threads=1, **chains)  # fmt: skip
    return fg.log_likelihood(run.model, data).value


@pytest.mark.parametrize("method", RATES)
def test_annealed_learning_on_bars_and_stripes(method, capsys):
    found = {}
    with capsys.disabled():
        print(f"\n{method}: beta, first rate, log p (at best {BEST:.3f}), against beta = 1, better in")
    for arm in ARMS:
        tried = [np.mean([learnt(method, arm, rate, seed) for seed in TUNING]) for rate in RATES[method]]
        rate = RATES[method][int(np.argmax(tried))]
        found[arm] = np.array([learnt(method, arm, rate, seed) for seed in SEEDS])
        gain = found[arm] - found["beta = 1"]
        error, of_gain = (values.std(ddof=1) / np.sqrt(values.size) for values in (found[arm], gain))
        with capsys.disabled():
            print(
                f"{arm:18} {rate:5} {found[arm].mean():8.3f}({error:.3f}) {gain.mean():+8.3f}({of_gain:.3f})"
                f" {(gain > 0).sum():3} of {gain.size}"
            )
        assert found[arm].max() < BEST
