"""Kubernetes: the objects of a cluster that run an application, from its settings and the block `kubernetes`."""

from provision.platforms.kubernetes.cluster_answers import instead, logs_of, status_of
from provision.platforms.kubernetes.cluster_records import records_of
from provision.platforms.kubernetes.cluster_steps import steps_of
from provision.platforms.kubernetes.mapped_apps import check
from provision.platforms.kubernetes.recorded_objects import back_to, obstacles
from provision.platforms.platform_model import DeclaredPlatform, PlatformPast

PLATFORM = DeclaredPlatform(
    steps=steps_of,
    check=check,
    status=status_of,
    logs=logs_of,
    instead=instead,
    past=PlatformPast(records=records_of, obstacles=obstacles, back=back_to),
    counterparts={
        "the web process": "Deployment, Service, PodDisruptionBudget, HorizontalPodAutoscaler",
        "`processes`": "a Deployment each",
        "`jobs`": "a CronJob each",
        "commands of `release`, migrations": "a Job for each release",
        "collectstatic": "in each pod, before the server starts",
        "`static`": "the application serves it (WhiteNoise)",
        "`media`, `writable`": "folders of the pod, or of a volume with `storage`; the application serves `media`",
        "`environment`": "ConfigMap",
        "`secrets`": "Secret; mounted as files with `secrets_as: credentials`",
        "`domains`, `path`": "Ingress",
        "`tls`": "the Ingress: a Secret, which cert-manager can fill",
        "health": "probes for start, readiness and liveness",
        "settings of the front": "none: `prov kubernetes render` names those that are set",
        "`uses`": "refused: give the service's address in `secrets`",
        "access: `auth`, `allow`, `deny`, `maintenance`": "refused: the application would be open to all",
    },
)
