"""Calls of AWS: retried, paginated, each error in plain words. The only module that imports boto3."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from provision.cloud.cloud_errors import CloudError, refused, unanswered
from provision.names import suggestion

#: attempts of each request: throttling and 5xx answers are retried with backoff (botocore, "standard" mode)
ATTEMPTS = 8
CONNECT_SECONDS, READ_SECONDS = 10, 60
NO_BOTO = "AWS needs boto3, which is not installed"


class AwsCalls:
    """Calls in one region with one profile. who: "the profile 'x'", as messages name it.

    read_seconds: how long to wait for an answer.  attempts: of each request.
    """

    def __init__(
        self,
        region: str,
        profile: str | None = None,
        *,
        read_seconds: float = READ_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.region = region
        name = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
        self.who = f"the profile {name!r}" if name else "the user of these credentials"
        try:
            import boto3
            import botocore.exceptions
            from botocore import xform_name
            from botocore.config import Config
        except ImportError:
            raise CloudError(NO_BOTO, hint="pip install 'prov-deploy[ec2]'") from None
        self._errors = botocore.exceptions
        self._python_name = xform_name
        self._clients: dict[str, Any] = {}
        self._config = Config(
            retries={"mode": "standard", "max_attempts": attempts},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
        )
        try:
            self._session = boto3.session.Session(profile_name=profile, region_name=region)
        except self._errors.BotoCoreError as error:
            raise unanswered(error, profile=self.who, region=region) from None
        self._check_region()

    def _client(self, service: str) -> Any:
        """Return the client of a service; each takes tenths of a second to make."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, config=self._config)
        return self._clients[service]

    def _check_region(self) -> None:
        """Refuse a region that boto3 does not know: a misspelt one would only show as a name that fails to resolve."""
        known: list[str] = []
        for partition in self._session.get_available_partitions():
            known += self._session.get_available_regions("ec2", partition_name=partition)
        if self.region not in known:
            raise CloudError(
                f"boto3 knows no region {self.region!r}.{suggestion(self.region, known)}",
                hint="If AWS has just opened it: pip install --upgrade boto3",
            )

    def call(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a request. action: "ec2:DescribeInstances". Raises CloudError."""
        service, operation = action.split(":")
        try:
            method = getattr(self._client(service), self._python_name(operation))
            answer: dict[str, Any] = method(**arguments)
        except self._errors.ClientError as error:
            raise refused(action, error.response, profile=self.who, region=self.region) from None
        except self._errors.ParamValidationError as error:
            raise CloudError(f"{action}: {error}") from None
        except (self._errors.BotoCoreError, self._errors.HTTPClientError) as error:
            raise unanswered(error, profile=self.who, region=self.region) from None
        return answer

    def presigned(self, action: str, seconds: int, headers: Mapping[str, str]) -> str:
        """Return the address that makes a request, for those who have it, within a time; no request is sent.

        headers: signed too, so that they must be sent with it. Raises CloudError.
        """
        service, operation = action.split(":")

        def add(request: Any, **_: Any) -> None:
            for name, value in headers.items():
                request.headers[name] = value

        try:
            client = self._client(service)
            event = f"before-sign.{client.meta.service_model.service_id.hyphenize()}.{operation}"
            client.meta.events.register(event, add)
            try:
                url = client.generate_presigned_url(
                    self._python_name(operation), ExpiresIn=seconds, HttpMethod="GET"
                )
            finally:
                client.meta.events.unregister(event, add)
        except self._errors.BotoCoreError as error:
            raise unanswered(error, profile=self.who, region=self.region) from None
        return str(url)

    def every(
        self, action: str, key: str, *, sends: str = "NextToken", gets: str = "NextToken", **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield what all pages of an answer list under a key. Raises CloudError.

        sends, gets: names of the token for the next page, in a request and in an answer.
        """
        token: str | None = None
        while True:
            answer = self.call(action, **arguments, **({sends: token} if token else {}))
            yield from answer.get(key, ())
            token = answer.get(gets)
            if not token:
                return
