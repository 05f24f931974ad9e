"""The one error of the demo."""


class DoesNotAddUp(Exception):
    """Raised when a figure of the demo is not what it must be; the message names both."""
