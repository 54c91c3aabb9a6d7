"""The faults, carried out: each returns when the disturbance itself is over, and leaves nothing bent behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from circe import failpoints
from deploy import verify_lines, verify_storage
from deploy.verify_lines import weather
from deploy.verify_plan import Fault
from deploy.verify_trial import NotDoneError, Trial
from runtime import codec, subjects
from runtime.bus_errors import BusFault
from runtime.mapping import TaskMapping
from runtime.server import EmbeddedServer

FIRE_S = 15.0
"""A fail point that was not reached by then is taken back."""
BACK_S = 20.0


async def carry_out(trial: Trial, fault: Fault) -> None:
    """Do it. Raises NotDoneError when there was nothing to do it to, or nobody to ask."""
    try:
        await CARRIERS[fault.kind.name](trial, fault)
    except (BusFault, TimeoutError) as error:
        raise NotDoneError(f"the server was not there for it: {error}") from error


# ---- processes


async def _failpoint(trial: Trial, fault: Fault) -> None:
    point = fault.kind.name.removeprefix("worker-").replace("-", "_")
    assert point in failpoints.POINTS
    pids = trial.workers(fault.victim)
    order = trial.failpoints / fault.victim
    order.write_text(f"{point}:{fault.count}")
    try:
        await trial.until(lambda: not all(_is_alive(pid) for pid in pids), FIRE_S)
    except TimeoutError:
        raise NotDoneError(f"{fault.victim} has not come to its {fault.count}. {point}") from None
    finally:
        order.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


async def _kill_worker(trial: Trial, fault: Fault) -> None:
    trial.signal(trial.worker(fault.victim), SIGKILL)


async def _leave(trial: Trial, fault: Fault) -> None:
    trial.signal(trial.worker(fault.victim), SIGTERM)


def _kill(component: str) -> Callable[[Trial, Fault], Awaitable[None]]:
    async def carry_out(trial: Trial, fault: Fault) -> None:
        trial.signal(trial.component(f"{component} {fault.victim}".rstrip()), SIGKILL)

    return carry_out


async def _stop_worker(trial: Trial, fault: Fault) -> None:
    await _stop(trial, trial.worker(fault.victim), fault.lasts_s)


def _stop_component(component: str) -> Callable[[Trial, Fault], Awaitable[None]]:
    async def carry_out(trial: Trial, fault: Fault) -> None:
        await _stop(trial, trial.component(f"{component} {fault.victim}".rstrip()), fault.lasts_s)

    return carry_out


async def _stop(trial: Trial, pid: int, lasts_s: float) -> None:
    trial.signal(pid, SIGSTOP)
    try:
        await asyncio.sleep(lasts_s)
    finally:
        trial.signal(pid, SIGCONT)


async def _move(trial: Trial, fault: Fault) -> None:
    """Another mapping by hand: the victim on the next node."""
    mapping = trial.watch.picture.mapping
    nodes = sorted(name for name in trial.proxies if name not in ("gateway", "producer"))
    if mapping is None or trial.app.graph.tasks[fault.victim].pin is not None or len(nodes) < 2:
        raise NotDoneError(f"{fault.victim} cannot move")
    old = mapping.assignment[fault.victim]
    others = [node for node in nodes if node != old]
    new = others[int(fault.chance * len(others))]
    moved = TaskMapping(assignment={**mapping.assignment, fault.victim: new})
    await trial.local.bus.put_record(subjects.mapping(trial.app.name), codec.encode_record(moved.to_record()))

    def is_there() -> bool:
        edges = trial.watch.picture.edges
        live = () if edges is None else edges.workers.get(fault.victim, ())
        return edges is not None and bool(live) and all(edges.nodes.get(name) == new for name in live)

    with contextlib.suppress(TimeoutError):  # it shows in the recovery
        await trial.until(is_there, BACK_S)


# ---- the server


async def _kill_server(trial: Trial, fault: Fault) -> None:
    for _ in range(fault.count):
        await _down(trial, lambda server: server.kill())


async def _term_server(trial: Trial, fault: Fault) -> None:
    for _ in range(fault.count):
        await _down(trial, lambda server: server.stop())


async def _down(trial: Trial, end: Callable[[EmbeddedServer], Awaitable[None]]) -> None:
    """End it; whoever keeps it starts it again. Some load goes through in between."""
    old = trial.local.server.pid
    await end(trial.local.server)
    await trial.until(lambda: trial.local.server.pid not in (None, old), BACK_S)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BACK_S):
            await trial.feeder.another()
    await asyncio.sleep(0.3)


async def _kill_everything(trial: Trial, fault: Fault) -> None:
    for pid in trial.local.supervisor.pids().values():
        trial.signal(pid, SIGKILL)
    await _down(trial, lambda server: server.kill())


async def _stop_server(trial: Trial, fault: Fault) -> None:
    trial.local.server.pause()
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        trial.local.server.resume()


async def _lost_puback(trial: Trial, fault: Fault) -> None:
    """What the producer sends is stored and processed, and it never hears of that before the server is another."""
    line = trial.proxies["producer"]
    with weather(line, swallows_answers=True):
        trial.feeder.send([trial.feeder.usual[0]] * 20)
        await asyncio.sleep(0.3)
        old = trial.local.server.pid
        await trial.local.server.kill()
    await trial.until(lambda: trial.local.server.pid not in (None, old), BACK_S)


# ---- inputs, and everything together


async def _two_at_once(trial: Trial, fault: Fault) -> None:
    async def one(part: Fault) -> None:
        await asyncio.sleep(part.delay_s)
        await carry_out(trial, part)

    outcomes = await asyncio.gather(*(one(part) for part in fault.parts), return_exceptions=True)
    failures = [error for error in outcomes if error is not None]
    for error in failures:
        if not isinstance(error, NotDoneError):
            raise error
    if len(failures) == len(outcomes):
        raise NotDoneError("; ".join(str(error) for error in failures))


async def _poison(trial: Trial, fault: Fault) -> None:
    if not trial.poison:
        raise NotDoneError("every payload of this application can be processed")
    first = int(fault.chance * len(trial.poison))
    keys = [trial.poison[(first + number) % len(trial.poison)] for number in range(fault.count)]
    await trial.feeder.taken(trial.feeder.send(keys))


CARRIERS: dict[str, Callable[[Trial, Fault], Awaitable[None]]] = {
    "worker-before-send": _failpoint,
    "worker-after-send": _failpoint,
    "worker-after-report": _failpoint,
    "kill-worker": _kill_worker,
    "kill-gateway": _kill("gateway"),
    "kill-agent": _kill("agent"),
    "kill-dispatcher": _kill("dispatcher"),
    "kill-mapper": _kill("mapper"),
    "stop-worker": _stop_worker,
    "stop-gateway": _stop_component("gateway"),
    "stop-agent": _stop_component("agent"),
    "stop-server": _stop_server,
    "kill-server": _kill_server,
    "term-server": _term_server,
    "kill-everything": _kill_everything,
    "cut": verify_lines.cut,
    "cut-off": verify_lines.cut,
    "half-open": verify_lines.half_open,
    "slow": verify_lines.slow,
    "lost-puback": _lost_puback,
    "lost-answers": verify_lines.lost_answers,
    "lost-requests": verify_lines.lost_requests,
    "egress-full": verify_storage.egress_full,
    "ingress-full": verify_storage.ingress_full,
    "disk-full": verify_storage.disk_full,
    "poison": _poison,
    "leave": _leave,
    "move": _move,
    "two-at-once": _two_at_once,
}
