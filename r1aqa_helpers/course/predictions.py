"""Predict, then run: guesses made before a number is known, and how good they were."""

from dataclasses import dataclass


@dataclass
class _Prediction:
    question: str
    guess: float | None
    truth: float | None = None


_made: dict[str, _Prediction] = {}


def predict(name: str, question: str, guess: float | None) -> None:
    """Note a guess for later; None is taken as "no guess yet".

    Raises:
        TypeError: the guess is neither None nor a number.
    """
    if guess is not None and (isinstance(guess, bool) or not isinstance(guess, (int, float))):
        raise TypeError(f"guess: a number is wanted, not {guess!r}")
    _made[name] = _Prediction(question, guess)
    print(question)
    print(
        "No guess yet: write a number and run the cell again."
        if guess is None
        else f"Your guess: {guess:g}"
    )


def reveal(name: str, truth: float) -> None:
    """Print what came out, beside the guess.

    Raises:
        KeyError: nothing was predicted under that name.
    """
    if name not in _made:
        raise KeyError(f"{name}: run the cell that asks for this prediction first")
    made = _made[name]
    made.truth = float(truth)
    if made.guess is None:
        print(f"It is {truth:g}.")
    else:
        print(f"It is {truth:g}; you guessed {made.guess:g}, {made.guess - truth:+g} off.")


def calibration() -> None:
    """Print every revealed prediction of this session beside its guess."""
    revealed = [made for made in _made.values() if made.truth is not None]
    guessed = [made for made in revealed if made.guess is not None]
    print(f"Predictions made: {len(guessed)} of {len(revealed)}")
    for made in guessed:
        print(f"- {made.question} guessed {made.guess:g}, found {made.truth:g}")
