"""The one error that a person can mend by changing what they typed or pointed at."""


class InputError(ValueError):
    """A wrong input: one line that names the file or option, the value, and the remedy (exit code 2)."""
