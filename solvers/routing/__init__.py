"""Vehicle routing."""
