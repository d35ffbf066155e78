"""The experiment: all trained roads on the tiny track, compared at equal question budgets.

`plan` says which runs there are, `material` which questions each sees, `choosing` how a learning
rate is chosen (on validation, never on test), `running` does it, `record` is a run's file,
`summary` what came out.
"""
