"""The schema of what programs can ask of us without an account: OpenAPI 3.1, built from our choices."""

from typing import Any

from annotation.methods.report_priority import REASONS
from annotation.models.reports import ReportState, Told

STRING, BOOLEAN = {"type": "string"}, {"type": "boolean", "default": False}


def schema() -> dict[str, Any]:
    """Return the whole schema."""
    slug, uid, token = (_in_path(name) for name in ("slug", "uid", "token"))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vernacular: try and report", "version": "1"},
        "paths": {
            "/api/try/{slug}/": {
                "parameters": [slug],
                "post": _operation(
                    "Ask the serving model", body="Text", answers={"200": "Trial", "202": "Trial"}
                ),
            },
            "/api/tried/{uid}/": {
                "parameters": [uid],
                "get": _operation("What was said", answers={"200": "Trial", "202": "Trial"}),
            },
            "/api/reports/{slug}/": {
                "parameters": [
                    slug,
                    {**_in_path("Idempotency-Key"), "in": "header", "required": False},
                ],
                "post": _operation(
                    "Tell what is wrong", body="Telling", answers={"200": "Report", "201": "Report"}
                ),
            },
            "/api/reports/follow/{token}/": {
                "parameters": [token],
                "get": _operation("How it stands", answers={"200": "Report"}),
                "post": _operation(
                    "Answer, appeal, or say if it is better", body="Act", answers={"200": "Report"}
                ),
                "delete": _operation("Take it back", answers={"200": "Report"}),
            },
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    return {
        "Text": _object({"text": STRING, "language": STRING}, required=["text", "language"]),
        "Trial": _object(
            {
                "id": STRING,
                "state": {"enum": ["waiting", "done", "failed"]},
                "label": STRING,
                "confidence": {"type": "number"},
                "honest": {"type": "boolean", "description": "Its confidence was fitted on gold."},
                "set": {"type": "array", "items": {"type": "object"}},
                "version": {"type": "integer"},
                "digest": STRING,
            },
            required=["id", "state"],
        ),
        "Telling": _object(
            {
                **dict.fromkeys(("text", "description", "output", "expected", "dialect"), STRING),
                "language": {**STRING, "maxLength": 35, "description": "BCP 47, or a name."},
                "contact": {**STRING, "format": "email"},
                "reasons": {"type": "array", "items": {"enum": list(REASONS)}},
                "severity": {"enum": list(Told.values), "default": "wrong"},
                "version": {"type": "integer"},
                "digest": STRING,
                "interface": STRING,
                "after": {**STRING, "description": "Token of an earlier report of the same maker."},
                "schema_version": {"const": 1},
                **{f"consent_{name}": BOOLEAN for name in ("train", "test", "quote")},
            },
            required=[],
        ),
        "Act": _object(
            {
                "act": {"enum": ["answer", "appeal", "say_if_better"]},
                "text": STRING,
                "verdict": {"enum": ["yes", "no", "unsure"]},
            },
            required=["act"],
        ),
        "Report": _object(
            {
                "id": STRING,
                "state": {"enum": [one for one in ReportState.values if one != "new"]},
                "state_words": STRING,
                "language": STRING,
                "reason": STRING,
                "question": STRING,
                "may": {"type": "array", "items": STRING},
                "follow": {**STRING, "format": "uri"},
                "token": STRING,
            },
            required=["id", "state"],
        ),
        "Problem": _object(
            {"type": STRING, "title": STRING, "status": {"type": "integer"}, "detail": STRING},
            required=["title", "status", "detail"],
        ),
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": STRING}


def _object(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _operation(summary: str, *, answers: dict[str, str], body: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": summary,
        "responses": {status: _content(name) for status, name in answers.items()},
    }
    told["responses"]["4XX"] = _content("Problem", kind="application/problem+json")
    if body:
        told["requestBody"] = {"required": True, **_content(body)}
        del told["requestBody"]["description"]
    return told


def _content(name: str, *, kind: str = "application/json") -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {"description": name, "content": {kind: {"schema": reference}}}
