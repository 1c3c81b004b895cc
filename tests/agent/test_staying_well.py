"""What the front's log says of an application that is watched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import pytest

from provision.steps.staying_well import FrontAnswers, StaysWell


class Files:
    """A host's files, which are this machine's."""

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def open(self, path: str) -> IO[bytes]:
        return Path(path).open("rb")


class Host:
    """A host with files."""

    files = Files()


def line(status: object, host: str = "shop.test") -> str:
    return json.dumps({"host": host, "status": status}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(line(500) * 100)
    return path


def said(log: Path, *texts: str) -> list[str]:
    host: Any = Host()
    answers = FrontAnswers(host, [str(log)], {"shop.test"})
    found = []
    for text in texts:
        with log.open("a") as f:
            f.write(text)
        found.append(answers.too_bad())
    return found


def test_only_what_came_since_and_of_these_domains_counts(log: Path) -> None:
    assert said(log, line(200) * 10, line(502, "blog.test") * 10, line(500) * 2) == ["", "", ""]
    assert said(log, line(500) * 3) == ["the front answered 3 of 3 requests with 500 or more"]


def test_a_share_is_meant(log: Path) -> None:
    assert said(log, line(200) * 97 + line(503) * 5, line(503)) == [
        "",
        "the front answered 6 of 103 requests with 500 or more",
    ]


def test_the_other_format_and_what_is_none(log: Path) -> None:
    combined = '1.2.3.4 - - [27/Nov/2026:10:00:00 +0000] "GET /a" 500 12 "-" "x"\n'
    assert said(log, combined * 3) == ["the front answered 3 of 3 requests with 500 or more"]
    odd = ["{\n", "[" * 100_000 + "\n", line(None), line("abc"), '{"host": "shop.test"}\n', "{" * 9 + "\n"]
    assert said(log, "".join(odd)) == [""]


def test_a_log_that_is_not_there_yet_or_was_turned(log: Path) -> None:
    log.unlink()
    assert said(log, line(500) * 3) == ["the front answered 3 of 3 requests with 500 or more"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": 3601}, "seconds must be 3600 at most"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 5, "logs": ["access.log"]}, "logs"),
        ({"apps": {"a\n": []}, "seconds": 5}, "apps"),
    ],
)
def test_what_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StaysWell(**{"apps": {"shop": ["shop.test"]}, **values}).validate()
