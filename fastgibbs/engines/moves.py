"""Moves of whole clusters as drivers see them, between sweeps and swaps: when they are made, and what they tell.

What a move is, its class says: clusters of a chain, or of two replicas of one rung (clusters.py), or what these
exchange (replicas.py). None, of no class, makes no moves.
"""

from fastgibbs.jit import stub


@stub
def sweeps_too(moves):
    """Whether there are single-spin sweeps."""
    return True


@stub
def due(moves, done):
    """Whether a move belongs to sweep `done`, counted from 1."""
    return False


@stub
def move(moves, block):
    """Make a move of all that a block has."""


@stub
def tell(moves, values):
    """Write what the last move told to the last rows of float64 (observables, chains or more)."""
