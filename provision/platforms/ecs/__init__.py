"""Amazon ECS: services and tasks that run an application, from its settings and the block `ecs`."""

from provision.platforms.ecs.ecs_target import steps_of
from provision.platforms.ecs.mapped_services import check
from provision.platforms.ecs.recorded_tasks import back_to, obstacles, records_of
from provision.platforms.ecs.service_answers import instead, logs_of, status_of
from provision.platforms.platform_model import DeclaredPlatform, PlatformPast

PLATFORM = DeclaredPlatform(
    steps=steps_of,
    check=check,
    status=status_of,
    logs=logs_of,
    instead=instead,
    past=PlatformPast(records=records_of, obstacles=obstacles, back=back_to),
    counterparts={
        "the web process": "a service, and the listener rule and target group of a load balancer that exists",
        "`processes`": "a service each",
        "`jobs`": "a rule of EventBridge each, which runs a task",
        "commands of `release`, migrations": "a task each, before the rollout",
        "collectstatic": "refused: `build` collects them on your machine",
        "`static`": "the application serves it (WhiteNoise)",
        "`media`, `writable`": "refused: keep files in S3",
        "`environment`": "the task definition's",
        "`secrets`": "parameters of SSM, which the task definition names",
        "`domains`, `path`": "conditions of the listener rule",
        "`tls`": "the listener's",
        "health": "the container's health check; the target group asks whether the server answers",
        "settings of the front": "none: a deploy names those that are set",
        "`uses`": "refused: give the service's address in `secrets`",
        "access: `auth`, `allow`, `deny`, `maintenance`": "refused: the application would be open to all",
    },
)
