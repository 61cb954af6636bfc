"""A network learns to read digits.

64 pixels, 32 hidden units, 10 classes. A step is a batch of 32 digits; what is shown are digits it never learns from.
"""

from drawing import beside, heat, lines, plot
from rich.console import Group

from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer

EPOCHS, SHOWN = 6, (2, 3, 5, 8)


def read(model, x, y):
    """Some digits, each with what the network takes it for; and the share of all digits that it has right."""
    with no_grad():
        p = model(Tensor(x)).softmax(dim=-1).data
    guesses = p.argmax(axis=1)
    cards = []
    for i in [int((y == digit).argmax()) for digit in SHOWN]:
        verdict = "right" if guesses[i] == y[i] else f"wrong, it is {y[i]}"
        said = f"{guesses[i]}, {p[i].max():.0%} sure"
        cards.append(lines([heat(x[i].reshape(8, 8), 0, 1), f"{said:^16}", f"{verdict:^16}"]))
    return beside(*cards), float((guesses == y).mean())


def frames(stage):
    manual_seed(stage.seed)
    data, losses = digits(seed=stage.seed), []
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    trainer = Trainer(model, Adam(model.parameters(), lr=3e-3))
    batches = Batches(data.x_train, data.y_train, 32, seed=stage.seed)

    def picture():
        cards, right = read(model, data.x_test, data.y_test)
        curve = plot(
            {"the loss of each batch": (range(len(losses)), losses)}, (0, EPOCHS * len(batches)), (0, 2.5), 60, 6
        )
        return Group(cards, "", curve), f"{len(losses)} steps: {right:.1%} of {len(data.x_test)} new digits right."

    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        for step, batch in enumerate(batches):
            if step % 5 == 0:
                yield *picture(), 1.0 if step == 0 and epoch in (0, 1) else 0.06
            losses.append(trainer.step([batch]))
    yield *picture(), 2
