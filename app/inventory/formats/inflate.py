"""Inflate a gzip file, verified to its end and bounded in what it may become."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from gzip import GzipFile
from typing import cast

from isal.igzip import IGzipFile
from isal.igzip_lib import IsalError

from app.inventory.formats.reader import DataPath

# DEFLATE can reach 1032:1, which takes bytes that never change. Real reports reach 4:1; one made of nothing but the
# longest keys, all alike but for a counter, reaches 300:1.
MOST_INFLATION = 500
ALWAYS_ALLOWED = 16 << 20  # bytes: what is this small once inflated can do no harm

_PIECE = 1 << 20
_DAMAGED = cast("type[Exception]", IsalError)  # its stub takes the class for an instance
_ENDS_OF_A_ROW = (b"\n", b"\r", b'"')
_QUOTE = b'"'


class Absurd(OSError):
    """A gzip holds more than anything real could."""


class Inflated:
    """The inflated bytes of a gzip file as a file to read from.

    Raises `OSError` when the gzip is truncated, followed by something else, or not what its checksum says, or when
    the text within stops in the middle of a row; `Absurd` when it inflates beyond `MOST_INFLATION`.
    """

    def __init__(self, file: DataPath) -> None:
        size = file.path.stat().st_size
        if size == 0:
            raise OSError("it is empty, where even an empty gzip has a header")
        self._file = file
        self._left = max(ALWAYS_ALLOWED, size * MOST_INFLATION)
        self._stream: GzipFile = IGzipFile(file.path)
        self._last_but_one, self._last = b"", b"\n"
        try:
            self._ahead = self._inflate(1)
        except OSError:
            self._stream.close()
            raise

    @property
    def empty(self) -> bool:
        """Tell whether there is no text at all; to be asked before the first reading."""
        return not self._ahead

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; nothing at the end."""
        if size < 0:
            raise ValueError("what may inflate without bounds is read in pieces")
        piece = self._ahead + self._inflate(size - 1) if self._ahead else self._inflate(size)
        self._ahead = b""
        self._left -= len(piece)
        if self._left < 0:
            raise Absurd(f"it inflates to more than {MOST_INFLATION} times its size")
        if piece:
            self._last_but_one, self._last = self._last, piece
        elif size and self._stops_short():
            raise OSError("its text stops in the middle of a row")
        return piece

    def _stops_short(self) -> bool:
        """Tell whether the text ends within a row, be it within a quoted field that looks as if it were closed."""
        if not self._last.endswith(_ENDS_OF_A_ROW):
            return True
        *_, row = (self._last_but_one + self._last).rstrip(b"\r\n").rsplit(b"\n", 1)
        # A field may hold line ends, though none of S3's does: then only all quotes together tell.
        return row.count(_QUOTE) % 2 == 1 and _quotes(self._file) % 2 == 1

    def _inflate(self, size: int) -> bytes:
        """Read on. ISA-L inflates twice as fast as zlib, but not all that it raises is an `OSError`."""
        try:
            return self._stream.read(size)
        except EOFError as error:
            raise OSError("its gzip is truncated, or followed by something that is none") from error
        except _DAMAGED as error:
            raise OSError(f"its gzip is damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    # What pyarrow asks of a Python file before it reads from it.
    closed = False

    def readable(self) -> bool:
        """Say that this can be read from."""
        return True

    def writable(self) -> bool:
        """Say that this cannot be written to."""
        return False

    def seekable(self) -> bool:
        """Say that there is no way back."""
        return False


def _quotes(file: DataPath) -> int:
    with IGzipFile(file.path) as stream:
        return sum(piece.count(_QUOTE) for piece in iter(partial(stream.read, _PIECE), b""))


def absurdities(file: DataPath) -> Iterator[str | None]:
    """Inflate all of a gzip and give None for each piece, or at last why it is absurd; other faults just end it."""
    try:
        inflated = Inflated(file)
        try:
            while inflated.read(_PIECE):
                yield None
        finally:
            inflated.close()
    except Absurd as error:
        yield str(error)
    except OSError:
        return
