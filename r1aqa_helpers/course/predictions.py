"""Predict, then run: guesses made before a number is known."""

_guesses: dict[str, float | None] = {}


def predict(name: str, question: str, guess: float | None) -> None:
    """Note a guess for later; None is taken as "no guess yet".

    Raises:
        TypeError: the guess is neither None nor a number.
    """
    if guess is not None and (isinstance(guess, bool) or not isinstance(guess, (int, float))):
        raise TypeError(f"guess: a number is wanted, not {guess!r}")
    _guesses[name] = guess
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
    if name not in _guesses:
        raise KeyError(f"{name}: run the cell that asks for this prediction first")
    guess = _guesses[name]
    if guess is None:
        print(f"It is {truth:g}.")
    else:
        print(f"It is {truth:g}; you guessed {guess:g}, {guess - truth:+g} off.")
