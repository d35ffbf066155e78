"""The command ``r1aqa``: only options, calls, messages and exit codes belong here."""

from r1aqa_helpers.cli.app import app, main
