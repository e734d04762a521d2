"""Heavy runs, one script each; `make experiments` puts what they find under book/results."""
