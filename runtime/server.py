"""The embedded nats-server: the real binary as a child process with its own store.

Local mode and the tests start one; everything else connects by URL, so embedded and external servers differ
only here. There is no `cluster` block: a lone clustered server never becomes ready. It listens on loopback
only, unless told otherwise, and dies with the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime import children, server_store
from runtime.errors import TransportError, UsageError
from runtime.server_checks import check_address, find_binary

LOOPBACK = "127.0.0.1"
LOG_TAIL_BYTES = 2000
STOP_GRACE_S = 5.0
MEMORY_GOAL = "256MiB"
"""Above it the server's collector runs more often (Go's GOMEMLIMIT, soft). Without one, large items leave it with 1.5
GB of blocks that it has long written, and each kept result takes twice its room."""

# `js_ack_fc_v2: false`: the newer form of acknowledgement subjects is announced to become the default, and
# clients that index the tokens of the older one break on it.
_CONFIG = """\
server_name: jupiter-{name}
listen: "{host}:{port}"
http: "{loopback}:-1"
ports_file_dir: {ports_dir}
max_payload: {max_payload_bytes}
max_pending: {max_pending_bytes}
ping_interval: "20s"
jetstream {{ store_dir: {store_dir}{limits} }}
feature_flags {{ js_ack_fc_v2: false }}
{extra}
"""


class EmbeddedServer:
    """`async with EmbeddedServer() as server: server.url`. A store not given is removed at the end."""

    def __init__(
        self,
        store_dir: Path | None = None,
        port: int | None = None,
        *,
        host: str = LOOPBACK,
        max_payload_bytes: int = 8 << 20,
        max_store_bytes: int | None = None,
        sync_always: bool = False,
        start_timeout_s: float = 15.0,
        extra_config: str = "",
    ) -> None:
        """`host`: the address clients reach it at; whoever reaches it may do everything, so loopback is the default.

        `sync_always`: what is acknowledged survives power loss, not only the death of the process.
        """
        self._host = host
        self._given_dir = store_dir
        self._asked_port = port
        self._max_payload_bytes = max_payload_bytes
        self._start_timeout_s = start_timeout_s
        self._extra_config = extra_config
        self._limits = ', sync_interval: "always"' if sync_always else ""
        if max_store_bytes is not None:
            self._limits += f", max_file: {max_store_bytes}"
        self._process: asyncio.subprocess.Process | None = None
        self._store: server_store.StoreDir | None = None
        self.store_dir = store_dir or Path()
        self.port = port or 0
        self.monitor_port = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self._host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process, None while it is not running."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def log_path(self) -> Path:
        """What the server says."""
        return self.store_dir / "server.log"

    async def __aenter__(self) -> Self:
        binary = find_binary()
        check_address(self._host, self._asked_port)
        self._store = server_store.take(self._given_dir)
        self.store_dir = self._store.path
        try:
            await self._start(binary)
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def restart(self) -> None:
        """Stop if it still runs, and start again on the same port and store."""
        await self.stop()
        await self._start(find_binary())

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End it cleanly; the store stays."""
        if self._process is not None:
            await children.stop(self._process, grace_s)

    async def kill(self) -> None:
        """SIGKILL, as a crash: for tests."""
        if self._process is not None:
            children.kill(self._process)
            await self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: a server that hangs, for tests."""
        if self._process is not None:
            children.send_signal(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            children.send_signal(self._process, signal.SIGCONT)

    async def wait(self) -> int:
        """Wait until the process ends; returns its exit status."""
        if self._process is None:
            raise UsageError("the server was not started: use `async with EmbeddedServer()`")
        return await self._process.wait()

    async def _start(self, binary: Path) -> None:
        config = self.store_dir / "server.conf"
        config.write_text(self._config())
        for stale in self.store_dir.glob("*.ports"):
            stale.unlink()
        with self.log_path.open("ab") as log:
            env = {"GOMEMLIMIT": MEMORY_GOAL, **os.environ}
            self._process = await children.spawn([binary, "-c", config], env=env, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(self._start_timeout_s):
                await self._until_ready(self._process)
        except TimeoutError as exc:
            await children.stop(self._process, 0.5)
            raise self._failure(f"was not ready within {self._start_timeout_s:g} s") from exc

    def _config(self) -> str:
        return _CONFIG.format(
            name=os.getpid(),
            host=self._host,
            loopback=LOOPBACK,
            port=self.port or -1,
            ports_dir=json.dumps(str(self.store_dir)),
            store_dir=json.dumps(str(self.store_dir)),
            max_payload_bytes=self._max_payload_bytes,
            max_pending_bytes=max(64 << 20, self._max_payload_bytes),
            limits=self._limits,
            extra=self._extra_config,
        )

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        ports_file = self.store_dir / f"nats-server_{process.pid}.ports"
        wait_s = 0.005
        while not await self._is_healthy(ports_file):
            if process.returncode is not None:
                raise self._failure(f"ended with status {process.returncode} while starting")
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, 0.1)

    async def _is_healthy(self, ports_file: Path) -> bool:
        # The server chose its free ports itself, so nobody could take them in between.
        with contextlib.suppress(OSError, ValueError, LookupError):
            self._read_ports(ports_file)
            reader, writer = await asyncio.open_connection(LOOPBACK, self.monitor_port)
            try:
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
        return False

    def _read_ports(self, ports_file: Path) -> None:
        ports = json.loads(ports_file.read_text())
        self.port = int(ports["nats"][0].rsplit(":", 1)[1])
        self.monitor_port = int(ports["monitoring"][0].rsplit(":", 1)[1])

    def _failure(self, what: str) -> TransportError:
        with contextlib.suppress(OSError):
            tail = self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            return TransportError(f"nats-server {what}; the end of its log:\n{tail}")
        return TransportError(f"nats-server {what}, and left no log in {self.store_dir}")

    async def _leave(self) -> None:
        try:
            await self.stop()
        finally:
            if self._store is not None:
                self._store.leave()
                self._store = None
