"""A protocol in words: every line, with what is assumed marked * and what is unknown ?."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nksim.errors import UsageError, shorten
from nksim.output.language import ENGLISH, Language
from nksim.output.text import folded, in_words
from nksim.protocol.choice import unanswered
from nksim.protocol.facts import Fact
from nksim.protocol.model import (
    Administration,
    Arm,
    Assessment,
    Cohorts,
    Escalation,
    Phase,
    Product,
    Protocol,
    Washout,
)
from nksim.words import Quoted, listed, phrase, said

_WIDTH = 110
_FOOT = phrase("* assumed by the protocol file, not registered · ? unknown, to be set · see `nksim protocols gaps`")


def in_full(protocol: Protocol, arm_name: str | None, lang: Language = ENGLISH) -> str:
    """Every line in words; assumed values are marked *, unknown ones ?."""
    check_arm(protocol, arm_name)
    return in_words("\n\n".join(_Words(protocol, lang).parts(arm_name)))


def check_arm(protocol: Protocol, arm_name: str | None) -> None:
    """Raises `UsageError` NK504 where the protocol has no such arm."""
    if arm_name is not None and arm_name not in protocol.arms:
        raise UsageError(
            "NK504", f"{protocol.id} has no arm {shorten(arm_name)}", help=f"one of {', '.join(protocol.arms)}"
        )


class _Words:
    """One protocol as one language says it."""

    def __init__(self, protocol: Protocol, lang: Language) -> None:
        self.protocol, self.lang, self.say = protocol, lang, lang.say

    def parts(self, arm_name: str | None) -> Iterator[str]:
        """Paragraphs, from the title to the key of the marks."""
        p = self.protocol
        yield f"{self.lang.quote(p.title)}\n{self._population()}"
        yield f"{self._numbering()}\n{self._body()}"
        for name, arm in p.arms.items():
            if arm_name in (None, name):
                yield "\n".join(self._arm(name, arm))
        supplied = [words for name, product in p.products.items() for words in self._supply(name, product)]
        if supplied:
            yield "\n".join([self.say("Products:"), *map(self._folded, supplied)])
        if p.washout:
            rules = [self._folded(self._washout(w)) for w in p.washout]
            yield "\n".join([self.say("Before the first cells, without:"), *rules])
        if p.escalation:
            yield "\n".join(folded(line, _WIDTH, rest="    ") for line in self._escalation(p.escalation))
        if p.cohorts:
            yield self._cohorts(p.cohorts)
        asked = [f"{q.about}: {self.lang.quote(q.ask)}" for q in p.questions]
        if asked:
            yield "\n".join([self.say("Open:"), *map(self._folded, asked)])
        yield self.say(_FOOT) + (f"\n{self.lang.caution}" if self.lang.caution else "")

    def _folded(self, text: str) -> str:
        return folded(in_words(text), _WIDTH, first="  ", rest="    ")

    def _population(self) -> str:
        population = self.protocol.population
        ages = said("{fact}{mark}", fact=population.age, mark=_mark(population.ages))
        count = population.enrolment
        enrolment = said(", {count} patients", count=count) if count else ""
        disease = self.lang.quote(population.disease)
        return f"{self.protocol.registration} · {disease} · {self.say(ages)}{self.say(enrolment) if count else ''}"

    def _numbering(self) -> str:
        zero = self.protocol.numbering.zero
        day = said("day 0") if zero.value else said("day 1, without a day 0")
        return self.say(
            "Day numbering: {anchor} on {day}.",
            anchor=self._anchor(),
            day=said("{fact}{mark}", fact=day, mark=_mark(zero)),
        )

    def _anchor(self) -> object:
        """What the days count from: a dose of a line, or in its own words an assessment that stands for an event."""
        anchor = self.protocol.numbering.anchor
        events = {item.id: item.what for arm in self.protocol.arms.values() for item in arm.assess}
        line = anchor.value.line if anchor.value else ""
        if line not in events:
            return self._said(anchor)
        return said("{event} ({line}){mark}", event=Quoted(events[line]), line=line, mark=_mark(anchor))

    def _body(self) -> str:
        body = self.protocol.body
        cap = said("none") if body.bsa_cap.chosen.value is None else body.bsa_cap.text
        return self.say(
            "Body size: {weight} weight{mark}, BSA by {formula}, BSA cap {cap}.",
            weight=body.weight.chosen.value,
            mark=_mark(body.weight),
            formula=f"{body.bsa.text}{_mark(body.bsa)}",
            cap=said("{cap}{mark}", cap=cap, mark=_mark(body.bsa_cap)),
        )

    def _arm(self, name: str, arm: Arm) -> Iterator[str]:
        if len(self.protocol.arms) > 1:
            title = f": {self.lang.quote(arm.title)}" if arm.title else ""
            yield self.say("Arm {name}", name=name) + title
        for phase in arm.phases:
            yield self._phase(phase)
            yield from (self._folded(self._line(line)) for line in phase.give)
        if arm.assess:
            yield self.say("Assessments:")
            yield from (self._folded(self._assessment(item)) for item in arm.assess)

    def _phase(self, phase: Phase) -> str:
        name = self.say(said(phase.phase))
        name = name[:1].upper() + name[1:]
        if phase.starts is None:
            return f"{name}:"
        day = said("day 0") if self.protocol.numbering.zero.value else said("day 1")
        return f"{name} ({self.say('{day} is {when}', day=day, when=self._said(phase.starts))}):"

    def _escalation(self, plan: Escalation) -> Iterator[str]:
        """Levels, design and its numbers, in words."""
        yield self.say(
            "Dose escalation for the {goal}: levels {levels}; design {design}",
            goal=Quoted(plan.goal),
            levels=self._written(plan.levels),
            design=self._written(plan.design),
        )
        for label, fact in (
            (phrase("starting at level"), plan.start),
            (phrase("target toxicity"), plan.target),
            (phrase("patients in a cohort"), plan.cohort),
            (phrase("patients at most"), plan.patients),
            (phrase("from the first patient of a cohort to the next"), plan.within),
            (phrase("from the last patient of a cohort to the next cohort"), plan.between),
            (phrase("patients who cannot be evaluated are replaced"), plan.replace),
            (phrase("enough patients at a level"), plan.enough),
        ):
            if fact is not None:
                yield f"  {self.say(label)}: {self._written(fact)}"

    def _written(self, fact: Fact[Any]) -> str:
        """A fact as the file writes it, or what is asked for."""
        if fact.value is not None:
            return f"{fact.text}{_mark(fact)}"
        return self.say("unknown? {ask}", ask=Quoted(fact.ask or ""))

    def _line(self, line: Administration) -> str:
        product = self.protocol.products.get(line.product)
        name = line.product
        if self.lang.code != "en" or (product and product.title):
            name = self.lang.product(line.product, self.protocol)
        dose = self._value(line.dose)
        if unanswered(f"{line.id}.dose", line.dose) and line.dose.value:
            dose += self.say(" (to be chosen)?")
        parts = [f"{line.id}: {name}", dose, self._value(line.route)]
        if line.over is not None:
            parts.append(self.say("over {time}", time=self._said(line.over)))
        parts.append(self._value(line.timing))
        if line.at is not None:
            parts.append(self.say("at {time}", time=f"{line.at.text}{_mark(line.at)}"))
        for form, fact in (
            (phrase("window {value}"), line.window),
            (phrase("doses at least {value} apart"), line.gap),
            (phrase("may come {value}"), line.delay),
            (phrase("with release tests {value}"), product.release if product else None),
            (phrase("in all {value}"), line.count),
            (phrase("weight for this line {value}"), line.weight),
            (phrase("renal function {value}"), line.renal),
            (phrase("capped at {value}"), line.cap),
            (phrase("rounded half up {value}"), line.round),
            (phrase("drawn up {value}"), line.volume),
            (phrase("from vials of {value}"), line.vials),
            (phrase("also registered as {value}"), line.restated),
        ):
            if fact is not None:
                parts.append(self.say(form, value=self._said(fact)))
        tokens = [line.dose.printed or line.printed, *_tokens(line.restated, line.timing, line.count, line.over)]
        return ", ".join(parts) + self._printed(tokens) + (f". {self.lang.quote(line.note)}" if line.note else "")

    def _printed(self, tokens: Iterable[str | None]) -> str:
        """What a registration prints for these values, each token once and none that stands within another."""
        given = list(dict.fromkeys(token for token in tokens if token))
        found = [token for token in given if not any(token in other for other in given if other != token)]
        return self.say(" [printed: {tokens}]", tokens="; ".join(found)) if found else ""

    def _supply(self, name: str, product: Product) -> Iterator[str]:
        """What a product's bags hold and may not exceed, in words."""
        counted = ""
        if product.counted_as:
            counted = self.say(" (counted: {what})", what=Quoted(product.counted_as))
        if product.bag is not None:
            bag = product.bag
            named = ((phrase("{value} % T cells"), bag.t_cells), (phrase("{value} DMSO"), bag.dmso),
                     (phrase("{value} endotoxin"), bag.endotoxin))  # fmt: skip
            brings = [said(form, value=self._said(fact)) for form, fact in named if fact is not None]
            yield self.say(
                "{product}{counted}: a bag holds {cells}, {viability} % viable, {recovery} % recovered, "
                "{purity} % pure; bags are given {give}{brings}",
                product=name,
                counted=counted,
                cells=self._said(bag.cells),
                viability=self._said(bag.viability),
                recovery=self._said(bag.recovery),
                purity=self._said(bag.purity),
                give=self._said(bag.give),
                brings=said("; it brings {what}", what=listed(brings)) if brings else "",
            )
        if product.limits is not None:
            held = product.limits
            limits = ((phrase("T cells at most {value}"), held.t_cells), (phrase("DMSO at most {value}"), held.dmso),
                      (phrase("endotoxin at most {value}"), held.endotoxin),
                      (phrase("viability at least {value} %"), held.viability))  # fmt: skip
            most = listed(said(form, value=self._said(fact)) for form, fact in limits if fact is not None)
            yield self.say("{product} limits: {limits}", product=name, limits=most)

    def _cohorts(self, cohorts: Cohorts) -> str:
        stagger: object = ""
        if cohorts.stagger:
            form = phrase(", {time} after {patient} of the cohort")
            stagger = said(form, time=self._said(cohorts.stagger), patient=self._said(cohorts.after))
        return self.say(
            "Cohorts of {size}{stagger}; the next cohort after the windows {dlt} of the last.",
            size=self._said(cohorts.size),
            stagger=stagger,
            dlt=cohorts.dlt,
        )

    def _assessment(self, item: Assessment) -> str:
        words = [f"{item.id}: {self.lang.quote(item.what)}"]
        if item.lineage and item.lineage not in item.what:
            words.append(self.say("in {lineage}", lineage=Quoted(item.lineage)))
        if item.start is not None and item.length is not None:
            words.append(self.say("{time} from {start}", time=self._said(item.length), start=self._said(item.start)))
        words += [self._value(fact) for fact in (item.days, item.months, item.samples) if fact is not None]
        if item.window:
            words.append(self.say("window {value}", value=self._said(item.window)))
        return ", ".join(words) + self._printed(_tokens(item.length, item.start, item.days, item.months, item.samples))

    def _washout(self, washout: Washout) -> str:
        limit: object = washout.by.chosen.value
        if washout.half_lives:
            form = phrase("{time} or {number} half-lives, whichever is shorter")
            if washout.whichever == "longer":
                form = phrase("{time} or {number} half-lives, whichever is longer")
            limit = said(form, time=limit, number=washout.half_lives)
        unless = said(" (unless {what})", what=Quoted(washout.unless)) if washout.unless else ""
        rule = self.say("{what}{unless} within {time}", what=Quoted(washout.what), unless=unless, time=limit)
        return rule + self._printed(_tokens(washout.by))

    def _value(self, fact: Fact[Any]) -> str:
        return self.say(self._said(fact))

    def _said(self, fact: Fact[Any]) -> object:
        """A fact in words with its mark; a choice shows the range that it lies in."""
        chosen = fact.chosen
        if chosen.basis == "unknown":
            return said("unknown ({what})?", what=Quoted(fact.text))
        value = said(chosen.value) if isinstance(chosen.value, str) else chosen.value
        within = said(" (of {range})", range=fact.value) if fact.use is not None else ""
        return said("{fact}{mark}{within}", fact=value, mark=_mark(fact), within=within)


def _tokens(*facts: Fact[Any] | None) -> list[str | None]:
    return [fact.printed for fact in facts if fact is not None]


def _mark(fact: Fact[Any]) -> str:
    return {"assumed": "*", "unknown": "?"}.get(fact.chosen.basis, "")
