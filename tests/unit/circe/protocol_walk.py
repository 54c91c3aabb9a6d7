"""The walk through a `World`: random steps with faults; then faults stop, and every root must end.

What is left, or never comes to rest, raises `BreachError`.
"""

from __future__ import annotations

from circe.course import Place, course
from circe.flow import Flow
from circe.head import Head
from circe.job import Job
from runtime import subjects
from tests.unit.circe.protocol_decisions import has_ended
from tests.unit.circe.protocol_world import BreachError, World


def walk(world: World, steps: int = 260) -> None:
    for _ in range(steps):
        _step(world)
    settle(world)


def _step(world: World) -> None:
    rng, chance = world.rng, world.rng.random()
    processes = list(world.processes.items())
    name, process = rng.choice(processes) if processes else ("", None)
    if chance < 0.38:
        if world.net:
            world.deliver(rng.randrange(len(world.net)))
    elif process is None or chance < 0.46:
        world.pull(rng.choice(world.heads()))
    elif chance < 0.58:
        world.run(process)
    elif chance < 0.66:
        if process.results:
            world.store(process)
        elif process.deciding:
            world.decide(process)
    elif chance < 0.78:
        world.poll(process)
    elif chance < 0.84:
        world.carry_out_head(rng.choice(world.heads()))
    elif chance < 0.90:
        _one_follows(world, rng.choice([*(found.flow for _, found in processes), *world.heads()]))
    elif chance < 0.95:
        world.beat(name, process)
    elif chance < 0.965:
        world.head_beat(rng.choice(world.heads()))
    elif chance < 0.97:
        world.come_back()
    else:
        world.fault()


def _one_follows(world: World, one: Flow | Head) -> None:
    if isinstance(one, Flow):
        one.follow(world.edges())
    else:
        world.head_follows(one)


def settle(world: World) -> None:
    world.quiet = True
    world.come_back()
    for seat, name in world.live.items():
        if name is None:
            world.spawn(seat)
    for round_number in range(200):
        world.all_follow()
        _work_off(world)
        if round_number > 4 and not _remains(world):
            _check_drops(world)
            _check_ends(world)
            return
        for name, process in list(world.processes.items()):
            world.beat(name, process)
        for head in world.heads():
            world.head_beat(head)
    raise BreachError(f"never ends: {_remains(world)}")


def _check_drops(world: World) -> None:
    """A frame is taken for a repeated one only if it was: otherwise nothing but time would bring its parts."""
    dropped = sum(flow.counts["dropped.repeated"] for flow in world.flows)
    if dropped > world.repeated_parts:
        raise BreachError(f"{dropped} parts dropped as repeated, {world.repeated_parts} were")


def _check_ends(world: World) -> None:
    """No dead letter of an item of which all that could come is there. Where a join below can do without the item, what
    was there when the letter was written is not known any more."""
    for (task, item_id), root in world.letters.items():
        place = Place(task, item_id)
        if course(world.graph, place) != course(world.graph, place, spared=True):
            continue
        job = Job("", root, 1, item_id, 0, b"", {subjects.INPUT_HEADER: item_id[1:].partition(".")[0]}, None)
        if has_ended(world, task, job):
            raise BreachError(f"{item_id} ended twice: as a dead letter at {task}, and with all that comes of it")


def _work_off(world: World) -> None:
    for _ in range(20_000):
        before = len(world.net)
        for head in world.heads():
            world.pull(head)
        for process in world.processes.values():
            world.run(process)
            for _ in list(process.deciding):
                world.decide(process)
            while process.results:
                world.store(process)
            world.poll(process)
        for head in world.heads():
            world.carry_out_head(head)
        if not world.net:
            if before == 0 and not any(p.flow.backlog and not p.flow.blocked for p in world.processes.values()):
                return
            continue
        world.deliver(world.rng.randrange(len(world.net)))
    raise BreachError("livelock")


def _remains(world: World) -> list[str]:
    """What is left: roots that have not ended, and stores of live processes that are not empty."""
    left = [f"root {sequence} of {name}" for name, queue in world.queues.items() for sequence in queue.open()]
    left += [f"{head.incarnation} holds {head.in_flight}" for head in world.heads() if head.live and head.in_flight]
    for name in world.live.values():
        flow = world.processes[str(name)].flow
        if flow.waiting() or not flow.idle:
            left.append(f"{name} holds {flow.waiting()} waiting, idle {flow.idle}")
    return left
