"""A double of Elastic Beanstalk's API: moto lacks versions, updates, events and option settings.

It speaks the query protocol over HTTP. Each request and answer is read and written by botocore's own description of
the API, and refused if that does not allow it. Environments keep their state: they are Launching or Updating for a
while, then their version's bundle is looked at: it must be in S3, a zip with a Procfile, and each parameter that
option settings name must be in SSM. What an environment serves is asked at its CNAME, a port of this machine.

A word in the bundle's shop.py says how a release behaves: "hook fails", "crashes", or "lies", which is a success
of Elastic Beanstalk's whose health path answers 500.
"""

from __future__ import annotations

import datetime
import io
import itertools
import re
import threading
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

import botocore.session
from botocore.validate import ParamValidator

REGION, ACCOUNT = "eu-central-1", "123456789012"
STACKS = (
    "64bit Amazon Linux 2023 v4.7.0 running Python 3.13",
    "64bit Amazon Linux 2023 v4.10.1 running Python 3.13",
    "64bit Amazon Linux 2023 v4.10.1 running Python 3.12",
    "64bit Amazon Linux 2023 v6.1.0 running Node.js 20",
)
#: what the platform for Python sets itself
PLATFORMS = {
    ("aws:elasticbeanstalk:application:environment", "PYTHONPATH"): "/var/app/venv/staging-LQM1lest/bin",
    ("aws:elasticbeanstalk:environment:proxy:staticfiles", "/static"): "static",
    ("aws:elasticbeanstalk:command", "IgnoreHealthCheck"): "false",
    ("aws:elasticbeanstalk:environment:process:default", "Port"): "80",
}
#: looks at an environment that is changed, until it is ready
LOOKS = 2


class Refused(Exception):
    """A request that Elastic Beanstalk refuses. code, message: of its answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Environment:
    """An environment. looks: until it is ready.  finish: what then happens."""

    name: str
    id: str
    application: str
    cname: str
    label: str
    stack: str
    options: dict[tuple[str, str], str]
    tags: dict[str, str]
    status: str = "Launching"
    health: str = "Ok"
    looks: int = LOOKS
    finish: Callable[[], None] = lambda: None
    answers: int = 200
    served: str = ""


@dataclass
class Beanstalk:
    """An account's state. s3, ssm: clients for where bundles and secrets are.

    instance: runs a bundle with these options and variables, and returns why it could not; None runs nothing.
    address: of that instance, in place of a port of this machine.
    """

    s3: Any
    ssm: Any
    applications: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    fronts: dict[str, ThreadingHTTPServer] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    quota: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    instance: Callable[[bytes, Mapping[tuple[str, str], str], Mapping[str, str]], str] | None = None
    address: str = ""

    def reset(self) -> None:
        """Forget everything."""
        for front in self.fronts.values():
            front.shutdown()
            front.server_close()
        for kept in (
            self.applications,
            self.versions,
            self.environments,
            self.events,
            self.fronts,
            self.taken,
        ):
            kept.clear()
        self.asked.clear()
        self.quota = 200

    def settle(self) -> None:
        """Let what is under way end."""
        for each in self.environments.values():
            self.look(each, LOOKS)

    def event(self, environment: Environment, message: str, severity: str = "INFO") -> None:
        """Note an event."""
        at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=len(self.events))
        about = {"EventDate": at, "Message": message, "Severity": severity}
        self.events.append((environment.id, {**about, "EnvironmentName": environment.name}))

    # -- applications and versions

    def create_application(self, ApplicationName: str, Tags: Any = (), **_: Any) -> Any:
        if ApplicationName in self.applications:
            raise Refused("InvalidParameterValue", f"Application {ApplicationName} already exists.")
        self.applications[ApplicationName] = tags(Tags)
        return {"Application": self.described_application(ApplicationName)}

    def described_application(self, name: str) -> dict[str, Any]:
        arn = f"arn:aws:elasticbeanstalk:{REGION}:{ACCOUNT}:application/{name}"
        return {"ApplicationName": name, "ApplicationArn": arn}

    def describe_applications(self, ApplicationNames: Any = (), **_: Any) -> Any:
        found = [n for n in self.applications if not ApplicationNames or n in ApplicationNames]
        return {"Applications": [self.described_application(name) for name in found]}

    def create_application_version(
        self, ApplicationName: str, VersionLabel: str, SourceBundle: Any, Description: str = "", **_: Any
    ) -> Any:
        if ApplicationName not in self.applications:
            raise Refused("InvalidParameterValue", f"No Application named '{ApplicationName}' found.")
        if (ApplicationName, VersionLabel) in self.versions:
            raise Refused("InvalidParameterValue", f"Application Version {VersionLabel} already exists.")
        if len(self.versions) >= self.quota:
            raise Refused("TooManyApplicationVersionsException", "too many versions")
        self.bundle(SourceBundle)
        found = {
            "ApplicationName": ApplicationName,
            "VersionLabel": VersionLabel,
            "Description": Description,
            "SourceBundle": SourceBundle,
            "Status": "UNPROCESSED",
        }
        self.versions[(ApplicationName, VersionLabel)] = found
        return {"ApplicationVersion": found}

    def bundle(self, place: Mapping[str, str]) -> zipfile.ZipFile:
        try:
            body = self.s3.get_object(Bucket=place["S3Bucket"], Key=place["S3Key"])["Body"].read()
        except self.s3.exceptions.ClientError:
            raise Refused("InvalidParameterValue", f"Unable to download from S3: {place['S3Key']}") from None
        return zipfile.ZipFile(io.BytesIO(body))

    def describe_application_versions(
        self, ApplicationName: str = "", VersionLabels: Any = (), **_: Any
    ) -> Any:
        found = [
            each
            for (application, label), each in self.versions.items()
            if ApplicationName in ("", application) and (not VersionLabels or label in VersionLabels)
        ]
        return {"ApplicationVersions": found}

    def delete_application_version(
        self, ApplicationName: str, VersionLabel: str, DeleteSourceBundle: bool = False, **_: Any
    ) -> Any:
        used = [e for e in self.environments.values() if e.label == VersionLabel and e.status != "Terminated"]
        if used:
            raise Refused("SourceBundleDeletionFailure", f"{VersionLabel} is deployed")
        found = self.versions.pop((ApplicationName, VersionLabel), None)
        if found and DeleteSourceBundle:
            place = found["SourceBundle"]
            self.s3.delete_object(Bucket=place["S3Bucket"], Key=place["S3Key"])

    # -- environments

    def create_environment(
        self,
        ApplicationName: str,
        EnvironmentName: str,
        SolutionStackName: str,
        VersionLabel: str = "",
        CNAMEPrefix: str = "",
        OptionSettings: Any = (),
        Tags: Any = (),
        **_: Any,
    ) -> Any:
        live = self.environments.get(EnvironmentName)
        if live and live.status != "Terminated":
            raise Refused("InvalidParameterValue", f"Environment {EnvironmentName} already exists.")
        if SolutionStackName not in STACKS:
            raise Refused("InvalidParameterValue", f"No Solution Stack named '{SolutionStackName}' found.")
        if CNAMEPrefix in self.used_names():
            raise Refused("InvalidParameterValue", f"DNS name ({CNAMEPrefix}) is not available.")
        self.version(ApplicationName, VersionLabel)
        found = Environment(
            EnvironmentName,
            f"e-{next(self.numbers)}",
            ApplicationName,
            self.address or address_of(self.front(CNAMEPrefix)),
            VersionLabel,
            SolutionStackName,
            dict(PLATFORMS),
            tags(Tags),
        )
        self.environments[EnvironmentName] = found
        wanted = {**found.options, **settings(OptionSettings)}
        self.event(found, f"createEnvironment is starting for {EnvironmentName}")
        self.begin(found, VersionLabel, SolutionStackName, wanted)
        return self.described(found)

    def update_environment(
        self,
        EnvironmentName: str,
        ApplicationName: str = "",
        VersionLabel: str = "",
        SolutionStackName: str = "",
        OptionSettings: Any = (),
        OptionsToRemove: Any = (),
        **_: Any,
    ) -> Any:
        found = self.existing(EnvironmentName)
        if found.status != "Ready":
            why = f"Environment named {EnvironmentName} is in an invalid state for this operation. Must be Ready."
            raise Refused("InvalidParameterValue", why)
        if ApplicationName not in ("", found.application):
            raise Refused("InvalidParameterValue", f"No Environment of {ApplicationName} has that name.")
        label = VersionLabel or found.label
        self.version(found.application, label)
        removed = {(each["Namespace"], each["OptionName"]) for each in OptionsToRemove}
        options = {key: value for key, value in found.options.items() if key not in removed}
        options |= {key: PLATFORMS[key] for key in removed if key in PLATFORMS}
        self.event(found, "Environment update is starting.")
        found.status, found.looks = "Updating", LOOKS
        self.begin(found, label, SolutionStackName or found.stack, {**options, **settings(OptionSettings)})
        return self.described(found)

    def begin(self, found: Environment, label: str, stack: str, options: dict[tuple[str, str], str]) -> None:
        """Let an environment become what was asked for, after some looks."""
        place = self.version(found.application, label)["SourceBundle"]

        def finish() -> None:
            why, source = self.fails(place, options), ""
            if not why:
                bundle = self.bundle(place)
                # in which tests say how an application behaves
                source = bundle.read("shop.py").decode() if "shop.py" in bundle.namelist() else ""
                why = self.run(place, options, source)
            found.status = "Ready"
            if why:
                self.event(found, f"[Instance: i-0] {why}", "ERROR")
                self.event(found, "Failed to deploy application.", "ERROR")
                return
            found.label, found.stack, found.options = label, stack, options
            found.served = source
            found.health = "Severe" if "crashes" in source else "Ok"
            found.answers = 500 if "crashes" in source or "lies" in source else 200
            self.event(found, "Environment update completed successfully.")

        found.finish = finish

    def run(self, place: Mapping[str, str], options: Mapping[tuple[str, str], str], source: str) -> str:
        """Run a bundle, and return why that failed."""
        if self.instance is None:
            return "Command failed on instance: 50_prov.sh ended with 1" if "hook fails" in source else ""
        body = self.s3.get_object(Bucket=place["S3Bucket"], Key=place["S3Key"])["Body"].read()
        variables = {}
        for (namespace, name), value in options.items():
            if namespace.endswith(":environment"):
                variables[name] = value
            elif namespace.endswith(":environmentsecrets"):
                path = value.partition(":parameter")[2]
                variables[name] = self.ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
        return self.instance(body, options, variables)

    def fails(self, place: Mapping[str, str], options: Mapping[tuple[str, str], str]) -> str:
        """Why instances can't run a bundle; "" if they can."""
        try:
            bundle = self.bundle(place)
        except Refused as error:
            return str(error)
        if "Procfile" not in bundle.namelist():
            return "the bundle has no Procfile"
        for (namespace, name), arn in options.items():
            if namespace.endswith(":environmentsecrets"):
                path = arn.partition(":parameter")[2]
                try:
                    self.ssm.get_parameter(Name=path, WithDecryption=True)
                except self.ssm.exceptions.ParameterNotFound:
                    return f"the parameter of {name} was not found"
        return ""

    def version(self, application: str, label: str) -> dict[str, Any]:
        if (application, label) not in self.versions:
            raise Refused("InvalidParameterValue", f"No Application Version named '{label}' found.")
        return self.versions[(application, label)]

    def existing(self, name: str) -> Environment:
        found = self.environments.get(name)
        if found is None or found.status == "Terminated":
            raise Refused("InvalidParameterValue", f"No Environment found for EnvironmentName = '{name}'.")
        return found

    def swap_environment_cnames(
        self, SourceEnvironmentName: str, DestinationEnvironmentName: str, **_: Any
    ) -> None:
        one, two = self.existing(SourceEnvironmentName), self.existing(DestinationEnvironmentName)
        if {one.status, two.status} != {"Ready"}:
            raise Refused("InvalidParameterValue", "Environments must be Ready.")
        one.cname, two.cname = two.cname, one.cname
        for each in (one, two):
            each.status, each.looks = "Updating", LOOKS
            each.finish = partial(self.swapped, each)

    def swapped(self, found: Environment) -> None:
        found.status = "Ready"
        self.event(found, "Completed swapping CNAMEs.")

    def terminate_environment(self, EnvironmentName: str, **_: Any) -> Any:
        found = self.existing(EnvironmentName)
        found.status = "Terminated"
        return self.described(found)

    def look(self, found: Environment, times: int = 1) -> None:
        """Let time pass for an environment."""
        if found.status in ("Launching", "Updating"):
            found.looks -= times
            if found.looks <= 0:
                found.finish()

    def described(self, found: Environment) -> dict[str, Any]:
        arn = f"arn:aws:elasticbeanstalk:{REGION}:{ACCOUNT}:environment/{found.application}/{found.name}"
        return {
            "EnvironmentName": found.name,
            "EnvironmentId": found.id,
            "EnvironmentArn": arn,
            "ApplicationName": found.application,
            "VersionLabel": found.label,
            "SolutionStackName": found.stack,
            "CNAME": found.cname,
            "Status": found.status,
            "Health": {"Ok": "Green", "Severe": "Red"}[found.health] if found.status == "Ready" else "Grey",
            "HealthStatus": found.health if found.status == "Ready" else "Pending",
        }

    def describe_environments(
        self,
        ApplicationName: str = "",
        EnvironmentNames: Any = (),
        IncludeDeleted: bool = True,
        **_: Any,
    ) -> Any:
        chosen = [
            each
            for each in self.environments.values()
            if ApplicationName in ("", each.application)
            and (not EnvironmentNames or each.name in EnvironmentNames)
            and (IncludeDeleted or each.status != "Terminated")
        ]
        if EnvironmentNames:
            for each in chosen:
                self.look(each)
        return {"Environments": [self.described(each) for each in chosen]}

    def describe_configuration_settings(self, ApplicationName: str, EnvironmentName: str, **_: Any) -> Any:
        found = self.existing(EnvironmentName)
        assert found.application == ApplicationName
        options = [{"Namespace": n, "OptionName": o, "Value": v} for (n, o), v in found.options.items()]
        return {"ConfigurationSettings": [{"EnvironmentName": found.name, "OptionSettings": options}]}

    def describe_events(self, EnvironmentId: str, MaxRecords: int = 100, **_: Any) -> Any:
        found = [event for environment, event in reversed(self.events) if environment == EnvironmentId]
        return {"Events": found[:MaxRecords]}

    def describe_environment_health(self, EnvironmentName: str, **_: Any) -> Any:
        found = self.existing(EnvironmentName)
        if found.status == "Launching":
            raise Refused("InvalidRequestException", "DescribeEnvironmentHealth is not supported.")
        ok = found.health == "Ok"
        return {
            "EnvironmentName": found.name,
            "HealthStatus": found.health,
            "Causes": [] if ok else ["100.0 % of the requests are failing with HTTP 5xx."],
            "InstancesHealth": {"Ok": 2} if ok else {"Severe": 2},
        }

    # -- the account

    def list_available_solution_stacks(self, **_: Any) -> Any:
        return {"SolutionStacks": list(STACKS)}

    def check_dns_availability(self, CNAMEPrefix: str, **_: Any) -> Any:
        name = f"{CNAMEPrefix}.{REGION}.elasticbeanstalk.com"
        if CNAMEPrefix in self.fronts:
            name = address_of(self.fronts[CNAMEPrefix])
        return {"Available": CNAMEPrefix not in self.used_names(), "FullyQualifiedCNAME": name}

    def used_names(self) -> set[str]:
        live = {each.cname for each in self.environments.values() if each.status != "Terminated"}
        ours = {p for p, front in self.fronts.items() if address_of(front) in live}
        return ours | self.taken

    def describe_account_attributes(self, **_: Any) -> Any:
        most = {"Maximum": self.quota}
        return {"ResourceQuotas": {"EnvironmentQuota": most, "ApplicationVersionQuota": most}}

    def list_tags_for_resource(self, ResourceArn: str) -> Any:
        _, kind, *names = re.split(r":(application|environment)/", ResourceArn)
        name = names[0].rpartition("/")[2]
        found = self.applications[name] if kind == "application" else self.existing(name).tags
        return {
            "ResourceArn": ResourceArn,
            "ResourceTags": [{"Key": k, "Value": v} for k, v in found.items()],
        }

    # -- what environments serve

    def front(self, prefix: str) -> ThreadingHTTPServer:
        """The server of an address: it asks the environment that has that name now."""
        if prefix in self.fronts:
            return self.fronts[prefix]
        account = self

        class Front(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                own = address_of(self.server)
                account.asked.append((self.path, self.headers["Host"]))
                live = [
                    e for e in account.environments.values() if e.cname == own and e.status != "Terminated"
                ]
                self.send_response(live[0].answers if live else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.fronts[prefix] = serving(Front)
        return self.fronts[prefix]


def address_of(server: Any) -> str:
    """The name and the port at which a server of ours is asked."""
    return f"127.0.0.1:{server.server_address[1]}"


def tags(given: Any) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in given}


def settings(given: Any) -> dict[tuple[str, str], str]:
    """Options of a request. Namespaces are those that the developer guide has."""
    for each in given:
        if not re.fullmatch(r"aws:(elasticbeanstalk|autoscaling|ec2|elbv2|elb):?[\w:]*", each["Namespace"]):
            raise Refused("ConfigurationValidationException", f"Invalid option: {each}")
    return {(each["Namespace"], each["OptionName"]): each.get("Value", "") for each in given}


# -- HTTP


def serving(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def api_of(account: Beanstalk) -> ThreadingHTTPServer:
    """Elastic Beanstalk's API for an account."""
    model = botocore.session.get_session().get_service_model("elasticbeanstalk")
    numbers, lock = itertools.count(1), threading.Lock()

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
            action = given.pop("Action")
            assert given.pop("Version") == model.api_version
            try:
                with lock:
                    body = answer(action, given)
                status = 200
            except Refused as error:
                status, body = 400, failure(error)
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    def answer(action: str, given: dict[str, str]) -> str:
        operation = model.operation_model(action)
        shape = operation.input_shape
        parameters = read(shape, given) if shape else {}
        if shape:
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), report.generate_report()
        method = getattr(account, botocore.xform_name(action))
        found = method(**parameters)
        result = written(operation.output_shape, found) if operation.output_shape else ""
        wrapped = f"<{action}Result>{result}</{action}Result>" if operation.output_shape else ""
        number = f"<ResponseMetadata><RequestId>{next(numbers)}</RequestId></ResponseMetadata>"
        return (
            f"<{action}Response xmlns='{model.metadata['xmlNamespace']}'>{wrapped}{number}</{action}Response>"
        )

    return serving(Api)


def failure(error: Refused) -> str:
    said = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    return f"<ErrorResponse><Error>{said}</Error><RequestId>0</RequestId></ErrorResponse>"


def read(shape: Any, given: Mapping[str, str], prefix: str = "") -> Any:
    """The value of a shape in a request. Source: AWS query protocol, "Serialization"."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            place = f"{prefix}.{name}" if prefix else name
            if any(key == place or key.startswith(f"{place}.") for key in given):
                found[name] = read(member, given, place)
        known = {key.partition(".")[0] for key in given} if not prefix else set(shape.members)
        assert known <= set(shape.members), known
        return found
    if shape.type_name == "list":
        numbers = {int(m[1]) for key in given if (m := re.match(rf"{re.escape(prefix)}\.member\.(\d+)", key))}
        return [read(shape.member, given, f"{prefix}.member.{n}") for n in sorted(numbers)]
    text = given[prefix]
    return {"boolean": lambda: text == "true", "integer": lambda: int(text)}.get(
        shape.type_name, lambda: text
    )()


def written(shape: Any, value: Any) -> str:
    """A value as an answer has it."""
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), value
        return "".join(
            f"<{name}>{written(shape.members[name], each)}</{name}>"
            for name, each in value.items()
            if each is not None
        )
    if shape.type_name == "list":
        return "".join(f"<member>{written(shape.member, each)}</member>" for each in value)
    if shape.type_name == "timestamp":
        return str(value.isoformat())
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return escape(str(value))
