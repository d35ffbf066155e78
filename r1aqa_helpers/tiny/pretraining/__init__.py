"""How the tiny model came about: ``python -m r1aqa_helpers.tiny.pretraining``.

Seeded, resumable stages: ``tower`` (hear each moment), ``attributes`` (hear a scene as a whole),
``rehearsal`` (both), ``hearing`` (say what is heard), ``instruct`` (answer as a general assistant
does, with poor multiple-choice manners), ``ship``, and ``ceiling``, which measures what the base
could learn.
"""
