"""Fixtures of the kinetic tests; the patients themselves are in `kinetic_cases`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kinetic_cases import Case, child, mixed_case, nkaml_doses


@pytest.fixture
def typical_child() -> Callable[..., Case]:
    return child


@pytest.fixture
def nkaml() -> Callable[..., Case]:
    def build(preset: str = "haplo_fresh", **doses: float) -> Case:
        return child(preset).given(nkaml_doses(**doses))

    return build


@pytest.fixture(scope="session")
def mixed() -> Callable[[int, int], Case]:
    return mixed_case
