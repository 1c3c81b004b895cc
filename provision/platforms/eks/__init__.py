"""Amazon EKS: clusters of Kubernetes in AWS. All is as on Kubernetes, but the way to the cluster."""

from provision.platforms.eks.eks_clusters import eks_access
from provision.platforms.kubernetes.declared_clusters import on_clusters

PLATFORM = on_clusters(eks_access)
