"""Breaks the components of a Jupiter under test, or shortens their patience. Never part of the product.

Python imports this module by itself when its folder is on PYTHONPATH. JUPITER_TEST_PATCHES names what to change, in
the workers and the gateway only; a patch named `x@FILE` holds from when FILE exists.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def early_ack(is_on: Callable[[], bool]) -> None:
    """An input is acknowledged at the first report on it, not at the end of its lineage."""
    from circe.lineage import Lineage

    proper = Lineage.report

    def report(self: Any, report: Any) -> list[int]:
        if not is_on():
            return proper(self, report)
        ended = [root for root, attempt, _ in report.entries if root in self and self._roots[root].attempt == attempt]
        for root in dict.fromkeys(ended):
            del self._roots[root]
        return list(dict.fromkeys(ended))

    Lineage.report = report


def no_dedup(is_on: Callable[[], bool]) -> None:
    """The egress takes an id as often as it comes."""
    from circe import egress

    proper = egress.Egress._message

    def message(self: Any, result: Any) -> Any:
        given = proper(self, result)
        if is_on():
            given.headers.pop("Nats-Expected-Last-Subject-Sequence")
        return given

    egress.Egress._message = message


def no_looks(is_on: Callable[[], bool]) -> None:
    """No attempt asks what another came to."""
    from circe.earlier import Earlier

    for name in ("has_letter", "has_ended"):
        setattr(Earlier, name, _blind(getattr(Earlier, name), is_on))


def _blind(proper: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    async def look(self: Any, job: Any) -> bool:
        return not is_on() and await proper(self, job)

    return look


def lost_frame(is_on: Callable[[], bool]) -> None:
    """One frame of each sender is dropped, and no head sends anything again."""
    from circe.lineage import Lineage
    from circe.outbox import Outbox

    proper_flush, proper_resend = Outbox.flush, Lineage._resend
    lost: set[int] = set()

    def flush(self: Any) -> list[Any]:
        frames = proper_flush(self)
        if frames and is_on() and id(self) not in lost:
            lost.add(id(self))
            return frames[1:]
        return frames

    Outbox.flush = flush
    Lineage._resend = lambda self, numbers: [] if is_on() else proper_resend(self, numbers)


def no_absences(is_on: Callable[[], bool]) -> None:
    """Joins are not told of what will not come."""
    from circe.outbox import Outbox

    proper = Outbox.put

    def put(self: Any, child: str, head: str, part: Any) -> None:
        if part.payload is not None or not is_on():
            proper(self, child, head, part)

    Outbox.put = put


def no_fence(is_on: Callable[[], bool]) -> None:
    """Who was away for so long that it was replaced goes on as if nothing had been."""
    from circe.fence import Fence

    proper = Fence.fault
    Fence.fault = lambda self, now_s, spoken_for_s: "" if is_on() else proper(self, now_s, spoken_for_s)


def short_keep(is_on: Callable[[], bool]) -> None:
    """Results that were read leave the egress after ten seconds, not a minute: a full one is soon empty.

    Not less: a producer that tries again after a restart must find its first try's result still there.
    """
    from circe import purging
    from circe.purge import Purge

    purging.LOOK_S = 0.3
    purging.Purge = functools.partial(Purge, 10.0)


def quick_sweep(is_on: Callable[[], bool]) -> None:
    """Objects that nobody needs any more go after a second. Not in tests where a process is stopped and goes on."""
    from circe import sweeping
    from circe.litter import Litter

    sweeping.LOOK_S = 0.2
    sweeping.Litter = functools.partial(Litter, 1.0)


def no_keep(is_on: Callable[[], bool]) -> None:
    """The same, at once: nothing but their own honesty keeps those who come late from storing results again."""
    from circe import purging
    from circe.purge import Purge

    purging.LOOK_S = 0.1
    purging.Purge = functools.partial(Purge, 0.0)


def _apply(name: str) -> None:
    patch, _, file = name.partition("@")
    globals()[patch](lambda: not file or Path(file).exists())


if "circe" in sys.orig_argv:
    for _name in filter(None, os.environ.get("JUPITER_TEST_PATCHES", "").split(",")):
        _apply(_name)
