"""Binary quadratic models."""
