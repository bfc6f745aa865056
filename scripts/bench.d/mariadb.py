"""A MariaDB server for the benchmarks: Debian's, on a loopback port. Not a benchmark."""
import os
import shutil
import subprocess
import sys
import time

from support import free_port, make_folder, started


class MariaDB:
    """With synced commits, and its own settings otherwise."""

    def __init__(self):
        if not shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin"):
            sys.exit("MariaDB is not installed: scripts/setup")
        self.folder, self.port = make_folder(), free_port()
        self.databases = 0
        self.common = ["--no-defaults", f"--datadir={self.folder}/data"]
        if os.getuid() == 0:
            self.common.append("--user=root")
        made = subprocess.run(["mariadb-install-db", *self.common, "--skip-test-db",
                               "--auth-root-authentication-method=normal"],
                              capture_output=True, text=True)
        if made.returncode != 0:
            sys.exit(f"mariadb-install-db failed: {made.stderr}")
        # Root has no password there; nobody else reaches the port of this machine's loopback.
        log = open(self.folder / "log", "ab")
        script = self.folder / "init.sql"
        script.write_text("CREATE USER IF NOT EXISTS troupe IDENTIFIED BY 'secret';\n"
                          "GRANT ALL ON *.* TO troupe;\n"
                          + "".join(f"CREATE DATABASE bench_{i};\n" for i in range(1, 33)))
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", *self.common, "--bind-address=127.0.0.1",
             f"--port={self.port}", f"--socket={self.folder}/socket",
             f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}",
             f"--init-file={script}", "--skip-name-resolve"],
            stdout=log, stderr=log)
        started.append(self.process)
        until = time.time() + 30
        while "ready for connections" not in (self.folder / "log").read_text(errors="replace"):
            if time.time() > until or self.process.poll() is not None:
                sys.exit(f"MariaDB does not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    def fresh(self):
        """The address of a new, empty database."""
        self.databases += 1
        return f"mysql://troupe:secret@127.0.0.1:{self.port}/bench_{self.databases}"
