"""One module a migration, applied in order. A released one is never edited."""
