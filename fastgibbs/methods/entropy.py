"""Where the random streams of a run have their addresses: no two runs that feed one another share any of them."""

from __future__ import annotations

import hashlib

from fastgibbs.types import AnyArray


def run_entropy(seed: int, verb: str, given: AnyArray | None = None) -> int:
    """The entropy of the streams of a run: a digest of the seed, the verb and the states or the model it was given.

    So a run never meets the random numbers of the one that its start, its cues or its model came from. With no start
    `sample` takes the seed itself.
    `given`: spins or units int8 (chains, n), of which rows that are all alike count as one, so that with one start for
    all, chain k is the same however many chains there are; the parameters of a model, float64; or None.
    """
    if given is None and verb == "sample":
        return seed
    found = hashlib.sha256(f"streams of {verb} {seed:x} ".encode())
    if given is not None:
        rows = given[:1] if (given == given[:1]).all() else given
        found.update(f"{rows.shape} ".encode() + rows.tobytes())
    return int.from_bytes(found.digest()[:16], "little")
