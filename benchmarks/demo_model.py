"""Measures what a pipeline's music is worth, on pieces and wordings it was never trained on.

    python benchmarks/demo_model.py --pipeline demo.toml --corpus corpus --output demo_model.json

prints Markdown tables: the codec, what was asked for and what was played, how like real music it
is, audio prompts, minutes without end, joins, speed; every figure beside chance or real music. The
corpus is made by `python -m soundstage.training.corpus`. `--table FILE` prints a report that was
written before.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluation.model_report import measure_model
from evaluation.player import Choice
from evaluation.settings import QUICK, Settings
from evaluation.table import from_json, to_json, to_markdown

from soundstage.files import replacing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", help="a pipeline that ships with soundstage")
    parser.add_argument("--pipeline", type=Path, help="a pipeline file")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus")
    parser.add_argument("--quick", action="store_true", help="fewer prompts, runs of 30 s")
    parser.add_argument("--output", type=Path, help="write the report as JSON, too")
    parser.add_argument("--table", type=Path, help="only print a report that was written before")
    args = parser.parse_args()
    if args.table is not None:
        print(to_markdown(from_json(args.table.read_text("utf-8"))), end="")
        return
    if args.corpus is None:
        parser.error("--corpus DIR is needed: `python -m soundstage.training.corpus` makes one")
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {what}", file=sys.stderr, flush=True)

    choice = Choice(args.preset, args.pipeline)
    report = measure_model(choice, args.corpus, QUICK if args.quick else Settings(), say)
    if args.output is not None:
        with replacing(args.output) as file:
            file.write(to_json(report).encode())
    print(to_markdown(report), end="")
    say("done")


if __name__ == "__main__":
    main()
