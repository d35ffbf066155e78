"""Several runs, compared; what a single run does is `training`'s and `evaluation`'s.

`reproduce` makes the table of results, `sweep` the experiment; `methods` lists what is trained and
asked; `session` has what all runs share (folder, time limit, model, resume); `plan`, `records` and
`summary` are the experiment's.
"""
