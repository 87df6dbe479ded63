"""Writes metrics.json: measures of made-up predictions by scikit-learn 1.2.1.

    python3 metrics.py > metrics.json

Scores are eighths and probabilities 64ths, so that they tie and are exact.
Weights are how often an image counts; scikit-learn is given the images
repeated. Measures of which scikit-learn raises or warns are null. The expected
calibration error is computed here.
"""
import json
import warnings

import numpy as np
from sklearn import metrics as m

warnings.simplefilter("error")


def defined(f, *a, **k):
    try:
        v = f(*a, **k)
        return None if np.isnan(v) else float(v)
    except (ValueError, UserWarning, RuntimeWarning, IndexError):
        return None


def mean(values, weights=None):
    kept = [(v, 1 if weights is None else w) for v, w in zip(values, weights if weights is not None else values) if v is not None]
    return float(np.average([v for v, _ in kept], weights=[w for _, w in kept])) if kept and sum(w for _, w in kept) else None


def ece(p, right):
    b = np.minimum((p * 15).astype(int), 14)
    return float(sum(abs(right[b == k].sum() - p[b == k].sum()) for k in range(15)) / len(p)) if len(p) else None


def operating(y, s):
    """Highest sensitivity at a specificity of 0.9 and the reverse, by roc_curve."""
    if len(set(y)) < 2:
        return None, None
    fpr, tpr, _ = m.roc_curve(y, s, drop_intermediate=False)
    fp, tp = np.rint(fpr * (y == 0).sum()), np.rint(tpr * (y == 1).sum())
    return float(tpr[10 * fp <= (y == 0).sum()].max()), float(1 - fpr[10 * tp >= 9 * (y == 1).sum()].min())


def one(y, s, predicted):
    """Measures of a class against the rest."""
    both = len(set(y)) == 2
    sens, spec = operating(y, s)
    return {
        "auc": defined(m.roc_auc_score, y, s),
        "average_precision": defined(m.average_precision_score, y, s) if both else None,
        "sensitivity": defined(m.recall_score, y, predicted),
        "specificity": defined(m.recall_score, y, predicted, pos_label=0),
        "precision": defined(m.precision_score, y, predicted),
        "f1": defined(m.f1_score, y, predicted),
        "sensitivity_at_90_specificity": sens,
        "specificity_at_90_sensitivity": spec,
    }


def curves(y, s):
    if len(set(y)) < 2:
        return {}
    fpr, tpr, _ = m.roc_curve(y, s, drop_intermediate=False)
    p, r, _ = m.precision_recall_curve(y, s)
    return {"fpr": fpr.tolist(), "tpr": tpr.tolist(), "precision": p[::-1].tolist(), "recall": r[::-1].tolist()}


def macro(classes):
    names = {"auc_macro": "auc", "average_precision": "average_precision", "f1": "f1",
             "sensitivity_at_90_specificity": "sensitivity_at_90_specificity", "specificity_at_90_sensitivity": "specificity_at_90_sensitivity"}
    return {out: mean([c[name] for c in classes]) for out, name in names.items()}


def single(y, s, p, c):
    pred, top = s.argmax(axis=1), p.argmax(axis=1)
    classes = [one((y == k).astype(int), s[:, k], (pred == k).astype(int)) for k in range(c)]
    task = macro(classes)
    task["auc_weighted"] = mean([k["auc"] for k in classes], [(y == k).sum() for k in range(c)])
    # The same by scikit-learn's own mean, where it has one.
    if c > 2 and len(set(y)) == c:
        for name, average in (("auc_macro", "macro"), ("auc_weighted", "weighted")):
            own = m.roc_auc_score(y, p, multi_class="ovr", average=average)
            of = mean([m.roc_auc_score(y == k, p[:, k]) for k in range(c)], None if average == "macro" else [(y == k).sum() for k in range(c)])
            assert abs(own - of) < 1e-14
            if (s == p).all():
                task[name] = own
    task["accuracy"] = float(m.accuracy_score(y, pred))
    balanced = [m.recall_score(y, pred, labels=[k], average="macro") for k in sorted(set(y))]
    task["balanced_accuracy"] = float(np.mean(balanced))
    if set(pred) <= set(y):
        task["balanced_accuracy"] = float(m.balanced_accuracy_score(y, pred))
    task["f1"] = float(m.f1_score(y, pred, average="macro"))
    task["brier"] = float(m.brier_score_loss(y, p[:, 1])) if c == 2 and len(set(y)) == 2 else \
        float(np.mean(np.sum((p - np.eye(c)[y]) ** 2, axis=1))) / (2 if c == 2 else 1)
    task["log_loss"] = float(m.log_loss(y, p, labels=list(range(c))))
    task["ece"] = ece(p.max(axis=1), (top == y).astype(float))
    return task, classes, [curves((y == k).astype(int), s[:, k]) for k in range(c)]


def multi(y, s, p, c):
    known = [y[:, k] >= 0 for k in range(c)]
    col = lambda a, k: a[known[k], k]
    classes = [one(col(y, k), col(s, k), (col(s, k) >= 0.5).astype(int)) if known[k].any() else one(np.array([]), np.array([]), np.array([])) for k in range(c)]
    task = macro(classes)
    task["auc_weighted"] = mean([k["auc"] for k in classes], [(y[:, k] == 1).sum() for k in range(c)])
    some = [k for k in range(c) if known[k].any()]
    task["accuracy"] = mean([m.accuracy_score(col(y, k), col(s, k) >= 0.5) for k in some])
    task["balanced_accuracy"] = mean([mean([classes[k]["sensitivity"], classes[k]["specificity"]]) for k in some])
    task["brier"] = mean([float(np.mean((col(p, k) - col(y, k)) ** 2)) for k in some])
    both = [k for k in some if len(set(col(y, k))) == 2]
    for k in both:
        assert abs(m.brier_score_loss(col(y, k), col(p, k)) - np.mean((col(p, k) - col(y, k)) ** 2)) < 1e-15
    task["log_loss"] = mean([m.log_loss(col(y, k), col(p, k), labels=[0, 1]) for k in some])
    task["ece"] = mean([ece(col(p, k), col(y, k).astype(float)) for k in some])
    if len(some) == c and all(k.all() for k in known) and len(both) == c:
        assert abs(task["auc_macro"] - m.roc_auc_score(y, s, average="macro")) < 1e-14
        assert abs(task["auc_weighted"] - m.roc_auc_score(y, s, average="weighted")) < 1e-14
        assert abs(task["average_precision"] - m.average_precision_score(y, s, average="macro")) < 1e-14
        assert abs(1 - task["accuracy"] - m.hamming_loss(y, s >= 0.5)) < 1e-14
    return task, classes, [curves(col(y, k), col(s, k)) for k in range(c)]


def case(r, i):
    is_multi, c, n = i % 3 == 2, int(r.integers(2, 5)), int(r.integers(1, 36))
    weights = np.ones(n, int) if i % 2 else r.multinomial(n, np.ones(n) / n)
    if is_multi:
        y = (r.random((n, c)) < r.choice([0.05, 0.3, 0.5])).astype(int)
        if i % 4 == 0:
            y[r.random((n, c)) < 0.2] = -1  # not known
        hit = y == 1
        p = np.clip(r.integers(0, 65, (n, c)) + 12 * hit, 0, 64)
    else:
        y = r.choice(c, n, p=r.dirichlet(np.ones(c) * r.choice([0.2, 2])))
        hit = np.eye(c)[y] == 1
        w = r.dirichlet(np.ones(c) * r.choice([0.2, 1]), n) + 0.3 * hit
        p = np.array([r.multinomial(64, q / q.sum()) for q in w])
    s = r.integers(-2, 9, (n, c)) + 2 * hit
    if i % 5 == 0:
        s = p / 8
    rep = lambda a: np.repeat(a, weights, axis=0)
    task, classes, curve = (multi if is_multi else single)(rep(y), rep(s) / 8, rep(p) / 64, c)
    out = {"multi": is_multi, "classes": c, "y": y.tolist(), "scores": (s * 8).astype(int).tolist(), "probabilities": p.tolist(),
           "weights": weights.tolist(), "task": task, "class": classes}
    if i % 8 == 1:
        out["curves"] = curve
    return out


r = np.random.default_rng(20)
cases = [case(r, i) for i in range(240)]
print("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]")
