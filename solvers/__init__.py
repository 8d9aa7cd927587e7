"""Pure algorithms: a problem in, candidates out. No Ray, gRPC, database, clock or network."""
