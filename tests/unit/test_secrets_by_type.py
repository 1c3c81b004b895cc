"""Secrets are known by their type, wherever variables are shown; names and looks add to that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from inventories import errors, host
from pydantic import BaseModel, Field, RootModel, SecretStr, field_validator, model_validator

from provision.agent.secret_masks import Masks
from provision.apps.app_model import App
from provision.apps.reading import apps_of
from provision.errors import ConfigErrors, StepError
from provision.inventory.kinds import Kind, Kinds
from provision.inventory.masking import is_secret, masked, secrets_of
from provision.inventory.validation import validate
from provision.roles.role_model import Params
from provision.secrets import MASK, Secret, logins, without_logins
from provision.sources.manifests import Manifests

WORD = "k3gbKQz1"


class Login(BaseModel):
    user: str = "me"
    word: Secret = Field(alias="pin")


@dataclass
class Typed:
    word: Secret
    port: int


class Root(RootModel[dict[str, Secret]]):
    pass


class Model(Params):
    unseal: Secret | None = None
    plain: str = ""
    either: Secret | str = ""
    text_first: str | Secret = ""
    many: list[Secret] = Field([])
    pairs: tuple[tuple[str, Secret], ...] = ()
    by_name: dict[str, Annotated[Secret, Field(description="one")]] = Field({})
    logins: dict[str, list[Login]] = Field({})
    one: Login | Literal["none"] | None = None
    typed: Typed | None = None
    root: Root | None = None
    pydantics: SecretStr | None = None
    place: Path | None = None
    count: int | Secret = 0


SHOWN: list[tuple[Any, Any]] = [
    ({"unseal": WORD}, {"unseal": MASK}),
    ({"unseal": None}, {"unseal": None}),
    ({"unseal": [WORD]}, {"unseal": [MASK]}),
    ({"unseal": {"a": 12345}}, {"unseal": {"a": MASK}}),
    ({"unseal": 12345}, {"unseal": MASK}),
    ({"either": WORD}, {"either": MASK}),
    ({"text_first": "a word"}, {"text_first": "a word"}),
    ({"many": [WORD, WORD]}, {"many": [MASK, MASK]}),
    ({"pairs": [["name", WORD]]}, {"pairs": [["name", MASK]]}),
    ({"by_name": {"bob": WORD}}, {"by_name": {"bob": MASK}}),
    ({"logins": {"x": [{"user": "me", "pin": WORD}]}}, {"logins": {"x": [{"user": "me", "pin": MASK}]}}),
    ({"one": {"pin": WORD}}, {"one": {"pin": MASK}}),
    ({"one": "none"}, {"one": "none"}),
    ({"one": WORD}, {"one": MASK}),
    ({"typed": {"word": WORD, "port": 5432}}, {"typed": {"word": MASK, "port": 5432}}),
    ({"root": {"bob": WORD}}, {"root": {"bob": MASK}}),
    ({"pydantics": WORD}, {"pydantics": MASK}),
    ({"place": "/a/secret"}, {"place": "/a/secret"}),
    ({"count": 7}, {"count": 7}),
    ({"count": WORD}, {"count": MASK}),
    ({"unseel": WORD}, {"unseel": MASK}),
    (WORD, MASK),
    ({"plain": f"https://{WORD}@h/x"}, {"plain": "https://h/x"}),
]


@pytest.mark.trust("6", "plan-file-has-passwords")
@pytest.mark.parametrize(("value", "shown"), SHOWN, ids=str)
def test_the_type_tells_what_is_hidden(value: Any, shown: Any) -> None:
    assert masked(value, Kind(Model)) == shown
    sealed = [text for text in secrets_of(value, Kind(Model)) if text == WORD]
    assert len(sealed) == json.dumps(value).count(WORD), "what is masked is what is sealed"


def test_applications_by_type() -> None:
    apps: dict[str, dict[str, Any]] = {
        "shop": {
            "source": "https://ghp_0123456789abcdefABCDEF@h/shop.git",
            "auth": {"by": "basic", "users": {"bob": WORD}, "realm": "off"},
            "cache": {"bypass_cookies": ["sessionid"]},
            "tls": {"certificate": "a.crt", "key": "a.key"},
        },
        "two": {"auth": "django"},
    }
    shown = masked({"apps": apps}, Kinds({"apps": dict[str, App]}))["apps"]
    assert shown["shop"]["auth"] == {"by": "basic", "users": {"bob": MASK}, "realm": "off"}
    assert shown["shop"]["source"] == "https://h/shop.git"
    assert shown["shop"]["cache"] == apps["shop"]["cache"] and shown["shop"]["tls"] == apps["shop"]["tls"]
    assert shown["two"] == {"auth": "django"}


# -- errors


class Picky(Params):
    unseal: Secret
    words: dict[str, Secret] = Field({})
    port: int = 1

    @field_validator("words", mode="before")
    @classmethod
    def _quotes(cls, words: Any) -> Any:
        if WORD in str(words):
            raise ValueError(f"{words!r} will not do")
        return words

    @model_validator(mode="after")
    def _reveals(self) -> Picky:
        raise ValueError(f"too weak: {self.unseal.reveal()}")


@pytest.mark.trust("6", "validation-errors-quote-secrets")
@pytest.mark.parametrize(
    "variables",
    [
        "p: {unseal: [k3gbKQz1]}",
        "p: {unseal: {a: k3gbKQz1}}",
        "p: k3gbKQz1",
        "p: [k3gbKQz1]",
        'p: {unseal: "k3gbKQz1{{ nothing }}"}',
        "p: {unseal: x, words: {a: k3gbKQz1}}",
        "p: {unseal: k3gbKQz1}",
        "p: {unseel: k3gbKQz1}",
    ],
)
def test_errors_do_not_quote_secrets(tmp_path: Path, variables: str) -> None:
    web1 = host(tmp_path, variables)
    with pytest.raises(ConfigErrors) as caught:
        validate(Picky, web1.vars["p"], web1, ("p",))
    told = [text for e in caught.value.errors for text in (str(e), e.hint, repr(e))]
    assert told and not any("k3gbKQz1" in text for text in told)


def test_a_number_for_a_secret_is_not_quoted(tmp_path: Path) -> None:
    web1 = host(tmp_path, "p: {unseal: 9876543210}")
    (said,) = errors(lambda: validate(Picky, web1.vars["p"], web1, ("p",)))
    assert said == "inv.yml:4 web1.p.unseal: must be text"


def test_an_application_that_is_not_one_does_not_show_its_passwords(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        apps:
          shop:
            source: https://k3gbKQz1@h/a b
            target: a:b
            domains: [a.test]
            auth: {by: basic, users: {bob: 12345678, "b b": k3gbKQz1}}
        """,
    )
    told = errors(lambda: apps_of(web1, Manifests()))
    assert len(told) == 2 and not any("12345678" in line or "k3gbKQz1" in line for line in told)


# -- names and looks


@pytest.mark.trust("6", "secret-names")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "VALUE") for name in (
            "PAYMENT_KEY", "MAIL_PASS", "STRIPE_KEY", "API_KEY", "PRIVATE_KEY", "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID", "SECRET_KEY", "SECRET", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "PASSPHRASE",
            "API_TOKEN", "GITHUB_PAT", "SENTRY_DSN", "ENCRYPTION_KEY", "SIGNING_KEYS", "CREDENTIALS", "SALT",
            "FERNET", "dbpass", "userPassword",
        )),
        ("DATABASE_URL", "postgres://u:VALUE@db/x"),
        ("SENTRY", "https://abc@sentry.example/1"),
        ("PLAIN", "-----BEGIN EC PRIVATE KEY-----\nx"),
        ("PLAIN", "ghp_0123456789abcdefABCDEF"),
    ],
)  # fmt: skip
def test_names_and_looks_of_secrets(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bypass_cookies", "a"), ("PASSENGER_ROOT", "a"), ("compass", "a"), ("KEYBOARD", "de"), ("PWD", "/"),
        ("SSH_PUBLIC_KEY", "a"), ("authorized_keys", "a"), ("SSL_KEY_FILE", "/k"), ("PATH", "/bin"),
        ("PATTERN", "x"), ("ASSAULT", "x"), ("URL", "https://h:80/@x"), ("MAIL", "me@h"),
    ],
)  # fmt: skip
def test_what_is_no_secret(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("text", "shown", "found"),
    [
        ("https://tok@h/x", "https://h/x", ["tok"]),
        ("see https://u:p@h/x, ssh://git@g/y", "see https://h/x, ssh://g/y", ["u:p", "git"]),
        ("redis://a:1@h,redis://a:2@i", "redis://h,redis://i", ["a:1", "a:2"]),
        ("postgres://u:p/a#s?s@db/x", "postgres://db/x", ["u:p/a#s?s"]),
        ("postgres://u:p@ss@db/x", "postgres://db/x", ["u:p@ss"]),
        ("http://h:80/@x http://h/?m=a@b git@h:x", "http://h:80/@x http://h/?m=a@b git@h:x", []),
        ('{"a":"https://h","b":"c@d"}', '{"a":"https://h","b":"c@d"}', []),
    ],
)
def test_urls_lose_their_logins(text: str, shown: str, found: list[str]) -> None:
    assert without_logins(text) == shown and logins(text) == found


def test_errors_never_have_a_login() -> None:
    url = f"https://me:{WORD}@h/x"
    error = StepError(f"no {url}", where=url, hint=url, argv=["git", url], stdout=url, stderr=url)
    assert WORD not in repr(error) + repr(vars(error)) + str(error)
    nested = ConfigErrors([StepError(WORD)])  # type: ignore[list-item]
    nested.hide(Masks([WORD]).hide)
    assert WORD not in repr(nested) + str(nested.errors[0])
