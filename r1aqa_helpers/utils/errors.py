"""The one exception that a user may see."""


class UserError(Exception):
    """Something the user can fix: one line that names the place, the fault and the fix.

    The command line prints the message after ``error:`` and exits with status 1;
    anything else that escapes is a defect of this package.
    """
