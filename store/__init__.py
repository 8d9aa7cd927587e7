"""Durable state: jobs, budgets, decisions, artifacts, observations."""
