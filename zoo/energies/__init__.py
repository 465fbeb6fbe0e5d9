"""Energies of binary units: Boltzmann machines, their Gibbs chains, and their constant log Z."""

from zoo.energies.bipartite import Bipartite, bits
from zoo.energies.boltzmann import Boltzmann
from zoo.energies.partition import LogZ, annealed_log_z, exact_log_z, log_z

__all__ = ["Bipartite", "Boltzmann", "LogZ", "annealed_log_z", "bits", "exact_log_z", "log_z"]
