"""The gate before Label Studio: whoever does not run it gets what labelling needs, and no more.

Label Studio itself knows no roles: every account may read and change everything, its own rights
included. Here everything is closed but what :mod:`overlay.rules` opens.
"""

import json

from django.conf import settings
from django.contrib.auth import logout
from django.http import QueryDict
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from overlay import pages, rules
from overlay.members import is_over, leads


class Gate:
    """Let through what the rules allow to the person who asks; all else answers 403."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if rules.is_open(request):
            return self.get_response(request)
        person = _bearer(request)
        if person is not None:
            # A token opens everything that its owner's account opens: only whoever runs this
            # Label Studio may use one.
            if not leads(person):
                return pages.refused(request, pages.NOT_YOURS)
            return self.get_response(request)
        person = request.user
        if not person.is_authenticated:
            if rules.is_page(request):
                return pages.refused(request, pages.COME_IN)
            return self.get_response(request)
        if leads(person):
            return self.get_response(request)
        if is_over(request):
            logout(request)
            return pages.refused(request, pages.COME_IN)
        return self._guarded(request, person)

    def _guarded(self, request, person):
        if request.path_info == "/" and settings.VERNACULAR_HOME:
            return pages.homewards()
        rule, match = rules.find(request)
        if rule is None or not _narrow(request, rule=rule, person=person):
            return pages.refused(request, pages.NOT_YOURS)
        if not rule.may(person, match, request):
            return pages.refused(request, pages.NOT_YOURS)
        response = self.get_response(request)
        if rule.page:
            return pages.dressed(response)
        if rule.shown and response.status_code == 200:
            response.content = json.dumps(rule.shown(json.loads(response.content), person))
            response["Content-Length"] = str(len(response.content))
        return response


def _bearer(request):
    """Whose token came with the request; nobody if none came or it is no good."""
    if not request.headers.get("authorization"):
        return None
    for kind in (TokenAuthentication, JWTAuthentication):
        try:
            told = kind().authenticate(Request(request))
        except APIException:
            continue
        if told:
            return told[0]
    return None


def _narrow(request, *, rule, person) -> bool:
    """Leave of address and body what the rule knows; False if the body is forged or no JSON."""
    if rules.selects(request):
        return False
    kept = QueryDict(mutable=True)
    kept.update({name: request.GET[name] for name in rule.query & request.GET.keys()})
    kept.update(rule.fixed)
    kept._mutable = False
    request.GET, request.META["QUERY_STRING"] = kept, kept.urlencode()
    told, sent = {}, request.body
    if rule.body and sent:
        try:
            told = json.loads(sent)
        except ValueError:
            return False
        if not isinstance(told, dict) or rules.is_forged(told, person):
            return False
        told = {name: value for name, value in told.items() if name in rule.body}
    request._body = json.dumps(told).encode() if rule.body else b""
    request.META["CONTENT_LENGTH"] = str(len(request._body))
    request.META["CONTENT_TYPE"] = request.content_type = "application/json"
    return True
