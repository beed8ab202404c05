"""scikit-learn's BernoulliRBM and ours in its place: the time to learn features, and how well digits are told by them.

    MNIST=folder python -m pytest bench/bench_sklearn.py -s

Of 8 x 8 digits, 100 units, batches of 10, a step takes 20 us in two kernels and a dozen in Python, which draws units of
a hundred batches at once; theirs takes some 87 us in NumPy.
"""

import numpy as np
import pytest
from bench_training import FOLDER, mnist
from contest import call, compete, one_core, peer

from fastgibbs.integrations.sklearn import BernoulliRBM

SETTINGS = {  # of the digits those of scikit-learn's own example of this machine
    "digits": dict(n_components=100, learning_rate=0.06, batch_size=10, n_iter=10),
    "MNIST": dict(n_components=256, learning_rate=0.05, batch_size=10, n_iter=2),
}


def rows_of(name):
    """Rows in [0, 1] and labels: to learn from, and to be told."""
    if name == "MNIST":
        if not FOLDER.is_dir():
            pytest.skip("set MNIST to a folder with the four IDX files to learn them")
        import fastgibbs as fg

        labels = [fg.read_idx(FOLDER / f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")]
        return mnist("train")[:10_000] * 1.0, labels[0][:10_000], mnist("t10k") * 1.0, labels[1]
    X, y = peer("sklearn.datasets").load_digits(return_X_y=True)
    split = peer("sklearn.model_selection").train_test_split(X / 16, y, test_size=0.25, random_state=0)
    return split[0], split[2], split[1], split[3]


@pytest.mark.parametrize("name", SETTINGS)
def test_features_of_digits(name):
    seen, labels, unseen, right = rows_of(name)
    theirs = peer("sklearn.neural_network").BernoulliRBM
    kinds = {"fastgibbs": BernoulliRBM, "scikit-learn": theirs}
    threads = {"fastgibbs": dict(threads=1)}
    jobs = {
        label: call(lambda kind=kind, label=label: kind(**SETTINGS[name], **threads.get(label, {})).fit(seen))
        for label, kind in kinds.items()
    }
    compete(f"BernoulliRBM of {name}, {len(seen)} rows", jobs, unit="calls per ms", rounds=7)
    with one_core():
        for label, kind in kinds.items():
            scores = []
            for seed in range(3):
                machine = kind(**SETTINGS[name], random_state=seed)
                told = peer("sklearn.linear_model").LogisticRegression(C=100, max_iter=2000)
                pipeline = peer("sklearn.pipeline").make_pipeline(machine, told).fit(seen, labels)
                scores.append(pipeline.score(unseen, right))
            print(f"{label}: {np.mean(scores):.4f} of unseen {name} told right, {np.round(scores, 4).tolist()}")
