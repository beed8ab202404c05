"""Cluster moves of any engine: of chains, Swendsen and Wang's and Wolff's, and of two replicas, Joerg's and CMR's.

Given the spins, a bond between s_i and s_j is on with probability p = 1 - exp(-2 |beta J_ij|) where it is satisfied,
beta J_ij s_i s_j > 0, and off elsewhere; a site is bound to the ghost in the same way by its field h_i, with a spin
that is always up in place of s_j, and a clamped site always is. Clusters are what bonds connect. Swendsen and Wang
turn each with probability 1/2, but the ghost's, which stays (Phys. Rev. Lett. 58, 86 (1987)). Wolff turns the one
around a site that is drawn, unless it is the ghost's (Phys. Rev. Lett. 62, 361 (1989)). Both leave exp(-beta E) as it
is, and so with any signs of couplings and fields. Moves of two replicas: replica_clusters.py.

Given the bonds, signs of clusters are independent: the mean of M^2 = (sum_i s_i)^2 over them is the sum over clusters
of M_c^2, M_c = sum_{i in c} s_i, the ghost's included (Wolff, Nucl. Phys. B 322, 759 (1989)).

Spins of a chain are turned into words of 64 sites, and back. p is exact to 2^-53.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bitslices import transpose
from fastgibbs.engines.bonds import LINE, PAD, Bonds, words_of
from fastgibbs.engines.entries import restore, snapshot
from fastgibbs.engines.moves import due, move, sweeps_too, tell
from fastgibbs.engines.replica_clusters import cmr, joerg
from fastgibbs.engines.streams import CLUSTER, stream_state
from fastgibbs.engines.swendsen_wang import swendsen_wang
from fastgibbs.engines.wolff import wolff
from fastgibbs.jit import called, gives, stub

TOLD = "cluster_m2", "cluster_size", "largest_cluster"  # what moves of chains tell, from -1 to 1; Wolff's not the last

_NO_GRAPH = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros((1, 0)), np.zeros((1, 0))
for _array in _NO_GRAPH:
    _array.flags.writeable = False  # as a model's arrays are, so that one compilation serves both


class Clusters(NamedTuple):
    """Cluster moves of a block, and room to make them; of what kind, its class says."""

    every: int  # sweeps from one to the next; 0 if there are no others
    bonds: Bonds
    indptr: np.ndarray  # int64 (n + 1 or 0,): the graph as Wolff's clusters grow on it
    indices: np.ndarray  # int32 (nnz or 0,)
    couplings: np.ndarray  # float64 (models, nnz or 0)
    fields: np.ndarray  # float64 (models, n or 0)
    betas: np.ndarray  # float64 (places,), or of the rungs of a ladder, one after the other at these
    lane_at: np.ndarray  # int64 (places,): the lane at each
    taken: np.ndarray  # int64 (moves, 1 or 2): the places whose chains each turns
    models: np.ndarray  # int64 (moves,): of these
    streams: np.ndarray  # uint64 (moves, 4, LINE): of diagonals
    single: np.ndarray  # uint64 (moves, 4): of all else
    packed: np.ndarray  # uint16 (n, lanes // 16 or more): what snapshots fill
    words: np.ndarray  # uint64 (n, 1, 2, 4 or 8): the same memory
    rows: np.ndarray  # uint64 (512,)
    spins: np.ndarray  # uint64 (lanes, PAD + words)
    active: np.ndarray  # uint64 (offsets, PAD + words): bonds that are on, then red ones; of Wolff one row, the cluster
    starts: np.ndarray  # uint64 (words,): sites at which runs begin
    turns: np.ndarray  # uint64 (words,): sites that are to be turned
    before: np.ndarray  # int32 (words,): runs that begin in words before
    parents: np.ndarray  # int32 (n + 1,): by label; of Wolff the sites of the cluster
    coins: np.ndarray  # uint8 (n + 1 or 0,): by label
    sizes: np.ndarray  # int64 (n + 1 or 0,): by root: sites, times 2^32, and those up
    estimates: np.ndarray  # float64 (told, moves): what the last moves told


class SwendsenWang(Clusters):
    """All clusters of each chain."""


class Wolff(Clusters):
    """One cluster of each chain."""


class Joerg(Clusters):
    """All clusters of two replicas at fixed overlap."""


class ChayesMachtaRedner(Clusters):
    """Those, and then the overlap."""


ALONE = {"swendsen-wang": SwendsenWang, "wolff": Wolff}  # of one chain
PAIRED = {"joerg": Joerg, "cmr": ChayesMachtaRedner}
KINDS = ALONE | PAIRED


class Places(NamedTuple):
    """Where the chains of a block are that cluster moves turn."""

    lanes: int  # of the block
    lane_at: np.ndarray  # int64 (places,): the lane at each place, as long as the run does not change it
    betas: np.ndarray  # float64 (places,), or (rungs,), of which places have one after the other
    taken: np.ndarray  # int64 (moves, 1 or 2): the places of each move
    models: np.ndarray  # int64 (moves,)


def told(kind: str | None) -> tuple[str, ...]:
    """What moves of a kind tell, by name; nothing where there are none."""
    return TOLD[: {"swendsen-wang": 3, "wolff": 2}.get(kind, 0)]


def clusters(models: list, bonds: Bonds, places: Places, first: int, entropy: int, kind: str, every: int) -> Clusters:
    """Those of a block, whose lanes are number `first` ... of the run, of Ising models."""
    n, grows, lanes = bonds.n, kind == "wolff", int(places.lane_at.max(initial=-1)) + 1
    words = np.zeros((n, 2 ** (-(-places.lanes // 64) - 1).bit_length()), np.uint64)
    line, labels = words_of(n), 0 if grows else n + 1
    chains = first + places.lane_at[places.taken[:, 0]]
    address = [part[:, None] for part in np.divmod(chains, 64)]
    streams = stream_state(entropy, CLUSTER, *address, np.arange(LINE + 1))
    return KINDS[kind](
        every,
        bonds,
        *(_graph(models) if grows else _NO_GRAPH),
        np.array(places.betas),
        places.lane_at,
        places.taken,
        places.models,
        np.ascontiguousarray(streams[:, :LINE].swapaxes(1, 2)),
        streams[:, LINE].copy(),
        words.view(np.uint16),
        words,
        np.zeros(512, np.uint64),
        np.zeros((lanes, PAD + line), np.uint64),
        np.zeros((1 if grows else (1 + (kind == "cmr")) * bonds.offsets.size, PAD + line), np.uint64),
        np.zeros(line, np.uint64),
        np.zeros(line, np.uint64),
        np.zeros(line, np.int32),
        np.zeros(n + 1, np.int32),
        np.zeros(labels, np.uint8),
        np.zeros(labels, np.int64),
        np.zeros((len(told(kind)), len(places.taken))),
    )


def _graph(models: list) -> tuple:
    """Of models: where the neighbours of each site begin, their sites, and couplings and fields of each."""
    couplings, fields = np.stack([model.couplings for model in models]), np.stack([model.fields for model in models])
    couplings.flags.writeable = fields.flags.writeable = False
    return models[0].indptr, models[0].indices, couplings, fields


@stub
def make(clusters, k):
    """Make move k, of spins in words of sites."""


@gives(make, SwendsenWang)
def _swendsen_wang(clusters, k):
    swendsen_wang(clusters, k)


@gives(make, Wolff)
def _wolff(clusters, k):
    wolff(clusters, k)


@gives(make, Joerg)
def _joerg(clusters, k):
    joerg(clusters, k)


@gives(make, ChayesMachtaRedner)
def _cmr(clusters, k):
    cmr(clusters, k)


def _sweeps_too(moves):
    return moves.every > 0


def _due(moves, done):
    return (done - 1) % max(moves.every, 1) == 0


def _move(moves, block):
    snapshot(block, moves.packed)
    move_packed(moves)
    restore(block, moves.packed)


def _tell(moves, values):
    count, chains = moves.estimates.shape
    for number in range(count):
        for chain in range(values.shape[1]):
            told_ = moves.estimates[number, chain] if chain < chains else 0.0  # of lanes that nobody asked for
            values[len(values) - count + number, chain] = told_


for _kind in KINDS.values():
    for _stub, _body in ((sweeps_too, _sweeps_too), (due, _due), (move, _move), (tell, _tell)):
        gives(_stub, _kind)(_body)


@called
def move_packed(clusters):
    """All moves of a block, of spins in `packed`."""
    _to_sites(clusters)
    for k in range(len(clusters.taken) if len(clusters.words) > 0 else 0):
        make(clusters, k)
    _to_lanes(clusters)


@called
def _to_sites(clusters):
    """Turn words of lanes into words of sites, 64 x 64 bits eight times at once."""
    words, rows, width, lanes = clusters.words, clusters.rows, clusters.words.shape[1], len(clusters.spins)
    for first in range(0, len(words), 64 * LINE // width):
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for row in range(64):
                rows[LINE * row + column] = words[begin + row, word] if begin + row < len(words) else np.uint64(0)
        transpose(rows, 0)
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for lane in range(64 * word, min(64 * (word + 1), lanes) if begin < len(words) else 0):
                clusters.spins[lane, PAD + (begin >> 6)] = rows[LINE * (lane & 63) + column]


@called
def _to_lanes(clusters):
    """Turn words of sites into words of lanes; those beyond the last that is taken are down."""
    words, rows, width, lanes = clusters.words, clusters.rows, clusters.words.shape[1], len(clusters.spins)
    for first in range(0, len(words), 64 * LINE // width):
        rows[:] = 0
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for lane in range(64 * word, min(64 * (word + 1), lanes) if begin < len(words) else 0):
                rows[LINE * (lane & 63) + column] = clusters.spins[lane, PAD + (begin >> 6)]
        transpose(rows, 0)
        for column in range(LINE):
            begin, word = first + 64 * (column // width), column % width
            for row in range(min(64, len(words) - begin)):
                words[begin + row, word] = rows[LINE * row + column]
