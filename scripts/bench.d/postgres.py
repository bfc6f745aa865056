"""A PostgreSQL server for the benchmarks: Debian's, on a loopback port. Not a benchmark."""
import os
import pwd
import shutil
import subprocess
import sys
import time

from support import free_port, make_folder, started

PROGRAMS = "/usr/lib/postgresql/15/bin/"


class Postgres:
    """With synced commits, and its own settings otherwise. It refuses to run as root."""

    def __init__(self):
        if not os.path.exists(PROGRAMS + "postgres"):
            sys.exit("PostgreSQL is not installed: scripts/setup")
        self.folder, self.port = make_folder(), free_port()
        self.schemas = 0
        self.user = []
        if os.getuid() == 0:
            shutil.chown(self.folder, pwd.getpwnam("postgres").pw_uid)
            self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        password = self.folder / "password"
        password.write_text("secret\n")
        self.run("initdb", "--no-sync", "-D", f"{self.folder}/data", "-U", "troupe", "--pwfile",
                 str(password), "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8")
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [*self.user, PROGRAMS + "postgres", "-D", f"{self.folder}/data", "-p", str(self.port),
             "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
            stdout=log, stderr=log)
        started.append(self.process)
        until = time.time() + 30
        while subprocess.run([PROGRAMS + "pg_isready", "-q", "-h", "127.0.0.1", "-p",
                              str(self.port)]).returncode != 0:
            if time.time() > until or self.process.poll() is not None:
                sys.exit(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    def run(self, program, *arguments):
        made = subprocess.run([*self.user, PROGRAMS + program, *arguments], capture_output=True,
                              text=True, env={**os.environ, "PGPASSWORD": "secret"})
        if made.returncode != 0:
            sys.exit(f"{program} failed: {made.stderr}")

    def url(self, rest=""):
        return f"postgresql://troupe:secret@127.0.0.1:{self.port}/postgres{rest}"

    def fresh(self):
        """The address of a new, empty schema."""
        self.schemas += 1
        schema = f"bench_{self.schemas}"
        self.run("psql", "-q", "-d", self.url(), "-c", f"CREATE SCHEMA {schema}")
        return self.url(f"?options=-csearch_path%3D{schema}")
