#!/usr/bin/env python3
"""Writes tests/golden/tied.safetensors: a language model whose output layer has the embedding's
weight, and whose targets are smoothed, after ten steps of SGD with momentum on one batch.

    token, next             [time, batch]
    start/<parameter>       first weights
    end/<parameter>         weights after the steps
    loss                    [steps]: before each
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

TIME, BATCH, CLASSES, WIDTH, STEPS = 6, 3, 5, 4, 10


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(CLASSES, WIDTH)
        self.rnn = nn.GRU(WIDTH, WIDTH)
        self.logits = nn.Linear(WIDTH, CLASSES)
        self.logits.weight = self.e.weight

    def forward(self, token):
        return self.logits(self.rnn(self.e(token))[0])


def weights(model, prefix):
    return {f"{prefix}/{k}": v.detach().clone() for k, v in model.state_dict().items()}


def main():
    torch.manual_seed(3)
    token, following = torch.randint(CLASSES, (2, TIME, BATCH)).unbind()
    following[2, 1] = -100
    model = Model()
    out = {"token": token.int().contiguous(), "next": following.int().contiguous(), **weights(model, "start")}
    step = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    losses = []
    for _ in range(STEPS):
        step.zero_grad()
        loss = loss_of(model(token).reshape(-1, CLASSES), following.reshape(-1))
        loss.backward()
        step.step()
        losses.append(loss.detach())
    out.update(weights(model, "end"), loss=torch.stack(losses))
    save_file(out, pathlib.Path(__file__).resolve().parents[2] / "tests/golden/tied.safetensors")


main()
