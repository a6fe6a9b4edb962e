"""How far an answer is from the truth."""

from .agreement import digits_of_agreement

__all__ = ["digits_of_agreement"]
