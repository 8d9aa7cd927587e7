"""Variational engine: QAOA on a statevector, lift of samples, control arm."""
