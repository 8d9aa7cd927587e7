"""Peers and Isinglass on the same work, in one run."""
