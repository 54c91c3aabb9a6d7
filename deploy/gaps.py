"""How many of a task's outputs a listener did not get: every worker numbers what it gives. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Gaps:
    """What one listener has heard, by incarnation. Who is not known yet began after we listened, at number 1."""

    def __init__(self) -> None:
        self._last: dict[str, int | None] = {}

    def expect(self, incarnations: Iterable[str]) -> None:
        """These live already: where they are, they have yet to say."""
        for incarnation in incarnations:
            self._last.setdefault(incarnation, None)

    @property
    def silent(self) -> list[str]:
        """Those who have said nothing yet."""
        return sorted(incarnation for incarnation, last in self._last.items() if last is None)

    def answer(self, mark: str) -> None:
        """Everything after this number is for us."""
        incarnation, number = _read(mark)
        if self._last.get(incarnation) is None:
            self._last[incarnation] = number

    def hear(self, mark: str) -> int:
        """An output came; how many did not that were to come before it."""
        incarnation, number = _read(mark)
        last = self._last.get(incarnation, 0)
        self._last[incarnation] = max(number, last or 0)
        return 0 if last is None else max(0, number - last - 1)


def _read(mark: str) -> tuple[str, int]:
    """Raises ValueError on what no worker of ours wrote."""
    incarnation, _, number = mark.rpartition(" ")
    return incarnation, int(number)
