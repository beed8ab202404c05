"""A learner's first hour: `python -m fastgibbs.pages fastgibbs/docs/learner.py` makes a page of it."""

# %% [markdown]
# # The learner: digits, and a machine that dreams of them
#
# Data are the small digits of scikit-learn, 8 x 8 pixels, of which each is on or off. A fifth is held out.

# %%
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import fastgibbs as fg
from fastgibbs.integrations.sklearn import BernoulliRBM

images, labels = load_digits(return_X_y=True)
images = (images > 7).astype(np.uint8)
order = np.random.default_rng(1).permutation(len(images))
data, held_out = images[order[:1440]], images[order[1440:]]
print(data.shape, held_out.shape)

# %% [markdown]
# ## Training
#
# An RBM of 64 visible and 16 hidden units, by persistent chains. Sixteen hidden units can be summed out, so that the
# likelihood in the history is exact; of larger machines it is annealed, and the picture has its error as a band.

# %%
machine = fg.RBM.random(64, 16, data, seed=1)
rates = np.geomspace(0.2, 0.005, 400)
run = fg.train(machine, data, epochs=400, batch_size=100, learning_rate=rates, likelihood_every=20, seed=1)
run

# %%
figure, ax = fg.plots.figure()
fg.plots.training_history(run, ax=ax)
figure

# %% [markdown]
# Each hidden unit has a filter: red pixels it wants on, blue ones off.

# %%
figure, ax = fg.plots.figure()
fg.plots.filters(run.model, shape=(8, 8), ax=ax)
figure

# %% [markdown]
# ## How good is it?
#
# The mean log-likelihood of digits that it has not seen, by annealed importance sampling, as for any machine, and
# exactly. Pixels that are independent are the least that it should beat.

# %%
log_z = fg.log_z(run.model, method="ais", data=data, seed=1)
annealed = fg.log_likelihood(run.model, held_out, log_z=log_z)
exact = fg.log_likelihood(run.model, held_out)  # enumerates, of so few hidden units
p = (data.sum(axis=0) + 1) / (len(data) + 2)
independent = (held_out * np.log(p) + (1 - held_out) * np.log(1 - p)).sum(axis=1).mean()
print(f"annealed {annealed.value:.3f} +- {annealed.error:.3f} nats a digit, exactly {exact.value:.3f}")
print(f"independent pixels {independent:.2f}")
assert abs(annealed.value - exact.value) < 5 * annealed.error + 0.05
assert exact.value > independent + 5

# %% [markdown]
# ## What it dreams of
#
# Chains that start from noise come to look like digits: samples of the law that it has learned. To the right it is
# given the upper half of digits that it has not seen, and makes up the lower one.

# %%
dreams = fg.sample(run.model, beta=1.0, sweeps=2000, chains=40, seed=1).states
shown, known = held_out[:8], np.arange(run.model.n) < 32
states = np.pad(shown, ((0, 0), (0, 16)))
filled = fg.sample(run.model, beta=1.0, sweeps=500, chains=8, clamp=(known, states), seed=1).states
figure, (left, right) = fg.plots.figure(1, 2)
fg.plots.fantasies(dreams, shape=(8, 8), ax=left)
fg.plots.inpaintings(shown, known[:64], filled[:, :64], shape=(8, 8), ax=right)
figure

# %% [markdown]
# ## Features for a classifier
#
# In a pipeline of scikit-learn the hidden units are features, of which a linear classifier makes as much as of pixels.

# %%
train, test = order[:1440], order[1440:]
features = BernoulliRBM(n_components=200, learning_rate=0.1, n_iter=60, random_state=1)
pipeline = make_pipeline(features, LogisticRegression(max_iter=1000)).fit(images[train], labels[train])
pixels = LogisticRegression(max_iter=1000).fit(images[train], labels[train])
by_features, by_pixels = (one.score(images[test], labels[test]) for one in (pipeline, pixels))
print(f"right: {by_features:.3f} by features, {by_pixels:.3f} by pixels")
assert by_features > by_pixels - 0.02

# %% [markdown]
# Where only 200 of the digits have labels, it makes more of them: the machine has learned from all the others, too.

# %%
few = train[:200]
seen, unseen = features.transform(images[few]), features.transform(images[test])
by_features = LogisticRegression(max_iter=1000).fit(seen, labels[few]).score(unseen, labels[test])
by_pixels = LogisticRegression(max_iter=1000).fit(images[few], labels[few]).score(images[test], labels[test])
print(f"right: {by_features:.3f} by features, {by_pixels:.3f} by pixels")
assert by_features > by_pixels
