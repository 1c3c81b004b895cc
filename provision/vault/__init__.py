"""Ansible Vault: its envelopes, and the passwords that open them."""
