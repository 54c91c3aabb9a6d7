"""What the acceptance tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder to run commands in."""
    return Place(tmp_path)
