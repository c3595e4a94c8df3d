"""Weighted least squares with few unknowns in each equation."""

import numpy as np
import torch


class LeastSquares:
    """Normal equations of ``Σ w (a·n - b)²``.

    Args:
        num_unknowns: Length of n.
    """

    def __init__(self, num_unknowns: int) -> None:
        # Regularisation of unknowns without equations.
        self.matrix = 1e-7 * np.eye(num_unknowns)
        self.vector = np.zeros(num_unknowns)

    def add(
        self, where: np.ndarray, factors: np.ndarray, weight: np.ndarray, target: np.ndarray
    ) -> None:
        """Adds equations: unknowns and factors ``[M, K]``, weight and target ``[M]``."""
        weighted = factors * weight[:, None]
        products = weighted[:, :, None] * factors[:, None, :]
        np.add.at(self.matrix, (where[:, :, None], where[:, None, :]), products)
        np.add.at(self.vector, where, weighted * target[:, None])

    def solve(self) -> np.ndarray:
        """The unknowns, ``[num_unknowns]``."""
        factor = torch.linalg.cholesky(torch.from_numpy(self.matrix))
        vector = torch.from_numpy(self.vector)[:, None]
        return torch.cholesky_solve(vector, factor)[:, 0].numpy()
