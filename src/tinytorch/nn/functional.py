"""PyTorch's map of the functions: names, no logic."""

from importlib import import_module
from typing import Any

_HOMES = {
    "activations": "leaky_relu sigmoid tanh softplus silu gelu softmax log_softmax",
    "layers": "linear",
    "losses": "mse_loss l1_loss",
    "options": "relu dropout one_hot pad normalize",
    "more_losses": """cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
        smooth_l1_loss huber_loss""",
    "convolutions": "conv2d max_pool2d avg_pool2d adaptive_avg_pool2d batch_norm",
    "embeddings": "embedding",
    "attention": "scaled_dot_product_attention",
    "transformers": "layer_norm rms_norm",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"tinytorch.nn.functional has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
