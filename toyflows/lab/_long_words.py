"""What happens now on PCD's long way, in a sentence and in numbers, from what is measured.

Directions and shares are those of the exact law; "lighter" is the mode with less of ρ_θ.
"""

from __future__ import annotations

from toyflows.lab._room import Frame

AT_REST = 0.05  # from θ*, and a tenth of that in θ̇
STUCK = 1000.0  # time to cross


def message(seen: Frame) -> str:
    """The sentence: θ rests, runs from θ* or comes back; and whether walkers change modes faster
    than θ runs, both as shares of the picture (1 and d²)."""
    θ, speed, gap = seen["exact"], seen["speed"], seen["exact"] - seen["θ_star"]
    if seen["step"] == 0:
        return f"The walkers begin half and half; of the data {seen['q_star']:.0%} are in mode b"
    if abs(gap) < AT_REST and abs(speed) < 0.1 * AT_REST:
        return "The swings have died out: θ rests at θ*"
    up, full, short = ("up", "b", "a") if speed > 0 else ("down", "a", "b")  # θ̇ is in_b − q*
    left = "b" if seen["gone"] < 0 else "a"
    if gap * speed > 0:
        if not seen["falling"]:
            cannot = "cannot" if seen["mixing"] > STUCK else "seldom"
            return f"θ runs {up}, away from θ*: the walkers {cannot} leave mode {full}"
        if abs(θ) >= seen["bistable"]:
            return f"Mode {left}’s basin is gone: its walkers fall into the other"
        return f"θ runs {up}, but mode {left}’s barrier is low now: its walkers fall over"
    if not len(seen["turns_θ"]):
        return f"θ goes {up} towards θ*"
    if seen["falling"]:
        return f"θ has turned: too many walkers have left mode {left}, and more follow"
    return f"θ comes back {up}: too few walkers are in mode {short}"


def numbers(seen: Frame) -> str:
    """The numbers behind the sentence: the barrier, the time to cross it, and the turns so far."""
    light = "b" if seen["exact"] >= 0 else "a"
    out = [f"barrier of mode {light}: {seen['barrier']:.1f}"]
    out += [f"time to cross it: {spelled(seen['mixing'])}", f"t = {seen['time']:.4g}"]
    turns = [f"{v:.1f}" for v in seen["turns_θ"][:4].tolist()]
    out += [f"θ turned at {', '.join(turns)}"] if turns else []
    return "   ·   ".join(out).replace("-", "−")


def spelled(τ: float) -> str:
    """A positive number in a few digits: 36.1, 1,620 or 3·10⁸."""
    if τ < 1e6:
        return f"{τ:.3g}" if τ < 999.5 else f"{τ:,.0f}"
    first, exponent = f"{τ:.0e}".split("e+")
    return f"{first}·10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
