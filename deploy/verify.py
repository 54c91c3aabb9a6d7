"""`jupiter verify`: a whole Jupiter on this machine under load and random faults, and what became of every input.

First each payload is sent alone, twice, to learn what it leads to. Then the load runs, faults happen one after the
other, each given time to heal, and in the end every input must have led to just that, once, with nothing left over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from deploy import verify_faults
from deploy.progress import Progress
from deploy.verdict import Failing, Left, Shape, agreed
from deploy.verify_book import Book
from deploy.verify_failing import begun
from deploy.verify_plan import Fault, schedule
from deploy.verify_report import Round, report
from deploy.verify_setup import VerifyPlan
from deploy.verify_start import started, words_to
from deploy.verify_storage import until_roomy
from deploy.verify_trial import NotDoneError, Trial
from runtime import subjects
from runtime.errors import JupiterError
from runtime.network import HOME
from runtime.service import Service

LEARN_S = 60.0
SETTLE_PATIENCES = 2
"""How much longer than after one fault everything may take in the end."""
QUIET_S = 1.0
"""Load after the last fault, and time for what would come twice."""


async def verify(service: Service, plan: VerifyPlan, show: Progress) -> dict[str, Any]:
    """Run it all; the report."""
    with words_to(plan.options.log) as say:
        return await _verify(service, plan, show, say)


async def _verify(service: Service, plan: VerifyPlan, show: Progress, say: Callable[[str], None]) -> dict[str, Any]:
    async with started(service, plan, say) as (trial, book):
        if plan.grouping:
            show.say(f"groups of one item here, whose ends can be told: {', '.join(plan.grouping)}")
        show.say(f"learning what {len(plan.payloads)} payloads lead to")
        shapes = await _learn(trial, book, len(plan.payloads))
        learnt = book.sent_count
        with begun(plan.flag):
            rounds = await _under_faults(service, trial, plan, show)
        show.say("settling")
        left = await trial.settled(SETTLE_PATIENCES * plan.options.patience_s)
        await asyncio.sleep(QUIET_S)
        await trial.recorder.read_letters()
        held = await _held(trial)
        failing = Failing(trial.app.graph, plan.options.failing) if plan.options.failing else None
        verdict = book.judge(shapes, held, left, learnt, failing)
        restarts = trial.local.supervisor.restarts
    return report(rounds, verdict, _about(plan, restarts))


def _about(plan: VerifyPlan, restarts: int) -> dict[str, Any]:
    options = plan.options
    return {
        "app": plan.prepared.app.name,
        "seed": options.seed,
        "seconds": options.seconds,
        "items_per_s": options.items_per_s,
        "restarts": restarts,
    }


# ---- learning


async def _learn(trial: Trial, book: Book, payloads: int) -> list[Shape]:
    """Each payload alone, twice: what it leads to. Raises JupiterError for one that is not always the same."""
    trials = [trial.feeder.send([key]) for key in [*range(payloads), *range(payloads)]]
    await trial.feeder.finish(LEARN_S)
    left = await trial.settled(LEARN_S)
    if left != Left():
        raise JupiterError(f"the application does not end its inputs even without faults: {left}")
    await trial.recorder.read_letters()
    found = book.shapes(number for numbers in trials for number in numbers)
    shapes = []
    for key in range(payloads):
        shape = agreed(found[key], found[payloads + key])
        if shape is None:
            raise JupiterError(f"payload {key + 1} ends at other places each time: nothing can be told of it")
        shapes.append(shape)
    trial.poison += [key for key, shape in enumerate(shapes) if shape.dead]
    trial.feeder.usual = [key for key, shape in enumerate(shapes) if not shape.dead]
    if not trial.feeder.usual:
        raise JupiterError("every payload ends as a dead letter: there is nothing to make a load of")
    return shapes


# ---- faults


async def _under_faults(service: Service, trial: Trial, plan: VerifyPlan, show: Progress) -> list[Round]:
    options = plan.options
    rounds: list[Round] = []
    trial.feeder.rate_per_s = options.items_per_s
    feeding = asyncio.create_task(trial.feeder.run(), name="load")
    end_s = asyncio.get_running_loop().time() + options.seconds
    nodes = [node.name for node in plan.nodes if node.name != HOME] or [HOME]
    try:
        faults = schedule(options.seed, options.kinds, trial.app.graph, nodes)
        for fault in itertools.islice(faults, options.rounds):
            if asyncio.get_running_loop().time() > end_s or service.stopping.is_set():
                break
            trial.feeder.fault = fault.number
            show.show("fault", f"{fault.number}. {fault}")
            rounds.append(await _round(trial, fault, options.patience_s))
            show.say(_outcome(rounds[-1]))
            if rounds[-1].recovery_s is None and not rounds[-1].not_done:
                break  # nothing after it could be told apart from it
        rounds.append(Round(fault=None, recovery_s=0.0))
        trial.feeder.fault = len(rounds)
        await asyncio.sleep(QUIET_S)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    await trial.feeder.finish(options.patience_s)
    for number, each in enumerate(rounds, 1):
        each.slowest_s = trial.recorder.slowest_s[number]
    return rounds


async def _round(trial: Trial, fault: Fault, patience_s: float) -> Round:
    """One fault, and the time until all is well again."""
    loop = asyncio.get_running_loop()
    done = Round(fault=fault)
    await asyncio.sleep(fault.delay_s)
    start_s = loop.time()
    try:
        async with asyncio.timeout(patience_s):
            await verify_faults.carry_out(trial, fault)
    except NotDoneError as error:
        done.not_done = str(error)
    except TimeoutError:
        done.not_done = f"it was not done after {patience_s:g} s"
    end_s = loop.time()
    done.took_s = end_s - start_s
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            # Of an input that came after the fault, so that the time tells when everything flows again.
            await trial.feeder.another()
            await trial.until_ended(trial.feeder.last_sequence)
            done.recovery_s = loop.time() - end_s
            await trial.until_in_place()
            await until_roomy(trial)
    return done


def _outcome(done: Round) -> str:
    assert done.fault is not None
    head = f"{done.fault.number}. {done.fault}"
    if done.not_done:
        return f"{head}: not done, {done.not_done}"
    if done.recovery_s is None:
        return f"{head}: NOT RECOVERED"
    return f"{head}: took {done.took_s:.1f} s, recovered after {done.recovery_s:.2f} s"


async def _held(trial: Trial) -> frozenset[str]:
    """Message ids of the inputs that the ingress holds still."""
    held = set()
    for subject in (subjects.ingress(trial.app.name), subjects.ingress(trial.app.name, "*")):
        for message in await trial.local.bus.read_stream(subjects.ingress_stream(trial.app.name), subject):
            held.add(message.headers.get(subjects.MESSAGE_ID_HEADER, ""))
    return frozenset(held)
