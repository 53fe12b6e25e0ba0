"""Less on the line: the first and last to see a request, before any session is looked at."""

from django.conf import settings

from overlay import pages

FILES = "/vernacular/files/"
REPORTED = "Content-Security-Policy-Report-Only"


class Lean:
    """Leave out of answers what no browser needs again.

    Of every answer to a program 1 KB was headers: what a page may load, of which data loads
    nothing, and the session anew, which the page and each answer that is sent renew as well.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path_info.startswith(FILES):
            # Without a session they may be kept: what differs by cookie is asked for each time.
            return pages.own_file(request.path_info.removeprefix(FILES))
        response = self.get_response(request)
        if request.path_info.startswith("/api/"):
            response.headers.pop(REPORTED, None)
            if request.method == "GET":
                _keep_session(request, response)
        return response


def _keep_session(request, response) -> None:
    name = settings.SESSION_COOKIE_NAME
    told = response.cookies.get(name)
    if told is not None and name in request.COOKIES and told["max-age"] != 0:
        del response.cookies[name]
