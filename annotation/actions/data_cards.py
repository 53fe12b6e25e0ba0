"""Data cards: what a publication is, in words, with the header that hubs of data sets read."""

import json
from collections.abc import Mapping
from typing import Any

WHY = {
    "not_agreed": "whose people did not agree to publish them",
    "known_answer": "to texts with a known answer, by which models are measured",
    "text_taken_back": "to texts that were set aside or taken back",
    "written": "with words of people who do not publish what they write",
}


def data_card_text(card: Mapping[str, Any]) -> str:
    """Return the card of a publication as Markdown."""
    languages = card["languages"]
    lines = [
        "---",
        f"language: {json.dumps(list(languages))}",
        f"license: {json.dumps(card['licence'].lower())}",
        f"pretty_name: {json.dumps(card['title'], ensure_ascii=False)}",
        # Without it the library `datasets` would take the card for programs for a table, too.
        "configs:",
        "- config_name: default",
        "  data_files: answers.jsonl",
        "---",
        "",
        f"# {card['title']}",
        "",
        f"{card['question']} Labels: {', '.join(f'`{key}` ({name})' for key, name in card['labels'].items())}.",
        "",
        f"Answers of native speakers who agreed to publish them, made {card['made_at']}. The answers: "
        f"{card['licence']}. Each text has its own licence beside it; of texts that may not be passed on "
        "there is the SHA-256 of the normalised text alone, by which whoever has it knows it again.",
        "",
        "| language | texts (shown) | answers | people | flags | agreement, alpha (95 %) |",
        "|---|--:|--:|--:|--:|---|",
        *(_line(tag, row) for tag, row in languages.items()),
        "",
        "Agreement is Krippendorff's alpha over texts with two answers or more among these; under "
        "30 of them it is not told.",
        "",
        "## Where the texts come from",
        "",
        "| source | licence | texts | shown |",
        "|---|---|--:|---|",
        *(
            f"| {_cell(row['name'])} | {_cell(row['licence'])} | {row['texts']} | {'yes' if row['shown'] else 'no'} |"
            for row in card["sources"]
        ),
        "",
        "## What is not here",
        "",
        *(f"- {number} answers {WHY[why]}" for why, number in card["left_out"].items() if number),
        "- who somebody is: numbers of people are drawn anew for each publication; who holds two of"
        " them may still tell by the texts that somebody answered",
        "- when something was answered, and how long it took",
        "",
        "Consent can be taken back: a later publication may hold less. Use the newest, and drop from "
        "yours what is no longer in it.",
        "",
        f"Thanks to {', '.join(map(_cell, card['thanks']))}, and to everybody who is not named."
        if card["thanks"]
        else "Thanks to everybody who answered; nobody asked to be named.",
    ]
    return "\n".join(lines) + "\n"


def _line(tag: str, row: Mapping[str, Any]) -> str:
    alpha = (row["agreement"] or {}).get("alpha")
    told = "not enough" if alpha is None else "{:.2f} ({:.2f}–{:.2f})".format(*alpha)
    texts = f"{row['texts']} ({row['texts_shown']})"
    flags = sum(row["flags"].values())
    return f"| {tag} | {texts} | {row['answers']} | {row['people']} | {flags} | {told} |"


def _cell(text: str) -> str:
    """A name of somebody's own that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|") or "not stated"
