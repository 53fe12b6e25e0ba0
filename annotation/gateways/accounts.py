"""Accounts at Label Studio over plain HTTP: the web makes them too, and the SDK would double it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.errors import DeskDownError, DeskRefusedError, TransientError
from annotation.gateways import DeskAccount
from annotation.gateways.wire import TokenRefusedError, body_of, csrf_of, refusal, sign_in

logger = logging.getLogger(__name__)

# So many of the pages' threads may wait for Label Studio; the others go on serving.
AT_ONCE = 2
TURN_S = 2.0
_turns = BoundedSemaphore(AT_ONCE)


def open_accounts() -> "AccountsAtTheDesk":
    """The accounts of the Label Studio that `up` runs, or that was set."""
    return AccountsAtTheDesk(**desk_settings())


def desk_settings() -> dict[str, Any]:
    """Where Label Studio is, and as whom we come."""
    env = settings.ENV
    if not env.label_studio_url:
        # Whoever listens on the usual port must not be sent our credentials.
        raise TransientError("Label Studio does not run: start `python3 manage.py up` first.")
    return {
        "url": env.label_studio_url,
        "token": env.label_studio_token,
        "email": env.label_studio_email,
        "password": env.label_studio_password,
        "timeout": env.label_studio_timeout,
        "entry_key": env.label_studio_entry_key,
    }


@contextmanager
def in_turn() -> Iterator[None]:
    """Talk to Label Studio while somebody waits for a page, with no more than a few at once."""
    if not _turns.acquire(timeout=TURN_S):
        raise TransientError(
            _("Label Studio is busy with others just now."), remedy=_("Try again in a moment.")
        )
    try:
        yield
    finally:
        _turns.release()


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the network raises into our own errors."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise refusal(error.response.status_code, body_of(error.response)) from error
    except httpx.ConnectError as error:
        raise DeskDownError(
            "Label Studio did not answer: nothing listens there.",
            remedy="It is asked again by itself; see the health page if this goes on.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TransientError(
            f"Label Studio did not answer: {type(error).__name__}.",
            remedy="It is asked again by itself; see the health page if this goes on.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise TransientError(
            "Label Studio answered something that is not its interface."
        ) from error


class AccountsAtTheDesk:
    """Who may sign in to one Label Studio, under its admin's token."""

    def __init__(
        self,
        *,
        url: str,
        token: str,
        email: str,
        password: str,
        timeout: float = 30.0,
        entry_key: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.email = email
        self.password = password
        self.entry_key = entry_key
        self.timeout = httpx.Timeout(timeout, connect=min(timeout, 5.0))

    @translated()
    def create_account(self, *, email: str, name: str, password: str) -> DeskAccount:
        existing = self.find_account(email)
        if existing is None:
            self._sign_up(email=email, password=password)
            existing = self.find_account(email)
        if existing is None:
            raise TransientError("The desk took a new account and does not list it.")
        if name:
            self._raw("PATCH", f"api/users/{existing.user_id}", json={"first_name": name[:30]})
        return existing

    @translated()
    def find_account(self, email: str) -> DeskAccount | None:
        known = (one for one in self.list_accounts() if one.email.lower() == email.lower())
        return next(known, None)

    @translated()
    def list_accounts(self) -> list[DeskAccount]:
        users = self._raw("GET", "api/users")
        return [DeskAccount(user_id=int(user["id"]), email=str(user["email"])) for user in users]

    def _sign_up(self, *, email: str, password: str) -> None:
        """The invite form is the one way to an account that can sign in."""
        address = str(self._raw("GET", "api/invite")["invite_url"])
        with translated(), httpx.Client(base_url=self.url, timeout=self.timeout) as session:
            page = session.get(address)
            form = {"email": email, "password": password, "csrfmiddlewaretoken": csrf_of(page)}
            answer = session.post(address, data=form, headers={"Referer": f"{self.url}{address}"})
            if answer.status_code >= 500:
                raise TransientError("The desk failed while it made an account.")
            if answer.status_code != httpx.codes.FOUND:
                raise DeskRefusedError(
                    f"The desk refused an account for {email}.",
                    remedy="Check that the address is valid and the password long enough.",
                )

    def _raw(self, method: str, path: str, **request: Any) -> Any:
        """Call an address; when our token is refused, mend that once and ask again."""
        try:
            return self._call(method, path, **request)
        except TokenRefusedError:
            self.token = self._fetched_token()
        return self._call(method, path, **request)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        with translated(), httpx.Client(base_url=self.url, timeout=self.timeout) as client:
            client.headers["Authorization"] = self._authorization(client)
            response = client.request(method, f"/{path}", follow_redirects=True, **request)
            if not response.is_success:
                raise refusal(response.status_code, body_of(response))
            return response.json() if response.content else None

    def _authorization(self, client: httpx.Client) -> str:
        """The header our token makes; a personal one, of three parts, is changed for access."""
        if self.token.count(".") != 2:
            return f"Token {self.token}"
        answer = client.post("/api/token/refresh", json={"refresh": self.token})
        answer.raise_for_status()
        return f"Bearer {answer.json()['access']}"

    def _fetched_token(self) -> str:
        """Anybody can switch tokens off at the desk: sign in, switch them on, fetch ours."""
        with translated(), httpx.Client(base_url=self.url, timeout=self.timeout) as session:
            sign_in(session, email=self.email, password=self.password)
            switched = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
            session.post("/api/jwt/settings", json=switched).raise_for_status()
            answer = session.get("/api/current-user/token")
            answer.raise_for_status()
            token = str(answer.json()["token"])
        logger.warning("The desk refused our token; signed in and switched it on again.")
        return token
