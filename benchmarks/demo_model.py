"""Evaluates a pipeline's music on held-out pieces and texts.

    python benchmarks/demo_model.py --pipeline demo.toml --corpus corpus --output demo_model.json

prints Markdown tables: codec fidelity, style adherence, distance from real music, audio prompts,
style changes, stability over minutes, joins, speed; each value beside chance or real music.
`python -m soundstage.training.corpus` makes the corpus. `--table FILE` prints an older report.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluation.model_report import measure_model
from evaluation.player import PipelineChoice
from evaluation.settings import QUICK, Settings
from evaluation.table import from_json, to_json, to_markdown

from soundstage.files import replacing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", help="the name of a preset")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus")
    parser.add_argument("--quick", action="store_true", help="fewer prompts, runs of 30 s")
    parser.add_argument("--output", type=Path, help="also write the report as JSON")
    parser.add_argument("--table", type=Path, help="only print the report of this JSON file")
    args = parser.parse_args()
    if args.table is not None:
        print(to_markdown(from_json(args.table.read_text("utf-8"))), end="")
        return
    if args.corpus is None:
        parser.error("give --corpus DIR: `python -m soundstage.training.corpus` makes a corpus")
    start = time.monotonic()

    def log(line: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {line}", file=sys.stderr, flush=True)

    choice = PipelineChoice(args.preset, args.pipeline)
    report = measure_model(choice, args.corpus, QUICK if args.quick else Settings(), log)
    if args.output is not None:
        with replacing(args.output) as file:
            file.write(to_json(report).encode())
    print(to_markdown(report), end="")
    log("done")


if __name__ == "__main__":
    main()
