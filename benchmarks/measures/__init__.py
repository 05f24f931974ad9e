"""The measurements, a file for each thing that is measured. Each gives one round's reading on a place."""
