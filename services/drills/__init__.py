"""Drills: a fault is put upon a running service under load, and what comes of it is timed and counted."""
