"""Maps from sequences to outputs, without training."""
