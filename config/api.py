"""The JSON API, version 1: the apps' routers, one kind of key, and refusals as RFC 9457 writes them.

A new door: a router in its app's ``api``, a line here, and ``manage.py openapi`` for the schema that
is committed. Anybody's doors, without a key, are plain views beside it.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.operation import Operation

from annotation.api import router as annotation_router
from annotation.api.door import KeyBearer
from annotation.errors import BusyError, VernacularError
from config.env import ROOT
from learning.api import router as learning_router
from training.api import router as training_router

VERSION = "1"
FILE = ROOT / "config/openapi.json"


class Problem(Schema):
    """A refusal: what happened, and what can be done about it."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str = ""
    errors: list[dict[str, Any]] = []


class Api(NinjaAPI):
    """Every operation says that it may refuse; no answer is kept by anybody on the way."""

    def create_response(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer, and have nobody keep it."""
        response: HttpResponse = super().create_response(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """What the function is called."""
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        """The schema, with the refusals that every operation knows."""
        schema = super().get_openapi_schema(**kwargs)
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path in schema["paths"].values():
            for operation in path.values():
                refusals = {"description": "Refused", "content": content}
                operation["responses"]["4XX"] = refusals
        return schema


api = Api(
    title="Vernacular",
    version=VERSION,
    description="Campaigns, samples in, answers out, versions and what they say. Lists are paged: send"
    " `next` as `after` until it is null.",
    auth=KeyBearer(),
    docs_url=None,
    # Served from the file that is committed: to build it costs a second of a processor.
    openapi_url=None,
    urls_namespace="api",
)
api.add_router("", annotation_router)
api.add_router("", learning_router)
api.add_router("", training_router)


@api.get("/openapi.json", auth=None, include_in_schema=False)
def schema(request: HttpRequest) -> HttpResponse:
    """What the API is, for everybody."""
    return HttpResponse(FILE.read_bytes(), content_type="application/json")


def problem(status: int, code: str, detail: str, **more: Any) -> JsonResponse:
    """A refusal."""
    told = Problem(type=f"about:blank#{code}", title=code, status=status, detail=detail, **more)
    return JsonResponse(
        told.model_dump(),
        status=status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )


def _refused(_request: HttpRequest, error: Any) -> HttpResponse:
    response = problem(error.status, error.code, error.args[0], remedy=error.remedy)
    if error.status == 429 or isinstance(error, BusyError):
        response["Retry-After"] = "60"
    return response


def _no_key(_request: HttpRequest, _error: Any) -> HttpResponse:
    detail = "There is no key, or it was revoked or has run out."
    response = problem(401, "not_signed_in", detail, remedy="Send it as a bearer token.")
    response["WWW-Authenticate"] = 'Bearer realm="vernacular"'
    return response


def _misread(_request: HttpRequest, error: Any) -> HttpResponse:
    wrong = [{"where": list(one["loc"]), "why": one["msg"]} for one in error.errors]
    return problem(422, "invalid_input", "Something in the call does not fit.", errors=wrong)


def _missing(_request: HttpRequest, _error: Any) -> HttpResponse:
    return problem(404, "not_found", "There is nothing under that name.")


def _said(_request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status_code, "error", str(error))


api.add_exception_handler(VernacularError, _refused)
api.add_exception_handler(AuthenticationError, _no_key)
api.add_exception_handler(ValidationError, _misread)
api.add_exception_handler(Http404, _missing)
api.add_exception_handler(HttpError, _said)
