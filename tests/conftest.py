"""What holds for every test: how input is generated, and in how many processes the tests run.

Generated input is the same in every run; JUPITER_EXPLORE=1 looks for new cases instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROCESSES = 2
"""Most tests wait for processes of their own. With more at once they would take each other's processor."""

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("JUPITER_EXPLORE") else "same")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Divide the files of folders; not single files, what is to be looked at (`-s`), and what was chosen by a mark."""
    option = config.option
    is_plain = "not faults" in option.markexpr and option.capture != "no" and not option.usepdb
    folders = [argument for argument in config.args if Path(argument).is_dir()]
    is_asked = getattr(option, "numprocesses", PROCESSES) is not None  # `-n`, or there is nobody to divide them
    if is_plain and folders and not (is_asked or hasattr(config, "workerinput")):
        option.numprocesses, option.dist, option.loadscopereorder = PROCESSES, "loadfile", False
