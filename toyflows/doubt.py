"""Decides whether an estimate may be believed; every form of output repeats the answer.

Each function returns one sentence of what is wrong, or "" where nothing is. An error bar in doubt
is not shown.

    errors of a series    a sum of C(t) over a window W has the relative error √((4W + 2)/n) (Wolff
                          2004), its root, the error bar, half of it: with W = 6τ (series.py) √(3/N)
                          for N = n/2τ independent values. N ≥ FEW: a factor 1.5 in 95 of 100.
                          Of series too short, those pass whose τ came out small by chance: so an
                          error is told WIDER deviations of its own higher than it was found.
    importance weights    the mean of N weights of which (Σw)²/Σw² count is as uncertain as that of
                          so few; below FEW_WEIGHTS it is that of the largest, and too low.
    log p, KL             of binary data log p ≤ 0, and KL ≥ 0, whatever the model.

diffusion/schedules.py (`warning`) says how much signal a schedule leaves; alarms.py says what is
wrong with a flow's walkers.
"""

from __future__ import annotations

import math

FEW = 50  # independent values, or changes
FEW_WEIGHTS = 10
WIDER = 1.5  # 60 seeds at T = 300 (N ≈ 34): those that pass tell .73 of their spread, not .53


def series(n: int, changes: int, τ: float) -> str:
    """Why n values give no error bar; `changes` of them differ from the last, τ is their time."""
    if changes == 0:
        return f"nothing changed in {n}: no error can be given"
    if changes < FEW:
        return f"only {changes} of {n} changed anything: no error can be given; take more"
    if n < 2 * FEW * τ:
        return f"{n} are only {n / (2 * τ):.0f} independent ones: no error can be given; take more"
    return ""


def widened(error: float, n: int, τ: float) -> float:
    """The error of n values, WIDER deviations of its own higher."""
    return error * (1 + WIDER * math.sqrt(6 * τ / n))


def weights(effective: float, n: int) -> str:
    """Why log Z, the mean of n importance weights, is in doubt; "" where it is not."""
    if effective >= min(FEW_WEIGHTS, n):
        return ""
    return (f"only {effective:.1f} of {n} chains count: log Z is too low by an unknown amount, and "
            "log p too high; take more temperatures")  # fmt: skip


def impossible(log_p: float, kl: float = 0.0, margin: float = 1e-9) -> str:
    """Why log p of binary data in nats, or KL(data ‖ model), is impossible; "" else."""
    found = [f"log p = {log_p:.4g} > 0"] if log_p > margin else []
    found += [f"KL = {kl:.4g} < 0"] if kl < -margin else []
    return f"{' and '.join(found)} cannot be: log Z is too low" if found else ""
