"""Sketches on an OpenCL device: the host's side of `opencl/dense_sketch.cl` and `opencl/srht.cl`."""
