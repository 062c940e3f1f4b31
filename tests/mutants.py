"""Slips of good files, and what nksim makes of them: `python tests/mutants.py [COUNT] [SEED]` prints the counts.

A mutant is a good file with one slip: a flipped bit, a byte changed, two keys or two values exchanged, a line lost,
doubled or moved, a digit changed, a sign, point or exponent dropped, a unit exchanged, a bracket or quote lost.
A mutant that is read must say what its text says: every fact is compared with what PyYAML reads at its place (without
guessing types), every dose with a second grammar (`nksim.schedule.recheck.read`), every list of days with a third.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import yaml

from nksim.cli import run
from nksim.errors import InvalidInput
from nksim.protocol.doses import DoseRule
from nksim.protocol.facts import BASES, Fact
from nksim.protocol.reading import parse_protocol
from nksim.protocol.times import Days
from nksim.schedule.recheck import read

ROOT = Path(__file__).resolve().parents[1]
GOOD = {
    "reference": ROOT / "tests" / "bad_inputs" / "B000_good_protocol.yaml",
    "everything": ROOT / "tests" / "everything" / "everything.yaml",
    **{
        name: ROOT / "protocols" / f"{name}.yaml"
        for name in ("jk500", "nkaml", "ink-aml", "umn-haplo-nk", "cd123-carnk")
    },
}
# Answers to what the registration leaves open, so that a calendar can be made of what is read.
ANSWERS = {
    "reference": [],
    "everything": ["--level", "1"],
    "jk500": ["--set", "cells.dose=1e7 cells/kg", "--set", "cells.days=0, 3"],
    "nkaml": [],
    "ink-aml": [],
    "umn-haplo-nk": ["--arm", "cohort1"],
    "cd123-carnk": [
        "--set",
        "cy.dose=300 mg/m^2",
        "--set",
        "flu.dose=30 mg/m^2",
        "--set",
        "cy.days=-5..-3",
        "--set",
        "flu.days=-5..-3",
    ],
}
PATIENT = ["--weight", "60kg", "--height", "165cm", "--age", "30y", "--sex", "F", "--creatinine", "60umol/L",
           "--day0", "2027-03-01", "--tz", "Asia/Shanghai", "--assume", "--format", "csv"]  # fmt: skip
SLOWEST_S = 5.0


def mutant(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One slip of a file, with its kind."""
    kind = rng.choice(sorted(_KINDS))
    return kind, _KINDS[kind](data, rng)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _byte(data: bytes, rng: random.Random) -> bytes:
    i = rng.randrange(len(data))
    new = rng.choice(
        [
            b"",
            b"\x00",
            b"\xff",
            b" ",
            b"\t",
            b"#",
            b":",
            b",",
            b"{",
            b'"',
            b"0",
            b"e",
            b"-",
            "０".encode(),
            "µ".encode(),
        ]
    )
    return data[:i] + new + data[i + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    made = rng.choice(["lost", "doubled", "moved", "deeper", "joined"])
    if made == "lost":
        lines[i : i + 1] = []
    elif made == "doubled":
        lines[i:i] = [lines[i]]
    elif made == "moved":
        lines.insert(j, lines.pop(i))
    elif made == "deeper":
        lines[i] = b"  " + lines[i] if rng.random() < 0.5 else lines[i].removeprefix(b"  ")
    else:
        lines[i] = lines[i].rstrip(b"\r\n") + b" "
    return b"".join(lines)


def _exchange(pattern: str, data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    found = list(re.finditer(pattern, text))
    one, other = sorted(rng.sample(found, 2), key=lambda m: m.start())
    parts = (text[: one.start(1)], other[1], text[one.end(1) : other.start(1)], one[1], text[other.end(1) :])
    return "".join(parts).encode()


def _keys(data: bytes, rng: random.Random) -> bytes:
    return _exchange(r"([a-z_]+)(?=: )", data, rng)


def _values(data: bytes, rng: random.Random) -> bytes:
    return _exchange(r": ([^\s{}\[\],#][^{}\[\],\n]*)", data, rng)


def _number(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    m = rng.choice(list(re.finditer(r"-?\d[\d.]*(?:e[+-]?\d+)?", text)))
    old = m[0]
    if rng.random() < 0.5:
        i = rng.randrange(m.start(), m.end())
        return (text[:i] + rng.choice("0123456789") + text[i + 1 :]).encode()
    new = rng.choice([
        old.replace("-", "", 1), "-" + old, old.replace(".", "", 1), old.replace(".", ",", 1), re.sub(r"e[+-]?\d+", "", old),
        old + "0", old[:-1], old + "." + old[-1], "0" + old, old.replace("e", "E", 1), old + "e3", old + " ",
        "1" + old[1:] if old[0] != "1" else "7" + old[1:], old + "..", "1,000", "1_0", "nan", "1e400", "٣", "Ⅷ", "½",
    ])  # fmt: skip
    return (text[: m.start()] + new + text[m.end() :]).encode()


def _unit(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    units = [
        "mg",
        "mcg",
        "g",
        "kg",
        "IU",
        "MIU",
        "WU",
        "cells",
        "/kg",
        "/m^2",
        "min",
        "h",
        "d",
        "wk",
        "mo",
        "U",
        "%",
        "Gy",
    ]
    found = list(re.finditer(r"(?<=\d)( ?)(mg|mcg|IU|MIU|WU|cells|min|h|d|wk|mo|%)(?![a-z])|/kg|/m\^2", text))
    m = rng.choice(found)
    new = rng.choice(["", *units])
    return (text[: m.start()] + (" " if m[0].startswith(" ") else "") + new + text[m.end() :]).encode()


def _mark(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    m = rng.choice(list(re.finditer(r"[{}\[\]\":,\n-]", text)))
    return (text[: m.start()] + rng.choice(["", m[0] * 2]) + text[m.end() :]).encode()


_KINDS = {
    "bit flipped": _flip, "byte changed": _byte, "cut off": _cut, "line lost, doubled or moved": _lines,
    "keys exchanged": _keys, "values exchanged": _values, "number changed": _number, "unit changed": _unit,
    "bracket, quote or comma": _mark,
}  # fmt: skip


def misread(data: bytes) -> list[str]:
    """What a file that is read says otherwise than its text: nothing, if nksim is right."""
    protocol = parse_protocol(data, "m.yaml")
    content = yaml.load(data.decode("utf-8-sig"), yaml.BaseLoader)
    return list(_differences(protocol, content, ""))


def _differences(node, content, where):
    """Walks the protocol and what PyYAML read side by side."""
    if isinstance(node, Fact):
        yield from _of_fact(node, content, where)
    elif hasattr(type(node), "model_fields"):
        for name, info in type(node).model_fields.items():
            key, value = info.alias or name, getattr(node, name)
            if key == "days" and isinstance(content, dict) and "day" in content:
                key = "day"
            if isinstance(content, dict) and key in content:
                yield from _differences(value, content[key], f"{where}.{key}")
            elif value not in (None, (), {}):
                yield f"{where}.{key} is {value!r} and not in the file"
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _differences(value, content[key], f"{where}.{key}")
    elif isinstance(node, tuple) and isinstance(content, list):
        if len(node) != len(content):
            yield f"{where}: {len(node)} of {len(content)} entries"
        for i, (value, text) in enumerate(zip(node, content, strict=False)):
            yield from _differences(value, text, f"{where}[{i}]")


def _of_fact(fact, content, where):
    """A fact's basis and text are those of the file; its doses and days are those of a second reading."""
    basis = next((b for b in BASES if isinstance(content, dict) and b in content), None)
    text = content[basis] if basis else content
    if fact.basis != (basis or "stated") or (isinstance(text, str) and fact.text != text):
        yield f"{where} is {fact.basis} {fact.text!r}, the file has {basis} {text!r}"
    if fact.value is None or not isinstance(text, str):
        return
    if isinstance(fact.value, DoseRule):
        listed = re.fullmatch(r"\s*\[(.*)\](.*)", text, re.DOTALL)
        texts = [f"{item} {listed[2]}" for item in listed[1].split(",")] if listed else [text]
        for dose, written in zip(fact.value.cases[0].doses, texts, strict=True):
            own = dose.canonical()
            found = (Fraction(own.number), own.unit, (own.per or "").replace("^", ""))
            again = read(written)
            if found != again:
                yield f"{where}: {written!r} is read as {found} and as {again}"
    if isinstance(fact.value, Days):
        again = tuple(day for item in text.split(",") for day in _days(item))
        if again != fact.value.days:
            yield f"{where}: {text!r} is read as {fact.value.days} and as {again}"


def _days(item):
    ends = [int(part.replace("\N{MINUS SIGN}", "-")) for part in item.split("..")]
    return range(ends[0], ends[-1] + 1)


def doses_of(text: str) -> list[tuple[str, ...]]:
    """The doses of a calendar as CSV: line, number, start, amount, unit, route."""
    import csv
    import io

    rows = csv.DictReader(io.StringIO(text))
    return [tuple(r[k] for k in ("administration", "dose_number", "start_local", "end_local", "dose", "dose_unit", "route"))
            for r in rows if r["event"] == "dose"]  # fmt: skip


@dataclass
class Counts:
    """What became of the mutants."""

    mutants: int = 0
    refused: int = 0
    calendars: int = 0
    same_doses: int = 0
    other_doses: int = 0
    no_calendar: int = 0
    faults: int = 0
    named: int = 0
    slowest_s: float = 0.0
    codes: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * self.named / max(1, self.faults)
        return "\n".join([
            f"{self.mutants} mutants of {len(GOOD)} files: {self.refused} refused, {self.mutants - self.refused} read",
            f"  of those read: {self.calendars} calendars ({self.same_doses} with the same doses, {self.other_doses} with"
            f" others, each as its text says), {self.no_calendar} refused when the calendar is made",
            f"  {self.faults} messages, {share:.2f} % name place and cause with a mend; the slowest took {self.slowest_s:.2f} s",
            f"  wrong: {len(self.wrong)}",
            "  codes: " + ", ".join(f"{c} {n}" for c, n in sorted(self.codes.items())),
            "  kinds: " + ", ".join(f"{c} {n}" for c, n in sorted(self.kinds.items())),
        ])  # fmt: skip


_GENERAL = re.compile(r"pydantic|tuple|validation|NoneType|object at|Traceback|input should|valid (string|list|dict)")


def is_named(fault) -> bool:
    """Whether a message names its place (a file cut at its first line has none but the file) and its cause, with a mend."""
    placed = fault.place is not None and (fault.place.line > 0 or fault.code in ("NK101", "NK102"))
    return bool(placed and fault.message and fault.help and not _GENERAL.search(fault.message))


def tried(counts: Counts, name: str, data: bytes, path: Path, said, *, whole: bool = True) -> None:
    """One mutant through reading and a calendar; what is wrong goes into the counts.

    `said(args)` runs a command line and gives exit code, stdout and stderr; without `whole` a mutant that is refused
    when it is read is not taken to the command line as well.
    """
    began = time.process_time()
    counts.mutants += 1
    path.write_bytes(data)
    try:
        differing = misread(data)
    except InvalidInput as error:
        counts.refused += 1
        counts.faults += len(error.faults)
        for fault in error.faults:
            counts.codes[fault.code] += 1
            counts.named += is_named(fault)
            if not is_named(fault):
                counts.unnamed.append(str(fault))
        code, out, err = said(["calendar", str(path), *ANSWERS[name], *PATIENT]) if whole else (1, "", "error[NK")
        if code != 1 or out or "error[NK" not in err or "Traceback" in err:
            counts.wrong.append(f"{name}: refused with exit code {code}: {err[:300]}")
    else:
        counts.wrong += [f"{name}: {d}" for d in differing]
        code, out, err = said(["calendar", str(path), *ANSWERS[name], *PATIENT])
        if code == 0:
            counts.calendars += 1
            same = doses_of(out) == original(name, said)
            counts.same_doses += same
            counts.other_doses += not same
            if not same and not changed_scalars(name, data):
                counts.wrong.append(f"{name}: other doses from the same values")
        elif code in (1, 2) and re.search(r"(error\[NK\d{3}\]|Error): ", err) and "Traceback" not in err and not out:
            counts.no_calendar += 1
        else:
            counts.wrong.append(f"{name}: read, and exit code {code}: {err[:300]}")
    took = time.process_time() - began
    counts.slowest_s = max(counts.slowest_s, took)
    if took > SLOWEST_S:
        counts.wrong.append(f"{name}: took {took:.1f} s")


_ORIGINALS: dict[str, list[tuple[str, ...]]] = {}


def original(name: str, said) -> list[tuple[str, ...]]:
    """The doses of the good file."""
    if name not in _ORIGINALS:
        code, out, err = said(["calendar", str(GOOD[name]), *ANSWERS[name], *PATIENT])
        assert code == 0, err
        _ORIGINALS[name] = doses_of(out)
    return _ORIGINALS[name]


def changed_scalars(name: str, data: bytes) -> bool:
    """Whether PyYAML reads any other value, key or order from the mutant than from the good file."""
    before, after = (yaml.load(d.decode("utf-8-sig"), yaml.BaseLoader) for d in (GOOD[name].read_bytes(), data))
    return bool(before != after)


def in_process(args: list[str]) -> tuple[int, str, str]:
    """A command line within this process."""
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(args)
    return code, out.getvalue(), err.getvalue()


def all_tried(count: int, seed: int, folder: Path, *, every: int = 1) -> Counts:
    """So many mutants, spread over the good files; of those refused only `every` one goes through the command line."""
    rng, counts, names = random.Random(seed), Counts(), sorted(GOOD)
    originals = {name: GOOD[name].read_bytes() for name in names}
    for i in range(count):
        name = names[i % len(names)]
        kind, data = mutant(originals[name], rng)
        counts.kinds[kind] += 1
        tried(counts, name, data, folder / "mutant.yaml", in_process, whole=i % every == 0)
    return counts


def main() -> int:
    """Tries as many mutants as asked for, and prints the counts."""
    import tempfile

    given = [int(text) for text in sys.argv[1:]]
    count, seed = (*given, *(2000, 1)[len(given) :])[:2]
    with tempfile.TemporaryDirectory() as folder:
        counts = all_tried(count, seed, Path(folder))
    print(counts)
    for text in [*dict.fromkeys(counts.wrong), *list(dict.fromkeys(counts.unnamed))[:20]]:
        print(text)
    return 1 if counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
