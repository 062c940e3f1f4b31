"""Text on paper: lines that fit, words that stay whole, columns that give way."""

from hypothesis import given
from hypothesis import strategies as st

from nksim.output.typesetting import grid, width_of, wrapped

WORDS = st.lists(st.text(alphabet="abcimWM0149.,µ−×", min_size=1, max_size=9), min_size=1, max_size=12)


def test_a_width_is_that_of_the_font():
    # Liberation Sans 2.1, advance widths of 2048 units: A 1366, V 1366, i 455, W 1933.
    assert abs(width_of("AViW", 2048) - (1366 + 1366 + 455 + 1933)) < 4


@given(WORDS, st.floats(60, 300))
def test_lines_fit_and_lose_nothing(words, room):
    text = " ".join(words)
    lines = wrapped(text, room, 10)
    assert all(width_of(line, 10) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_text_column_gives_way_before_numbers_do():
    made = grid(("what", "n"), [("many words " * 20, "1,000")], frozenset({1}), 8, 200)
    assert made.total <= 200.001
    assert made.widths[1] >= width_of("1,000", 8)
