"""Programs to read and to run: each of them is run by the tests."""
