"""Batches of Arrow for DuckDB: several sources read at a time and ahead of it, in flat memory."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa

Batches: TypeAlias = Iterator[pa.RecordBatch]

# Inflating is what takes the time, and it is sequential within a file.
READERS = min(8, os.cpu_count() or 1)
_AHEAD = 2  # batches that each reader may be ahead of the consumer
_PATIENCE = 0.1  # seconds until either side looks whether the other is still there


class Stream:
    """A source that DuckDB scans by the Arrow C stream interface, each scan from the beginning.

    A plain `RecordBatchReader` can be read once: a second reading of the same relation would find it empty,
    and an empty inventory is a wrong verdict.
    """

    def __init__(self, schema: pa.Schema, batches: Callable[[], Batches]) -> None:
        self._schema = schema
        self._batches = batches

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)


def read_together(sources: Sequence[Callable[[], Batches]], readers: int = READERS) -> Generator[pa.RecordBatch]:
    """Read several sources by several threads, giving their batches as they come.

    Raises what a source raises. The threads have ended when the reading has, early or not.
    """
    together = _Together(sources, min(readers, len(sources)))
    try:
        yield from together.batches()
    finally:
        together.stop()


class _Together:
    """The threads of one reading, and the queue between them and the consumer."""

    def __init__(self, sources: Sequence[Callable[[], Batches]], readers: int) -> None:
        self._waiting = iter(sources)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._queue: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(max(1, readers * _AHEAD))
        # No daemons: Python would cut those off inside pyarrow when it exits, and that aborts the process.
        self._threads = [threading.Thread(target=self._read, name="inventory-reader") for _ in range(readers)]

    def batches(self) -> Batches:
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running:
            item = self._take()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            # An abandoned reading may be collected in one of its own threads.
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def _take(self) -> pa.RecordBatch | BaseException | None:
        while True:
            try:
                return self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                if not any(thread.is_alive() for thread in self._threads) and self._queue.empty():
                    return RuntimeError("the program is ending")

    def _read(self) -> None:
        try:
            while (source := self._next()) is not None:
                for batch in source():
                    if not self._put(batch):
                        return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  (whatever it is, the consumer has to hear of it)
            self._put(error)

    def _next(self) -> Callable[[], Batches] | None:
        with self._lock:
            return next(self._waiting, None) if self._is_wanted() else None

    def _put(self, item: pa.RecordBatch | BaseException | None) -> bool:
        """Hand an item over; tell whether anybody is still there to take it."""
        while self._is_wanted():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    def _is_wanted(self) -> bool:
        """Tell whether there is a consumer, or, when the program has ended without closing one, that there is none."""
        return not self._done.is_set() and threading.main_thread().is_alive()
