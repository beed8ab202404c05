"""`python -m fastgibbs.pages SCRIPT.py ...`: carry out scripts in cells and write SCRIPT.html of each, right here."""

import sys
from pathlib import Path

from fastgibbs.io import replace_file
from fastgibbs.pages.scripts import rendered

if __name__ == "__main__":
    for script in map(Path, sys.argv[1:]):
        replace_file(f"{script.stem}.html", rendered(script))
