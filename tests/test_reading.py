"""From bytes to a tree of text with places, and from there to a protocol."""

from decimal import Decimal
from pathlib import Path

import pytest

from nksim.errors import InvalidInput
from nksim.protocol.reading import parse_protocol
from nksim.protocol.times import Days, Recurrence, Relation
from nksim.protocol.yaml_tree import read_tree

GOOD = (Path(__file__).parent / "bad_inputs" / "B000_good_protocol.yaml").read_text()


def faults(text, read=parse_protocol):
    with pytest.raises(InvalidInput) as found:
        read(text.encode(), "a.yaml")
    return found.value.faults


# What stock YAML 1.1 makes of each: 8, 510, false, a date, a float, null, 16, a string after all.
@pytest.mark.parametrize("text", ["010", "8:30", "no", "2027-03-01", "1.50", "null", "0x10", "1e9", "~", "-7", "yes"])
def test_every_scalar_stays_the_text_that_was_written(text):
    assert read_tree(f"key: {text}".encode(), "a.yaml").content == {"key": text}


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: 1\na: 2\n", "NK108", (2, 1)),
        ("a: {b: 1, b: 2}\n", "NK108", (1, 11)),
        ("a: &x 1\nb: 2\n", "NK105", (1, 4)),
        ("a: 1\nb: *x\n", "NK105", (2, 4)),
        ("a: {<<: 1}\n", "NK105", (1, 5)),
        ("a: !!str 1\n", "NK106", (1, 4)),
        ("a: !x [1]\n", "NK106", (1, 4)),
        ("a: 1\n---\nb: 2\n", "NK104", (2, 1)),
        ("a: [1\n", "NK103", (2, 1)),
        ("a: 1\n\tb: 2\n", "NK103", (2, 1)),
        ("[a]: 1\n", "NK103", (1, 1)),
        ("? {a: 1}\n: 2\n", "NK103", (1, 3)),
        ("- a\n", "NK102", (1, 1)),
        ("a\n", "NK102", (1, 1)),
        ("# nothing\n", "NK102", (0, 0)),
        ("", "NK102", (0, 0)),
        ("a: \x00\n", "NK103", (1, 4)),
    ],
)
def test_yaml_beyond_maps_lists_and_text_is_refused_where_it_stands(text, code, place):
    found = [(f.code, (f.place.line, f.place.column)) for f in faults(text, read_tree)]
    assert (code, place) in found


def test_forty_levels_are_read_and_forty_one_are_not():
    def nested(levels):
        return ("a: " + "[" * (levels - 1) + "]" * (levels - 1)).encode()

    assert read_tree(nested(40), "a.yaml").content
    with pytest.raises(InvalidInput, match="NK107"):
        read_tree(nested(41), "a.yaml")


def test_bytes_that_are_no_utf_8_are_refused_with_their_line():
    with pytest.raises(InvalidInput, match=r"a\.yaml:2:4: error\[NK101\]"):
        read_tree(b"a: 1\nb: \xff\xfe\n", "a.yaml")


def test_the_good_protocol_is_read_as_it_is_written():
    arm = parse_protocol(GOOD.encode(), "a.yaml").arms["a"]
    cy, flu, cells = arm.lines
    assert [str(x.dose.value) for x in arm.lines] == ["60 mg/kg", "25 mg/m²", "1E9 cells"]
    assert [x.timing.value for x in (cy, flu, cells)] == [Days((-7,)), Days((-6, -5, -4, -3, -2)), Days((0, 3))]
    assert {x.dose.basis for x in arm.lines} == {"stated"}


def test_a_relation_keeps_its_side_edge_line_and_length():
    text = GOOD.replace("day: -7", "before: {end of: last cells, by: 30..60 min}")
    relation = parse_protocol(text.encode(), "a.yaml").arms["a"].lines[0].timing.value
    assert isinstance(relation, Relation)
    assert (relation.side, relation.edge, relation.which, relation.line) == ("before", "end", "last", "cells")
    assert (relation.by.low.minutes, relation.by.high.minutes) == (Decimal(30), Decimal(60))


def test_a_recurrence_keeps_its_count_step_and_pattern():
    text = GOOD.replace("day: -7", 'days: {count: 8, pattern: "0, 3", every: 7 d}')
    found = parse_protocol(text.encode(), "a.yaml").arms["a"].lines[0].timing.value
    assert isinstance(found, Recurrence)
    assert (found.count, found.every.days, found.pattern) == (8, 7, (0, 3))


@pytest.mark.parametrize(
    "key", ["format", "id", "title", "registration", "reading", "population", "numbering", "body", "products"]
)
def test_a_missing_key_is_named(key):
    text = "".join(
        x
        for x in GOOD.splitlines(keepends=True)
        if not x.startswith(f"{key}:") and (key != "products" or "nk: {" not in x)
    )
    assert f"{key}: is missing" in [f.message for f in faults(text)]


@pytest.mark.parametrize(
    ("old", "new", "code", "word"),
    [
        ("format: 1", "format: 2", "NK202", "write 1"),
        ("title:", "titel:", "NK202", "did you mean title?"),
        ("id: ref-regimen", "id: Ref Regimen", "NK202", "lower-case"),
        ("  a:\n", "  A:\n", "NK202", "'A' is not usable as a name"),
        ("0-80 y", "80-0 y", "NK214", "0-18 y"),
        ("0-80 y", "0-80", "NK214", "0-18 y"),
        ("first cells", "last cells", "NK220", "first dose"),
        ("first cells", "first cell", "NK220", "write first and one of"),
        ("zero: yes", "zero: no", "NK227", "day 0 does not exist"),
        ("zero: yes", "zero: true", "NK202", "yes or no"),
        ("weight: actual", "weight: lean", "NK202", "actual"),
        ("bsa: mosteller", "bsa: haydock", "NK202", "haycock"),
        ("bsa_cap: none", "bsa_cap: 2", "NK212", "unit"),
        ("bsa_cap: none", "bsa_cap: 2 kg", "NK215", "2.0 m^2"),
        ("kind: nk, kinetics: ipsc", "kind: nk", "NK203", "kinetics"),
        ("kind: nk,", "kind: cells,", "NK202", "kind"),
        ("route: IV", "route: iv", "NK202", "IV"),
        ("1.0e+9 cells", "5*108 cells", "NK212", "unit"),
        ("1.0e+9 cells", "540 cells", "NK218", "exponent"),
    ],
)  # fmt: skip
def test_a_fault_of_a_value_says_what_would_do(old, new, code, word):
    found = faults(GOOD.replace(old, new, 1))
    assert code in [f.code for f in found]
    assert word in "\n".join(map(str, found))


def test_one_fault_in_a_line_is_one_fault():
    assert len(faults(GOOD.replace("1.0e+9 cells", "1e400 cells"))) == 1


def test_the_fault_of_a_name_stands_at_the_name():
    (fault,) = faults(GOOD.replace("  a:\n", "  A:\n"))
    assert (fault.place.line, fault.place.column, fault.place.length) == (12, 3, 1)


def test_the_digest_is_that_of_the_bytes():
    # sha256sum of the file's bytes, by hashlib here; line ends are part of a file.
    import hashlib

    data = GOOD.encode()
    assert parse_protocol(data, "a.yaml").sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "days",
    ["{after: {start of: a, by: 1 d}}", "{days: {count: 2, every: 7 d, first: {after: last a, by: 1 d}}}"],
)
def test_a_circle_of_lines_is_refused_and_shown(days):
    line = "          - {id: %s, product: cyclophosphamide, dose: 60 mg/kg, route: IV, %s}\n"
    two = line % ("a", "after: {end of: b, by: 1 d}") + line % ("b", days[1:-1])
    text = GOOD.replace("      - phase: treatment\n", two + "      - phase: treatment\n")
    assert [(f.code, f.message) for f in faults(text)] == [("NK207", "anchors form a cycle: a -> b -> a")]


def test_the_anchor_itself_cannot_wait_for_another_line():
    text = GOOD.replace('days: "0, 3"', "after: {start of: cy, by: 7 d}")
    assert [f.code for f in faults(text)] == ["NK207"]
