"""`python -m fastgibbs.pages SCRIPT.py ...`: carry out scripts in cells and write SCRIPT.html of each, right here.

Scripts that ship go by their names: physicist, optimiser, learner; `reference` is the folder of the API reference.
"""

import sys
from pathlib import Path

from fastgibbs.io import replace_file
from fastgibbs.pages.reference import write_reference
from fastgibbs.pages.scripts import rendered

REFERENCE = "reference"
SHIPPED = {path.stem: path for path in sorted((Path(__file__).parents[1] / "docs").glob("*.py"))}

if __name__ == "__main__":
    scripts = {name: SHIPPED.get(name, Path(name)) for name in sys.argv[1:]}
    wrong = [name for name, path in scripts.items() if name != REFERENCE and not path.is_file()]
    if wrong or not scripts:
        told = f"{wrong[0]!r} is no file" if wrong else "nothing is named"
        sys.exit(f"fastgibbs.pages: {told}: give SCRIPT.py, or {', '.join([*SHIPPED, REFERENCE])}")
    for name, path in scripts.items():
        if name == REFERENCE:
            write_reference(name)
        else:
            replace_file(f"{path.stem}.html", rendered(path))
