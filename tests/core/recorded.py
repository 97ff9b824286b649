"""Recorded inspects, by kind and API version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("inspects")
VERSIONS = ((1, 41), (1, 45), (1, 51))


def recorded(kind: str, version: tuple[int, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The container and its baseline, the caller's own to change."""
    text = (_FOLDER / f"{kind}-api-{version[0]}.{version[1]}.json").read_text()
    both = json.loads(text)
    return both["container"], both["baseline"]
