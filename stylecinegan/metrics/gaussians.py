"""Mean and covariance of features: their Fréchet distance, and files of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylecinegan.errors import InputError
from stylecinegan.io.paths import replacing


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of the features of a set of pictures or videos.

    Attributes:
        mean: ``[C]``, float64.
        covariance: Sample covariance (n - 1), ``[C, C]``, float64.
        count: Number of pictures or videos.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @classmethod
    def of(cls, features: np.ndarray) -> "Gaussian":
        """Fits a Gaussian to features, ``[N, C]``."""
        covariance = np.atleast_2d(np.cov(features, rowvar=False))
        return cls(features.mean(axis=0), covariance, len(features))

    def distance(self, other: "Gaussian") -> float:
        """Fréchet distance, ``|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½)``."""
        # With the symmetric root h of C1, the eigenvalues of C1 C2 are those of the symmetric
        # matrix h C2 h, real and at least 0. The general matrix root of pytorch_fid is several
        # times slower and fails with SciPy 1.18 and later.
        values, vectors = np.linalg.eigh(self.covariance)
        root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
        eigenvalues = np.linalg.eigvalsh(root @ other.covariance @ root).clip(min=0.0)
        traces = np.trace(self.covariance) + np.trace(other.covariance)
        spread = traces - 2 * np.sqrt(eigenvalues).sum()
        return float(np.square(self.mean - other.mean).sum() + spread)

    def write(self, path: str | Path, protocol: str, source: str) -> None:
        """Writes an ``.npz``, with the lower triangle of the covariance in single precision.

        Args:
            path: File to write; its folder is created.
            protocol: Name of the features' protocol, a key of
                :data:`~stylecinegan.metrics.frechet_protocols.NETWORKS`.
            source: Identifier of the pictures, e.g. the digest of their pixels.
        """
        lower = self.covariance[np.tril_indices(len(self.mean))].astype(np.float32)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(path), (".npz",)) as temporary:
            np.savez_compressed(
                temporary,
                mean=self.mean,
                lower=lower,
                count=np.int64(self.count),
                protocol=np.str_(protocol),
                source=np.str_(source),
            )

    @classmethod
    def read(cls, path: str | Path, protocol: str) -> tuple["Gaussian", str]:
        """Reads a file written by :meth:`write`.

        Args:
            path: The file.
            protocol: Protocol that its features must have.

        Returns:
            The Gaussian and the source.

        Raises:
            InputError: If the file is missing or damaged, or holds features of another protocol.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found, source = str(file["protocol"]), str(file["source"])
                mean, lower = file["mean"].astype(np.float64), file["lower"].astype(np.float64)
                count = int(file["count"])
            covariance = np.zeros((len(mean), len(mean)))
            covariance[np.tril_indices(len(mean))] = lower
        except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"wanted statistics of {protocol} in {path}, found {reason}"
            ) from error
        if found != protocol:
            raise InputError(f"wanted statistics of {protocol} in {path}, found those of {found}")
        covariance += np.tril(covariance, -1).T
        return cls(mean, covariance, count), source
