"""Weighted linear least squares with few unknowns in each equation."""

import numpy as np
import torch


class LeastSquares:
    """Minimises ``Σ w (a·n - b)²`` over n by its normal equations.

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
        """Adds M equations of K unknowns each.

        Args:
            where: Indices of the unknowns, ``[M, K]``.
            factors: a, ``[M, K]``.
            weight: w, ``[M]``.
            target: b, ``[M]``.
        """
        weighted = factors * weight[:, None]
        products = weighted[:, :, None] * factors[:, None, :]
        np.add.at(self.matrix, (where[:, :, None], where[:, None, :]), products)
        np.add.at(self.vector, where, weighted * target[:, None])

    def solve(self) -> np.ndarray:
        """The unknowns, ``[num_unknowns]``."""
        factor = torch.linalg.cholesky(torch.from_numpy(self.matrix))
        vector = torch.from_numpy(self.vector)[:, None]
        return torch.cholesky_solve(vector, factor)[:, 0].numpy()
