"""One door for every file that a person made."""

import io
import sys

import pytest

from nksim.errors import InvalidInput, UnreadableInput
from nksim.fit.observations import read_observations
from nksim.observed import read_observed
from nksim.protocol.reading import read_protocol
from nksim.roster import read_roster
from nksim.textfile import bytes_of


@pytest.mark.parametrize("read", [read_protocol, read_roster, read_observed, read_observations])
def test_every_reader_says_alike_what_cannot_be_read(read, tmp_path):
    with pytest.raises(UnreadableInput, match=r"NK100.*No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(UnreadableInput, match=r"NK100.*directory"):
        read(tmp_path)
    (tmp_path / "sheet.csv").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(InvalidInput, match=r"NK101.*Excel or zip"):
        read(tmp_path / "sheet.csv")


def test_a_file_is_read_no_further_than_it_may_go(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert bytes_of(tmp_path / "a", most=5) == b"12345"
    with pytest.raises(InvalidInput, match=r"NK101.*too large[^$]*at most 4 bytes"):
        bytes_of(tmp_path / "a", most=4)


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,weight_kg\nP1,20\n")))
    assert [e.patient.id for e in read_roster("-").entries] == ["P1"]
