"""The words that verdicts say on random settings, against an independent judge.

    python benchmarks/verdicts.py [--settings 3000] [--seed 0] [--walkers] [--out FILE.md]
                                  [--keep FILE]

A setting takes a second of one core, about: with --keep what is done is kept in a file, and the
same command goes on with it. It holds for one version of the product only.

Settings: every method with its options; d from 0.5 to 60, θ* and θ0 in ±8 (θ0 = θ* among them), dt
0.01 to 0.5, rate 0.1 to 10, T 1 to 1000 as far as the exact law's cost allows. The judge
(tests/verdict_judge.py) has its own Euler path, its own search of zeros and its own long run; it
shares no code with the product's verdict. It allows one word where VERDICTS decides, several in
stated grey zones. With --walkers: 50 to 10⁵ walkers instead of the exact law, every fourth time of
K = 2 … 5 modes; there the judge allows what the noise of runs with other seeds leads to.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import report

from toyflows import verdict
from toyflows.workers import in_workers

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import verdict_modes
import verdict_trial
from verdict_draws import Case, ModesCase, draw, draw_modes
from verdict_judge import WORDS
from verdict_trial import Trial

SHOWN = 200  # wrong words that are listed


def settings(seed: int, many: int, walkers: bool, only: Sequence[str]) -> list[Case | ModesCase]:
    """The first `many` settings of the seed, of the methods `only` if any are named."""
    found: list[Case | ModesCase] = []
    k = -1
    while len(found) < many:
        k += 1
        if walkers and k % 4 == 3:
            one: Case | ModesCase = draw_modes(seed, k // 4)
        else:
            one = draw(seed, k, walkers)
            if walkers and not one.flow.sampled:
                continue  # a quadrature has no walkers
        if not only or one.flow.name in only:
            found.append(one)
    return found


def tried(case: Case | ModesCase) -> Trial:
    """The judge's own failure is not hidden."""
    try:
        return (
            verdict_modes.trial(case) if isinstance(case, ModesCase) else verdict_trial.trial(case)
        )
    except Exception as error:
        return Trial(case, "failed", why=f"{type(error).__name__}: {error}")


def died(case: Case | ModesCase, error: BaseException) -> Trial:
    """A worker that gave no answer."""
    return Trial(case, "failed", why=f"{type(error).__name__}: {error}")


def trials(cases: Sequence[Case | ModesCase], jobs: int) -> Iterator[Trial]:
    """As they are done."""
    if jobs == 1:
        yield from map(tried, cases)
    else:
        yield from in_workers(tried, cases, jobs, died)


def kept(cases: Sequence[Case | ModesCase], jobs: int, file: Path | None) -> Iterator[Trial]:
    """The trials, those in `file` first; what is new is added to it."""
    known: dict[Case | ModesCase, Trial] = {}
    if file is not None and file.exists():
        with file.open("rb") as old:
            while old.peek(1):
                t = pickle.load(old)  # our own file
                known[t.case] = t
    yield from (known[case] for case in cases if case in known)
    for t in trials([case for case in cases if case not in known], jobs):
        if file is not None:
            with file.open("ab") as new:
                pickle.dump(t, new)
        yield t


def confusion(done: Sequence[Trial]) -> str:
    """Rows: what the judge allows; columns: what the product says; wrong words in bold."""
    count = Counter((t.row, t.said) for t in done if t.said != "refused")
    said = [w for w in (*WORDS, "failed") if any(s == w for _, s in count)]
    allowed = {t.row: t.allowed for t in done if t.said != "refused"}
    order = sorted(allowed, key=lambda row: (row.count(" or "), row))
    rows = [["the judge allows", *said]]
    for row in order:
        cells = [(count[row, word], word in allowed[row]) for word in said]
        rows.append([row, *(f"{n}" if good else f"**{n}**" if n else "" for n, good in cells)])
    return report.table([[cell if cell != "0" else "" for cell in row] for row in rows])


def by_method(done: Sequence[Trial]) -> str:
    """How many settings of each method, how many refused, how many decided by one word, wrong."""
    rows = [["method", "settings", "refused", "one word allowed", "wrong", "other faults"]]
    for name in sorted({t.case.flow.name for t in done}):
        mine = [t for t in done if t.case.flow.name == name]
        counts = (len(mine), sum(t.said == "refused" for t in mine),
                  sum(len(t.allowed) == 1 for t in mine), sum(t.wrong for t in mine),
                  sum(len(t.faults) for t in mine))  # fmt: skip
        rows.append([name, *map(str, counts)])
    return report.table(rows)


def complaints(done: Sequence[Trial]) -> str:
    """Each wrong word and each other fault, with the line of Python that makes it again."""
    bad = [t for t in done if t.wrong or t.faults]
    if not bad:
        return "No wrong word, and no other fault."
    lines = []
    for t in bad[:SHOWN]:
        told = f"{t.said}, must be {t.row}" if t.wrong else f"{t.said}, which is right"
        faults = "".join(f"; {fault}" for fault in t.faults)
        name = f"{t.case.method}: {told} ({t.why}){faults}"
        lines.append(f"* {name}\n\n      {t.case.python}")
    left = len(bad) - len(lines)
    return "\n".join([*lines, *([f"* and {left} more"] if left else [])])


def summary(done: Sequence[Trial]) -> str:
    """The line that counts."""
    judged = [t for t in done if t.said != "refused"]
    wrong, faulty = sum(t.wrong for t in judged), sum(bool(t.faults) for t in judged)
    decided = sum(len(t.allowed) == 1 for t in judged)
    share = 100 * wrong / max(len(judged), 1)
    return (f"{len(judged):,} settings judged, {wrong} wrong words ({share:.2g} %), {faulty} with "
            f"another fault. {len(done) - len(judged)} more were refused by the product. The judge "
            f"allows a single word in {decided:,} of them.")  # fmt: skip


def main() -> int:
    """Prints the tables; --out writes them. Returns 1 where a word is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--settings", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--walkers", action="store_true", help="in place of the exact law")
    parser.add_argument("--loss", action="append", default=[], help="this method only")
    parser.add_argument("--keep", type=Path, help="keep what is done here, and go on with it")
    parser.add_argument("--out", type=Path, help="write the tables here, as Markdown")
    asked = parser.parse_args()
    page = report.Page(__doc__, asked.out)
    cases = settings(asked.seed, asked.settings, asked.walkers, asked.loss)
    place = {case: k for k, case in enumerate(cases)}
    done = sorted(kept(cases, asked.jobs, asked.keep), key=lambda t: place[t.case])
    rule = textwrap.dedent((verdict.__doc__ or "").partition("\n\n")[2])
    rule = "## How a word is decided\n" + textwrap.indent(rule, "    ").rstrip()
    page.publish(summary(done), confusion(done), by_method(done), complaints(done), rule)
    return int(any(t.wrong for t in done))


if __name__ == "__main__":
    sys.exit(main())
