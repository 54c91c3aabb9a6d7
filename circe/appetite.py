"""How many jobs user code may have at work, by what they give: it has to fit also while nobody takes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

AT_WORK_BYTES = 16 << 20
"""What the jobs at work may be about to give, all together."""
UNSTORED_BYTES = 16 << 20
"""With so many bytes of results not yet stored, nothing new begins."""
FIRST_BYTES = 2 << 20
"""Expected of a job while nothing is known."""
FORGETTING = 0.98
"""Per job: what was large once need not be so for ever."""


class Appetite:
    """Of one worker. It expects of every job the most that one has given of late."""

    def __init__(self) -> None:
        self._expected_bytes = float(FIRST_BYTES)

    def gave(self, sizes_bytes: Iterable[int]) -> None:
        """Jobs are done, each with outputs of so many bytes."""
        expected_bytes = self._expected_bytes
        for size_bytes in sizes_bytes:
            expected_bytes *= FORGETTING
            if size_bytes > expected_bytes:
                expected_bytes = size_bytes
        self._expected_bytes = expected_bytes

    def jobs(self, at_work: int) -> int:
        """How many more may begin; one when nothing is at work, however large."""
        fitting = int(AT_WORK_BYTES / max(self._expected_bytes, 1.0))
        return max(fitting, 1) - at_work
