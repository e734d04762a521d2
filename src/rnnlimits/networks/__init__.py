"""Maps from sequences to outputs: their risk, its gradient, and how their weights are sampled."""
