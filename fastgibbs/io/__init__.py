"""What stands on disk: couplings, data, and archives of models, results and checkpoints."""

from fastgibbs.io.archive import VERSION, Archive, pack_spins, read_archive, unpack_spins, write_archive
from fastgibbs.io.files import absolute, held, opened, replace_file, writable
from fastgibbs.io.formats import read, write
from fastgibbs.io.growing import Growing
from fastgibbs.io.idx import read_idx
from fastgibbs.io.models import digest, put_together, take_apart, to_archive
from fastgibbs.io.problems import as_model
from fastgibbs.io.rudy import read_rudy, write_rudy

__all__ = [
    "VERSION",
    "Archive",
    "Growing",
    "absolute",
    "as_model",
    "digest",
    "held",
    "opened",
    "pack_spins",
    "put_together",
    "read",
    "read_archive",
    "read_idx",
    "read_rudy",
    "replace_file",
    "take_apart",
    "to_archive",
    "unpack_spins",
    "writable",
    "write",
    "write_archive",
    "write_rudy",
]
