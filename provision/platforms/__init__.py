"""Platforms: what runs applications on targets that are not hosts. Each is a package here, which declares itself."""
