"""The table of verdicts: its caption, its claim, and what makes it fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.figures import verdict_table
from toyflows.flows import registry
from toyflows.flows.base import NEAR
from toyflows.method import method as flow_of
from toyflows.stats import ClaimError
from toyflows.target import Target
from toyflows.verdict import KINDS


def as_promised() -> dict[str, np.ndarray]:
    """The data of a table that is the caption's."""
    wanted = verdict_table.expected()
    number = np.ones((len(wanted), len(verdict_table.SEPARATIONS)))
    number[list(wanted).index("ml"), -1] = 1e-9
    number[list(wanted).index("pcd"), -1] = -0.3
    return {
        "method": np.array(list(wanted)),
        "separation": np.array(verdict_table.SEPARATIONS),
        "verdict": np.array([[KINDS.index(word) for word in row] for row in wanted.values()]),
        "number": number,
    }


def test_the_captions_table_passes() -> None:
    assert verdict_table.claim(as_promised())["cells"] == 21 * 6


def test_the_caption_names_every_method() -> None:
    """Each built-in method stands in the claim, and in the words of the caption."""
    names = {name.split()[0] for name in verdict_table.expected()}
    assert set(registry()) <= names
    caption = " ".join((verdict_table.__doc__ or "").split())
    assert all(name in caption for name in names)


@pytest.mark.parametrize(("method", "d"), [("ml", 0), ("pcd", 5), ("score-matching", 3)])
def test_another_verdict_fails(method: str, d: int) -> None:
    data = as_promised()
    data["verdict"][data["method"].tolist().index(method), d] = KINDS.index("diverges")
    with pytest.raises(ClaimError, match=f"{method} at d = .*: diverges"):
        verdict_table.claim(data)


def test_a_missing_method_fails() -> None:
    data = as_promised()
    kept = data["method"] != "jarzynski"
    data |= {name: data[name][kept] for name in ("method", "verdict", "number")}
    with pytest.raises(ClaimError, match="missing"):
        verdict_table.claim(data)


@pytest.mark.parametrize("method", ["ml", "pcd"])
def test_another_number_fails(method: str) -> None:
    data = as_promised()
    data["number"][data["method"].tolist().index(method), -1] = 0.01
    with pytest.raises(ClaimError):
        verdict_table.claim(data)


def test_a_table_is_computed_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods at a small scale, and the picture has a coloured word for each cell."""
    from toyflows.figures._style import new_figure, style

    monkeypatch.setattr(verdict_table, "registry", lambda: {"ml": None, "nce": None})
    monkeypatch.setattr(verdict_table, "VARIANTS", ())
    data = verdict_table.compute(0.05, 0)
    assert data["method"].tolist() == ["ml", "nce"]
    with style():
        figure = new_figure()
        verdict_table.draw(figure, data)
        words = [t.get_text() for t in figure.axes[0].texts]
    assert sorted(words) == ["biased", "biased", "converges", "converges"]


def test_green_is_only_where_theta_is_at_theta_star() -> None:
    """Each cheap cell that the caption calls green, run here: within 0.03, and no other cell is."""
    wanted = verdict_table.expected()
    for name in ("bregman", "gan", "ml", "multi-noise", "score-matching", "denoising model=noised"):
        for d, word in list(zip(verdict_table.SEPARATIONS, wanted[name], strict=True))[:4]:
            flow, target = flow_of(name), Target.exact(-math.log(4), d)
            run = solve.run(flow, Grid(target, 0.1), 0.0, 1800)
            assert (abs(run.θ[-1] - target.θ_star) <= NEAR) == (word == "converges"), (name, d)
