"""Tuning: tasks, the search, its records, and the devices that candidates run on."""
