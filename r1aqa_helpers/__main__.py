"""``python -m r1aqa_helpers`` is the same as the command ``r1aqa``."""

from r1aqa_helpers.cli import main

main()
