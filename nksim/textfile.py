"""Text from the bytes of a file that a person made: UTF-8, or a fault that says what the bytes are instead."""

from __future__ import annotations

from nksim.errors import InvalidInput, Place

_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel or zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel file"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def decoded(data: bytes, file: str, *, save_as: str) -> str:
    """The text, with or without a byte-order mark; raises `InvalidInput` NK101 with `save_as` as its mend.

    >>> decoded(b"id: a", "a.yaml", save_as="UTF-8 text")
    'id: a'
    """
    mend = f"save it as {save_as}"
    for mark, name in _OTHER_FORMATS:
        if data.startswith(mark):
            raise InvalidInput("NK101", f"the file is {name}", place=Place(file), help=mend)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput("NK101", f"byte {error.start} is not UTF-8", place=Place(file, line), help=mend) from None
