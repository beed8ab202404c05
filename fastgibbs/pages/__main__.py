"""`python -m fastgibbs.pages SCRIPT.py ...`: carry out scripts in cells and write SCRIPT.html of each, right here.

Scripts that ship go by their names: physicist, optimiser, learner.
"""

import sys
from pathlib import Path

from fastgibbs.io import replace_file
from fastgibbs.pages.scripts import rendered

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    for script in map(Path, sys.argv[1:]):
        replace_file(f"{script.stem}.html", rendered(script if script.suffix else DOCS / f"{script}.py"))
