"""A small residual network: blocks, batch normalisation, an optimizer with groups, checkpoints of everything.

Written for PyTorch. Numbers that chance would choose are made by formulas, so that they are the same everywhere.
"""

import os
import tempfile
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


def conv3x3(in_planes, out_planes, stride=1):
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = conv3x3(in_planes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    [
                        ("conv", nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False)),
                        ("bn", nn.BatchNorm2d(planes)),
                    ]
                )
            )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=3):
        super().__init__()
        self.in_planes = 4
        self.conv1 = conv3x3(2, 4)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = self._make_layer(block, 4, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 8, num_blocks[1], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * block.expansion, num_classes)
        for name, p in self.named_parameters():
            if p.dim() > 1 and not name.startswith("fc"):
                with torch.no_grad():
                    p.copy_(torch.sin(torch.arange(p.numel()) * 0.7).reshape(p.shape) * 0.3)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def _make_layer(self, block, planes, num_blocks, stride):
        layers = []
        for s in [stride] + [1] * (num_blocks - 1):
            layers.append(block(self.in_planes, planes, s))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


def accuracy(output, target, topk=(1,)):
    """The share of targets among the k best of each output."""
    maxk = max(topk)
    _, pred = output.topk(maxk, 1, True, True)
    pred = pred.t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    return [correct[:k].reshape(-1).float().sum(0, keepdim=True).item() / target.size(0) for k in topk]


if __name__ == "__main__":
    n = 24
    images = torch.cos((torch.arange(n * 2 * 6 * 6) % 97).float() * 0.37).view(n, 2, 6, 6)
    labels = (images.mean(dim=(1, 2, 3)) * 40).long().remainder(3)
    dataset = TensorDataset(images, labels)
    assert sorted(len(part) for part in random_split(dataset, [20, 4], generator=torch.Generator().manual_seed(0))) == [
        4,
        20,
    ]
    loader = DataLoader(dataset, batch_size=8, shuffle=False, drop_last=True, pin_memory=False)
    net = ResNet(BasicBlock, [1, 2])
    decay = [p for name, p in net.named_parameters() if p.dim() >= 2]
    no_decay = [p for name, p in net.named_parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 5e-4}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1)
    for epoch in range(3):
        net.train()
        train_loss = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            train_loss += loss.item()
        scheduler.step()
        lr = optimizer.param_groups[0]["lr"]
        print(f"epoch {epoch} loss {train_loss / len(loader):.6f} lr {lr:.6f}")
    net.eval()
    with torch.no_grad():
        outputs = net(images)
        _, predicted = torch.max(outputs.data, 1)
        print("right", (predicted == labels).sum().item(), "top", accuracy(outputs, labels, topk=(1, 2)))
    path = os.path.join(tempfile.mkdtemp(), "checkpoint.pth")
    torch.save({"epoch": 3, "net": net.state_dict(), "optimizer": optimizer.state_dict(), "names": ["a", "b"]}, path)
    checkpoint = torch.load(path)
    again = ResNet(BasicBlock, [1, 2]).eval()
    again.load_state_dict(checkpoint["net"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    print("kept", torch.equal(again(images), net(images)), checkpoint["epoch"], checkpoint["names"])
    missing = again.load_state_dict({"bogus": torch.zeros(1)}, strict=False)
    print("missing", "fc.weight" in missing.missing_keys, missing.unexpected_keys)
