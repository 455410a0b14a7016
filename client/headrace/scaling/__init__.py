"""Decides how many workers there should be, and starts or removes workers."""
