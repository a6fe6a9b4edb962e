"""How far an answer is from the truth."""

from .agreement import digits_of_agreement
from .graphs import (
    cpdag_hamming_distance,
    false_discovery_rate,
    noise_scale_error,
    structural_hamming_distance,
    structural_intervention_distance,
    true_positive_rate,
)
from .recovery import (
    channel_nmse,
    normalized_mean_squared_error,
    support_recovery_rate,
    symbol_error_rate,
)

__all__ = [
    "channel_nmse",
    "cpdag_hamming_distance",
    "digits_of_agreement",
    "false_discovery_rate",
    "noise_scale_error",
    "normalized_mean_squared_error",
    "structural_hamming_distance",
    "structural_intervention_distance",
    "support_recovery_rate",
    "symbol_error_rate",
    "true_positive_rate",
]
