"""An image classifier with convolutions: argparse, a Dataset of its own, a schedule, train() and test(), a saved model.

Written for PyTorch. Numbers that chance would choose are made by formulas, so that they are the same everywhere.
"""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset, Sampler


class Bars(Dataset):
    """Pictures of 8 x 8 with a bright row or column: 4 classes by which half it lies in."""

    def __init__(self, n, transform=None):
        self.n, self.transform = n, transform

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        image, place = np.cos(np.arange(64) * (index + 1)).reshape(8, 8) / 4, index % 8
        if index // 8 % 2:
            image[place] += 1
        else:
            image[:, place] += 1
        image = torch.from_numpy(image.astype(np.float32)).unsqueeze(0)
        if self.transform:
            image = self.transform(image)
        return image, 2 * (index // 8 % 2) + place // 4


class Stride(Sampler):
    """Every 7th example, until all have had their turn."""

    def __init__(self, data_source):
        super().__init__()
        self.n = len(data_source)

    def __iter__(self):
        return iter([(7 * i) % self.n for i in range(self.n)])

    def __len__(self):
        return self.n


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1, padding=1)
        self.conv2 = nn.Conv2d(4, 8, kernel_size=3, stride=1, padding=1)
        self.dropout = nn.Dropout(0.0)
        self.fc1 = nn.Linear(8 * 4 * 4, 16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.conv1(x), inplace=True)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = self.dropout(F.relu(self.fc1(x)))
        x = F.dropout(x, p=0.5, training=False)
        return F.log_softmax(self.fc2(x), dim=1)


def fill(module):
    """Weights by a formula."""
    if isinstance(module, nn.Linear):
        rows, columns = torch.arange(module.in_features).view(-1, 1), torch.arange(module.out_features)
        weight = torch.sin(rows * 1.7 + columns * 0.9 + rows * columns) / module.in_features**0.5
        with torch.no_grad():
            module.weight.copy_(weight.t())
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        with torch.no_grad():
            module.weight.copy_(torch.cos(torch.arange(module.weight.numel()).float()).view_as(module.weight) / 3)
        nn.init.constant_(module.bias, 0.1)


def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print(f"epoch {epoch} [{batch_idx * len(data)}/{len(train_loader.dataset)}] loss {loss.item():.6f}")


def test(model, device, test_loader):
    model.eval()
    test_loss = 0
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    print(f"test loss {test_loss / len(test_loader.dataset):.6f} correct {correct}")


def main():
    parser = argparse.ArgumentParser(description="Bars")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.2)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--no-cuda", action="store_true", default=False)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=1)
    parser.add_argument("--save-model", default=None)
    args = parser.parse_args()
    use_cuda = not args.no_cuda and torch.cuda.is_available()
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if use_cuda else "cpu")
    train_kwargs = {"batch_size": args.batch_size, "num_workers": 0}
    if use_cuda:
        train_kwargs.update({"pin_memory": True})
    dataset = Bars(64, transform=lambda image: (image - 0.1) / 0.5)
    train_loader = DataLoader(dataset, sampler=Stride(dataset), **train_kwargs)
    test_loader = DataLoader(Bars(40), batch_size=20, shuffle=False)
    model = Net().to(device)
    model.apply(fill)
    optimizer = optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()
    if args.save_model:
        torch.save(model.state_dict(), args.save_model)
        again = Net().to(device)
        again.load_state_dict(torch.load(args.save_model, map_location=device))
        test(again, device, test_loader)


if __name__ == "__main__":
    main()
