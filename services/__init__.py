"""What the outside talks to: gRPC services on Ray Serve, the command line."""
