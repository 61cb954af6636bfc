"""How fast memory is depends on where it is.

An array that fits a cache of the processor is copied many times faster than one that has to come from memory.
"""

from drawing import bars, lines

from tinytorch.environment import bandwidth, machine

SIZES = [2**k for k in range(14, 28)]


def size(n: int) -> str:
    """A number of bytes, in the largest unit that it fills."""
    return f"{n >> 20} MiB" if n >= 1 << 20 else f"{n >> 10} KiB"


def frames(stage):
    about, rates = str(machine()).split("; "), []
    for n in SIZES:
        rates.append(bandwidth(n))
        rows = [(f"{size(s):>8}", rate, f"{rate / 1e9:6.1f} GB/s") for s, rate in zip(SIZES, rates)]
        yield lines([*about, "", bars(rows, max(rates))]), f"Copying an array of {size(n)} ...", 0.1
    best = max(range(len(SIZES)), key=rates.__getitem__)
    caption = (
        f"At {size(SIZES[best])} it is {rates[best] / 1e9:.1f} GB/s, at {size(SIZES[-1])} {rates[-1] / 1e9:.1f}: "
        f"a factor of {rates[best] / rates[-1]:.1f}. Large arrays come from memory, small ones from a cache."
    )
    yield lines([*about, "", bars(rows, max(rates))]), caption, 2
