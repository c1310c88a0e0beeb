"""A temporary directory, and a process in it, that end with their owner even by SIGKILL.

The owner has a pipe open for writing, and a shell reads it: the system closes the pipe however the
owner goes, and whichever of its threads started the process. A child that the owner forks closes
its copy, and a program that it executes has none. The death signal of prctl(2) would not do: that
one comes when a thread ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading

_SHELL = "/bin/sh"
_LONGEST_SOCKET_PATH = 107  # bytes, of a unix socket on Linux

# The lines of the pipe are ids of processes, of which the last one counts, or "end". The shell goes
# into the directory that /proc has for the process: that stays empty when the process is gone, even
# if another one gets its id. Once the directory has another name, no process can announce itself;
# one that was about to has the pipe open, and so reading it again waits for that.
_GUARD = """
listen() {
    while read -r word; do
        [ "$word" = end ] && exit
        cd "/proc/$word" || cd /
        process=$word
    done
}
alive() { read -r line <stat && case $line in *") Z "*) false ;; esac; }
listen
mv "$1" "$1.ended"
listen
if alive; then
    kill -TERM "$process"
    ticks=0
    while alive && [ "$ticks" -lt 40 ]; do
        sleep 0.05
        ticks=$((ticks + 1))
    done
    alive && kill -KILL "$process"
fi
rm -rf -- "$1.ended"
"""

# A process announces itself before it becomes the program. So it never runs unguarded, even if the
# owner goes while it starts.
_ANNOUNCE = 'echo $$ >"$0" && exec "$@"'

_forking = threading.RLock()  # a signal handler may fork while its thread has it
_ends: set[int] = set()  # for writing, of the pipes of this process


def _close_in_child() -> None:
    for end in _ends:
        os.close(end)
    _ends.clear()
    _forking.release()


os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_close_in_child
)


def _new_name() -> str:
    """Return a path for a temporary directory in which a unix socket has room for its path."""
    name = f"gibson-{os.urandom(5).hex()}"
    path = os.path.join(tempfile.gettempdir(), name)
    if len(os.fsencode(path)) + len("/gibson.sock") > _LONGEST_SOCKET_PATH:
        path = os.path.join("/tmp", name)
    return path


class Guard:
    """A new temporary directory. When this process has gone, it is removed, and before that the
    process of command() is ended."""

    def __init__(self) -> None:
        self.directory = _new_name()
        self.lost_track = False  # of a process that was started: only the shell knows it
        with _forking:
            reading, self._end = os.pipe()
            _ends.add(self._end)
        try:
            self._shell = subprocess.Popen(
                [_SHELL, "-c", _GUARD, "gibson-guard", self.directory],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # a signal to the owner's group is not for the guard
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(reading)
        try:
            os.mkdir(self.directory, 0o700)
        except BaseException:
            self._dismiss()
            raise
        self._announce = os.path.join(self.directory, "guard")
        os.symlink(f"/proc/{self._shell.pid}/fd/0", self._announce)

    def command(self, command: list[str]) -> list[str]:
        """Return the command with which to start a program that is guarded.

        Raises:
            FileNotFoundError, PermissionError: there is no such program.
        """
        if shutil.which(command[0]) is None:
            kind = PermissionError if os.path.exists(command[0]) else FileNotFoundError
            raise kind(f"{command[0]} is no program that can be run")
        self.lost_track = True
        return [_SHELL, "-c", _ANNOUNCE, self._announce, *command]

    def known(self) -> None:
        """The owner has the process in hand: nothing can come between its start and its end."""
        self.lost_track = False

    def end(self) -> None:
        """Remove the directory, and guard no longer. The process has ended, or the shell ends it if
        the owner has lost track of it."""
        self._dismiss()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _dismiss(self) -> None:
        if not self.lost_track:
            try:
                os.write(self._end, b"end\n")
            except BrokenPipeError:
                pass  # somebody has ended the guard
        self._close()
        try:
            self._shell.wait(10)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()

    def _close(self) -> None:
        with _forking:
            _ends.discard(self._end)
            os.close(self._end)
