"""Wrong answers to Scaling."""

from tito.rubrics.planted import wrong


@wrong("double", "squares")
def squares(x):
    return x * x


@wrong("share", "does not divide")
def whole(x):
    return x


@wrong("Scaler.apply", "adds")
def adds(self, x):
    return self.k + x


@wrong("Scaler.describe", "forgets the first half")
def half(self):
    return f"{self.k}"
