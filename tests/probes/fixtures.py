"""Small representations by formula, the same everywhere, for values of other people's code."""

import numpy as np

CASES = ((1, 30, 4, 4), (2, 40, 5, 7), (3, 50, 3, 8), (4, 64, 6, 6), (5, 80, 8, 9))
"""Number, items, dim_x, dim_y."""


def fixture(number, items, dim_x, dim_y):
    """Return two representations that share part of what they hold."""
    i, j = np.mgrid[1 : items + 1, 1 : dim_x + 1]
    x = np.sin(1.7 * i * np.sqrt(j) + number) + 0.5 * np.cos(i * j)
    i, j = np.mgrid[1 : items + 1, 1 : dim_y + 1]
    y = 0.6 * x[:, np.arange(dim_y) % dim_x] + np.sin(2.3 * i * np.sqrt(j + 1) + 2 * number) + 0.3
    return x, y
