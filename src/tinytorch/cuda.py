"""CUDA: there is none. What a program asks before it would use a GPU, answered."""


def is_available() -> bool:
    """False: TinyTorch computes on the CPU with NumPy."""
    return False


def is_bf16_supported() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: no GPU draws any numbers."""


def manual_seed_all(seed: int) -> None:
    """Nothing: no GPU draws any numbers."""


def empty_cache() -> None:
    """Nothing: no GPU keeps any memory."""
