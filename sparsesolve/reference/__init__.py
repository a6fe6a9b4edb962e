"""Small, slow and obviously right versions of each system's problem, for tests and cross-checks.

Nothing here shares code with the solvers. Only this folder may import cvxpy.
"""
