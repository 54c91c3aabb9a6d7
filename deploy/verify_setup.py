"""What a verification is to do, checked before anything is started: which application, payloads, nodes and limits."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.cutting import Cutter
from deploy.nodes import LocalNode, check_fits, local_nodes
from deploy.results import check_output
from deploy.sampling import sample_files
from deploy.submit import Prepared, prepare
from deploy.verify_load import Payload
from deploy.verify_plan import Kind
from deploy.verify_variant import meets_others, variant
from runtime import bundle
from runtime.app import App
from runtime.errors import UsageError

MOST_PAYLOADS = 64
ITEM_BYTES = 400
"""What a small result or input takes in a stream, with subject and headers."""
KEPT_S = 70.0
"""How long read results stay in the egress, and a little more."""
SPARE_BYTES = 64 << 20
UNREADABLE = b"\xff\xfe{"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """`jupiter verify` as it was called."""

    folder: Path
    seed: int = 0
    seconds: float = 120.0
    rounds: int | None = None
    """So many faults at most."""
    items_per_s: float = 100.0
    kinds: tuple[Kind, ...] = ()
    nodes: str | None = None
    queued: tuple[str, ...] = ()
    """Tasks that are given a queue."""
    failing: tuple[str, ...] = ()
    """Tasks whose user code fails at one time and not at another."""
    source: Path | None = None
    log: Path | None = None
    patience_s: float = 120.0
    """What does not flow again so long after a fault counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPlan:
    """A verification that can begin."""

    options: VerifyOptions
    prepared: Prepared
    nodes: tuple[LocalNode, ...]
    payloads: list[Payload]
    max_store_bytes: int | None
    grouping: tuple[str, ...] = ()
    """Gathers that take one item at a time here."""
    flag: Path = Path()
    """While this exists, failing tasks fail."""


def plan_verify(options: VerifyOptions) -> VerifyPlan:
    """Check everything that can be checked; raises UsageError (AppError), and nothing was started."""
    grouping = [task.name for task in prepare(options.folder).app.graph.tasks.values() if meets_others(task)]
    flag = Path(tempfile.gettempdir(), f"jupiter-verify-{secrets.token_hex(8)}")
    with variant(options.folder, options.queued, options.failing, flag) as folder:
        return replace(_plan(options, folder), grouping=tuple(grouping), flag=flag)


def _plan(options: VerifyOptions, folder: Path) -> VerifyPlan:
    prepared = prepare(folder)
    app = prepared.app
    if app.sources:
        raise UsageError(f"{app.name} has tasks that make inputs of their own; verify can only follow its own inputs")
    if options.log is not None:
        check_output(str(options.log))
    nodes = local_nodes(options.nodes or ("2" if not app.node_map else None), app)
    check_fits(app, [node.name for node in nodes])
    # Small enough to be filled in seconds, large enough for what a reader leaves there for a while.
    kept_bytes = int(options.items_per_s * KEPT_S * ITEM_BYTES)
    limits = replace(
        app.limits,
        ingress_bytes=512 << 10,
        egress_bytes=(2 << 20) + kept_bytes * 2 * len(app.graph.results),
        # No more than that: what waits in it has to pass the egress, which takes a filling of itself a minute.
        queue_bytes=(1 << 20) + kept_bytes,
    )
    app = replace(app, limits=limits, digest="")
    packed = bundle.pack(folder, app)
    names = {kind.name for kind in options.kinds}
    return VerifyPlan(
        options=options,
        prepared=Prepared(app=app.with_digest(packed.digest), bundle=packed),
        nodes=nodes,
        payloads=_payloads(options, prepared),
        max_store_bytes=_total_bytes(app) + SPARE_BYTES if "disk-full" in names else None,
    )


def _total_bytes(app: App) -> int:
    limits = app.limits
    queues_bytes = len(app.graph.queues) * limits.queue_bytes
    return limits.ingress_bytes + limits.egress_bytes + limits.dead_bytes + queues_bytes


def _payloads(options: VerifyOptions, prepared: Prepared) -> list[Payload]:
    """The different items of a file or of the entry tasks' samples, and what no application can process."""
    app = prepared.app
    paths = [options.source] if options.source else list(sample_files(options.folder, app))
    bodies: dict[bytes, None] = {}
    for path in paths:
        try:
            cutter = Cutter(app.input)
            bodies.update(dict.fromkeys([*cutter.feed(path.read_bytes()), *cutter.finish()]))
        except OSError as error:
            raise UsageError(f"the input {path} cannot be read: {error.strerror}") from error
    if not bodies:
        raise UsageError("there is nothing to send: name a file with --input, or put one into the folder sample_input")
    usual = [Payload(body) for body in list(bodies)[:MOST_PAYLOADS]]
    return [*usual, Payload(UNREADABLE), Payload(b"1", "nobody-of-this-name")]
