"""The README as a package index shows it: a page there has no files beside it, so pictures and links name theirs."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Readme(MetadataHookInterface):
    """What hatchling calls for the metadata that pyproject.toml leaves open."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README, with the places of pictures and links instead of them."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        beside = r"\[([^\]]*)\]\((?!\w+:|#)([^)]*)\)"  # to a file of this tree: no address, and no place on the page
        text = re.sub("!" + beside, r"- Picture `\2`: \1", text)
        text = re.sub(beside, r"\1 (`\2`)", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
