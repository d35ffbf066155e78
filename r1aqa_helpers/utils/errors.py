"""The one exception that a user may see."""

from r1aqa_helpers.utils.untrusted import MESSAGE, plain


class UserError(Exception):
    """Something the user can fix: one line that names the place, the fault and the fix.

    Whatever it names, it is a printable line of a bounded length, also in a notebook. The command
    line prints it after ``error:`` and exits with status 1; anything else that escapes is a defect
    of this package.
    """

    def __init__(self, message: object) -> None:
        super().__init__(plain(message, MESSAGE))
