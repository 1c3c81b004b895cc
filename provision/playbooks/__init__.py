"""Playbooks of Ansible, and the role that says the same."""
