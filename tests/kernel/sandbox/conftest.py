"""The engine of this folder's tests."""

from docker_engine import docker_base, docker_engine

__all__ = ["docker_base", "docker_engine"]
