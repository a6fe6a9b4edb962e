"""The fast engine of sparse linear models: working sets, inner solvers, and the duality gap that certifies them."""
