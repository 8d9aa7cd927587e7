"""The contract, package isinglass.v1, and the stubs made from it."""
