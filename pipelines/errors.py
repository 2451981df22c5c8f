"""The one error that a person can mend by changing what they typed or pointed at."""

from pipelines.masking import masked


class InputError(ValueError):
    """A wrong input: one line that names the file or option, the value, and the remedy (exit code 2).

    Logins in URIs are masked, since it is printed, logged and passed on.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))
