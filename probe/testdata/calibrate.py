#!/usr/bin/env python3
"""Computes calibrate.json: Platt's calibration of drawn and hand-made scores,
bounds of Clopper and Pearson.

    /usr/bin/python3 calibrate.py > calibrate.json

Written with scikit-learn 1.2.1 and SciPy 1.10. scikit-learn's optimiser stops at
a gradient of 1e-5, too early for six digits, and is asked here for 1e-9 by
minimising the same function from its result.
"""
import json
import sys

import numpy as np
from scipy.optimize import fmin_bfgs
from scipy.stats import beta
import sklearn.calibration as calibration

rng = np.random.default_rng(5)


def precise(f, x0, fprime, disp):
    x = fmin_bfgs(f, x0, fprime=fprime, gtol=1e-6, disp=False)
    # Newton's method with differences of the exact gradient for the last digits.
    for _ in range(20):
        g = fprime(x)
        h = np.array([(fprime(x + d) - fprime(x - d)) / (2 * d.sum()) for d in np.diag(1e-5 * (1 + abs(x)))])
        x = x - np.linalg.solve((h + h.T) / 2, g)
    assert abs(fprime(x)).max() < 1e-9, fprime(x)
    return x


calibration.fmin_bfgs = precise


def case(name, scores, y, weight=None):
    scores, y = np.asarray(scores, float), np.asarray(y, float)
    w = None if weight is None else np.asarray(weight, float)
    a, b = calibration._sigmoid_calibration(scores, y, w)
    return {"name": name, "scores": scores.tolist(), "y": y.tolist(),
            "weight": None if w is None else w.tolist(), "slope": -a, "bias": -b}


def drawn(name, n, shift, scale, rate, weight=False):
    y = (rng.random(n) < rate).astype(float)
    y[:2] = 0, 1
    s = np.round((rng.normal(size=n) + shift * y) * scale, 4)
    w = np.round(rng.uniform(0.2, 3, n), 3) if weight else None
    return case(name, s, y, w)


cases = [
    case("separable", [-2, -1, -0.5, 0.5, 1, 3], [0, 0, 0, 1, 1, 1]),
    case("four images", [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]),
    case("ties", [0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 1, 1, 0]),
    case("one of a kind", [0.1, 0.2, 0.3, 0.25, 0.9], [0, 0, 0, 0, 1]),
    drawn("ten images", 10, 2, 1, 0.5),
    drawn("regression scores", 60, 2, 0.2, 0.4),
    drawn("logits", 60, 1.5, 8, 0.5),
    drawn("rare", 120, 2.5, 1, 0.06),
    drawn("weighted", 60, 1.2, 1, 0.5, weight=True),
]
bounds = [[x, n, c, float(beta.ppf(1 - c, x, n - x + 1))]
          for x, n, c in [(1, 1, 0.95), (19, 19, 0.95), (59, 59, 0.95), (57, 60, 0.95), (95, 100, 0.975), (1, 40, 0.9), (970, 1000, 0.95), (12.5, 14, 0.95)]]
json.dump({"platt": cases, "bounds": bounds}, sys.stdout, separators=(",", ":"))
print()
