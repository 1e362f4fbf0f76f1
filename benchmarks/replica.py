"""A replica of the service, kept running as by an orchestrator, whatever is done to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Replica:
    """One process of `orca-reconcile work`, which is started again whenever it has ended."""

    environment: dict[str, str]
    log: Path
    starts: int = 0
    _process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Run it, again and again, until cancelled."""
        try:
            while True:
                with self.log.open("ab") as log:
                    self._process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-m",
                        "app.cli",
                        "work",
                        env={**os.environ, **self.environment},
                        stdout=log,
                        stderr=log,
                    )
                self.starts += 1
                await self._process.wait()
        finally:
            with suppress(ProcessLookupError):
                if self._process:
                    self._process.send_signal(signal.SIGCONT)
                    self._process.terminate()
                    await self._process.wait()

    def send(self, sign: signal.Signals) -> None:
        """Send a signal, if it runs."""
        with suppress(ProcessLookupError):
            if self._process:
                self._process.send_signal(sign)
