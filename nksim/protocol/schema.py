"""The protocol format as JSON Schema (draft 07), made from the model, for completion and checks in editors.

An editor reads numbers and truth values where nksim reads text, so that both are allowed wherever the text may look
like one. The schema knows keys, choices and the shape of values; nksim's own grammar, references and sums it leaves
to `nksim protocols validate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import resources
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator

from nksim.protocol import delays, doses, model, renal, samples, supply, times, values, weights
from nksim.protocol.facts import BASES, MAY_HOLD, MUST_HOLD, Fact
from nksim.protocol.record import Read, Record
from nksim.protocol.yaml_tree import read_tree

Schema = dict[str, Any]
FILE = "protocol.schema.json"

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"


def _like(pattern: str, *examples: str) -> Schema:
    """Text of a shape; a bare number never is."""
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


def _record(required: tuple[str, ...], optional: tuple[str, ...] = (), **values: Schema) -> Schema:
    """A map with these keys, each of its own shape."""
    keys = {name.replace("_", " "): value for name, value in values.items()}
    held = {key: keys.get(key, _TEXT) for key in (*required, *optional)}
    return {"type": "object", "properties": held, "required": list(required), "additionalProperties": False}


def _either(*options: Schema) -> Schema:
    return {"anyOf": list(options)}


_WITH_UNIT = r"[0-9\]][^#]*[A-Za-z%万萬μµ]"
_DOSE = _like(_WITH_UNIT, "60 mg/kg", "25 mg/m^2", "1e9 cells", "[6e8, 1.2e9] cells", "5e8..1e9 cells")
_LENGTH = _like(r"^ *[0-9.]+ *(min|h|d|wk|mo|y) *$", "30 min", "28 d", "12 mo")
_SPAN = _like(r"^ *(>= *)?[0-9.].*(min|h|d|wk) *$", "45 min", "30..60 min", ">= 4 h")
_DAYS = _either({"type": "integer"}, _like(r"^ *[+−–-]?[0-9][0-9,. +−–-]*$", "-6..-2", "0, 3, 7"))
_COUNT = _either({"type": "integer", "minimum": 1}, _like(r"^[0-9]+$", "6"))
_SHARE = _like(r"[0-9] ?%", "90 %")
_LINE = _like(r"^((first|last|each) )?[a-z][a-z0-9_-]*$", "first cells", "each cells")
_EDGE_OF_LINE = _like(
    r"^((start|end) of )?((first|last) )?[a-z][a-z0-9_-]*$", "last induction", "end of last induction"
)
_RELATION_TO = _either(
    _record(("after", "by"), after=_EDGE_OF_LINE, by=_SPAN), _record(("before", "by"), before=_EDGE_OF_LINE, by=_SPAN)
)
_RECURRENCE = _record(
    ("count", "every"),
    ("pattern", "first", "from"),
    count=_COUNT,
    every=_LENGTH,
    pattern=_DAYS,
    first=_RELATION_TO,
    **{"from": {"enum": ["plan", "previous dose"]}},
)
_RELATION = _either(
    _record(("start of", "by"), start_of=_LINE, by=_SPAN), _record(("end of", "by"), end_of=_LINE, by=_SPAN)
)
_BAND = _either(_record(("below", "give")), _record(("otherwise",)))
_AGES = _either(
    _like(r"^ *[0-9.]+ ?(\.\.|-|–) ?[0-9.]+ ?y *$", "0-18 y"), _like(r"^ *(>=|≥|≧) ?[0-9.]+ ?y *$", ">= 18 y")
)
_WEIGHTS = _either(
    _like(r"^ *[0-9.]+ ?(\.\.|-|–) ?[0-9.]+ ?kg *$", "10-100 kg"), _like(r"^ *(>=|≥|≧) ?[0-9.]+ ?kg *$", ">= 10 kg")
)
# Name and shape of what each reader of a value reads. A reader that is not here stops the schema from being made.
_SHAPES: dict[Callable[..., Any], tuple[str, Schema]] = {
    values._text: ("text", _TEXT),
    doses.dose_rule: (
        "dose",
        _either(
            {"const": "level", "description": "The dose of the chosen level of the escalation."},
            _DOSE,
            {
                "type": "array",
                "minItems": 1,
                "items": _either(
                    _record(("when", "give"), when=_like("[<>]", "weight < 70 kg"), give=_DOSE),
                    _record(("otherwise",), otherwise=_DOSE),
                ),
            },
        ),
    ),
    doses.amount: ("amount", _like(_WITH_UNIT, "2 g")),
    doses.dose_range: ("range", _like(_WITH_UNIT, "1e7..2e7 cells/kg")),
    doses.rounding: ("rounding", _record(("to", "within"), to=_DOSE, within=_SHARE)),
    times.days: ("days", _either(_DAYS, _RECURRENCE)),
    times.relation: ("relation", _RELATION),
    times.relation_to: ("start", _RELATION_TO),
    times.reference: ("reference", _LINE),
    times.clock: ("clock", _like(r"^ *([01][0-9]|2[0-3]):[0-5][0-9] *$", "20:00")),
    times.window: ("window", _like(r"^ *[+−–-]?[0-9.]+ ?\.\. ?\+?[0-9.]+ ?(min|h|d|wk) *$", "-1..+3 d")),
    times.count: ("count", _COUNT),
    values._whole: ("count", _COUNT),
    delays.delay: ("delay", _like(r"^ *[0-9.]+ ?\.\. ?[0-9.]+ ?(min|h|d|wk) *$", "0..14 d")),
    samples.samples: (
        "samples",
        _either(_record(("start of", "at"), start_of=_LINE), _record(("end of", "at"), end_of=_LINE)),
    ),
    samples.months: ("months", _either({"type": "integer", "minimum": 1}, _like("^[0-9, ]+$", "3, 6, 12"))),
    weights.weight_rule: (
        "weight",
        _like("^ *(actual|ideal|adjusted)", "actual", "ideal", "adjusted 50 % at >= 150 % of ideal"),
    ),
    renal.renal_rule: (
        "renal",
        _record(
            ("by", "bands"), by={"enum": list(renal.MEASURES)}, bands={"type": "array", "minItems": 1, "items": _BAND}
        ),
    ),
    supply.vials: ("vials", _like(_WITH_UNIT, "500 mg", "[500, 1000] mg")),
    supply.volume: ("volume", _record(("at", "least"), ("step",))),
    supply.percent: ("share", _SHARE),
    supply._filling: ("filling", {"enum": ["whole, up", "whole, nearest", "part"]}),
    supply._cells_in_bag: ("cells", _like("cells?", "2e9 cells")),
    supply._cell_limit: ("cells per kg", _like("cells?/kg", "2e5 cells/kg")),
    supply._mass_limit: ("mass per kg", _like("g/kg", "1 g/kg")),
    supply._endotoxin_limit: ("endotoxin per kg", _like("EU/kg", "5 EU/kg")),
    supply._dmso: ("mass", _like("[0-9] ?[a-zμµ]*g", "5 g")),
    supply._endotoxin: ("endotoxin", _like("EU", "25 EU")),
    values._cap: ("surface cap", _either({"const": "none"}, _like(r"m[²2^㎡]|㎡", "2.0 m^2"))),
    values._length: ("length", _LENGTH),
    values._infusion_time: ("infusion time", _like(r"^ *[0-9.]+ *(min|h|d|wk) *$", "30 min", "1 h")),
    values._whole_days: ("whole days", _like(r"^ *[0-9.]+ *(d|wk) *$", "14 d")),
    values._stagger: ("stagger", _like(r"^ *[0-9.]+ *(d|wk) *$", "14 d")),
    values._levels: ("levels", _like(r"^ *\[.*\] *.+", "[2e6, 6e6, 1.8e7] cells/kg")),
    values._design: ("design", _either({"enum": list(values.DESIGNS)}, _like("^other: ", "other: in words"))),
    values._share: ("probability", _SHARE),
    values._yes_no: ("yes or no", {"enum": ["yes", "no", True, False]}),
    values._year: (
        "year",
        _either({"type": "integer", "minimum": 1900, "maximum": 2099}, _like("^(19|20)[0-9][0-9]$")),
    ),
    values._age_range: ("ages", _AGES),
    values._weight_range: ("weights", _WEIGHTS),
}
# What the validators of whole records ask for.
_RULES: dict[str, Schema] = {
    "Source": {"anyOf": [{"required": [key]} for key in ("doi", "pmid", "nct", "url")]},
    "Administration": {"oneOf": [{"required": [key]} for key in ("days", "day", "before", "after")]},
    "Assessment": {
        "anyOf": [*({"required": [key]} for key in ("days", "months", "samples")), {"required": ["from", "for"]}],
        "dependencies": {"from": ["for"], "for": ["from"]},
    },
    "Product": {
        "if": {"properties": {"kind": {"const": "nk"}}},
        "then": {"required": ["kinetics"]},
    },
}


def json_schema() -> Schema:
    """The schema of a protocol file.

    >>> json_schema()["required"][:3]
    ['format', 'id', 'title']
    """
    walk = _Walk()
    root = walk.record(model.Protocol)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "nksim protocol, format 1",
        **root,
        "definitions": dict(sorted(walk.definitions.items())),
    }


def as_text() -> str:
    """The schema as the file that is shipped, each definition on a line of its own."""
    schema = json_schema()
    definitions = [f"  {_line(name)}: {_line(held)}" for name, held in schema.pop("definitions").items()]
    top = [f" {_line(key)}: {_line(held)}" for key, held in schema.items()]
    return ",\n".join(["{\n" + top[0], *top[1:], ' "definitions": {\n' + ",\n".join(definitions) + "\n }"]) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Walk:
    """Follows the annotations of the model and gathers definitions by name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        data = resources.files("nksim.protocol").joinpath("descriptions.yaml").read_bytes()
        self.words: dict[str, dict[str, str]] = read_tree(data, "descriptions.yaml").content

    def record(self, record: type[Record]) -> Schema:
        """One record as an object schema."""
        hints = get_type_hints(record, include_extras=True)
        properties: dict[str, Schema] = {}
        for name, field in record.model_fields.items():
            key = field.alias or name
            shape = self.shape(hints[name])
            properties[key] = {**_beside_reference(shape), "description": self.words[record.__name__][key]}
        if "days" in properties and record is model.Administration:
            properties["day"] = {**properties["days"], "description": self.words["Administration"]["day"]}
        required = [f.alias or n for n, f in record.model_fields.items() if f.is_required()]
        return {
            "type": "object",
            "description": (record.__doc__ or "").split("\n")[0],
            "properties": properties,
            "required": required,
            "additionalProperties": False,
            **_RULES.get(record.__name__, {}),
        }

    def shape(self, hint: Any) -> Schema:
        """What a type annotation allows in a file."""
        origin, args = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if origin in (Union, UnionType):
            (one,) = (a for a in args if a is not NoneType)
            return self.shape(one)
        if origin is Literal:
            return {"enum": [v for a in args for v in ((a, int(a)) if a.isdigit() else (a,))]}
        if origin is tuple:
            return {"type": "array", "items": self.shape(args[0])}
        if origin is dict:
            return {"type": "object", **self._keys(args[0]), "additionalProperties": self.shape(args[1])}
        assert isinstance(hint, type)
        assert issubclass(hint, Record), f"no shape for {hint}"
        name = hint.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.record(hint)
        return {"$ref": f"#/definitions/{name}"}

    def _keys(self, hint: Any) -> Schema:
        pattern = self.shape(hint).get("pattern") if get_origin(hint) is Annotated else None
        return {"propertyNames": {"pattern": pattern}, "minProperties": 1} if pattern else {}

    def _annotated(self, inner: Any, metadata: tuple[Any, ...]) -> Schema:
        reader: Any = next((m.func for m in metadata if isinstance(m, (Read, BeforeValidator))), None)
        held = [c for m in metadata for c in (*getattr(m, "metadata", ()), m)]
        pattern = next((m.pattern for m in held if getattr(m, "pattern", None)), None)
        least = next((m.min_length for m in held if getattr(m, "min_length", None)), None)
        if pattern:
            return {"type": ["string", "integer"], "pattern": pattern}
        if reader is None:
            sized = {"minItems" if get_origin(inner) is tuple else "minProperties": least} if least else {}
            return {**self.shape(inner), **sized}
        if get_origin(inner) is Fact:
            return self._fact(reader.parse)
        return self._read_by(reader)[1]

    def _fact(self, parse: Callable[[Any], Any]) -> Schema:
        """A value by itself, or marked with where it stands."""
        name, value = self._read_by(parse)
        name = name.replace(" ", "-")
        self.definitions[name] = value
        fact, plain = f"fact-{name}", {"$ref": f"#/definitions/{name}"}
        if fact not in self.definitions:
            marked = [self._marked(basis, plain, fact) for basis in BASES]
            self.definitions[fact] = {"anyOf": [plain, *marked]}
        return {"$ref": f"#/definitions/{fact}"}

    def _marked(self, basis: str, plain: Schema, fact: str) -> Schema:
        own: Schema = _TEXT if basis == "unknown" else plain
        properties = {basis: {**_beside_reference(own), "description": _STANDS[basis]}}
        for key in sorted(MAY_HOLD[basis]):
            if key == "use":
                properties[key] = {"allOf": [{"$ref": f"#/definitions/{fact}"}], "description": _STANDS[key]}
                continue
            self.definitions[f"its-{key}"] = {**_TEXT, "description": _STANDS[key]}
            properties[key] = {"$ref": f"#/definitions/its-{key}"}
        required = [basis, *sorted(MUST_HOLD.get(basis, set()))]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def _read_by(self, reader: Callable[[Any], Any]) -> tuple[str, Schema]:
        if isinstance(reader, partial):
            if reader.func is values._one_of:
                return f"one {reader.args[0]}", {"enum": list(reader.args[1])}
            reader = reader.func
        return _SHAPES[reader]


_STANDS = {
    "stated": "The value as the registration, or the source named beside it, states it.",
    "derived": "A value that follows from what is stated; from: and why: say how.",
    "assumed": "A value that nobody states: a choice of this file, with why:.",
    "unknown": "The unit or kind of a value that nobody gives; ask: is the question, --set the answer.",
    "source": "A key of sources:, where the fact does not stand in the registration itself.",
    "why": "Why this value.",
    "from": "What it follows from.",
    "ask": "The question to the sponsor.",
    "printed": "The token as printed, where it is odd.",
    "use": "The choice within a registered range.",
}


def _beside_reference(shape: Schema) -> Schema:
    """Draft 07 ignores what stands beside a reference."""
    return {"allOf": [shape]} if "$ref" in shape else shape
