"""Labels on graphs by conjugate gradients on a reduced system, with bounds."""
