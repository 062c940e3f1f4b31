"""Gathers what can be translated and refreshes the catalogues: `python tests/translation.py`.

Programs' messages are the templates given to `said`, `phrase` and `say`; protocols' texts are those that a calendar or
`protocols show` prints. New messages get an empty translation, stale ones go, and `.mo` files are compiled.
"""

import ast
import re
import string
from pathlib import Path

import nksim
from nksim.protocol.catalog import catalog, load
from nksim.protocol.choice import facts_of

HERE = Path(nksim.__file__).parent
LANGUAGES = HERE / "languages"
CALLS = {"said", "phrase", "say"}


def fields(template):
    """The placeholders of a template with their formats."""
    return sorted(
        f"{name}!{how}:{form}" for _, name, form, how in string.Formatter().parse(template) if name is not None
    )


def has_words(template):
    return any(c.isalpha() for text, *_ in string.Formatter().parse(template) for c in text)


def program_messages():
    """Every template in the package, with the file that says it."""
    found = {}
    for path in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _texts(node):
                if has_words(text) or text in (", ", "; "):
                    found.setdefault(text, path.relative_to(HERE.parent).as_posix())
    return found


def _texts(node):
    if not isinstance(node, ast.Call):
        return []
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in CALLS and node.args:
        return _constants(node.args[0])
    if name == "map" and getattr(node.args[0], "id", "") in CALLS and isinstance(node.args[1], ast.Tuple):
        return [text for item in node.args[1].elts for text in _constants(item)]
    return []


def _constants(node):
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def protocol_messages():
    """Every text of the shipped protocols that a calendar or `protocols show` prints, with its protocol."""
    found = {}
    for name in catalog():
        for text in _protocol_texts(load(name)):
            if text and re.search("[A-Za-z]{2}", text):
                found.setdefault(text, f"protocols/{name}.yaml")
    return found


def _protocol_texts(p):
    yield from (p.title, p.population.disease)
    for product in p.products.values():
        yield from (product.title, product.counted_as if product.bag else None)
    for name, arm in p.arms.items():
        yield arm.title
        yield from (line.note for line in arm.lines)
        for item in arm.assess:
            yield from (item.what, item.lineage, item.note)
        for _, fact in facts_of(p, name):
            for f in (fact, fact.chosen):
                yield from (f.ask, f.text) if f.basis == "unknown" else (f.why if f.basis == "assumed" else None,)
    for washout in p.washout:
        yield from (washout.what, washout.unless)
    if p.escalation:
        yield p.escalation.goal
    yield from (q.ask for q in p.questions)


MESSAGES = {"nksim": program_messages, "protocols": protocol_messages}


def refresh(language, domain):
    """Writes the catalogue's .po with today's messages and compiles it."""
    import polib

    path = LANGUAGES / language / f"{domain}.po"
    old = {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))} if path.exists() else {}
    made = polib.POFile(wrapwidth=110)
    made.metadata = {
        "Project-Id-Version": "nksim",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    }
    for text, place in sorted(MESSAGES[domain]().items()):
        flags = ["python-brace-format"] if fields(text) else []
        made.append(polib.POEntry(msgid=text, msgstr=old.get(text, ""), occurrences=[(place, "")], flags=flags))
    made.save(str(path))
    made.save_as_mofile(str(path.with_suffix(".mo")))


if __name__ == "__main__":
    for folder in sorted(p.name for p in LANGUAGES.iterdir() if p.is_dir() and not p.name.startswith("_")):
        for domain in MESSAGES:
            refresh(folder, domain)
