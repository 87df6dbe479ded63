#!/usr/bin/env python3
"""Writes softmax.json: coefficients of scikit-learn 1.2.1's LogisticRegression
on examples that softmax_test.go makes the same way. Made by

	/usr/bin/python3 probe/testdata/softmax.py > probe/testdata/softmax.json

with Debian 12's python3-sklearn. The optimum is that of its solver newton-cg at
tol 1e-10; the largest component of the gradient that it left is recorded.
"""
import json
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

MASK = (1 << 64) - 1


def sequence(seed, n):
    """n floats in [-1, 1): the top 24 bits of SplitMix64."""
    out = []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out.append(((z >> 40) - (1 << 23)) / (1 << 23))
    return np.array(out)


def examples(seed, n, d, k):
    """Vectors of noise around a shared offset; the class is the largest of the
    first k components plus noise."""
    x = sequence(seed, n * d).reshape(n, d)
    noise = sequence(seed + 1, n * k).reshape(n, k)
    label = np.argmax(x[:, :k] + 0.75 * noise, axis=1)
    return x + 0.5, label


def gradient(model, x, y, weight, c):
    """The largest component of the objective's gradient."""
    w, b = model.coef_, model.intercept_
    z = x @ w.T + b
    if len(w) == 1:
        p = 1 / (1 + np.exp(-z))
        r = p - y.reshape(-1, 1)
    else:
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        r = p - np.eye(len(w))[y]
    r = r * weight.reshape(-1, 1)
    return max(abs(r.T @ x + w / c).max(), abs(r.sum(0)).max())


def case(name, seed, n, d, k, weighted=False, soft=False):
    x, y = examples(seed, n, d, k)
    weight = np.ones(n)
    if weighted:
        weight = 1 + (np.arange(n) % 4) / 2
    rows, labels, weights = x, y, weight
    if soft:  # a quarter of the target is of the next class: each row twice
        rows = np.concatenate([x, x])
        labels = np.concatenate([y, (y + 1) % k])
        weights = np.concatenate([0.75 * weight, 0.25 * weight])
    fits = []
    for c in [1e-2, 1.0, 1e2, 1e4, 1e6]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m = LogisticRegression(C=c, solver="newton-cg", tol=1e-10, max_iter=10000, multi_class="multinomial" if k > 2 else "ovr")
            m.fit(rows, labels, sample_weight=weights)
        fits.append({
            "c": c, "weights": m.coef_.tolist(), "intercept": m.intercept_.tolist(),
            "gradient": gradient(m, rows, labels, weights, c),
        })
    return {"name": name, "seed": seed, "n": n, "d": d, "k": k, "weighted": weighted, "soft": soft, "fits": fits}


cases = [
    case("two classes", 1, 60, 5, 2),
    case("three classes", 11, 90, 6, 3),
    case("two classes, weighted", 21, 60, 5, 2, weighted=True),
    case("three classes, weighted", 31, 90, 9, 3, weighted=True),
    case("two classes, soft", 41, 50, 5, 2, soft=True),
    case("three classes, soft and weighted", 51, 80, 6, 3, weighted=True, soft=True),
]
print("[" + ",\n".join(json.dumps(c) for c in cases) + "]")
