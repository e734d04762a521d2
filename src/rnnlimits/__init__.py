"""Recurrent networks at infinite width: the mean-field and the kernel limit, executable."""

__version__ = "0.1.0"
