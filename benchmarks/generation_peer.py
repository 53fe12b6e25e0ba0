"""Run in the peers' own environment: outputs in, sacreBLEU's chrF out, both as JSON."""

import json
import sys


def main() -> None:
    """Answer one question."""
    from sacrebleu.metrics import CHRF

    asked = json.load(sys.stdin)
    metric = CHRF()
    each = [
        metric.sentence_score(said, [right]).score
        for said, right in zip(asked["said"], asked["right"], strict=True)
    ]
    whole = metric.corpus_score(asked["said"], [asked["right"]]).score
    print(json.dumps({"each": each, "whole": whole}))


if __name__ == "__main__":
    main()
