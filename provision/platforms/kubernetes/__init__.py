"""Kubernetes: the objects of a cluster that run an application, from its settings and the block `kubernetes`."""

from provision.platforms.kubernetes.cluster_access import kubeconfig_access
from provision.platforms.kubernetes.declared_clusters import on_clusters

PLATFORM = on_clusters(kubeconfig_access)
