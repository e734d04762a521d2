"""Decoding movements from recordings, by the linear models of the kernel part."""
