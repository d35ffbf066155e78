"""Several runs, compared: `reproduce` makes the table of results, `sweep` the experiment.

`methods` lists what is trained and asked; `session` has what all runs share (folder, time limit,
model, resume); `plan`, `records` and `summary` are the experiment's. One run's training is
`training`'s, one model's answers are `evaluation`'s.
"""
