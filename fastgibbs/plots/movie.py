"""Moving pictures of states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastgibbs.models import checks
from fastgibbs.plots.style import MISSING
from fastgibbs.types import ArrayLike, PathLike, Shape, States

_MOST_PIXELS = 2**28  # of all frames


def movie(
    states: ArrayLike,
    path: PathLike,
    shape: Shape | None = None,
    *,
    labels: Sequence[str] | None = None,
    scale: int = 2,
    seconds: float = 0.1,
) -> None:
    """Write the +-1 spins of a two-dimensional lattice, frame by frame, to an animated GIF at `path`, up dark.

    `states`: (frames, rows, columns), or (frames, n) if `shape` is (rows, columns): `run.samples[0]` of a run with
    keep_states=True, of a quench by `sample(..., at=...)`, of a loop in a field, of a lattice that is driven. `labels`:
    a text for each frame, above it. `scale`: pixels of a spin; `seconds`: of a frame, in hundredths.

    ImportError without the extra `plot`; TypeError or ValueError names a bad argument; OSError names the path.

    >>> import fastgibbs as fg
    >>> quench = fg.sample(fg.lattice((64, 64)), beta=1.0, chains=1, at=range(1, 9), keep_states=True, seed=1)
    >>> fg.plots.movie(quench.samples[0], "quench.gif", (64, 64), labels=[f"t = {t}" for t in quench.at])
    """
    frames = _frames(states, shape)
    scale, seconds = checks.integer("scale", scale), checks.finite_number("seconds", seconds)
    if not 0.01 <= seconds <= 600:
        raise ValueError(f"seconds is {seconds}: give 0.01 to 600 for a frame")
    if labels is not None and len(labels) != len(frames):
        raise ValueError(f"labels has {len(labels)} texts: give one for each of the {len(frames)} frames")
    if frames.size * scale**2 > _MOST_PIXELS:
        raise ValueError(f"scale is {scale}: {len(frames)} frames of {frames.shape[1:]} spins have too many pixels")
    path = checks.path("path", path)
    try:
        from PIL import Image, ImageDraw, ImageFont  # matplotlib brings it
    except ImportError:
        raise ImportError(MISSING) from None
    height = 0 if labels is None else 18
    pictures = []
    for number, frame in enumerate(frames):
        pixels = np.where(frame > 0, 0, 255).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
        picture = Image.fromarray(np.pad(pixels, ((height, 0), (0, 0)), constant_values=255))
        if labels is not None:
            ImageDraw.Draw(picture).text((2, 3), str(labels[number]), fill=0, font=ImageFont.load_default(12))
        pictures.append(picture.quantize(16 if labels is not None else 2, dither=Image.Dither.NONE))
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=round(1000 * seconds), loop=0, optimize=True)


def _frames(states: ArrayLike, shape: Shape | None) -> States:
    """Spins int8 (frames, rows, columns)."""
    spins = checks.spins("states", states)
    sides = spins.shape[1:] if shape is None else tuple(shape)
    if spins.ndim < 2 or not spins.shape[0] or len(sides) != 2:
        raise ValueError(f"states has shape {spins.shape}: give (frames, rows, columns), or (frames, n) and shape")
    if np.prod(sides) * len(spins) != spins.size:
        raise ValueError(f"states has {spins[0].size} sites a frame: shape {sides} asks for {np.prod(sides)}")
    return spins.reshape(-1, *sides)
