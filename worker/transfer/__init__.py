"""Documents of an index out into a file of lines, and lines in through the queue."""
