"""How many questions are enough, by formula and by simulation."""

import numpy as np
import pytest
from scipy.stats import norm

from r1aqa_helpers.scoring import detection_power, mcnemar_p, questions_needed

TRIALS = 20_000


def test_the_papers_two_best_rows():
    """64.5 against 61.1: by hand with p = 0.628, z 1.95996 and 0.84162."""
    assert questions_needed(64.5, 61.1) == 3172
    # Connor's formula with a fifth of the questions discordant.
    assert questions_needed(64.5, 61.1, discordant=20) == 1356


@pytest.mark.parametrize("discordant", [16, 40])
def test_paired_power_is_what_a_simulation_of_mcnemar_finds(discordant):
    n = questions_needed(70, 62, discordant=discordant)
    a_only, b_only = (discordant + 8) / 200, (discordant - 8) / 200
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [a_only, b_only, 1 - a_only - b_only], TRIALS)[:, :2]
    z = abs(draws[:, 0] - draws[:, 1]) / np.sqrt(np.maximum(1, draws.sum(axis=1)))
    assert 100 * np.mean(z > norm.ppf(0.975)) == pytest.approx(80, abs=2.5)
    exact = np.mean([mcnemar_p(int(k), int(m)) < 0.05 for k, m in draws[:500]])
    assert 65 < 100 * exact < 84  # the exact test is a little more careful


@pytest.mark.parametrize("discordant", [None, 10])
def test_power_is_the_inverse_of_the_number_needed(discordant):
    n = questions_needed(64.5, 61.1, discordant, power=90)
    assert detection_power(n, 64.5, 61.1, discordant) >= 90
    assert detection_power(n - 1, 64.5, 61.1, discordant) < 90
    assert detection_power(n, 61.1, 64.5, discordant) >= 90


def test_ends():
    assert detection_power(1000, 60, 60) == pytest.approx(2.5)
    assert detection_power(3171, 64.5, 61.1) < 80 <= detection_power(3172, 64.5, 61.1)
    assert detection_power(10, 60, 60, discordant=0) == 0.0
    assert detection_power(10, 100, 0, discordant=100) == 100.0
    assert questions_needed(100, 0, discordant=100) == 4
    assert questions_needed(64.5, 61.1, 5) < questions_needed(64.5, 61.1, 46)
    for arguments, fault in (
        ((60, 60), "60 and 60 are equal"),
        ((60, 101), "^101 is not a share"),
        ((-1, 60), "^-1 is not a share"),
        ((60, 50, -1), "^-1 is not a share"),
        ((60, 50, 101), "^101 is not a share"),
        ((60, 50, 5), "^accuracies of 60 % and 50 % cannot differ on 5 %"),
        ((90, 80, 31), "cannot differ on 31 %"),
        ((10, 20, 31), "cannot differ on 31 %"),
    ):
        with pytest.raises(ValueError, match=fault):
            questions_needed(*arguments)
    assert questions_needed(90, 80, 30) > questions_needed(90, 80, 10)
