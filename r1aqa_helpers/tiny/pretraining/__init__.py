"""How the tiny model came about: ``python -m r1aqa_helpers.tiny.pretraining``.

Three stages, each seeded and resumable: ``tower`` (hear), ``hearing`` (say what is heard),
``instruct`` (answer as a general assistant does, with poor multiple-choice manners).
"""
