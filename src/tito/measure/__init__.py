"""Profiles of workloads, and the comparison with PyTorch."""
