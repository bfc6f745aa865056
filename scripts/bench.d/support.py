"""What the benchmarks in Python share: a node of their own, and what it used. Not a benchmark."""
import atexit
import collections
import json
import os
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
started = []
folders = []


@atexit.register
def clean_up():
    for process in reversed(started):
        stop(process)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(keep=False):
    folder = Path(tempfile.mkdtemp(prefix="troupe_bench_"))
    if keep:
        print(f"logs in {folder}", file=sys.stderr)
    else:
        folders.append(folder)
    return folder


def build(*targets):
    """Builds programs of the release build; quiet unless it fails."""
    subprocess.run(["bash", "-c", 'source "$0/scripts/lib.sh"; build release "$@"', str(ROOT),
                    *targets], check=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, log, **kwargs):
    process = subprocess.Popen(command, stderr=open(log, "ab"),
                               **{"stdout": open(log, "ab"), **kwargs})
    started.append(process)
    return process


def stop(process, limit=60):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url, process, log, limit=60):
    until = time.time() + limit
    while time.time() < until:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended:\n{Path(log).read_text()[-2000:]}")
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"{url} is not ready after {limit} s:\n{Path(log).read_text()[-2000:]}")


def allow_sockets(count):
    """Raises this process's limit, which those it starts inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"{count} files a process are needed, {hard} are allowed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Node:
    """A node of Troupe with a configuration of its own."""

    def __init__(self, binary, folder, config, name="bench"):
        self.binary, self.folder = binary, folder
        self.port, self.ops = free_port(), free_port()
        self.config = folder / "troupe.yaml"
        self.config.write_text(f"""node: {{name: {name}, data_dir: {folder}/data}}
log: {{level: warn, access: false}}
ops: {{listen: "127.0.0.1:{self.ops}"}}
{config.replace("LISTEN", f"127.0.0.1:{self.port}")}""")
        self.log = folder / "troupe.log"
        self.process = None
        self.key = None

    def start(self):
        self.process = start([self.binary, "serve", "--config", str(self.config)], self.log)
        wait_for(f"http://127.0.0.1:{self.port}/healthz", self.process, self.log)

    def restart(self):
        stop(self.process)
        self.start()

    def make_key(self):
        made = subprocess.run([self.binary, "key", "create", "bench", "--json", "--config",
                               str(self.config)], capture_output=True, text=True)
        if made.returncode != 0:
            sys.exit(f"troupe key create failed: {made.stderr}")
        made = json.loads(made.stdout)
        self.key = made["secret"]
        return made

    def memory(self):
        """Resident bytes: all, and those of its own (neither program text nor a mapped file)."""
        status = dict(line.split(":", 1) for line in
                      Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return tuple(int(status[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Request(NamedTuple):
    method: str
    path: str
    body: object = None
    kind: str = ""  # what it is counted as


class Requests:
    """Requests over some kept-alive connections, each waiting for its answer before the next."""

    def __init__(self, node, connections):
        self.node, self.count = node, connections
        self.took = collections.defaultdict(list)  # seconds of each request, by its kind

    def quantile_ms(self, part, kind=""):
        ordered = sorted(self.took[kind])
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1e3

    def run(self, requests, expect, rate=None):
        """Sends these one after another. With a rate, that many begin a second."""
        requests = iter(requests)
        poll = selectors.DefaultSelector()
        idle, running = [], {}
        for _ in range(self.count):
            s = socket.create_connection(("127.0.0.1", self.node.port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(s, selectors.EVENT_READ)
            idle.append(s)
        began, sent, more = time.perf_counter(), 0, True
        while more or running:
            now = time.perf_counter()
            while more and idle and (rate is None or now >= began + sent / rate):
                one = next(requests, None)
                if one is None:
                    more = False
                    break
                s = idle.pop(0)  # the one that waited longest: unused ones are closed
                running[s] = (time.perf_counter(), b"", one.kind)
                s.sendall(self.text(one))
                sent += 1
            pause = None if rate is None else max(began + sent / rate - time.perf_counter(), 0.0002)
            for key, _ in poll.select(pause if more and idle else None) if running or more else []:
                s = key.fileobj
                since, got, kind = running.get(s, (0, b"", ""))
                piece = s.recv(65_536)
                got += piece
                if not piece:
                    sys.exit(f"the node closed a connection after: {got[-500:]!r}")
                if not self.whole(got, expect):
                    running[s] = (since, got, kind)
                    continue
                self.took[kind].append(time.perf_counter() - since)
                del running[s]
                idle.append(s)
        for key in list(poll.get_map().values()):
            key.fileobj.close()

    def text(self, request):
        head = (f"{request.method} {request.path} HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {self.node.key}\r\n")
        if request.body is None:
            return (head + "\r\n").encode()
        body = json.dumps(request.body)
        return (f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                f"{body}").encode()

    def whole(self, got, expect):
        end = got.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not got.startswith(b"HTTP/1.1 %d " % expect):
            sys.exit(f"request {sum(map(len, self.took.values())) + 1} was answered: "
                     f"{got[:1000].decode(errors='replace')}\nthe node's log ends: "
                     f"{self.node.log.read_text()[-2000:]}")
        head = got[:end + 2].lower()
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            return got.endswith(b"\r\n0\r\n\r\n")
        at = head.find(b"\r\ncontent-length: ") + 18
        return len(got) >= end + 4 + int(head[at:head.find(b"\r", at)])
