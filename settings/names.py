"""The names of the environment variables: `retry_max_seconds` is PENSTOCK_RETRY_MAX_SECONDS.

It must not know which settings there are.
"""

PREFIX = "PENSTOCK_"


def variable(field: str) -> str:
    """The environment variable that sets `field`."""
    return f"{PREFIX}{field.upper()}"
