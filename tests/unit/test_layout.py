"""The packages have common names: each must be this repository's, whatever else is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["runtime", "agents", "mapper", "circe", "deploy"])
def test_package_is_ours(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin) == REPO / package / "__init__.py"


def test_tests_and_applications_are_no_packages() -> None:
    for folder in ("tests", "app_specific_files"):
        assert not list((REPO / folder).glob("**/__init__.py"))
