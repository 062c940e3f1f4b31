"""Strict YAML: plain maps, lists and text, each with the place where it stands.

Only the parser's event stream is used, so YAML never guesses a type: every scalar stays text. Anchors, aliases,
tags, merge keys, duplicate keys and second documents are faults; size and depth are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from nksim.errors import Fault, InvalidInput, Place, shorten
from nksim.textfile import decoded

LARGEST_FILE = 1_000_000
DEEPEST = 40
MOST_VALUES = 20_000
Path = tuple[str | int, ...]


@dataclass
class Tree:
    """The content of one file, with the place of every key and value by its path."""

    file: str
    lines: list[str]
    content: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a path, or of the nearest thing above it that stands in the file."""
        for end in range(len(path), -1, -1):
            book = self.keys if key and path[:end] in self.keys else self.values
            if path[:end] in book:
                return book[path[:end]]
        return Place(self.file)

    def mark(self, start: Any, end: Any) -> Place:
        """A place from the parser's marks; text that goes on over lines is marked to the end of its first."""
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if end.line == start.line else len(line)
        return Place(self.file, start.line + 1, start.column + 1, max(1, stop - start.column), line)

    def fault(self, code: str, message: str, place: Place, help: str) -> None:
        """Notes a fault and goes on, so that a file's faults come out together."""
        self.faults.append(Fault(code, message, place, help))


def read_tree(data: bytes, file: str, *, salvage: bool = False) -> Tree:
    """The tree of a file's bytes; raises `InvalidInput` (NK101-NK108) where it is not the strict YAML.

    To `salvage` is to give the tree all the same where it can be read, with its faults noted in it.

    >>> read_tree(b"dose: 60 mg/kg", "a.yaml").content
    {'dose': '60 mg/kg'}
    """
    text = _text(data, file)
    tree = Tree(file, text.splitlines())
    if not text.strip():
        raise InvalidInput("NK102", "the file is empty", place=Place(file), help="see `nksim protocols show jk500`")
    builder = _Builder(tree)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = tree.mark(mark, mark) if mark else Place(file)
        tree.fault("NK103", f"not YAML: {error.problem or error.context}", place, "check indentation, quotes, brackets")
        builder.broken = True
    except yaml.reader.ReaderError as error:
        before = (text[: error.position] + "?").splitlines()
        line = tree.lines[len(before) - 1] if len(before) <= len(tree.lines) else ""
        place = Place(file, len(before), len(before[-1]), 1, line)
        tree.fault("NK103", f"not YAML: {shorten(text[error.position])} is a control character", place, "delete it")
        builder.broken = True
    if tree.faults and (builder.broken or not salvage):
        raise InvalidInput(tree.faults)
    builder.drop_what_is_refused()
    if tree.content is None or tree.content == "":
        raise InvalidInput(
            "NK102", "the file is empty but for comments", place=Place(file), help="begin with format: 1"
        )
    if not isinstance(tree.content, dict):
        raise InvalidInput("NK102", "the file is not a map of keys", place=tree.place(()), help="begin with format: 1")
    return tree


def _text(data: bytes, file: str) -> str:
    if len(data) > LARGEST_FILE:
        raise InvalidInput(
            "NK101", f"the file has {len(data)} bytes", place=Place(file), help=f"at most {LARGEST_FILE}"
        )
    return decoded(data, file, save_as="UTF-8 text")


class _Builder:
    """Builds the tree from parser events with a stack of its own: depth can never exhaust the interpreter's."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.stack: list[tuple[Path, Any]] = []
        self.pending_key: list[str | None] = []
        self.documents = 0
        self.broken = False
        self.refused: list[tuple[dict[str, Any], str]] = []

    def drop_what_is_refused(self) -> None:
        """Takes second values of a key and merge keys out of the content; their faults are noted."""
        for container, key in self.refused:
            container.pop(key, None)

    def take(self, event: yaml.Event) -> None:
        place = self.tree.mark(event.start_mark, event.end_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.tree.fault("NK104", "a second document in one file", place, "one protocol, one file: delete ---")
        self._refuse_extras(event, place)
        if self.documents > 1:
            return
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event.value, place)
        elif isinstance(event, yaml.AliasEvent):
            self._value("", place)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open({}, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open([], place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
            self.pending_key.pop()

    def _refuse_extras(self, event: yaml.Event, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.tree.fault("NK105", f"alias *{event.anchor} is not allowed", place, "write the value out")
        elif isinstance(event, yaml.NodeEvent) and event.anchor:
            self.tree.fault("NK105", f"anchor &{event.anchor} (for an alias) is not allowed", place, "delete it")
        if getattr(event, "tag", None):
            self.tree.fault(
                "NK106", f"tag {shorten(getattr(event, 'tag', ''))} is not allowed", place, "write plain text"
            )

    def _open(self, container: Any, place: Place) -> None:
        if len(self.stack) >= DEEPEST:
            raise InvalidInput("NK107", f"nested deeper than {DEEPEST} levels", place=place, help="flatten the file")
        if self.stack and isinstance(self.stack[-1][1], dict) and self.pending_key[-1] is None:
            self.tree.fault("NK103", "a key is a map or a list", place, "a key is plain text")
            self.pending_key[-1] = f"<{len(self.tree.faults)}>"
            self.broken = True
        path = self._value(container, place)
        self.stack.append((path, container))
        self.pending_key.append(None)

    def _scalar(self, text: str, place: Place) -> None:
        if not self.stack or isinstance(self.stack[-1][1], list) or self.pending_key[-1] is not None:
            self._value(text, place)
            return
        path, container = self.stack[-1]
        if text in container:
            first = self.tree.keys[(*path, text)].line
            self.tree.fault("NK108", f"duplicate key {shorten(text)}, first on line {first}", place, "keep one of them")
            text = f"{text}<{place.line}:{place.column}>"
            self.refused.append((container, text))
        if text == "<<":
            self.tree.fault("NK105", "merge keys are not allowed", place, "write the values out")
            self.refused.append((container, text))
        self.tree.keys[(*path, text)] = place
        self.pending_key[-1] = text

    def _value(self, value: Any, place: Place) -> Path:
        if not self.stack:
            self.tree.content = value
            path: Path = ()
        else:
            above, container = self.stack[-1]
            if isinstance(container, list):
                path = (*above, len(container))
                container.append(value)
            else:
                key = self.pending_key[-1] or ""
                path = (*above, key)
                container[key] = value
                self.pending_key[-1] = None
        self.tree.values[path] = place
        if len(self.tree.values) > MOST_VALUES:
            raise InvalidInput("NK107", f"more than {MOST_VALUES} values", place=place, help="shorten the file")
        return path
