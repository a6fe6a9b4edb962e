"""Least squares whose matrix is a Kronecker product of small factors, which is never formed."""

from .pose import are_factors, pose
from .predict import predict_means, prediction_lengths

__all__ = ["are_factors", "pose", "predict_means", "prediction_lengths"]
