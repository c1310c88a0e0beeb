"""The example of the README, against a server of its own."""

from pygibson import Client, NotFoundError, Server

with Server() as server:
    cl = Client(unix_socket=server.unix_socket, timeout=500)

    cl.set("some_key", "some_value")
    print(cl.get("some_key"))  # b'some_value' will be printed
    try:
        cl.get("no_such_key")
    except NotFoundError:
        print("Yay, no such key!")
