"""`python -m examples.demo`: the documentation of the standard library, through Penstock, end to end."""
