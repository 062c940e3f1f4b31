"""The JSON Schema says what the model says: every key, every choice, every fault of shape."""

import copy
import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from nksim.cli import run
from nksim.errors import InvalidInput
from nksim.protocol.reading import parse_protocol
from nksim.protocol.schema import FILE, as_text, json_schema
from nksim.protocol.yaml_tree import read_tree

ROOT = Path(__file__).parents[1]
EVERYTHING = ROOT / "tests" / "everything" / "everything.yaml"
SHIPPED = [*sorted((ROOT / "protocols").glob("*.yaml")), EVERYTHING]
CHECK = jsonschema.Draft7Validator(json_schema())


class Yaml12(yaml.SafeLoader):
    """YAML 1.2 core, as editors read it: numbers and true/false become values, yes and no stay text."""


Yaml12.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


def refused_by_schema(content):
    return not CHECK.is_valid(content)


def refused_by_model(content):
    try:
        parse_protocol(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode(), "a.yaml")
    except InvalidInput:
        return True
    return False


def test_the_shipped_schema_is_the_one_that_the_model_gives():
    """After a change of the format: nksim protocols schema > protocols/protocol.schema.json."""
    assert (ROOT / "protocols" / FILE).read_text(encoding="utf-8") == as_text()


def test_the_command_prints_the_schema(capsys):
    assert run(["protocols", "schema"]) == 0
    assert capsys.readouterr().out == as_text()


def test_the_schema_is_a_schema():
    jsonschema.Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_protocol_is_valid_read_strictly_and_as_an_editor_reads_it(path):
    data = path.read_bytes()
    assert [e.message for e in CHECK.iter_errors(read_tree(data, path.name).content)] == []
    assert [e.message for e in CHECK.iter_errors(yaml.load(data, Yaml12))] == []


@pytest.mark.parametrize(("counted", "refused"), [("plan", False), ("previous dose", False), ("last dose", True)])
def test_schema_and_model_agree_what_a_recurrence_counts_from(counted, refused):
    content = copy.deepcopy(read_tree(EVERYTHING.read_bytes(), "a.yaml").content)
    lines = [line for arm in content["arms"].values() for phase in arm["phases"] for line in phase["give"]]
    recurring = [line["days"] for line in lines if isinstance(line.get("days"), dict) and "every" in line["days"]]
    recurring[0]["from"] = counted
    assert (refused_by_schema(content), refused_by_model(content)) == (refused, refused)


def test_a_line_for_the_editor_does_not_change_the_file():
    line = b"# yaml-language-server: $schema=protocol.schema.json\n"
    data = EVERYTHING.read_bytes()
    assert parse_protocol(line + data, "a.yaml").arms == parse_protocol(data, "a.yaml").arms


def records(schema, content, path=()):
    """Every map of a file whose keys the schema knows, with the path and its schema."""
    while "$ref" in schema or "allOf" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        schema = json_schema()["definitions"][reference.removeprefix("#/definitions/")]
    if isinstance(content, dict) and "properties" in schema:
        yield path, schema
        for key, value in content.items():
            yield from records(schema["properties"][key], value, (*path, key))
    elif isinstance(content, dict) and "additionalProperties" in schema:
        for key, value in content.items():
            yield from records(schema["additionalProperties"], value, (*path, key))
    elif isinstance(content, list) and "items" in schema:
        for i, value in enumerate(content):
            yield from records(schema["items"], value, (*path, i))


def within(content, path):
    for step in path:
        content = content[step]
    return content


CONTENT = yaml.load(EVERYTHING.read_bytes(), yaml.BaseLoader)
RECORDS = list(records(json_schema(), CONTENT))


def test_the_file_of_every_rule_has_every_kind_of_record():
    assert {s["description"] for _, s in RECORDS} >= {
        d["description"] for d in json_schema()["definitions"].values() if "properties" in d and "description" in d
    } - {"Something that the registration leaves open and no value in the file could show."}


@pytest.mark.parametrize("path", [p for p, _ in RECORDS], ids=lambda p: ".".join(map(str, p)) or "file")
def test_an_unknown_key_is_refused_by_both(path):
    content = copy.deepcopy(CONTENT)
    within(content, path)["colour"] = "red"
    assert (refused_by_schema(content), refused_by_model(content)) == (True, True)


REQUIRED = [(p, key) for p, s in RECORDS for key in s["required"]]


@pytest.mark.parametrize(("path", "key"), REQUIRED, ids=lambda x: x if isinstance(x, str) else ".".join(map(str, x)))
def test_a_missing_key_is_refused_by_both(path, key):
    content = copy.deepcopy(CONTENT)
    del within(content, path)[key]
    assert (refused_by_schema(content), refused_by_model(content)) == (True, True)


OPTIONAL = [(p, k) for p, s in RECORDS for k in within(CONTENT, p) if k not in s["required"]]


@pytest.mark.parametrize(("path", "key"), OPTIONAL, ids=lambda x: x if isinstance(x, str) else ".".join(map(str, x)))
def test_a_key_that_may_be_left_out_is_missed_by_both_or_by_none(path, key):
    content = copy.deepcopy(CONTENT)
    del within(content, path)[key]
    # References, cycles and levels are sums over the file, which no schema sees.
    if refused_by_schema(content):
        assert refused_by_model(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "2"),
        (("id",), "Big Letters"),
        (("reading",), "third"),
        (("population", "age"), "children"),
        (("population", "enrolment"), "a dozen"),
        (("numbering", "anchor"), "Cells!"),
        (("numbering", "zero"), "ja"),
        (("body", "weight"), "lean"),
        (("body", "bsa"), "mosteler"),
        (("body", "bsa_cap"), "2.0"),
        (("products", "haplo-nk", "kind"), "cells"),
        (("products", "haplo-nk", "bag", "viability"), "0.9"),
        (("products", "haplo-nk", "bag", "give"), "whole"),
        (("products", "haplo-nk", "limits", "dmso"), "1 g"),
        (("arms",), {}),
        (("arms", "main", "phases"), []),
        (("arms", "main", "phases", 0, "give"), []),
        (("arms", "main", "phases", 0, "give"), "cy"),
        (("arms", "main", "phases", 0, "give", 0, "route"), "intravenous"),
        (("arms", "main", "phases", 0, "give", 0, "dose"), "60"),
        (("arms", "main", "phases", 0, "give", 0, "dose"), {"assumed": "60 mg/kg"}),
        (("arms", "main", "phases", 0, "give", 0, "dose"), {"unknown": "mg/kg"}),
        (("arms", "main", "phases", 0, "give", 0, "dose"), {"guessed": "60 mg/kg"}),
        (("arms", "main", "phases", 0, "give", 0, "over"), "1:30"),
        (("arms", "main", "phases", 0, "give", 0, "days"), "Monday"),
        (("arms", "main", "phases", 0, "give", 0, "round"), {"to": "50 mg"}),
        (("arms", "main", "phases", 0, "give", 1, "at"), "8 am"),
        (("arms", "main", "phases", 0, "give", 1, "renal", "stated", "by"), "mdrd"),
        (("cohorts", "after"), "nobody"),
        (("escalation", "design"), "4+4"),
        (("escalation", "target"), "0.3"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_both(path, value):
    content = copy.deepcopy(CONTENT)
    within(content, path[:-1])[path[-1]] = value
    assert (refused_by_schema(content), refused_by_model(content)) == (True, True)


@pytest.mark.parametrize(
    "timing", [{}, {"days": "0", "day": "1"}, {"days": "0", "before": {"start of": "cy", "by": "1 h"}}]
)
def test_a_line_without_one_way_of_timing_is_refused_by_both(timing):
    content = copy.deepcopy(CONTENT)
    line = within(content, ("arms", "main", "phases", 0, "give", 0))
    line.pop("days")
    line.update(timing)
    assert (refused_by_schema(content), refused_by_model(content)) == (True, True)


def test_every_key_has_its_description_for_the_editor():
    schema = json_schema()
    described = [schema, *schema["definitions"].values()]
    keys = [(name, p) for s in described for name, p in s.get("properties", {}).items() if "description" in s]
    assert len(keys) > 90
    assert [name for name, p in keys if not p.get("description")] == []


def test_no_description_is_left_of_a_key_that_is_gone():
    words = read_tree(resources.files("nksim.protocol").joinpath("descriptions.yaml").read_bytes(), "d.yaml").content
    schema = json_schema()
    known = {"Protocol": schema, **schema["definitions"]}
    assert {name: sorted(keys) for name, keys in words.items()} == {
        name: sorted(known[name]["properties"]) for name in words
    }


def test_an_editor_is_offered_the_choices():
    schema = json_schema()
    assert schema["definitions"]["one-route"]["enum"] == ["IV", "SC", "PO", "IM", "IT", "external"]
    assert "mosteller" in schema["definitions"]["one-BSA-formula"]["enum"]
    assert json.loads(as_text()) == schema
