"""From the bytes of a protocol file to a `Protocol`, or to all of its faults at once with their places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nksim.errors import Fault, InvalidInput, Misread, shorten, suggestion
from nksim.protocol.doses import DoseByLevel
from nksim.protocol.drugs import drug_names, proper_name
from nksim.protocol.facts import BASES, Fact, Misreads
from nksim.protocol.model import Administration, Arm, Assessment, Protocol
from nksim.protocol.record import Record
from nksim.protocol.samples import Samples
from nksim.protocol.stubs import without_faults
from nksim.protocol.times import Days, Recurrence, Reference, Relation
from nksim.protocol.yaml_tree import LARGEST_FILE, Path, Tree, read_tree
from nksim.textfile import bytes_of


def read_protocol(path: str | FilePath) -> Protocol:
    """The protocol of a file; raises `UnreadableInput` NK100, or `InvalidInput` with every fault of the file."""
    return parse_protocol(read_bytes(path), str(path))


def read_bytes(path: str | FilePath) -> bytes:
    """The bytes of a protocol file; raises `UnreadableInput` NK100, or `InvalidInput` NK101 for far too many."""
    return bytes_of(path, most=LARGEST_FILE, help="give a protocol id of `nksim protocols list`, or the path of a file")


def parse_protocol(data: bytes, file: str) -> Protocol:
    """The protocol written in `data`; `file` names it in faults."""
    tree = read_tree(data, file, salvage=True)
    faults, replaced = list(tree.faults), set[Path]()
    protocol: Protocol | None = None
    try:
        protocol = Protocol.model_validate(tree.content)
    except ValidationError as error:
        found = [(_in_file(tree, e["loc"]), list(_faults(tree, e))) for e in error.errors(include_url=False)]
        faults += [f for _, here in found for f in here]
        # The rest of the file is looked at too, so that nobody mends it fault by fault.
        left = without_faults(tree.content, [path for path, here in found if here])
        protocol, replaced = left if left else (None, replaced)
    if protocol is not None:
        faults += [
            m.at(tree.place(path, key=on_key))
            for path, on_key, m in inconsistencies(protocol)
            if not any(path[: len(part)] == part for part in replaced)
            and not (m.code == "NK229" and _rests_on(protocol, path, replaced))
        ]
    if faults or protocol is None:
        raise InvalidInput(dict.fromkeys(faults))
    protocol._sha256 = hashlib.sha256(data).hexdigest()
    return protocol


def _rests_on(protocol: Protocol, path: Path, replaced: set[Path]) -> bool:
    """Whether a line is of a product whose own fault was just reported."""
    match path:
        case ("arms", str(arm), "phases", int(p), "give", int(g), *_):
            return ("products", protocol.arms[arm].phases[p].give[g].product) in replaced
    return False


def _faults(tree: Tree, error: Any) -> Iterator[Fault]:
    """One pydantic error as nksim faults, at the place in the file where they stand."""
    path = _in_file(tree, error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Misreads):
        for key, misread in cause.found:
            yield misread.at(tree.place(path if key is None else (*path, key)))
    elif isinstance(cause, Misread):
        yield cause.at(tree.place(path))
    elif error["type"] == "extra_forbidden":
        yield Fault("NK202", f"unknown key {shorten(path[-1])}", tree.place(path, key=True), _known_keys(path))
    elif error["type"] == "string_pattern_mismatch":
        on_key = error["loc"][-1] == "[key]"
        name = f"{shorten(error['input'])} is not usable as a name here"
        yield Fault("NK202", name, tree.place(path, key=on_key), "lower-case letters, digits, _ and -")
    elif error["type"] == "too_short":
        # Entries with faults of their own do not count for pydantic, although the list itself is long enough.
        if not _found(tree, path):
            yield Fault("NK203", f"{path[-1]}: is empty", tree.place(path), "add at least one entry")
    elif error["type"] == "missing":
        yield Fault("NK203", f"{path[-1]}: is missing", tree.place(path[:-1], key=True), f"add {path[-1]}: …")
    elif error["type"] == "literal_error":
        allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        found = f"{path[-1]}: {shorten(_found(tree, path))} is not known"
        yield Fault("NK202", found, tree.place(path), suggestion(_found(tree, path), allowed))
    else:
        here = _SHAPES.get(error["type"], "another shape")
        name = f"{path[-1]}: " if path and isinstance(path[-1], str) else ""
        keys = _record_at(path).model_fields
        mend = f"write {here}" + (f", with {', '.join(f.alias or n for n, f in keys.items())}" if "map" in here else "")
        yield Fault("NK202", f"{name}{shorten(_found(tree, path))} is not {here}", tree.place(path), mend)


_SHAPES = {
    "model_type": "a map of keys",
    "model_attributes_type": "a map of keys",
    "dict_type": "a map of keys",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "plain text",
}


def _in_file(tree: Tree, loc: tuple[str | int, ...]) -> Path:
    """Pydantic's location without what is not a step in the file (it marks a map's key with '[key]')."""
    path = tuple(step for step in loc if step != "[key]")
    if len(path) >= 1 and path[-1] == "days" and path not in tree.values and (*path[:-1], "day") in tree.values:
        return (*path[:-1], "day")
    return path


def _found(tree: Tree, path: Path) -> Any:
    found: Any = tree.content
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return ""
    return found


def _known_keys(path: Path) -> str:
    """The keys that may stand beside an unknown one, the nearest first."""
    names = [f.alias or n for n, f in _record_at(path[:-1]).model_fields.items()]
    if _record_at(path[:-1]) is Administration:
        names.insert(names.index("days"), "day")
    return suggestion(path[-1], names, f"keys here: {', '.join(names)}")


def _record_at(path: Path) -> type[BaseModel]:
    """The record type that a path leads to, following the annotations of the model."""
    record: type[BaseModel] = Protocol
    for step in path:
        field = next((f for n, f in record.model_fields.items() if step in (n, f.alias)), None)
        found = list(_records_in(field.annotation)) if field else []
        record = found[0] if found else record
    return record


def _records_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for inner in get_args(annotation):
        yield from _records_in(inner)


Inconsistency = tuple[Path, bool, Misread]


def inconsistencies(protocol: Protocol) -> Iterator[Inconsistency]:
    """What single values cannot show: references, ids, sources, cycles of anchors."""
    yield from _sources(protocol, (), protocol)
    for name, product in protocol.products.items():
        if product.kind == "nk" and product.kinetics is None:
            yield (
                ("products", name),
                True,
                Misread(
                    "NK203",
                    f"product {name} needs kinetics:",
                    help="name the kinetic preset, for example kinetics: ipsc",
                ),
            )
    yield from _escalation(protocol)
    for name, arm in protocol.arms.items():
        yield from _lines(protocol, name, arm)
        if not (cycle := _cycle(protocol, arm)):
            continue
        where = _line_paths(name, arm)[cycle[0]]
        yield (
            (*where, "id"),
            False,
            Misread("NK207", f"anchors form a cycle: {' -> '.join(cycle)}", help="give one of them days of its own"),
        )


def _escalation(protocol: Protocol) -> Iterator[Inconsistency]:
    """The start is a level, a cohort fits the trial, nobody waits in a cohort for longer than the DLT window lasts."""
    plan = protocol.escalation
    if plan is None:
        return
    levels, start = plan.levels.value, plan.start.value if plan.start else None
    if plan.start and start and levels and start > len(levels):
        yield (
            _fact_path(("escalation",), "start", plan.start),
            False,
            Misread("NK810", f"there is no level {start} to start at", help=f"from 1 to {len(levels)}"),
        )
    windows = [a.length.value for arm in protocol.arms.values() for a in arm.assess if a.id == "dlt" and a.length]
    within = plan.within.value if plan.within else None
    longest = max((w.days for w in windows if w is not None and w.unit in ("d", "wk")), default=None)
    if plan.within and within and longest is not None and within.days > longest:
        yield (
            _fact_path(("escalation",), "within", plan.within),
            False,
            Misread(
                "NK812",
                f"{within} between patients of a cohort are longer than the DLT window of {longest} d",
                help="a shorter within:, or a longer DLT window (assessment dlt, for:)",
            ),
        )


def _sources(protocol: Protocol, path: Path, node: Any) -> Iterator[Inconsistency]:
    """Every source that a fact names must be among the file's sources."""
    if isinstance(node, Fact):
        known = protocol.sources
        if node.source is not None and node.source not in known:
            yield (
                (*path, "source"),
                False,
                Misread(
                    "NK223",
                    f"source {shorten(node.source)} is not in sources:",
                    help=suggestion(node.source, known, "add it there"),
                ),
            )
        if node.use is not None:
            yield from _sources(protocol, (*path, "use"), node.use)
    elif isinstance(node, BaseModel):
        for name, field in type(node).model_fields.items():
            yield from _sources(protocol, (*path, field.alias or name), getattr(node, name))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _sources(protocol, (*path, key), value)
    elif isinstance(node, tuple):
        for i, value in enumerate(node):
            yield from _sources(protocol, (*path, i), value)


def _line_paths(arm_name: str, arm: Arm) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for p, phase in enumerate(arm.phases):
        for g, line in enumerate(phase.give):
            paths.setdefault(line.id, ("arms", arm_name, "phases", p, "give", g))
    return paths


def _lines(protocol: Protocol, arm_name: str, arm: Arm) -> Iterator[Inconsistency]:
    """Ids are unique, products known, references lead to lines, days follow the numbering, choices lie in range."""
    ids = {line.id for line in arm.lines}
    seen: set[str] = set()
    for p, phase in enumerate(arm.phases):
        if phase.starts is not None and phase.starts.value is not None:
            where: Path = ("arms", arm_name, "phases", p)
            yield from _reference(_fact_path(where, "starts", phase.starts), phase.starts.value, ids)
        for g, line in enumerate(phase.give):
            path: Path = ("arms", arm_name, "phases", p, "give", g)
            if line.id in seen:
                yield (*path, "id"), False, Misread("NK224", f"a second line with id {line.id}", help="rename one")
            seen.add(line.id)
            yield from _line(protocol, path, line, ids)
    for a, item in enumerate(arm.assess):
        path = ("arms", arm_name, "assess", a)
        if item.id in seen:
            yield (*path, "id"), False, Misread("NK224", f"a second entry with id {item.id}", help="rename one")
        seen.add(item.id)
        yield from _times(protocol, path, item, ids)
    anchor = protocol.numbering.anchor.value
    marks = {a.id for a in arm.assess if a.days is not None and _is_anchor_day(protocol, a)}
    if anchor is not None and (anchor.line not in ids | marks or anchor.which != "first"):
        yield (
            ("numbering", "anchor"),
            False,
            Misread(
                "NK220",
                f"anchor {anchor} is not the first dose of a line of arm {arm_name}",
                help=f"write first and one of {', '.join(sorted(ids | marks))}",
            ),
        )


def _is_anchor_day(protocol: Protocol, item: Assessment) -> bool:
    """Whether an assessment stands on the day from which days are counted, and on no other."""
    value = item.days.chosen.value if item.days else None
    return isinstance(value, Days) and value.days == ((0,) if protocol.numbering.zero.value else (1,))


def _line(protocol: Protocol, path: Path, line: Administration, ids: set[str]) -> Iterator[Inconsistency]:
    if line.product not in protocol.products and line.product not in drug_names():
        proper, others = proper_name(line.product), [*protocol.products, *sorted(drug_names())]
        declared = "add it to products:, as kind: drug"
        yield (
            (*path, "product"),
            False,
            Misread(
                "NK225",
                f"product {shorten(line.product)} is neither in products: nor a known drug",
                help=f"write {proper}" if proper else suggestion(line.product, others, declared),
            ),
        )
    yield from _dose(protocol, path, line)
    use, choice = line.dose.use, line.dose.value
    # A user may go beyond the registered range, and is told so on the calendar (NK315); a file may not.
    if use is not None and use.setting is None and (not hasattr(choice, "holds") or not _lies_within(use, choice)):
        yield (
            (*path, "dose", "use"),
            False,
            Misread(
                "NK226", f"{use.text} is not a choice within {line.dose.text}", help="choose one dose inside the range"
            ),
        )
    yield from _times(protocol, path, line, ids)


def _dose(protocol: Protocol, path: Path, line: Administration) -> Iterator[Inconsistency]:
    """Cells are counted, known drugs are not; a dose by level needs levels."""
    dose = line.dose.chosen.value
    if isinstance(dose, DoseByLevel) and protocol.escalation is None:
        help = "add escalation:, or write the dose"
        yield (
            (*path, "dose"),
            False,
            Misread("NK203", f"line {line.id} is dosed by level: levels are missing", help=help),
        )
        return
    levels = protocol.escalation.levels.value if protocol.escalation and isinstance(dose, DoseByLevel) else None
    measured = {q.dimension for q in levels} if levels else dose.dimensions if dose else set()
    product = protocol.products.get(line.product)
    counted = product is not None and product.kind == "nk"
    if measured - {"cells"} if counted else "cells" in measured and line.product in drug_names():
        wanted = "write cells or cells/kg" if counted else "write it in mg or IU"
        found = " and ".join(sorted(measured))
        yield (*path, "dose"), False, Misread("NK229", f"{line.product} is dosed in {found}", help=wanted)


def _lies_within(use: Fact[Any], choice: Any) -> bool:
    return use.value is None or all(choice.holds(d) for case in use.value.cases for d in case.doses)


def _times(protocol: Protocol, path: Path, item: Administration | Assessment, ids: set[str]) -> Iterator[Inconsistency]:
    numbering = protocol.numbering.zero
    for name in ("days", "before", "after", "start", "samples"):
        fact = getattr(item, name, None)
        if fact is None or fact.value is None:
            continue
        key = {"start": "from"}.get(name, name)
        value_path = _fact_path(path, key, fact)
        if isinstance(fact.value, Days) and numbering.value is False and 0 in fact.value.days:
            yield (
                value_path,
                False,
                Misread(
                    "NK227",
                    "day 0 does not exist in this protocol's numbering",
                    help="day 1 is the anchor (numbering: zero: no)",
                ),
            )
        yield from _reference(value_path, fact.value, ids)


def _reference(path: Path, value: Any, ids: set[str]) -> Iterator[Inconsistency]:
    """What a time counts from must be a line of the arm."""
    refers = value.first if isinstance(value, Recurrence) else value.of if isinstance(value, Samples) else value
    if isinstance(refers, (Relation, Reference)) and refers.line not in ids:
        yield (
            path,
            False,
            Misread(
                "NK220",
                f"{shorten(refers.line)} is not a line of this arm",
                help=suggestion(refers.line, sorted(ids)),
            ),
        )


def _fact_path(path: Path, key: str, fact: Fact[Any]) -> Path:
    return (*path, key, fact.basis) if fact.basis in BASES else (*path, key)


def _cycle(protocol: Protocol, arm: Arm) -> list[str]:
    """The first circle of lines that are timed by one another, closed, or an empty list."""
    after: dict[str, str] = {}
    for phase in arm.phases:
        for line in phase.give:
            value: Any = line.timing.value
            refers = value.first if isinstance(value, Recurrence) else value
            if not isinstance(refers, Relation) and phase.starts is not None:
                refers = phase.starts.value
            if isinstance(refers, Relation):
                after[line.id] = refers.line
    for start in after:
        walk = [start]
        while walk[-1] in after:
            step = after[walk[-1]]
            if step in walk:
                return [*walk[walk.index(step) :], step]
            walk.append(step)
    anchor = protocol.numbering.anchor.value
    return [anchor.line, after[anchor.line], anchor.line] if anchor is not None and anchor.line in after else []
