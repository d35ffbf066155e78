"""The experiment: all trained methods on the tiny track, compared at equal question budgets.

`plan` says which runs there are, `splits` which questions each sees, `lr_selection` how a learning
rate is chosen (on validation, never on test), `sweep` does the runs in a `session`, `records` is a
run's file, `bootstrap` compares two methods, `summary` says what came out.
"""
