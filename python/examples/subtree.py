"""Caches what belongs to a user under one prefix, and forgets it all at once."""

from __future__ import annotations

from pygibson import Client, NotFoundError, PyGibsonError, Server


def remember(client: Client, user: int, fields: dict[str, str]) -> None:
    """Store all fields of a user for an hour, in one round trip."""
    with client.pipeline() as batch:
        for name, value in fields.items():
            batch.set(f"user:{user}:{name}", value, ttl=3600)
    for result in batch.results or []:
        if isinstance(result, PyGibsonError):
            raise result


def recall(client: Client, user: int) -> dict[str, str]:
    """Read all fields of a user, none if there are none."""
    prefix = f"user:{user}:"
    try:
        items = client.mget(prefix)
    except NotFoundError:
        return {}
    return {
        key[len(prefix) :]: value.decode() if isinstance(value, bytes) else str(value)
        for key, value in items.items()
    }


def main() -> None:
    with Server() as server, server.client(timeout=1000) as client:
        remember(client, 42, {"name": "Ada", "mail": "ada@example.org"})
        remember(client, 43, {"name": "Charles"})
        client.inc("user:42:visits")
        print(sorted(recall(client, 42).items()))
        print("deleted:", client.mdl("user:42:"))
        print(recall(client, 42), recall(client, 43))


if __name__ == "__main__":
    main()
