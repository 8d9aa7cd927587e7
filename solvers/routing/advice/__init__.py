"""Advice on routing problems and plans without a solve: places for one more visit, and why nothing fits."""
