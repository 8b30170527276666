"""Where trainings run: a setting of the deployment, which makes nothing stale. The embedded default is this machine."""
