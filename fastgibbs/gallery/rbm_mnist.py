"""An RBM learns the MNIST digits: estimated log-likelihoods, its filters, dreams and in-painting."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastgibbs.gallery.output import Pixels
from fastgibbs.gallery.rbm_digits import require, told, trained
from fastgibbs.gallery.runs import Findings, SavedAs
from fastgibbs.io import read_idx
from fastgibbs.models import checks
from fastgibbs.types import Progress

_SPLITS = "train", "t10k"


@dataclass(frozen=True)
class Config:
    """What the run is told; see rbm_mnist.toml."""

    input: str
    hidden: int
    epochs: int
    batch_size: int
    steps: int
    learning_rates: list[float]
    method: str
    likelihood_every: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Train on the 60000 images, estimate the log-likelihood of the 10000 others, and draw what was learnt."""
    require(config)
    checks.integer("likelihood_every", config.likelihood_every, minimum=0)
    shown, unseen = (_images(config.input, split) for split in _SPLITS)
    if shown.shape[1:] != unseen.shape[1:]:
        raise ValueError(f"input: images of {shown.shape[1:]} and of {unseen.shape[1:]} pixels, give one size")
    shape, rng = shown.shape[1:], np.random.default_rng(config.seed)
    shown, unseen = (images.reshape(len(images), -1) for images in (shown, unseen))
    result = trained(config, shown, rng, progress, checkpoint, likelihood_every=config.likelihood_every)
    origin = f"{len(shown)} digits of {shape[0]} x {shape[1]} pixels"
    return told("rbm_mnist", result, unseen, shape, origin, config.seed)


def _images(folder: str, split: str) -> Pixels:
    """Images of a split, uint8 (N, rows, columns) of 0 and 1: 1 where a pixel is above 127."""
    if not folder:
        raise ValueError(
            "input is empty: give --input, the folder of train-images-idx3-ubyte and t10k-images-idx3-ubyte"
        )
    paths = [Path(folder) / f"{split}-images-idx3-ubyte{end}" for end in ("", ".gz")]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise ValueError(f"{paths[0]}: there is no such file, gzipped or not; give --input a folder of IDX files")
    images = read_idx(found)
    if images.ndim != 3 or not images.size:
        raise ValueError(f"{found} holds an array of shape {images.shape}: give images (N, rows, columns)")
    return (images > 127).astype(np.uint8)
