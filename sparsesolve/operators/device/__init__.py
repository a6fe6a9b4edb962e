"""Products, sums and conjugate gradients on an OpenCL device: the same algorithms as the compiled ones beside."""

from .conjugate_gradients import device_cg, device_cg_batch
from .log_sum_exp import DeviceCost
from .matrix import DeviceCSR
from .systems import DeviceGram, DeviceHessian, DeviceSchur

__all__ = [
    "DeviceCSR",
    "DeviceCost",
    "DeviceGram",
    "DeviceHessian",
    "DeviceSchur",
    "device_cg",
    "device_cg_batch",
]
