"""Measuring representations: arrays in, frozen results out."""
