"""What a user asks of an escalation, in the words of `nksim escalate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from nksim.errors import UsageError


@dataclass(frozen=True)
class Asked:
    """The options of `nksim escalate` under their long names; None wherever the protocol or a default decides.

    Times and percentages are texts as on the command line (`within="14d"`, `screen_fail="20 %"`), numbers may be
    numbers. `early_stop` is the number of patients at a level, `closed` any of `weekends`, a country as `CN` and the
    path of an .ics file, `levels` one text for each set of dose levels.
    """

    designs: tuple[str, ...] = ()
    target: float | None = None
    start: int | None = None
    cohort: int | None = None
    patients: int | None = None
    early_stop: int | None = None
    extra_safe: float | None = None
    titrate: bool = False
    bounded: bool = False
    skeleton: str | Sequence[float] | None = None
    truth: str | Sequence[float] | None = None
    n: int = 10_000
    seed: int = 1
    workers: int = 1
    exact: bool = False
    accrual: str | float | None = None
    window: str | None = None
    within: str | None = None
    each: bool = False
    between: str | None = None
    lead: str | None = None
    screen_fail: str | None = None
    product_fail: str | None = None
    not_evaluable: str | None = None
    late: str | None = None
    closed: tuple[str, ...] = ()
    opens: str | None = None
    sample: int = 1
    tz: str | None = None
    levels: tuple[str, ...] = ()
    risk_of: str | None = None
    risk_at: str | None = None
    virtual: int = 200

    def check(self, designs: Sequence[str]) -> None:
        """Raises `UsageError` NK814 for an option that nothing else in the call would use."""
        if self.accrual is None:
            self._alone(_PACE, "says how fast the trial goes", "add --accrual 2 (candidates per month)")
        if self.truth is None and self.risk_of is None:
            self._alone(("accrual", "exact"), "needs a truth", "add --truth with a probability for each level")
        if self.risk_of is None:
            self._alone(("risk_at",), "belongs to --risk-of", "add --risk-of donor_nk_cmax")
        if "crm" not in designs:
            self._alone(("skeleton",), "belongs to CRM", "add --design crm, or leave it out")
        if not set(designs) - {"3+3", "3+3-down", "crm"}:
            self._alone(_CONDUCT, f"is nothing that {', '.join(designs)} can use", "leave it out, or add --design boin")
        if self.cohort not in (None, 3) and not set(designs) - {"3+3", "3+3-down"}:
            self._alone(("cohort",), "cannot be, for 3+3 has cohorts of three", "leave it out")

    def _alone(self, names: Sequence[str], why: str, mend: str) -> None:
        defaults = {f.name: f.default for f in fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise UsageError("NK814", f"--{name.replace('_', '-')} {why}", help=mend)


_PACE = ("window", "within", "each", "between", "lead", "screen_fail", "product_fail", "not_evaluable", "late",
         "closed", "opens")  # fmt: skip
_CONDUCT = ("early_stop", "extra_safe", "titrate", "bounded")
