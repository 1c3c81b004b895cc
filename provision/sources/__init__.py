"""Where an application's files come from: local folders and git repositories, both taken for those of strangers."""
