"""Images of applications in the form that registries and engines read (OCI image specification 1.1)."""
