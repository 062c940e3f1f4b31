"""Fixtures of the kinetic tests; the patients themselves are in `kinetic_cases`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kinetic_cases import CURRENT, ENGINES, Case, child, mixed_case, nkaml_doses

from nksim.kinetics import native


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


@pytest.fixture(scope="module", params=list(ENGINES))
def each_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a test with one engine after the other."""
    if request.param == "native" and not native.available():
        pytest.skip("the native engine was not built")
    CURRENT["solve"] = ENGINES[request.param]
    yield request.param
    CURRENT["solve"] = ENGINES["numpy"]
