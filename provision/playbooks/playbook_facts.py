"""Facts and names of Ansible, and what a role has instead."""

from __future__ import annotations

#: facts -> Python; those in CASED are lower case here, as in os-release(5)
FACTS = {
    "ansible_distribution": "c.facts.distribution",
    "ansible_os_family": "c.facts.family",
    "ansible_distribution_release": "c.facts.codename",
    "ansible_lsb.codename": "c.facts.codename",
    "ansible_distribution_version": "c.facts.version",
    "ansible_distribution_major_version": 'c.facts.version.split(".")[0]',
    "ansible_architecture": "c.facts.architecture",
    "ansible_machine": "c.facts.architecture",
    "ansible_kernel": "c.facts.kernel",
    "ansible_hostname": "c.facts.hostname",
    "ansible_processor_vcpus": "c.facts.cpus",
    "ansible_processor_cores": "c.facts.cpus",
    "ansible_processor_nproc": "c.facts.cpus",
    "ansible_processor_count": "c.facts.cpus",
    "ansible_memtotal_mb": "c.facts.memory_mb",
    "ansible_default_ipv4.address": "c.facts.addresses[0]",
    "ansible_python_version": "c.facts.python",
    "ansible_service_mgr": "c.facts.init",
    "ansible_user": "c.user",
    "ansible_ssh_user": "c.user",
    "ansible_user_id": "c.facts.user",
    "inventory_hostname": "c.name",
    "inventory_hostname_short": 'c.name.split(".")[0]',
    # a plan runs the same steps
    "ansible_check_mode": "False",
    "group_names": "list(c.inventory.groups)",
}
#: facts with names of systems, and what prov calls these
CASED = {
    "c.facts.distribution": {"amazon": "amzn"},
    "c.facts.family": {},
}
#: names that only Ansible has
ONLY_ANSIBLE = {
    "hostvars": "hostvars: variables of other hosts",
    "play_hosts": "play_hosts: the hosts of a play",
    "ansible_play_hosts": "the hosts of a play",
    "ansible_play_batch": "the hosts of a play",
    "playbook_dir": "playbook_dir: a folder of Ansible's project",
    "role_path": "role_path: a folder of Ansible's project",
    "role_name": "role_name",
    "ansible_env": "ansible_env: the environment of Ansible's login",
    "ansible_date_time": "ansible_date_time: a value that differs in each run",
    "ansible_facts": "a fact that prov does not gather",
    "environment": "environment",
}


def system_name(fact: str, name: str) -> str:
    """Return what prov calls a distribution or family: "debian" for "Debian"."""
    return CASED[fact].get(name.lower(), name.lower())
