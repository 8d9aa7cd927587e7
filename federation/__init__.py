"""Decisions without Ray: which backend, how healthy, what it may cost, when to fall back."""
