"""AWS Elastic Beanstalk: environments that run an application, from its settings and the block `elastic_beanstalk`."""

from provision.platforms.elastic_beanstalk.environment_answers import instead, logs_of, status_of
from provision.platforms.elastic_beanstalk.environment_target import steps_of
from provision.platforms.elastic_beanstalk.mapped_environments import check
from provision.platforms.elastic_beanstalk.recorded_versions import back_to, obstacles, records_of
from provision.platforms.platform_model import DeclaredPlatform, PlatformPast

PLATFORM = DeclaredPlatform(
    steps=steps_of,
    check=check,
    status=status_of,
    logs=logs_of,
    instead=instead,
    past=PlatformPast(records=records_of, obstacles=obstacles, back=back_to),
    counterparts={
        "the web process": "the line `web` of the Procfile, with the server that the application names",
        "`processes`": "a line of the Procfile each, on every instance",
        "`jobs`": "timers on the leader of the last deploy",
        "commands of `release`, migrations": "a hook before the release serves, on the leader alone",
        "collectstatic": "a hook before the release serves, on each instance",
        "`static`": "the proxy of each instance",
        "`media`, `writable`": "refused: keep files in S3",
        "`environment`": "option settings of the environment",
        "`secrets`": "parameters of SSM, which option settings name",
        "`domains`, `path`": "the address of the environment; you point your domain at it",
        "`tls`": "the load balancer's: a certificate of ACM",
        "health": "the load balancer asks it by the proxy; a deploy asks it at the address",
        "settings of the front": "none: a deploy names those that are set",
        "`uses`": "refused: give the service's address in `secrets`",
        "access: `auth`, `allow`, `deny`, `maintenance`": "refused: the application would be open to all",
    },
)
