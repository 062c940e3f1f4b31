"""Changes as people write them, and what is not one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nksim.errors import NksimError, UsageError
from nksim.schedule.amendment import change, moment


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("delay cells 2 by 3 d: fever", "delay cells 2 by 3 d"),
        ("  delay  cells 2 by 3d : fever", "delay cells 2 by 3 d"),
        ("delay cells 2..4 by 1 wk: x", "delay cells 2..4 by 1 wk"),
        ("delay cells by 36 h: x", "delay cells by 36 h"),
        ("delay cells 2 to 2027-03-12: x", "delay cells 2 to 2027-03-12"),
        ("omit il2 3: x", "omit il2 3"),
        ("omit cy：拒绝", "omit cy"),
        ("reduce flu 4 by 25 %: x", "reduce flu 4 by 25 %"),
        ("reduce flu 4 to 75%: x", "reduce flu 4 to 75 %"),
        ("reduce flu 1..2 by 12.5 %: x", "reduce flu 1..2 by 12.5 %"),
        ("cease il2: x", "cease il2"),
        ("cease il2 from 4: x", "cease il2 from 4"),
    ],
)
def test_a_sentence_is_read_and_said_again(sentence, said):
    found = change(sentence)
    assert str(found) == said
    assert change(f"{found}: {found.reason}") == found


def test_the_reason_is_kept_as_it_was_said():
    assert change("omit il2 3: 38.9 °C; 患者：拒绝 (see note: 2)").reason == "38.9 °C; 患者：拒绝 (see note: 2)"


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("delay cells 2 by 0 d: x", "NK520"),
        ("delay cells 2 by 0 min: x", "NK520"),
        ("delay cells 2 by -3 d: x", "NK520"),
        ("delay cells 2 by 1.5 d: x", "NK520"),
        ("delay cells 2 by 3: x", "NK520"),
        ("delay cells 2 by 2 mo: x", "NK520"),
        ("delay cells 2 by 400 d: x", "NK520"),
        ("delay cells 2: x", "NK520"),
        ("delay cells 0 by 1 d: x", "NK520"),
        ("delay cells 3..2 by 1 d: x", "NK520"),
        ("delay cells 2..3 to 2027-03-12: x", "NK520"),
        ("delay cells 2 to 2027-02-30: x", "NK406"),
        ("delay cells 2 to Friday: x", "NK406"),
        ("omit il2 3 4: x", "NK520"),
        ("omit il2 ٣: x", "NK520"),
        ("reduce flu 4 by 0 %: x", "NK520"),
        ("reduce flu 4 by 100 %: x", "NK520"),
        ("reduce flu 4 to 110 %: x", "NK520"),
        ("reduce flu 4 by 25: x", "NK520"),
        ("reduce flu 4 by 2,5 %: x", "NK520"),
        ("cease il2 4: x", "NK520"),
        ("advance cells 2 by 1 d: x", "NK520"),
        ("", "NK520"),
        ("omit il2 3", "NK521"),
        ("omit il2 3:", "NK521"),
        ("omit il2 3:   ", "NK521"),
        ("omit il2 3: a\x00b", "NK521"),
        ("omit il2 3: a\u202eb", "NK521"),
        ("omit il2 3: " + "x" * 501, "NK521"),
    ],
)
def test_what_is_no_change_is_refused_with_a_mend(sentence, code):
    with pytest.raises(NksimError) as error:
        change(sentence)
    assert error.value.faults[0].code == code
    assert error.value.faults[0].help


@given(st.text(max_size=60))
def test_no_text_makes_it_fall_over(text):
    for sentence in (text, f"delay {text}", f"omit il2 3: {text}", f"reduce flu 1 by {text} %: x"):
        try:
            found = change(sentence)
        except NksimError:
            continue
        assert change(f"{found}: {found.reason}") == found


@pytest.mark.parametrize(
    ("text", "tz", "expected"),
    [
        ("2027-03-05T09:00", "Asia/Shanghai", "2027-03-05T09:00:00+08:00"),
        ("2027-03-05 09:00:30", "America/New_York", "2027-03-05T09:00:30-05:00"),
        ("2027-03-05T09:00Z", "Asia/Shanghai", "2027-03-05T17:00:00+08:00"),
        ("2027-07-05T09:00+02:00", "Europe/Berlin", "2027-07-05T09:00:00+02:00"),
    ],
)
def test_a_time_is_the_site_s_unless_it_says_otherwise(text, tz, expected):
    assert moment(text, tz).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2027-03-05", "2027-02-30T09:00", "2027-03-05T25:00", "5.3.2027 09:00", "٢027-03-05T09:00"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="NK522"):
        moment(text, "Asia/Shanghai")
