"""The course's figures: ``style`` and ``roadmap`` for all notebooks, ``nNN`` for one."""
