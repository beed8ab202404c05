"""Cluster moves of chains of any engine: Swendsen and Wang's, and Wolff's.

Given the spins, a bond between s_i and s_j is on with probability p = 1 - exp(-2 |beta J_ij|) where it is satisfied,
beta J_ij s_i s_j > 0, and off elsewhere; a site is bound to the ghost in the same way by its field h_i, with a spin
that is always up in place of s_j, and a clamped site always is. Clusters are what bonds connect. Swendsen and Wang
turn each with probability 1/2, but the ghost's, which stays (Phys. Rev. Lett. 58, 86 (1987)). Wolff turns the one
around a site that is drawn, unless it is the ghost's (Phys. Rev. Lett. 62, 361 (1989)). Both leave exp(-beta E) as it
is, and so with any signs of couplings and fields.

Given the bonds, signs of clusters are independent: the mean of M^2 = (sum_i s_i)^2 over them is the sum over clusters
of M_c^2, M_c = sum_{i in c} s_i, the ghost's included (Wolff, Nucl. Phys. B 322, 759 (1989)).

Spins of a chain are turned into words of 64 sites, and back. p is exact to 2^-53.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bitslices import transpose
from fastgibbs.engines.bonds import LINE, PAD, Bonds, words_of
from fastgibbs.engines.entries import restore, snapshot
from fastgibbs.engines.streams import CLUSTER, stream_state
from fastgibbs.engines.swendsen_wang import swendsen_wang
from fastgibbs.engines.wolff import wolff
from fastgibbs.jit import called, gives, stub

SWENDSEN_WANG, WOLFF = 0, 1
KINDS = {"swendsen-wang": SWENDSEN_WANG, "wolff": WOLFF}
TOLD = "cluster_m2", "cluster_size", "largest_cluster"  # what moves tell, from -1 to 1; Wolff's not the last

_NO_GRAPH = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0)
for _array in _NO_GRAPH:
    _array.flags.writeable = False  # as a model's arrays are, so that one compilation serves both


class Clusters(NamedTuple):
    """Cluster moves of the chains of a block, and room to make them."""

    kind: int
    every: int  # sweeps from one move to the next; 0 if there are no others
    bonds: Bonds
    indptr: np.ndarray  # int64 (n + 1 or 0,): the graph as Wolff's clusters grow on it
    indices: np.ndarray  # int32 (nnz or 0,)
    couplings: np.ndarray  # float64 (nnz or 0,)
    fields: np.ndarray  # float64 (n or 0,)
    betas: np.ndarray  # float64 (chains,)
    streams: np.ndarray  # uint64 (chains, 4, LINE): of diagonals
    single: np.ndarray  # uint64 (chains, 4): of all else
    packed: np.ndarray  # uint16 (n, lanes // 16 or more): what snapshots fill
    words: np.ndarray  # uint64 (n, 1, 2, 4 or 8): the same memory
    rows: np.ndarray  # uint64 (512,)
    spins: np.ndarray  # uint64 (chains, PAD + words)
    active: np.ndarray  # uint64 (offsets, PAD + words): bonds that are on; of Wolff one row, the cluster
    starts: np.ndarray  # uint64 (words,): sites at which runs begin
    before: np.ndarray  # int32 (words,): runs that begin in words before
    parents: np.ndarray  # int32 (n + 1,): by label; of Wolff the sites of the cluster
    turned: np.ndarray  # uint8 (n + 1 or 0,): by label
    sizes: np.ndarray  # int64 (n + 1 or 0,): by root: sites, times 2^32, and those up
    estimates: np.ndarray  # float64 (2 or 3, chains): what the last move told


def told(kind: str | None) -> tuple[str, ...]:
    """What moves of a kind tell, by name; nothing where there are none."""
    return () if kind is None else TOLD[: 2 if KINDS[kind] == WOLFF else 3]


def clusters(kind: str, every: int, model, bonds: Bonds, betas, first: int, lanes: int, entropy: int) -> Clusters:
    """Those of chains `first` ... at `betas`, float64 (chains,), in a block of so many lanes of an Ising model."""
    n, grows, chains = model.n, KINDS[kind] == WOLFF, np.arange(first, first + len(betas))
    words = np.zeros((n, 2 ** (-(-lanes // 64) - 1).bit_length()), np.uint64)
    line, labels = words_of(n), 0 if grows else n + 1
    address = [part[:, None] for part in np.divmod(chains, 64)]
    streams = stream_state(entropy, CLUSTER, *address, np.arange(LINE + 1))
    return Clusters(
        KINDS[kind],
        every,
        bonds,
        *((model.indptr, model.indices, model.couplings, model.fields) if grows else _NO_GRAPH),
        betas,
        np.ascontiguousarray(streams[:, :LINE].swapaxes(1, 2)),
        streams[:, LINE].copy(),
        words.view(np.uint16),
        words,
        np.zeros(512, np.uint64),
        np.zeros((len(betas), PAD + line), np.uint64),
        np.zeros((1 if grows else bonds.offsets.size, PAD + line), np.uint64),
        np.zeros(line, np.uint64),
        np.zeros(line, np.int32),
        np.zeros(n + 1, np.int32),
        np.zeros(labels, np.uint8),
        np.zeros(labels, np.int64),
        np.zeros((len(told(kind)), len(betas))),
    )


@stub
def sweeps_too(clusters):
    """Whether there are single-spin sweeps."""
    return True


@gives(sweeps_too, Clusters)
def _sweeps_too(clusters):
    return clusters.every > 0


@stub
def due(clusters, done):
    """Whether a move belongs to sweep `done`, counted from 1."""
    return False


@gives(due, Clusters)
def _due(clusters, done):
    return (done - 1) % max(clusters.every, 1) == 0


@stub
def move(clusters, block):
    """Make a move of every chain of a block."""


@gives(move, Clusters)
def _move(clusters, block):
    snapshot(block, clusters.packed)
    move_packed(clusters)
    restore(block, clusters.packed)


@stub
def tell(clusters, values):
    """Write what the last move told to the last rows of float64 (observables, chains or more)."""


@gives(tell, Clusters)
def _tell(clusters, values):
    count, chains = clusters.estimates.shape
    for number in range(count):
        for chain in range(values.shape[1]):
            told_ = clusters.estimates[number, chain] if chain < chains else 0.0  # of lanes that nobody asked for
            values[len(values) - count + number, chain] = told_


@called
def move_packed(clusters):
    """A move of every chain, of spins in `packed`."""
    _to_sites(clusters)
    for chain in range(clusters.betas.size if len(clusters.words) > 0 else 0):
        if clusters.kind == WOLFF:
            wolff(clusters, chain)
        else:
            swendsen_wang(clusters, chain)
    _to_lanes(clusters)


@called
def _to_sites(clusters):
    """Turn words of lanes into words of sites, 64 x 64 bits eight times at once."""
    words, rows, width = clusters.words, clusters.rows, clusters.words.shape[1]
    for first in range(0, len(words), 64 * LINE // width):
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for row in range(64):
                rows[LINE * row + column] = words[begin + row, word] if begin + row < len(words) else np.uint64(0)
        transpose(rows, 0)
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for chain in range(64 * word, min(64 * (word + 1), clusters.betas.size) if begin < len(words) else 0):
                clusters.spins[chain, PAD + (begin >> 6)] = rows[LINE * (chain & 63) + column]


@called
def _to_lanes(clusters):
    """Turn words of sites into words of lanes; those beyond the last chain are down."""
    words, rows, width = clusters.words, clusters.rows, clusters.words.shape[1]
    for first in range(0, len(words), 64 * LINE // width):
        rows[:] = 0
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for chain in range(64 * word, min(64 * (word + 1), clusters.betas.size) if begin < len(words) else 0):
                rows[LINE * (chain & 63) + column] = clusters.spins[chain, PAD + (begin >> 6)]
        transpose(rows, 0)
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for row in range(min(64, len(words) - begin)):
                words[begin + row, word] = rows[LINE * row + column]
