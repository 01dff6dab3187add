# Dependencies, installation.
