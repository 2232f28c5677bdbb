#!/usr/bin/env python3
"""Writes tests/golden/bleu.txt: BLEU of pairs of sequences, as Zhang et al., Dive into Deep
Learning, section 10.7, define it. A line is k|end|prediction|label|score; end is the number
that ends a sequence, or -1."""
import collections
import math
import pathlib
import random


def bleu(pred, label, k):
    if not pred:
        return float(not label)
    score = math.exp(min(0, 1 - len(label) / len(pred)))
    for n in range(1, min(k, len(pred)) + 1):
        left = collections.Counter(tuple(label[i:i + n]) for i in range(len(label) - n + 1))
        found = 0
        for i in range(len(pred) - n + 1):
            gram = tuple(pred[i:i + n])
            if left[gram] > 0:
                found += 1
                left[gram] -= 1
        score *= (found / (len(pred) - n + 1)) ** (0.5 ** n)
    return score


def until(sequence, end):
    return sequence[:sequence.index(end)] if end in sequence else sequence


def main():
    draw = random.Random(7)
    lines = []
    for case in range(60):
        k, end = draw.choice([1, 2, 3, 4]), draw.choice([-1, 0])
        length, classes = draw.randint(1, 9), draw.choice([2, 3, 6])
        label = [draw.randrange(classes) for _ in range(length)]
        pred = [x if draw.random() < 0.7 else draw.randrange(classes) for x in label]
        score = bleu(until(pred, end), until(label, end), k)
        lines.append("|".join([str(k), str(end), " ".join(map(str, pred)), " ".join(map(str, label)), repr(score)]))
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/bleu.txt"
    path.write_text("\n".join(lines) + "\n")


main()
