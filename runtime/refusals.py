"""What came over the bus and is none of ours: counted for the beats, and said in the log.

One count for the whole process, because one is enough to see that somebody sends what he should not.
"""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger(__name__)

_counts: Counter[str] = Counter()


def refuse(what: str, error: object) -> None:
    """Count it and tell of it; `what` it should have been."""
    _counts["refused"] += 1
    logger.warning("refused %s: %s", what, error)


def refused() -> int:
    """How many messages and records since the start."""
    return _counts["refused"]
