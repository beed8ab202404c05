"""Pages to send: `report` writes a result into one file of HTML."""

from fastgibbs.pages.reporting import report

__all__ = ["report"]
