"""Penalties: their values, proximal maps, and distances from stationarity, by coordinates or by groups."""

from .bounds import Box, NonNegative
from .concave import MCP, SCAD
from .group import GroupL2
from .l1 import L1, ElasticNet
from .penalty import Penalty, SeparablePenalty
from .zero import Zero

__all__ = [
    "L1",
    "MCP",
    "SCAD",
    "Box",
    "ElasticNet",
    "GroupL2",
    "NonNegative",
    "Penalty",
    "SeparablePenalty",
    "Zero",
]
