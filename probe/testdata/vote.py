"""Makes vote.json: votes and nearest class means of scikit-learn.

    python3 vote.py > vote.json

Made with scikit-learn 1.2.1 and NumPy 1.24.2. Neighbours are those of
KNeighborsClassifier on unit vectors of few values, so that there are ties and
exact duplicates; the trees compute a duplicate's distance as exactly zero.
"""

import json
import warnings

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

warnings.simplefilter("ignore")
CLASSES = ["a", "b", "c"]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def votes(rng):
    cases = []
    for grid in (1, 2, 50):
        x = rng.integers(-grid, grid + 1, (60, 4)).astype(float)
        x = unit(x[np.any(x != 0, axis=1)])
        y = np.array(CLASSES)[rng.integers(0, 3, len(x))]
        queries = np.concatenate([x[:3], unit(rng.normal(size=(3, 4)))])
        for weights in ("uniform", "distance"):
            for k in (1, 2, 5, 11, 20):
                model = KNeighborsClassifier(k, weights=weights, algorithm="kd_tree").fit(x, y)
                distances, at = model.kneighbors(queries)
                shares, predicted = model.predict_proba(queries), model.predict(queries)
                for q in range(len(queries)):
                    full = np.zeros(3)
                    full[np.searchsorted(CLASSES, model.classes_)] = shares[q]
                    cases.append({"weights": weights, "k": k,
                                  "scores": [1 - d * d / 2 for d in distances[q]],
                                  "labels": "".join(y[at[q]]),
                                  "shares": full.tolist(), "predicted": predicted[q]})
    return cases


def centroids(rng):
    cases = []
    for centred in (False, True):
        for metric in ("euclidean", "cosine"):
            y = np.array(CLASSES)[rng.integers(0, 3, 30)]
            shift = np.array([{"a": 0, "b": 0.4, "c": -0.4}[c] for c in y])[:, None]
            x = np.round(rng.normal(size=(30, 5)) + shift + 1, 2).astype(np.float32)
            queries = np.round(rng.normal(size=(12, 5)) + 1, 2).astype(np.float32)
            mean = x.astype(float).mean(0) if centred else 0
            train, test = unit(x.astype(float) - mean), unit(queries.astype(float) - mean)
            model = NearestCentroid(metric=metric).fit(train, y)
            if metric == "cosine":
                scores = test @ unit(model.centroids_).T
            else:
                scores = 1 - ((test[:, None] - model.centroids_[None]) ** 2).sum(2) / 2
            cases.append({"centred": centred, "metric": metric, "x": x.tolist(), "labels": "".join(y),
                          "queries": queries.tolist(), "means": model.centroids_.tolist(),
                          "scores": scores.tolist(), "predicted": "".join(model.predict(test))})
    return cases


def short(value):
    """The value with float32 vectors as the decimals they were made of."""
    if isinstance(value, dict):
        return {k: [[round(v, 2) for v in row] for row in u] if k in ("x", "queries") else u for k, u in value.items()}
    return value


rng = np.random.default_rng(5)
print(json.dumps({"votes": votes(rng), "centroids": [short(c) for c in centroids(rng)]}, indent=None, separators=(",", ":")))
