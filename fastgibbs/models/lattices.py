"""Ising models on periodic or open lattices: hypercubic in any dimension, and triangular."""

import math

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.ising import MAX_SITES, Ising


def lattice(shape, J=1.0, h=0.0, periodic=True):
    """E(s) = -J sum_<ij> s_i s_j - sum_i h_i s_i on the hypercubic lattice of sides `shape`.

    `shape`: a tuple of 1 or more sides; sites are in C order. `J`: a number. `h`: a number, or an array of
    n or of the shape of the lattice. `periodic`: a bool, or one per axis. On a periodic axis every site has
    a bond to its next site, small sides too: a side of 2 has double bonds (coupling 2J), a side of 1
    self-bonds (each -J in the offset). TypeError or ValueError names the bad argument and value; ValueError
    if memory is too small.
    """
    shape = sides(shape)
    i, j = bonds(shape, np.eye(len(shape), dtype=int), periodic)
    return assemble(shape, i, j, checks.finite_number("J", J), h)


def triangular(shape, J=1.0, h=0.0, periodic=True):
    """E(s) = -J sum_<ij> s_i s_j - sum_i h_i s_i on the triangular lattice of two sides.

    The bonds of site (x, y) go to (x+1, y), (x, y+1) and (x+1, y+1). Arguments, small sides and errors are
    those of `lattice`.
    """
    shape = sides(shape)
    if len(shape) != 2:
        raise ValueError(f"shape is {shape}: a triangular lattice has two sides")
    i, j = bonds(shape, [(1, 0), (0, 1), (1, 1)], periodic)
    return assemble(shape, i, j, checks.finite_number("J", J), h)


def sides(shape):
    """`shape` as a tuple of one or more ints of at least 1."""
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"shape is {shape!r}: give a tuple of one or more sides")
    shape = tuple(checks.integer(f"shape[{axis}]", side) for axis, side in enumerate(shape))
    if math.prod(shape) > MAX_SITES:
        raise ValueError(f"shape is {shape}, {math.prod(shape)} sites: at most {MAX_SITES} can be held")
    return shape


def bonds(shape, steps, periodic):
    """Sites (i, j), int32, of the bonds from every site along every one of `steps`; self-bonds included."""
    if isinstance(periodic, bool | np.bool_):
        periodic = (periodic,) * len(shape)
    if not (isinstance(periodic, tuple | list) and all(isinstance(wrap, bool | np.bool_) for wrap in periodic)):
        raise TypeError(f"periodic is {periodic!r}: give a bool, or one per axis")
    if len(periodic) != len(shape):
        raise ValueError(f"periodic has {len(periodic)} entries: shape has {len(shape)} axes")
    n = math.prod(shape)
    # Building takes about 70 bytes a bond, measured, more than the model itself.
    checks.require_memory(n * (32 + 80 * len(steps)), f"a lattice of shape {shape}")
    sites = np.arange(n, dtype=np.int32).reshape(shape)
    starts, ends = [], []
    for step in steps:
        # A step never leaves a lattice by a periodic axis; by an open one it does from the last site.
        axes = zip(shape, step, periodic, strict=True)
        inside = tuple(slice(None if wrap else side - move) for side, move, wrap in axes)
        starts.append(sites[inside].ravel())
        ends.append(np.roll(sites, [-move for move in step], axis=range(len(shape)))[inside].ravel())
    return np.concatenate(starts), np.concatenate(ends)


def assemble(shape, i, j, J, h):
    """The `Ising` model of these bonds, `J` a number or one per bond; self-bonds go to the offset."""
    n = math.prod(shape)
    h = checks.finite_array("h", h)
    if h.shape not in ((), (n,), shape):
        raise ValueError(f"h has shape {h.shape}: give a number, ({n},) or {shape}")
    fields = np.full(n, h) if h.ndim == 0 else h.reshape(n)
    offset, own = 0.0, i == j
    if own.any():
        J = np.broadcast_to(J, i.shape)
        offset, i, j, J = -float(J[own].sum()), i[~own], j[~own], J[~own]
    return Ising.from_edges(n, i, j, J, fields, offset, shape)
