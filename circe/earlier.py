"""What other attempts at an item came to, by what the streams hold of it. Asked only when there may be some."""

from __future__ import annotations

from circe.course import Place, Store, course
from circe.egress import store_stream, store_subject
from circe.job import Job
from circe.letters import letter_headers
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.graph import TaskGraph
from runtime.item import output_id


class Earlier:
    """Looks for one task. All its questions raise BusFault when the server does not answer."""

    def __init__(self, bus: Bus, app: str, graph: TaskGraph, task: str) -> None:
        self._bus = bus
        self._app = app
        self._graph = graph
        self._task = task

    async def has_letter(self, job: Job) -> bool:
        """Whether the job's item is a dead letter already."""
        return await self._has_letter(job, Place(self._task, job.item_id))

    async def has_ended(self, job: Job) -> bool:
        """Whether all that comes of the job's item is stored, as results or as dead letters further on."""
        own = Place(self._task, job.item_id)
        steps = course(self._graph, own, spared=True)
        ended: dict[Place, bool] = {}
        for place, step in reversed(steps.items()):  # what lies below is known first
            if place != own and await self._has_letter(job, place):
                ended[place] = True
                continue
            answers = [ended[each] for each in step.places]
            answers += [await self._is_stored(job, place.task, each) for each in step.stores]
            ended[place] = bool(answers) and (any(answers) if step.is_choice else all(answers))
        return ended[own]

    async def _has_letter(self, job: Job, place: Place) -> bool:
        subject = subjects.dead(self._app, *place)
        held = await self._bus.last_message(subjects.dead_stream(self._app), subject)
        if held is None:
            return False
        headers = letter_headers(*place, job.root, 0)
        return held.headers.get(subjects.MESSAGE_ID_HEADER) == headers[subjects.MESSAGE_ID_HEADER]

    async def _is_stored(self, job: Job, task: str, store: Store) -> bool:
        """Whether a child's store holds all that the task gave it for the item; each of several says how many."""
        first = await self._number(job, task, store, 0) or await self._number(job, task, store, 1)
        if first <= 1:
            return first == 1
        held = [await self._number(job, task, store, index) for index in range(first + 1)]
        return sum(number > 0 for number in held) >= first

    async def _number(self, job: Job, task: str, store: Store, index: int) -> int:
        """How many an output says there are: the one with the item's own id, or the `index`-th; 0 without it."""
        item_id = (output_id(store.item_id, index) if index else store.item_id) + store.appended
        subject = store_subject(self._app, task, store.child, item_id)
        held = await self._bus.last_message(store_stream(self._app, store.child), subject)
        if held is None or held.headers.get(subjects.INPUT_HEADER) != str(origin_of(job.root, job.headers)):
            return 0
        number, _, of = held.headers.get(subjects.OUTPUTS_HEADER, "").partition(" ")
        if not of and not index:
            return 1
        # Of another item, its id is the same as that of our `index`-th output.
        return int(number) if of == store.item_id and number.isdigit() else 0
