"""`integrations.sklearn.BernoulliRBM`: scikit-learn's estimator, with its checks, trained by `fastgibbs.train`."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

import fastgibbs as fg
from fastgibbs.integrations.sklearn import BernoulliRBM

RNG = np.random.default_rng(1)
UNITS = RNG.integers(0, 2, (60, 9))
GREY = RNG.random((60, 9))
SMALL = dict(n_components=4, n_iter=3, random_state=1)

CHECKS = """
import json, warnings
from sklearn.utils.estimator_checks import check_estimator
from fastgibbs.integrations.sklearn import BernoulliRBM
warnings.simplefilter("ignore")  # checks give data that must be clipped, and little of it
found = check_estimator(BernoulliRBM(n_components=5, n_iter=2), on_fail=None)
print(json.dumps({one["check_name"]: [one["status"], repr(one["exception"])] for one in found}))
"""


def test_scikit_learns_own_checks_pass_and_none_is_expected_to_fail():
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}  # or one is skipped
    run = subprocess.run([sys.executable, "-c", CHECKS], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    assert len(found) > 35
    assert {name: told for name, told in found.items() if told[0] != "passed"} == {}


def test_it_has_the_parameters_and_attributes_of_theirs():
    ours, theirs = (kind(n_components=4, n_iter=2, random_state=1).fit(GREY) for kind in (BernoulliRBM, _Theirs))
    assert theirs.get_params().items() <= ours.get_params().items()
    for name in (name for name in vars(theirs) if name.endswith("_") and name != "random_state_"):
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name)), name
    for name in ("transform", "gibbs", "score_samples"):
        assert getattr(ours, name)(GREY).shape == getattr(theirs, name)(GREY).shape
    assert list(ours.get_feature_names_out()) == ["bernoullirbm0", "bernoullirbm1", "bernoullirbm2", "bernoullirbm3"]


class _Theirs(neural_network.BernoulliRBM):
    pass


def test_a_fit_is_the_training_of_the_machine_that_it_names():
    found = BernoulliRBM(**SMALL, method="cd", steps=2, momentum=0.5, centered=False).fit(UNITS)
    rng = np.random.default_rng(1)
    machine = fg.RBM.random(9, 4, UNITS, seed=rng)
    kwargs = dict(steps=2, momentum=0.5, centered=False, epochs=3, batch_size=10, learning_rate=0.1, history_every=0)
    run = fg.train(machine, UNITS, method="cd", seed=rng, **kwargs)
    np.testing.assert_array_equal(found.components_, run.model.weights.T)
    np.testing.assert_array_equal(found.intercept_visible_, run.model.visible_bias)
    np.testing.assert_array_equal(found.intercept_hidden_, run.model.hidden_bias)
    np.testing.assert_array_equal(found.h_samples_, run.chains[:, 9:])
    np.testing.assert_array_equal(found.transform(GREY), found.rbm_.hidden_means(GREY))
    np.testing.assert_array_equal(found.score_samples(GREY), fg.analysis.pseudo_likelihoods(found.rbm_, GREY))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, lambda X: X.astype(np.float32)], ids=["", "csr", "f4"])
def test_the_same_seed_learns_the_same_from_data_of_any_form(form):
    found, other = (BernoulliRBM(**SMALL).fit(X) for X in (form(UNITS), UNITS.astype(bool)))
    kept = np.float32 if form(UNITS).dtype == np.float32 else np.float64
    assert found.components_.dtype == found.transform(form(UNITS)).dtype == kept
    np.testing.assert_allclose(found.components_, other.components_, rtol=1e-6)
    np.testing.assert_allclose(found.transform(form(UNITS)), other.transform(UNITS), rtol=1e-5)
    np.testing.assert_allclose(found.score_samples(form(UNITS)), other.score_samples(UNITS), rtol=1e-9)


def test_random_states_of_all_kinds_are_taken():
    for make in (lambda: 3, lambda: np.random.RandomState(3), lambda: np.random.default_rng(3), lambda: None):
        BernoulliRBM(n_components=2, n_iter=1, random_state=make()).fit(UNITS)
    state = np.random.RandomState(3)
    one, two = (BernoulliRBM(n_components=2, n_iter=1, random_state=state).fit(UNITS) for _ in range(2))
    assert (one.components_ != two.components_).any()  # it is advanced


def test_parts_shown_one_after_the_other_go_on_with_chains_and_momentum():
    kwargs = dict(n_components=4, batch_size=20, random_state=1, momentum=0.9)
    whole = BernoulliRBM(**kwargs).partial_fit(UNITS).partial_fit(UNITS)
    fitted = BernoulliRBM(**kwargs, n_iter=2).fit(UNITS)
    np.testing.assert_array_equal(whole.components_, fitted.components_)
    np.testing.assert_array_equal(whole.h_samples_, fitted.h_samples_)
    went_on = pickle.loads(pickle.dumps(whole)).partial_fit(UNITS)
    np.testing.assert_array_equal(went_on.components_, whole.partial_fit(UNITS).components_)
    parts = BernoulliRBM(**kwargs)
    for rows in (7, 20, 33, 1):  # fewer than a batch, one, more, and one row
        assert parts.partial_fit(UNITS[:rows]) is parts
        assert parts.h_samples_.shape == (20, 4)


def test_rows_that_fill_up_a_batch_do_not_count():
    """By the exact gradient: 7 rows in a batch of 20 move the machine as 7 in a batch of 7 do."""
    few, filled = (
        BernoulliRBM(n_components=3, n_iter=5, batch_size=size, method="exact", random_state=2).fit(UNITS[:7])
        for size in (7, 20)
    )
    np.testing.assert_allclose(filled.components_, few.components_, rtol=1e-12)


def test_no_iteration_is_the_machine_to_start_from():
    found = BernoulliRBM(n_components=4, n_iter=0, random_state=1).fit(UNITS)
    np.testing.assert_array_equal(found.components_.T, fg.RBM.random(9, 4, UNITS, seed=1).weights)
    assert not found.h_samples_.any()


def test_a_gibbs_step_has_the_law_of_the_machine():
    """From visible states of the enumerated law, 20000 rows: means within 5 standard errors, 9 of them."""
    machine = BernoulliRBM(n_components=4, n_iter=200, random_state=1).fit(UNITS[:8])
    rbm = machine.rbm_
    v = (np.arange(2**9)[:, None] >> np.arange(9) & 1).astype(np.int8)
    p = np.exp(rbm.log_marginal(v) - fg.log_z(rbm, method="exact").value)
    chosen = np.random.default_rng(0).choice(512, p=p, size=20000)
    error = np.sqrt((p @ v) * (1 - p @ v) / 20000)
    stepped = machine.gibbs(v[chosen]).mean(axis=0)
    assert (np.abs(stepped - p @ v) < 5 * error).all()
    machine.rbm_ = fg.RBM(rbm.weights, rbm.visible_bias + 0.2, rbm.hidden_bias)
    assert not (np.abs(machine.gibbs(v[chosen]).mean(axis=0) - p @ v) < 5 * error).all()


def test_what_is_outside_0_and_1_is_clipped_with_one_warning():
    X = GREY.copy()
    X[3, 4], X[5, 1] = 1.5, -2
    clipped = BernoulliRBM(**SMALL).fit(np.clip(X, 0, 1))
    for form in (np.asarray, sparse.csr_array):
        given = form(X)
        with pytest.warns(UserWarning, match=r"X holds -2.0: what is outside \[0, 1\] is clipped") as told:
            found = BernoulliRBM(**SMALL).fit(given)
        assert len(told) == 1
        np.testing.assert_array_equal(found.components_, clipped.components_)
        assert (np.asarray(given.todense() if hasattr(given, "todense") else given) == X).all()  # the user's stays


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(n_components=0), "n_components is 0"),
        (dict(n_components=2.5), "n_components is 2.5"),
        (dict(batch_size=0), "batch_size is 0"),
        (dict(n_iter=-1), "n_iter is -1"),
        (dict(learning_rate=-1.0), "learning_rate is -1.0"),
        (dict(method="sgd"), "method is 'sgd'"),
        (dict(steps=0), "steps is 0"),
        (dict(momentum=1.0), "momentum is 1.0"),
        (dict(random_state="x"), "seed is 'x'"),
    ],
)
def test_a_bad_parameter_is_named(wrong, told):
    with pytest.raises((ValueError, TypeError), match=told):
        BernoulliRBM(**SMALL | wrong).fit(UNITS)


def test_an_interrupt_is_raised_again_so_that_a_search_ends_and_the_machine_so_far_is_kept(monkeypatch):
    found = BernoulliRBM(n_components=4, n_iter=1000, verbose=1, random_state=1)
    monkeypatch.setattr("fastgibbs.integrations.sklearn._tell", lambda epoch, *_: epoch == 3)
    with pytest.raises(KeyboardInterrupt):
        found.fit(UNITS)
    three = BernoulliRBM(n_components=4, n_iter=3, random_state=1).fit(UNITS)
    np.testing.assert_array_equal(found.components_, three.components_)


def test_verbose_tells_of_every_iteration(capsys):
    BernoulliRBM(n_components=4, n_iter=2, verbose=1, random_state=1).fit(UNITS)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said] == ["[BernoulliRBM] Iteration 1", "[BernoulliRBM] Iteration 2"]


@threadpool_limits.wrap(1)  # threads of BLAS wait for each other where cores are shared
def test_digits_are_told_apart_as_well_by_its_features_as_by_theirs():
    """In a pipeline, frames in and out, and in a search; medians of three seeds."""
    pytest.importorskip("pandas", reason="pandas comes with fastgibbs[dev]")
    X, y = load_digits(return_X_y=True, as_frame=True)
    seen, unseen, labels, right = train_test_split(X / 16, y, test_size=0.25, random_state=0)
    scores = []
    for kind in (BernoulliRBM, neural_network.BernoulliRBM):
        machines = [kind(n_components=100, learning_rate=0.06, n_iter=10, random_state=seed) for seed in range(3)]
        found = [make_pipeline(one, LogisticRegression(C=100, max_iter=2000)).fit(seen, labels) for one in machines]
        scores.append(np.median([one.score(unseen, right) for one in found]))
    assert scores[0] > scores[1]
    features = clone(machines[0]).set_output(transform="pandas").fit_transform(seen[:50])
    assert list(features.columns) == list(machines[0].get_feature_names_out())
    searched = make_pipeline(BernoulliRBM(n_iter=20, random_state=0), LogisticRegression(max_iter=2000))
    grid = {"bernoullirbm__n_components": [4, 16]}
    best = GridSearchCV(searched, grid, cv=2).fit(seen[:300], labels[:300])
    assert best.best_params_ == {"bernoullirbm__n_components": 16}
