"""Where an application's files come from: local folders and git repositories. Neither is trusted."""
