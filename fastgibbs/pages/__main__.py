"""`python -m fastgibbs.pages SCRIPT.py ...`: carry out scripts in cells and write SCRIPT.html of each, right here.

Scripts that ship go by their names: physicist, optimiser, learner; `reference` is the folder of the API reference.
"""

import sys
from pathlib import Path

from fastgibbs.io import replace_file
from fastgibbs.pages.reference import write_reference
from fastgibbs.pages.scripts import rendered

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]):
        if name == Path("reference"):
            write_reference(name)
        else:
            replace_file(f"{name.stem}.html", rendered(name if name.suffix else DOCS / f"{name}.py"))
