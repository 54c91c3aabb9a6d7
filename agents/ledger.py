"""What is held against the items of one task, across the processes that they ended. Pure.

Kept by the node's agent for as long as it runs the task's code. Bounded: what was not seen again for long is
forgotten, and at worst tried again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from agents.verdict import Verdict
from runtime.charges import Charge, Key, encode_charges
from runtime.slot import NOTE_BYTES, Call

MOST_ITEMS = 1000
DOUBTFUL_PER_ATTEMPT = 4
"""So many ends that nobody explains count as one attempt: an item must not end processes for ever, and one that was
merely there, or the last to leave, must not be charged."""
MOST_TRACEBACK_CHARS = 4000


class Ledger:
    """Of one kind of worker."""

    def __init__(self) -> None:
        self._charges: OrderedDict[Key, Charge] = OrderedDict()
        self._doubts: dict[Key, int] = {}

    def take(self, verdict: Verdict, traceback: str = "") -> None:
        """Count what a process's end was judged to be."""
        for call in verdict.guilty:
            if verdict.is_doubtful and not self._is_beyond_doubt(call):
                continue
            charge = self._of(call)
            self._keep(
                replace(
                    charge,
                    attempts=charge.attempts + 1,
                    error=verdict.error,
                    traceback=traceback[-MOST_TRACEBACK_CHARS:],
                    is_suspect=False,
                )
            )
        for call in verdict.suspects:
            self._keep(replace(self._of(call), is_suspect=True))

    def attempts(self, call: Call) -> int:
        """How many processes the item has ended."""
        return self._of(call).attempts

    def note(self) -> bytes:
        """For the workers."""
        return encode_charges(self._charges.values(), NOTE_BYTES)

    def _is_beyond_doubt(self, call: Call) -> bool:
        self._doubts[call.key] = self._doubts.get(call.key, 0) + 1
        while len(self._doubts) > MOST_ITEMS:
            del self._doubts[next(iter(self._doubts))]
        return self._doubts[call.key] % DOUBTFUL_PER_ATTEMPT == 0

    def _of(self, call: Call) -> Charge:
        return self._charges.get(call.key, Charge(root=call.root, item_id=call.item_id))

    def _keep(self, charge: Charge) -> None:
        self._charges[charge.key] = charge
        self._charges.move_to_end(charge.key)
        while len(self._charges) > MOST_ITEMS:
            self._charges.popitem(last=False)
