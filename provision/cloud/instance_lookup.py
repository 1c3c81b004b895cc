"""Find where the instance of a host is, for every command that connects to it."""

from __future__ import annotations

from provision.cloud import instance_tags
from provision.cloud.cloud_errors import NoInstance
from provision.cloud.instance_addresses import AddressCache, InstanceAddress, address_of_instance
from provision.cloud.instance_spec import InstanceSpec


def find_address(spec: InstanceSpec, host: str) -> InstanceAddress:
    """Return where a host's instance is, from the cache or by its tags.

    Raises NoInstance if there is none, it does not run, or its first boot was not seen through; CloudError.
    """
    cache = AddressCache(spec, host)
    found = cache.read()
    if found is None or not found.booted:
        found = looked_up(spec, host)
        cache.write(found)
    return found


def looked_up(spec: InstanceSpec, host: str) -> InstanceAddress:
    """Return the same, always by its tags."""
    # imported here: a cached address needs no boto3
    from provision.cloud.aws_calls import AwsCalls
    from provision.cloud.ec2_instances import find_instance, state_of

    instance = find_instance(AwsCalls(spec.region, spec.profile), spec.project, host)
    hint = f"Bring it up:  prov ec2 up {host}    or with its roles:  prov deploy {host} --create"
    if instance is None:
        raise NoInstance(f"{host} has no instance in {spec.region}", hint=hint)
    if state_of(instance) != "running":
        raise NoInstance(f"the instance of {host} is {state_of(instance)}", hint=hint)
    found = address_of_instance(instance, spec)
    if not found.booted:
        raise NoInstance(f"the first boot of {host}'s instance was not seen through", hint=hint)
    if not found.keys:
        key = instance_tags.HOST_KEY
        raise NoInstance(f"the instance of {host} has no host key in its tag {key}", hint=hint)
    if not found.address:
        raise NoInstance(f"the instance of {host} has no {spec.address} address", hint=hint)
    return found
