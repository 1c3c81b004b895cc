"""What an environment runs: an application of Elastic Beanstalk, and a version of it for each release.

Source: API reference, CreateApplicationVersion, DeleteApplicationVersion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import ProvError
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import bundle_key, described
from provision.platforms.elastic_beanstalk.mapped_environments import MappedEnvironment
from provision.platforms.elastic_beanstalk.source_bundle import made
from provision.platforms.platform_run import Note
from provision.platforms.release_steps import ReleaseBook, newest
from provision.steps.base import Change, Diff, listed
from provision.system.memory.release_book import next_deploy


class BeanstalkApplication:
    """An application in Elastic Beanstalk. live: as it has it, or None."""

    def __init__(self, calls: BeanstalkCalls, mapped: MappedEnvironment, live: dict[str, Any] | None) -> None:
        self.name = f"application {mapped.application}"
        self._calls, self._mapped, self._live = calls, mapped, live

    def check(self) -> Diff:
        """Look whether there is one."""
        if self._live is not None:
            return Diff.none("exists")
        return Diff([Change("application", "", self._mapped.application)])

    def apply(self, note: Note) -> None:
        """Create it."""
        mapped = self._mapped
        self._calls.ask(
            "CreateApplication", ApplicationName=mapped.application, Description="prov", Tags=mapped.tag_list
        )


class ReleaseVersion:
    """The version of a release, and its bundle in S3. live: the versions of its application, by label."""

    def __init__(
        self,
        calls: BeanstalkCalls,
        mapped: MappedEnvironment,
        label: str,
        live: Mapping[str, Any],
    ) -> None:
        self.name = f"version {label}"
        self._calls, self._mapped, self._label = calls, mapped, label
        self._live = live.get(label)
        self._key = bundle_key(mapped.host.name, mapped.app.name, label)
        self._bundle: Path | None = None

    def check(self) -> Diff:
        """Look up both; a bundle that is missing is made, so that one that is too large is told. Raises ProvError."""
        mapped, found = self._mapped, []
        own = described(mapped.host.name, mapped.app.name, mapped.release.id)
        if self._live is not None and self._live.get("Description") != own:
            raise ProvError(
                f"{self.name} of {mapped.application} exists, and prov did not make it for {mapped.host.name}",
                hint="Give the block another `application`, or remove that version.",
            )
        if self._calls.bundle_size(self._key) is None:
            self._bundle = made(mapped, self._label)
            found.append(Change("bundle", "", f"s3://{mapped.block.bucket}/{self._key}"))
        if self._live is None:
            found.append(Change("version", "", own.removeprefix("prov ")))
        return Diff(found, "" if found else "as declared")

    def apply(self, note: Note) -> None:
        """Upload the bundle, and make it a version."""
        calls, mapped = self._calls, self._mapped
        if self._bundle is not None:
            with self._bundle.open("rb") as body:
                calls.call("s3:PutObject", Bucket=mapped.block.bucket, Key=self._key, Body=body)
        if self._live is None:
            calls.ask(
                "CreateApplicationVersion",
                ApplicationName=mapped.application,
                VersionLabel=self._label,
                Description=described(mapped.host.name, mapped.app.name, mapped.release.id),
                SourceBundle={"S3Bucket": mapped.block.bucket, "S3Key": self._key},
                Tags=mapped.tag_list,
            )


class EarlierVersions:
    """No more versions of an application than are kept. labels: of environments, which stay."""

    def __init__(
        self,
        calls: BeanstalkCalls,
        mapped: MappedEnvironment,
        book: ReleaseBook,
        instance: str,
        labels: Iterable[str],
        live: Mapping[str, dict[str, Any]],
    ) -> None:
        self.name = f"earlier versions of {mapped.app.name}"
        self._calls, self._mapped, self._book, self._instance = calls, mapped, book, instance
        self._labels, self._live = set(labels), live
        self._surplus: list[str] = []

    def check(self) -> Diff:
        """Return those that no release of the record needs, once this one is in it."""
        mapped = self._mapped
        own = described(mapped.host.name, mapped.app.name, "")
        book, keep = self._book.read(), mapped.app.keep_releases
        instances = dict(book["instances"])
        if book["live"] != self._instance or self._instance not in instances:
            instances[self._instance] = {"deploy": next_deploy(book), "at": "", "about": {}}
        stay = newest(instances, self._instance, keep).values()
        needed = {str(each["about"].get("version")) for each in stay} | self._labels
        self._surplus = sorted(
            label
            for label, each in self._live.items()
            if str(each.get("Description", "")).startswith(own) and label not in needed
        )
        if not self._surplus:
            return Diff.none(f"{keep} are kept")
        return Diff([Change("versions", listed(self._surplus, most=20), "")])

    def apply(self, note: Note) -> None:
        """Remove them, with their bundles."""
        for label in self._surplus:
            self._calls.ask(
                "DeleteApplicationVersion",
                ApplicationName=self._mapped.application,
                VersionLabel=label,
                DeleteSourceBundle=True,
            )
