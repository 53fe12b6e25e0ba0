"""Lines: bytes of a foreign file as numbered lines of text, each of bounded length."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from annotation.methods.readers.rows import MOST_CHARACTERS_PER_ROW, UnreadableFileError

_HEAD = 65_536
_ENDS = ("\n", "\r")
_REMEDY = "Save the file as UTF-8 and import it again."


class Line(NamedTuple):
    """A line with its end, its number from 1, and how many bytes are read; no text: too long."""

    number: int
    position: int
    text: str | None


def numbered_lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a UTF-8 file, or of a UTF-16 one with its byte order mark.

    A byte that is not UTF-8 becomes an unpaired surrogate, so that its row alone is refused; a
    file that is plainly written in another encoding raises.

    >>> list(numbered_lines(io.BytesIO("\\ufeffJàmm\\nrekk".encode())))
    [Line(number=1, position=13, text='Jàmm\\n'), Line(number=2, position=13, text='rekk')]
    """
    text = _open_text(stream)
    number = 0
    while chunk := _read(text, stream):
        number += 1
        if len(chunk) < MOST_CHARACTERS_PER_ROW or chunk.endswith(_ENDS):
            yield Line(number, stream.tell(), chunk)
            continue
        while chunk and not chunk.endswith(_ENDS):
            chunk = _read(text, stream)
        yield Line(number, stream.tell(), None)
    text.detach()


def _read(text: io.TextIOWrapper, stream: BinaryIO) -> str:
    try:
        return text.readline(MOST_CHARACTERS_PER_ROW)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"Near byte {stream.tell():,} the file stops being {text.encoding}: {error.reason}. "
            f"{_REMEDY}"
        ) from error


def _open_text(stream: BinaryIO) -> io.TextIOWrapper:
    head = stream.read(_HEAD)
    stream.seek(0)
    encoding, errors = _encoding(head)
    return io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")


def _encoding(head: bytes) -> tuple[str, str]:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnreadableFileError(f"The file is UTF-32. {_REMEDY}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "surrogatepass"
    if head[:2].strip() and head.count(0) > len(head) // 4:
        raise UnreadableFileError(
            f"Byte {head.index(0) + 1:,} is zero, as are many: this is UTF-16 without a byte "
            f"order mark, or no text at all. {_REMEDY}"
        )
    _refuse_other_encodings(head)
    return "utf-8-sig", "surrogateescape"


def _refuse_other_encodings(head: bytes) -> None:
    """Raise where it is not single rows that are broken, but the whole file that is not UTF-8."""
    lines = head.splitlines()
    if len(head) == _HEAD and len(lines) > 1:
        lines.pop()
    bad = [number for number, line in enumerate(lines, 1) if not _is_utf8(line)]
    good = sum(1 for line in lines if not line.isascii()) - len(bad)
    if len(bad) < 2 or len(bad) <= good or 10 * len(bad) <= len(lines):
        return
    try:
        head.decode()
    except UnicodeDecodeError as error:
        byte, place = head[error.start], error.start + 1
        raise UnreadableFileError(
            f"The file is not UTF-8: first at byte {place:,} (line {bad[0]:,}, 0x{byte:02X}), "
            f"and in {len(bad):,} of the first {len(lines):,} lines. {_REMEDY}"
        ) from error


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
