"""Messages to frozen dataclasses and back, one module per problem."""
