"""AWS Lambda: functions of AWS that run an application, from its settings and the block `lambda`."""

from provision.platforms.lambda_.function_answers import instead, logs_of, status_of
from provision.platforms.lambda_.function_target import steps_of
from provision.platforms.lambda_.mapped_functions import check
from provision.platforms.lambda_.recorded_functions import back_to, obstacles, records_of
from provision.platforms.platform_model import DeclaredPlatform, PlatformPast

PLATFORM = DeclaredPlatform(
    steps=steps_of,
    check=check,
    status=status_of,
    logs=logs_of,
    instead=instead,
    past=PlatformPast(records=records_of, obstacles=obstacles, back=back_to),
    counterparts={
        "the web process": "a function, and its alias `live`; requests by Mangum or apig-wsgi",
        "`processes`": "refused: a function runs for one request at a time",
        "`jobs`": "a rule of EventBridge each, up to 15 minutes",
        "commands of `release`, migrations": "invocations of the new version, before it serves",
        "collectstatic": "refused: `build` collects them on your machine",
        "`static`": "the application serves it (WhiteNoise)",
        "`media`, `writable`": "refused: keep files in S3",
        "`environment`": "the function's",
        "`secrets`": "parameters of SSM, read when the function starts",
        "`domains`, `path`": "the function URL; CloudFront for a domain of yours",
        "`tls`": "AWS's, of the function URL",
        "health": "asked of the new version, before it serves",
        "settings of the front": "none: a deploy names those that are set",
        "`uses`": "refused: give the service's address in `secrets`",
        "access: `auth`, `allow`, `deny`, `maintenance`": "refused: the application would be open to all",
    },
)
