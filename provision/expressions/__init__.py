"""Expressions in what users write: Jinja in a sandbox, with the filters and tests that Ansible's inventories use."""
