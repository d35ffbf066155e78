"""Figures are written in one way."""

from r1aqa_helpers.scoring import Accuracy
from r1aqa_helpers.scoring.text import accuracy_text, gain_text, interval_text, number_text


def test_numbers_have_their_digits_or_a_dash():
    assert (number_text(1.26, 1), number_text(0.0, 2), number_text(None, 1)) == ("1.3", "0.00", "–")
    assert (interval_text((61.48, 67.41)), interval_text(None)) == ("61.5–67.4", "–")


def test_accuracies_and_gains_are_whole_sentences():
    assert accuracy_text(Accuracy(813, 1000).as_dict()) == "81.3 % (78.8–83.6, n 1000)"
    test = "points, McNemar's exact test p = 0.012"
    assert gain_text(3.24, 0.01234) == f"+3.2 {test}"
    assert gain_text(-3.26, 0.01234) == f"-3.3 {test}"
    told = gain_text(0.0, 1.0, (-2.04, 2.06))
    assert told == "+0.0 points (-2.0 to +2.1), McNemar's exact test p = 1"
