"""What a platform declares whose targets are in clusters of Kubernetes: all is the same but the way to the cluster."""

from __future__ import annotations

from functools import partial

from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_answers import instead, logs_of, status_of
from provision.platforms.kubernetes.cluster_records import records_of
from provision.platforms.kubernetes.cluster_steps import steps_of
from provision.platforms.kubernetes.mapped_apps import check, mapped_apps
from provision.platforms.kubernetes.recorded_objects import back_to, obstacles
from provision.platforms.platform_model import DeclaredPlatform, PlatformPast

COUNTERPARTS = {
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
}


def on_clusters(access_of: AccessOf) -> DeclaredPlatform:
    """Return the platform whose clusters are reached so."""
    return DeclaredPlatform(
        steps=partial(steps_of, access_of),
        check=partial(check, access_of),
        status=partial(status_of, access_of),
        logs=partial(logs_of, access_of),
        instead=partial(instead, access_of),
        past=PlatformPast(
            records=partial(records_of, access_of),
            obstacles=partial(obstacles, access_of),
            back=partial(back_to, access_of),
        ),
        counterparts=COUNTERPARTS,
        manifests=partial(mapped_apps, access_of),
    )
