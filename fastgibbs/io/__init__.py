"""What stands on disk: couplings, and archives of results and checkpoints."""

from fastgibbs.io.archive import Archive, pack_spins, read_archive, unpack_spins, write_archive
from fastgibbs.io.files import replace_file
from fastgibbs.io.rudy import read_rudy, write_rudy

__all__ = [
    "Archive",
    "pack_spins",
    "read_archive",
    "read_rudy",
    "replace_file",
    "unpack_spins",
    "write_archive",
    "write_rudy",
]
