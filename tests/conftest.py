"""Generated input is the same in every run; JUPITER_EXPLORE=1 looks for new cases instead."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("explore" if os.environ.get("JUPITER_EXPLORE") else "same")
