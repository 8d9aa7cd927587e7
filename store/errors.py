"""The store's only window upstairs: the error tree is one for the whole house and lives in `solvers.errors`.

That module imports nothing but the standard library, so the store still stands on the ground.
"""

from solvers.errors import (
    BudgetExceeded,
    CorruptRecord,
    FieldViolation,
    IdempotencyConflict,
    InvalidProblem,
    NotFound,
    StaleLease,
    TerminalState,
    TooBusy,
)

__all__ = [
    "BudgetExceeded",
    "CorruptRecord",
    "FieldViolation",
    "IdempotencyConflict",
    "InvalidProblem",
    "NotFound",
    "StaleLease",
    "TerminalState",
    "TooBusy",
]
