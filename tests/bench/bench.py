"""Measures the service beside others that give the same pages: the floor (floor.c), PHP-FPM
behind the same nginx site (php/), and a program in Go, alone and behind it (go/).  Started by
tools/bench, which says how.

A round asks one contestant for one page again and again.  Rounds of the contestants take
turns, so that what else the machine does hits all of them.  Ratios are made within a
round; of all rounds the median counts, with minimum and maximum beside it.  Processor
time is that of the processes, all threads, divided by the answers of the round.
"""

import glob
import http.client
import json
import os
import pathlib
import platform
import pwd
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import picture

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests/bench"
BUILD = ROOT / "build/release"
DATABASE = "usage_record_api"
PROCESSES = 2  # workers, children of PHP-FPM, and floor programs
SIZES = (1000, 100, 20)
CLIENTS = (1, 8, 64)
# Clients.  With eight the processors are idle for a fifteenth of the time (two cores, pages
# of 20); 64 keep them busy, and more pages a second are answered.
USUAL_LOAD, FULL_LOAD = 8, 64
GZIP = ("--header", "Accept-Encoding: gzip")  # of wrk
TICKS = os.sysconf("SC_CLK_TCK")


def fail(message):
    sys.exit(f"tools/bench: {message}")


def number(name, default):
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[1-9][0-9]*", text):
        fail(f'{name} must be a number from 1, not "{text}"')
    return int(text)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                          text=True, **options).stdout


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"waited in vain for {what}")
        time.sleep(0.02)


# -- processes

def children(pid):
    return {int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def cpu_ms(pids):
    """Processor time that processes have had, user and system, all threads."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1000 / TICKS


def pss_mib(pid):
    """A process's share of memory: its own, and its part of what it shares."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) / 1024


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Stack:
    """MariaDB with the data set, the pool, nginx, and PHP-FPM and Go behind the same site."""

    def __init__(self, state_dir, is_quick):
        self.is_quick = is_quick
        self.rows = number("ROWS", 100000 if is_quick else 2000000)
        self.round_count = number("ROUNDS", 1 if is_quick else 5)
        self.round_seconds = number("ROUND_SECONDS", 1 if is_quick else 2)
        self.port = port = number("PORT", 8180)
        self.dir = state_dir / str(self.rows)
        self.ports = {"service": port, "php": port + 1, "php-spliced": port + 2, "nginx-gzip": port + 3,
                      "go": port + 4, "go-nginx": port + 5}
        self.php = self.go = None
        memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        self.env = {**os.environ, "PORT": str(port), "WORKERS": str(PROCESSES), "AUTH": "0",
                    "WORKER": str(BUILD / "usage-record-api"),
                    # All data and indexes, if the machine has room for them.
                    "DATABASE_OPTIONS": f"--innodb-buffer-pool-size={min(6144, memory_mb // 2)}M",
                    "USAGE_RECORD_API_DB_SOCKET": str(self.dir / "mysql.sock"),
                    "USAGE_RECORD_API_DB_USER": "root",
                    "USAGE_RECORD_API_DB_STATEMENT_TIMEOUT_MS": "60000",
                    "USAGE_RECORD_API_DB_READ_TIMEOUT_S": "61"}
        self.client = ("--no-defaults", f"--socket={self.dir}/mysql.sock", "--user=root")

    def part(self, part, action):
        subprocess.run([ROOT / "tools/stack", part, action, self.dir], check=True, env=self.env)

    def start(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.stop()  # what a run left that was killed
        self.part("database", "start")
        self.load()
        self.part("workers", "start")
        self.start_php()
        self.start_go()
        self.part("nginx", "start")
        self.site = (self.dir / "site.conf").read_text()
        self.configure_nginx()

    def stop(self):
        self.part("nginx", "stop")
        for process in (self.php, self.go):
            if process is not None:
                process.terminate()
                process.wait()
        for part in ("workers", "database"):
            self.part(part, "stop")

    # -- the data

    def sql(self, statement):
        """The rows of an answer, each a list of texts."""
        lines = run("mariadb", *self.client, "--batch", "--skip-column-names", "-e", statement,
                    DATABASE).splitlines()
        return [line.split("\t") for line in lines]

    def load(self):
        loaded = self.dir / "loaded"
        if not loaded.exists():
            print(f"Loading {self.rows} records ...", file=sys.stderr)
            run("mariadb", *self.client, "-e", f"DROP DATABASE IF EXISTS {DATABASE}")
            self.migrate()
            run(ROOT / "sql/load-sample", BUILD / "generate", self.rows, DATABASE, *self.client)
            loaded.touch()
        self.migrate()
        self.organization = run(BUILD / "generate", "--largest").strip()
        count, start, end = self.sql(
            "SELECT COUNT(*), DATE(MIN(creation_time)), DATE(MAX(creation_time)) FROM usage_record_group "
            f"WHERE organization_id = '{self.organization}'")[0]
        self.count, self.start_day, self.end_day = int(count), start, end

    def migrate(self):
        run(ROOT / "sql/migrate", DATABASE, *self.client)

    def query(self, limit, **parameters):
        """A query string that all contestants understand; the days are those of the data."""
        return urllib.parse.urlencode({"startDate": self.start_day, "endDate": self.end_day,
                                       "limit": limit, **parameters})

    # -- nginx, PHP and Go

    def start_php(self):
        program = sorted(glob.glob("/usr/sbin/php-fpm*"))[-1]
        user = pwd.getpwuid(os.getuid()).pw_name
        (self.dir / "php-fpm.conf").write_text(f"""[global]
error_log = {self.dir}/php-fpm.log
[pool]
{f"user = {user}" if user == "root" else ""}
{f"group = {user}" if user == "root" else ""}
listen = {self.dir}/php.sock
listen.backlog = 1024
pm = static
pm.max_children = {PROCESSES}
catch_workers_output = yes
""")
        self.php = subprocess.Popen(
            [program, "--nodaemonize", *(["--allow-to-run-as-root"] if user == "root" else []),
             "--fpm-config", self.dir / "php-fpm.conf", "-d", "opcache.enable=1",
             "-d", "opcache.validate_timestamps=0"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: (self.dir / "php.sock").exists() and
                   len(children(self.php.pid)) == PROCESSES, f"PHP-FPM; see {self.dir}/php-fpm.log")

    def start_go(self):
        """Builds and starts the program; it has as many connections as the pool has workers."""
        program = BUILD / "tests/bench/go-peer"
        subprocess.run(["go", "build", "-o", program, "."], cwd=BENCH / "go", check=True,
                       env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
                            "GOCACHE": str(ROOT / "build/go-cache")})
        with open(self.dir / "go.log", "wb") as log:  # it names each client that left
            self.go = subprocess.Popen([program, self.dir / "mysql.sock", DATABASE, str(PROCESSES), str(self.ports["go"])],
                                       stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)

    def go_site(self):
        """The shipped site with the program in the place of the pool."""
        site = self.copy_of_site("go-nginx", "")
        site = re.sub(r"upstream go_nginx \{.*?\n\}", "upstream go_nginx {\n"
                      f"    server 127.0.0.1:{self.ports['go']};\n    keepalive 64;\n}}", site, flags=re.S)
        return site.replace("        fastcgi_pass go_nginx;", """
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffer_size 32k; proxy_buffers 64 32k;
        proxy_busy_buffers_size 256k; proxy_pass http://go_nginx;""", 1)

    def php_site(self, name):
        """The shipped site with PHP-FPM in the place of the pool, all else the same."""
        parameters = {"QUERY_STRING": "$query_string", "DB_USER": "root", "DB_NAME": DATABASE,
                      "DB_SOCKET": self.dir / "mysql.sock",
                      "SCRIPT_FILENAME": BENCH / ("php/spliced.php" if name == "php-spliced"
                                                  else "php/idiomatic.php")}
        lines = "".join(f"\n    fastcgi_param {key} {value};" for key, value in parameters.items())
        return (self.copy_of_site(name, lines)
                .replace(f"DB_NAME {name.replace('-', '_')}", f"DB_NAME {DATABASE}")
                .replace("fastcgi.sock", "php.sock"))

    def copy_of_site(self, name, lines):
        """The shipped site's server for clients under another name, with these lines more."""
        head, server, _ = re.split(r"(?m)^server \{", self.site)
        return (f"{head}server {{{lines}{server}"
                .replace("usage_record_api", name.replace("-", "_"))
                .replace(f"127.0.0.1:{self.port} ", f"127.0.0.1:{self.ports[name]} "))

    def gzip_site(self):
        """The site as it was when nginx compressed: zlib, level 1."""
        site = self.copy_of_site("nginx-gzip", """
    gzip on; gzip_types application/json; gzip_comp_level 1; gzip_proxied any; gzip_min_length 1400;""")
        return re.sub(r".*(gzip off;|HTTP_ACCEPT_ENCODING).*\n", "", site)

    def configure_nginx(self):
        """Sets the site and its copies."""
        (self.dir / "site.conf").write_text(
            self.site + "".join(self.php_site(name) for name in ("php", "php-spliced")) + self.gzip_site() + self.go_site())
        master = int((self.dir / "nginx.pid").read_text())
        before = children(master)
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: children(master) and not children(master) & before and
                   all(is_listening(port) for port in self.ports.values()),
                   f"nginx to take its configuration; see {self.dir}/nginx.log")

    def pids(self, group):
        if group == "php":
            return children(self.php.pid)
        if group == "go":
            return {self.go.pid}
        pid = int((self.dir / f"{'mysql' if group == 'mariadbd' else group}.pid").read_text())
        return {pid} if group == "mariadbd" else children(pid)

    def settle(self):
        """Waits until the requests are done whose client has already left; not for ever,
        because the database may have work of its own."""
        def total():
            return cpu_ms(self.pids("workers") | self.pids("php") | self.pids("go") | self.pids("mariadbd"))
        before = total()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            time.sleep(0.05)
            now = total()
            if now - before <= 10:
                break
            before = now

    # -- asking

    def url(self, name, query):
        return f"http://127.0.0.1:{self.ports[name]}/org/{self.organization}/usageRecordGroup?{query}"

    def ask(self, name, query, **headers):
        """Headers and body of one answer, which has to be a 200."""
        request = urllib.request.Request(self.url(name, query), headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers, answer.read()

    def cursor(self, offset):
        """The cursor of the place behind that many records of the organization's list, which is
        not to be remembered for whoever asks for that offset."""
        link = self.ask("service", self.query(1, offset=offset - 1), Authorization="Key of its own")[0]["Link"]
        return re.search("[?&]cursor=([^&>]+)", link)[1]

    def wrk(self, name, query, clients, seconds, *options):
        """One round: what wrk saw, and the processor time of each group a page."""
        app = next((peer for peer in ("php", "go") if name.startswith(peer)), "workers")
        groups = {app: "worker", "nginx": "nginx", "mariadbd": "mariadbd"}
        self.settle()
        before = {group: cpu_ms(self.pids(group)) for group in groups}
        output = run("wrk", "--threads", 1, "--connections", clients, "--duration", f"{seconds}s",
                     "--timeout", "60s", "--script", BENCH / "wrk.lua", *options, self.url(name, query))
        after = {group: cpu_ms(self.pids(group)) for group in groups}
        seen = json.loads(output.splitlines()[-1])
        if seen["bad"] > 0:
            fail(f"{seen['bad']} of {seen['requests']} answers were bad: {self.url(name, query)}\n{output}")
        if seen["requests"] == 0:  # too busy to give even one in that time
            return self.wrk(name, query, clients, seconds * 2, *options)
        return {"requests_per_second": seen["requests"] / seen["seconds"],
                "p50_ms": seen["p50_ms"], "p99_ms": seen["p99_ms"],
                "bytes": seen["bytes"] / seen["requests"],
                **{f"{groups[group]}_cpu_ms": (after[group] - before[group]) / seen["requests"]
                   for group in groups}}

    def floor(self, query, processes, seconds, *options):
        """One round of floor programs."""
        self.settle()
        before = cpu_ms(self.pids("mariadbd"))
        seen = json.loads(run(BUILD / "tests/bench/floor", "--processes", processes, "--seconds", seconds,
                              *options, self.organization, query, env=self.env))
        return {"requests_per_second": seen["pages_per_second"], "p50_ms": seen["p50_ms"],
                "plain_p50_ms": seen["plain_p50_ms"], "worker_cpu_ms": seen["cpu_ms"],
                "rows": seen["rows_per_page"],
                "mariadbd_cpu_ms": (cpu_ms(self.pids("mariadbd")) - before) / seen["pages"]}


# -- rounds and figures

class Rounds:
    """The rounds of several contestants that took turns."""

    def __init__(self, stack, contestants):
        """contestants: by name, functions of seconds.  A first turn warms up and does not
        count, unless one is all there is."""
        if stack.round_count > 1:
            for function in contestants.values():
                function(1)
        self.values = {name: [] for name in contestants}
        for _ in range(stack.round_count):
            for name, function in contestants.items():
                self.values[name].append(function(stack.round_seconds))

    def series(self, name, key):
        return [values[key] for values in self.values[name]]

    def figures(self):
        return {name: {key: summary(self.series(name, key)) for key in values[0]}
                for name, values in self.values.items()}

    def ratio(self, over, under):
        """Of two (name, key), round by round."""
        return summary([a / b for a, b in zip(self.series(*over), self.series(*under), strict=True)])


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def short(value):
    """Three digits that mean something."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - int(f'{value:e}'.partition('e')[2]))}f}"


def spread(figure):
    if figure["min"] == figure["max"]:
        return short(figure["median"])
    return f"{short(figure['median'])} ({short(figure['min'])}–{short(figure['max'])})"


def table(title, heads, rows):
    print(f"\n**{title}**\n\n| {' | '.join(heads)} |\n| {' | '.join(['---'] * len(heads))} |")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    sys.stdout.flush()


class Targets:
    def __init__(self):
        self.rows = []

    def add(self, what, figure, target, at_least=False):
        is_met = figure["median"] >= target if at_least else figure["median"] <= target
        self.rows.append({"what": what, "target": f"{'≥' if at_least else '≤'} {target}", **figure,
                          "is_met": is_met})

    def show(self):
        table("Targets: median (minimum–maximum) of the rounds", ("", "target", "measured", "met"),
              [(row["what"], row["target"], spread(row), "yes" if row["is_met"] else "**no**")
               for row in self.rows])


# -- the parts

def check_answers(stack):
    """All contestants give the same pages before any is measured.  JSON numbers are compared
    as doubles, because that is all that PHP keeps of them."""
    queries = [stack.query(size) for size in SIZES]
    queries += [stack.query(1000, offset=stack.count // 2), stack.query(1000, offset=stack.count - 500)]
    queries += [stack.query(1000, **{name: value}) for name, value in filter_values(stack).items() if name != "metaInfo"]
    for query in queries:
        pages = {name: json.loads(stack.ask(name, query)[1], parse_int=float) for name in stack.ports}
        for name, page in pages.items():
            if page != pages["service"] or not page["usageRecordGroups"]:
                fail(f"{name} and the service answer differently: {query}")
    print(f"{len(queries)} pages of all contestants compared: the same answers.")


def filter_values(stack):
    """A value of each filter: the one that most of the oldest tenth of the records have."""
    table_part = f"FROM usage_record_group WHERE organization_id = '{stack.organization}'"
    after = stack.sql(f"SELECT creation_time {table_part} ORDER BY creation_time DESC "
                      f"LIMIT 1 OFFSET {stack.count * 9 // 10}")[0][0]
    values = {}
    for name in ("partner", "buyerId", "entitlementId", "productId", "status", "source"):
        column = re.sub("Id$", "_id", name)
        values[name] = stack.sql(
            f"SELECT {column} {table_part} AND creation_time < '{after}' AND {column} IS NOT NULL "
            f"GROUP BY {column} ORDER BY COUNT(*) DESC LIMIT 1")[0][0]
    return {**values, "metaInfo": '{"source":"ORB"}'}


def measure_main(stack, targets, results):
    """Requests a second, latency and processor time by page size and clients."""
    def ask(name, query, clients):
        return lambda seconds: with_sum(stack.wrk(name, query, clients, seconds))

    rounds = {}
    for size in SIZES:
        query = stack.query(size)
        for clients in CLIENTS:
            contestants = {name: ask(name, query, clients) for name in ("service", "php", "php-spliced")}
            if clients in (USUAL_LOAD, FULL_LOAD):
                contestants["floor"] = lambda seconds, query=query: stack.floor(query, PROCESSES, seconds)
            rounds[size, clients] = Rounds(stack, contestants)
    results["main"] = {str(size): {str(clients): rounds[size, clients].figures() for clients in CLIENTS}
                       for size in SIZES}

    def ratio(size, clients, key, other):
        return rounds[size, clients].ratio(("service", key), (other, key))

    for size, most in ((1000, 2.0), (20, 3.2)):
        targets.add(f"worker CPU ÷ floor's CPU, pages of {size}, full load ({FULL_LOAD} clients)",
                    ratio(size, FULL_LOAD, "worker_cpu_ms", "floor"), most)
    targets.add(f"CPU of worker and nginx ÷ floor's CPU, pages of 1000, full load ({FULL_LOAD} clients)",
                rounds[1000, FULL_LOAD].ratio(("service", "own_cpu_ms"), ("floor", "worker_cpu_ms")), 2.3)
    for size, least in ((1000, 3.2), (100, 2.6), (20, 2.0)):
        targets.add(f"requests/s ÷ PHP-FPM's, pages of {size}",
                    ratio(size, USUAL_LOAD, "requests_per_second", "php"), least, at_least=True)
    targets.add("requests/s ÷ PHP-FPM's with spliced JSON, pages of 1000",
                ratio(1000, USUAL_LOAD, "requests_per_second", "php-spliced"), 1.7, at_least=True)
    targets.add(f"p99 ÷ p50 at {FULL_LOAD} clients, pages of 20",
                rounds[20, FULL_LOAD].ratio(("service", "p99_ms"), ("service", "p50_ms")), 2.5)
    keys = ("requests_per_second", "p50_ms", "p99_ms", "worker_cpu_ms", "nginx_cpu_ms", "mariadbd_cpu_ms")
    table("Pages of the largest organization; the floor is what fetching the rows alone costs",
          ("page", "clients", "", "requests/s", "p50 ms", "p99 ms", "worker CPU ms", "nginx CPU ms",
           "mariadbd CPU ms"),
          [(size, clients, name, *(spread(figure[key]) if key in figure else "" for key in keys))
           for size in SIZES for clients in CLIENTS
           for name, figure in results["main"][str(size)][str(clients)].items()])
    table("Worker CPU ÷ floor's CPU", ("page", f"{USUAL_LOAD} clients", f"{FULL_LOAD} clients"),
          [(size, *(spread(ratio(size, clients, "worker_cpu_ms", "floor"))
                    for clients in (USUAL_LOAD, FULL_LOAD))) for size in SIZES])


def measure_filters(stack, targets, results):
    """Each filter on its own: the first page, and the page behind a deep place."""
    depth = stack.count * 9 // 10
    cursor = stack.cursor(depth)
    filters = {"none": {}, **{name: {name: value} for name, value in filter_values(stack).items()}}
    results["filters"], rows = {}, []
    for name, parameters in filters.items():
        queries = {"first": stack.query(20, **parameters),
                   "deep": stack.query(20, **parameters, cursor=cursor)}
        for query in queries.values():
            if len(json.loads(stack.ask("service", query)[1])["usageRecordGroups"]) != 20:
                fail(f"not a page of 20 records: {query}")
        rounds = Rounds(stack, {place: lambda seconds, query=query: stack.wrk("service", query, 1, seconds)
                                for place, query in queries.items()})
        ratio = rounds.ratio(("deep", "p50_ms"), ("first", "p50_ms"))
        results["filters"][name] = {**rounds.figures(), "ratio": ratio}
        rows.append((name, *(spread(rounds.figures()[place][key]) for place in queries
                             for key in ("p50_ms", "mariadbd_cpu_ms")), spread(ratio)))
    worst = max(results["filters"], key=lambda name: results["filters"][name]["ratio"]["median"])
    targets.add(f"cursor page at depth {depth} ÷ first page, worst filter: {worst}",
                results["filters"][worst]["ratio"], 1.3)
    table(f"Each filter on its own, one client, pages of 20: the first, and by cursor behind record {depth}",
          ("filter", "first, p50 ms", "mariadbd CPU ms", "by cursor, p50 ms", "mariadbd CPU ms",
           "cursor ÷ first"), rows)


def measure_depths(stack, targets, results):
    """Pages of 20 at depths of the largest list, by each way to get there.  What plain OFFSET
    would take only the floor program can say: it tries both, page by page in turns."""
    depths = [0, *(stack.count * share // 100 for share in (1, 10, 90))]
    results["depths"], rows = {}, []
    for depth in depths:
        by_offset = stack.query(20, offset=depth)
        by_cursor = stack.query(20, cursor=stack.cursor(depth)) if depth > 0 else stack.query(20)
        rounds = Rounds(stack, {
            "offset": lambda seconds, query=by_offset: stack.wrk("service", query, 1, seconds),
            "cursor": lambda seconds, query=by_cursor: stack.wrk("service", query, 1, seconds),
            "offset, rows only":
                lambda seconds, query=by_offset: stack.floor(query, 1, seconds, "--plain-offset"),
            "cursor, rows only": lambda seconds, query=by_cursor: stack.floor(query, 1, seconds),
        })
        figures = rounds.figures()
        ratio = rounds.ratio(("offset, rows only", "p50_ms"), ("offset, rows only", "plain_p50_ms"))
        results["depths"][str(depth)] = {**figures, "ratio": ratio}
        rows.append((depth, spread(figures["offset"]["p50_ms"]), spread(figures["cursor"]["p50_ms"]),
                     *(spread(figures["offset, rows only"][key]) for key in ("p50_ms", "plain_p50_ms")),
                     spread(figures["cursor, rows only"]["p50_ms"]), spread(ratio)))
        if depth == depths[0]:
            targets.add("offset page at depth 0 ÷ plain OFFSET", ratio, 1.05)
        if depth == depths[-1]:
            targets.add(f"offset page at depth {depth} ÷ plain OFFSET", ratio, 0.4)
    table("Time of a page of 20 by depth, p50 ms, one client",
          ("depth", "offset", "cursor", "offset, rows only", "plain OFFSET, rows only",
           "cursor, rows only", "offset ÷ plain OFFSET"), rows)


def measure_memory(stack, targets, results):
    """What a fresh pool has taken after so many compressed pages of 1000."""
    pages = (100, 1000) if stack.is_quick else (1000, 10000)
    stack.part("workers", "stop")
    stack.part("workers", "start")
    query, asked, figures = stack.query(1000), 0, {}
    for wanted in pages:
        while asked < wanted:
            seen = stack.wrk("service", query, USUAL_LOAD, 1, *GZIP)
            asked += round(seen["requests_per_second"])
        figures[wanted] = [pss_mib(pid) for pid in stack.pids("workers")]
    first, last = (sum(figures[wanted]) for wanted in pages)
    growth = (last / first - 1) * 100
    results["memory"] = {"pss_mib": {str(wanted): summary(values) for wanted, values in figures.items()},
                         "growth_percent": growth}
    targets.add(f"MiB (PSS) a worker after {pages[1]} compressed pages of 1000, pool of {PROCESSES}",
                summary(figures[pages[1]]), 5)
    targets.add(f"growth of the pool's memory from page {pages[0]} to {pages[1]}, %",
                summary([growth]), 1)


def measure_gzip(stack, targets, results):
    """Compressed pages beside those of nginx's own gzip, and what compression costs at all."""
    results["gzip"], rows = {}, []
    for size in SIZES:
        query = stack.query(size)
        contestants = {"service": ("service", GZIP), "nginx-gzip": ("nginx-gzip", GZIP), "plain": ("service", ())}
        rounds = Rounds(stack, {label: lambda seconds, name=name, options=options:
                                with_sum(stack.wrk(name, query, USUAL_LOAD, seconds, *options))
                                for label, (name, options) in contestants.items()})
        results["gzip"][str(size)] = figures = rounds.figures()
        rows += [(size, label, *(spread(figure[key]) for key in
                  ("bytes", "requests_per_second", "p50_ms", "worker_cpu_ms", "nginx_cpu_ms", "mariadbd_cpu_ms")))
                 for label, figure in figures.items()]

        def ratio(key, rounds=rounds):
            return rounds.ratio(("service", key), ("nginx-gzip", key))
        if size == 1000:
            targets.add("gzip, pages of 1000: CPU of worker and nginx ÷ with nginx's gzip", ratio("own_cpu_ms"), 0.4)
            targets.add("gzip, pages of 1000: bytes ÷ those of nginx's gzip", ratio("bytes"), 1)
        least = {1000: 2.2, 20: 1.35}.get(size)
        if least:
            targets.add(f"gzip, pages of {size}: requests/s ÷ with nginx's gzip", ratio("requests_per_second"), least,
                        at_least=True)
    table(f"Compression, {USUAL_LOAD} clients: by the workers, by nginx (level 1), none",
          ("page", "", "bytes", "requests/s", "p50 ms", "worker CPU ms", "nginx CPU ms", "mariadbd CPU ms"), rows)


def measure_go(stack, targets, results):
    """The service behind nginx beside a tuned program in Go, alone and behind the same nginx."""
    results["go"], rows = {}, []
    for size in SIZES:
        query = stack.query(size)
        ways = [("service", ()), ("go", ())]
        if size == SIZES[0]:
            ways += [("go-nginx", ()), *((name, GZIP) for name in ("service", "go", "go-nginx"))]
        rounds = Rounds(stack, {name + (" gzip" if options else ""): lambda seconds, name=name, options=options:
                                with_sum(stack.wrk(name, query, USUAL_LOAD, seconds, *options))
                                for name, options in ways})
        results["go"][str(size)] = figures = rounds.figures()
        rows += [(size, label, *(spread(figure[key]) for key in
                  ("bytes", "requests_per_second", "p50_ms", "p99_ms", "worker_cpu_ms", "nginx_cpu_ms", "mariadbd_cpu_ms")))
                 for label, figure in figures.items()]
        for form, names in (("", ("go",)), (" gzip", ("go", "go-nginx"))):
            for name in (name for name in names if name + form in figures):
                targets.add(f"requests/s ÷ {'Go behind the same nginx' if name == 'go-nginx' else 'Go without nginx'},"
                            f"{form} pages of {size}",
                            rounds.ratio(("service" + form, "requests_per_second"), (name + form, "requests_per_second")),
                            1.5, at_least=True)
    table(f"Go beside the service, {USUAL_LOAD} clients", ("page", "", "bytes", "requests/s", "p50 ms", "p99 ms", "worker or Go CPU ms",
                                                          "nginx CPU ms", "mariadbd CPU ms"), rows)


def with_sum(seen):
    """A round with the processor time of what is ours to change."""
    return {**seen, "own_cpu_ms": seen["worker_cpu_ms"] + seen["nginx_cpu_ms"]}


def measure_walks(stack, targets, results):
    """A client that takes one page after the other, by each way to ask for the next one."""
    count = min(stack.count, 100000)
    results["walks"], rows = {}, []
    for limit in (100, 1000):
        rounds = Rounds(stack, {way: lambda _, way=way: walk(stack, way, limit, count) for way in ("offset", "cursor")})
        results["walks"][str(limit)] = figures = rounds.figures()
        for key, what in (("seconds", "time"), ("mariadbd_cpu_ms", "MariaDB's CPU")):
            targets.add(f"walk of {count} records, limit {limit}: {what} by offset ÷ by cursor",
                        rounds.ratio(("offset", key), ("cursor", key)), 1.15)
        rows += [(limit, way, *(spread(figure[key]) for key in ("seconds", "mariadbd_cpu_ms", "worker_cpu_ms")))
                 for way, figure in figures.items()]
    table(f"Walks of {count} records, one client", ("limit", "by", "seconds", "mariadbd CPU ms", "worker CPU ms"), rows)


class Clock:
    """The time since it was made, and the processor time of the site's programs."""

    def __init__(self, stack):
        self.groups = {"mariadbd": stack.pids("mariadbd"), "worker": stack.pids("workers") | stack.pids("search"),
                       "nginx": stack.pids("nginx")}
        stack.settle()
        self.before = {name: cpu_ms(pids) for name, pids in self.groups.items()}
        self.started = time.monotonic()

    def figures(self):
        return {"seconds": time.monotonic() - self.started,
                **{f"{name}_cpu_ms": cpu_ms(pids) - self.before[name] for name, pids in self.groups.items()}}


def walk(stack, way, limit, count, is_plain=False):
    """One walk over a kept connection, from the newest record on until count of them came; limit None: the
    service's own.  A plain client reads the JSON of each page before it asks for the next."""
    query = "&".join(pair for pair in stack.query(limit).split("&") if pair != "limit=None")
    clock = Clock(stack)
    client = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
    place, taken = "", 0
    while taken < count:
        client.request("GET", f"/org/{stack.organization}/usageRecordGroup?{query}{place}")
        answer = client.getresponse()
        body = answer.read()
        if answer.status != 200:
            fail(f"a walk by {way} ended with {answer.status}: {body[:200]}")
        taken += len(json.loads(body)["usageRecordGroups"]) if is_plain else limit
        if taken < count:
            place = (re.sub(rb'{"nextOffset":(\d+).*', rb"&offset=\1", body, flags=re.S).decode() if way == "offset" else
                     re.search("&cursor=[^&>]+", answer.getheader("Link"))[0])
    client.close()
    return clock.figures()


def measure_metainfo(stack, targets, results):
    """Searches of all records of the largest organization that find nothing, beside reading the same
    columns of them once; and a search that an index serves, beside the filter that it serves as well."""
    def search(value):
        query = stack.query(1000, metaInfo=json.dumps(value, separators=(",", ":")))

        def ask(_):
            started = time.monotonic()
            headers, body = stack.ask("service", query)
            took_ms = (time.monotonic() - started) * 1e3
            if json.loads(body)["usageRecordGroups"] or headers["Link"] is not None:
                fail(f"found: {query}")
            return {"p50_ms": took_ms}
        return ask

    def page(**parameters):
        query = stack.query(1000, **parameters)
        return lambda seconds: stack.wrk("service", query, 1, seconds)

    searches = {"string": {"nowhere": "to be found"}, "number": {"metronomeDailyCostAmount": 0.12345}}
    rounds = Rounds(stack, {**{name: search(value) for name, value in searches.items()},
                            "floor": lambda seconds: stack.floor(stack.query(1000), 1, seconds, "--scan")})
    cursor, orb = stack.cursor(stack.count // 2), '{"source":"ORB"}'
    pages = Rounds(stack, {"metaInfo": page(metaInfo=orb), "source": page(source="ORB"),
                           "metaInfo, cursor": page(metaInfo=orb, cursor=cursor),
                           "source, cursor": page(source="ORB", cursor=cursor)})
    for name in searches:
        targets.add(f"metaInfo, {name}, none found of {stack.count} ÷ reading them once",
                    rounds.ratio((name, "p50_ms"), ("floor", "p50_ms")), 1.2)
    for name, way in (("", "by offset"), (", cursor", "by cursor")):
        targets.add(f"page of 1000, metaInfo={orb} ÷ source=ORB, {way}",
                    pages.ratio((f"metaInfo{name}", "p50_ms"), (f"source{name}", "p50_ms")), 1.2)
    results["metainfo"] = {"none found": rounds.figures(), "ORB": pages.figures()}
    table(f"metaInfo over {stack.count} records, one client, ms", ("", ""),
          [(name, spread(figures["p50_ms"])) for both in results["metainfo"].values()
           for name, figures in both.items()])


def for_each_record(figures, count):
    """Of what reading count records took."""
    return {"records_per_second": count / figures["seconds"],
            **{f"{name}_cpu_us": figures[f"{name}_cpu_ms"] * 1000 / count for name in ("worker", "nginx", "mariadbd")}}


def download(stack, **headers):
    """Everything of the largest organization in one answer, and the most memory that a searcher had."""
    query = stack.query(1).replace("limit=1", "").strip("&")
    clock = Clock(stack)
    client = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=600)
    client.request("GET", f"/org/{stack.organization}/usageRecordGroup?{query}", headers=headers)
    answer = client.getresponse()
    if answer.status != 200:
        fail(f"an export ended with {answer.status}")
    size = memory = 0
    while piece := answer.read(1 << 20):  # fails when the answer breaks off
        if size == 0 or size >> 24 != (size + len(piece)) >> 24:
            memory = max(memory, *map(pss_mib, stack.pids("search")))
        size += len(piece)
    client.close()
    return {**for_each_record(clock.figures(), stack.count), "mib": size / 2**20, "mib_of_memory": memory}


def measure_export(stack, targets, results):
    """The whole list in one answer, beside clients that take one page after the other: one that leaves
    the limit as it is and reads each page, and one that does no more than to take it."""
    count = min(stack.count, 100000)

    def pages(limit, is_plain):
        return lambda _: for_each_record(walk(stack, "cursor", limit, count, is_plain), count)

    for _ in range(20):  # the workers that export have made pages as well
        stack.ask("service", stack.query(1000, offset=20000), Authorization="Key of its own")
    rounds = Rounds(stack, {"pages, read": pages(None, True), "pages of 1000": pages(1000, False), "pages of 100": pages(100, False),
                            "csv": lambda _: download(stack, Accept="text/csv"),
                            "ndjson": lambda _: download(stack, Accept="application/x-ndjson"),
                            "csv, gzip": lambda _: download(stack, Accept="text/csv", **{"Accept-Encoding": "gzip"})})
    results["export"] = figures = rounds.figures()
    for name, what in (("pages, read", "its pages, the limit left as it is, by a client that reads each"),
                       ("pages of 1000", "its pages of 1000, not read")):
        targets.add(f"export of {stack.count} records as CSV ÷ {what}, records a second",
                    rounds.ratio(("csv", "records_per_second"), (name, "records_per_second")), 8, at_least=True)
    targets.add("MiB (PSS) of a worker that exports and has made pages, at the most", figures["csv, gzip"]["mib_of_memory"], 8)
    heads = ("records_per_second", "worker_cpu_us", "nginx_cpu_us", "mariadbd_cpu_us", "mib", "mib_of_memory")
    table(f"Exports of {stack.count} records, one client; processor time a record",
          ("", "records a second", "worker, µs", "nginx, µs", "MariaDB, µs", "MiB", "MiB (PSS) a worker"),
          [(name, *(spread(figure[key]) if key in figure else "" for key in heads)) for name, figure in figures.items()])


def measure_summary(stack, targets, results):
    """Sums beside fetching the same columns alone, and beside PHP with bcmath; counts beside SQL."""
    days = dict(urllib.parse.parse_qsl(stack.query(1)))
    query = stack.query(1).replace("limit=1", "").strip("&")

    def ask(words):
        def one(_):
            stack.settle()
            pids = stack.pids("search")
            before, started = cpu_ms(pids), time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/org/{stack.organization}/usageRecordSummary?{query}&{words}") as answer:
                body = json.load(answer)
            if body["count"] != stack.count:
                fail("a summary counts otherwise")
            return {"ms": (time.monotonic() - started) * 1e3, "worker_cpu_ms": max(cpu_ms(pids) - before, 1)}
        return one

    def sql(_):
        started = time.monotonic()
        stack.sql("SELECT DATE(creation_time), status, COUNT(*) FROM usage_record_group FORCE INDEX (by_status) "
                  f"WHERE organization_id = '{stack.organization}' AND status IN ('CREATED', 'DELETED', 'INVALID', 'REPORTED', "
                  "'REPORT_PENDING', 'REPORT_FAILED') GROUP BY 1, 2")
        return {"ms": (time.monotonic() - started) * 1e3}

    def again(one):
        """The second of two: who comes first after something else pays for what that has driven out of the caches."""
        return lambda seconds: (one(seconds), one(seconds))[1]

    def php(_):
        seen = json.loads(run("php", BENCH / "php/sums.php", stack.dir / "mysql.sock", stack.organization,
                              days["startDate"], days["endDate"]))
        return {"worker_cpu_ms": seen["cpu_ms"]}

    rounds = Rounds(stack, {"sums": ask("groupBy=day,dimension"), "counts": again(ask("groupBy=day,status&amounts=false")),
                            "sql": again(sql), "php": php,
                            "fetch": lambda seconds: stack.floor(stack.query(1000), 1, seconds, "--sums")})
    results["summary"] = figures = rounds.figures()
    targets.add(f"sums of {stack.count} records by day and dimension ÷ fetching them, worker's CPU",
                rounds.ratio(("sums", "worker_cpu_ms"), ("fetch", "worker_cpu_ms")), 6)
    targets.add("counts by day and status ÷ one SQL statement, time", rounds.ratio(("counts", "ms"), ("sql", "ms")), 1.2)
    targets.add("PHP with bcmath ÷ sums, CPU", rounds.ratio(("php", "worker_cpu_ms"), ("sums", "worker_cpu_ms")), 5, at_least=True)
    table(f"Summaries of {stack.count} records", ("", "ms", "CPU ms"),
          [(name, *(spread(figure[key]) if key in figure else "" for key in ("ms", "worker_cpu_ms"))) for name, figure in figures.items()])


# -- the loader

def measure_load(stack, targets, results):
    """The loader beside LOAD DATA: the same rows, the same table with its indexes, in turns.
    Of the second load, REPLACE is what takes changes in as the loader does; IGNORE only
    finds that all is there."""
    rows, round_count = number("LOAD_ROWS", 20000 if stack.is_quick else 1000000), min(stack.round_count, 3)
    database = f"{DATABASE}_load"
    lines, ndjson = stack.dir / "load.tsv", stack.dir / "load.ndjson"
    for path, form in ((lines, ()), (ndjson, ("--ndjson",))):
        with open(path, "wb") as out:
            subprocess.run([BUILD / "generate", "--rows", str(rows), "--end", stack.end_day, *form], stdout=out, check=True)
    columns = ("serial_id, id, organization_id, partner, buyer_id, entitlement_id, product_id, status, meta_info, records, "
               "usage_record_report_id, creation_time, last_update_time")

    def client(statement):
        run("mariadb", *stack.client, "--local-infile=1", database, "-e", statement)

    def load_data(words):
        client(f"LOAD DATA LOCAL INFILE '{lines}' {words} INTO TABLE usage_record_group CHARACTER SET utf8mb4 ({columns})")

    def loader():
        run(BUILD / "usage-record-api-load", ndjson, env={**stack.env, "USAGE_RECORD_API_DB_NAME": database})

    def seconds(step):
        started = time.monotonic()
        step()
        return time.monotonic() - started

    run(ROOT / "sql/migrate", database, *stack.client)
    rounds = []
    for _ in range(round_count):
        client("TRUNCATE usage_record_group")
        figures = {"data": seconds(lambda: load_data("")), "ignore": seconds(lambda: load_data("IGNORE")),
                   "replace": seconds(lambda: load_data("REPLACE"))}
        client("TRUNCATE usage_record_group")
        rounds.append({**figures, "loader": seconds(loader), "again": seconds(loader)})
    run("mariadb", *stack.client, "-e", f"DROP DATABASE {database}")
    for path in (lines, ndjson):
        path.unlink()
    speeds = {name: summary([rows / figures[name] for figures in rounds]) for name in rounds[0]}
    results["load"] = {"rows": rows, "records_per_second": speeds}
    table(f"Loading {rows} records, records a second", ("", ""),
          [(name, spread(speeds[key])) for key, name in
           (("data", "LOAD DATA"), ("loader", "usage-record-api-load"), ("replace", "LOAD DATA REPLACE, unchanged"),
            ("ignore", "LOAD DATA IGNORE, unchanged"), ("again", "usage-record-api-load, unchanged"))])
    for what, one, other, target in (("first load ÷ LOAD DATA", "data", "loader", 0.6),
                                     ("unchanged second load ÷ LOAD DATA REPLACE", "replace", "again", 0.8),
                                     ("unchanged second load ÷ LOAD DATA IGNORE", "ignore", "again", 0.8)):
        targets.add(what, summary([figures[one] / figures[other] for figures in rounds]), target, at_least=True)


# -- the machine

def machine(stack):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())

    def version(*command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        return done.stdout.splitlines()[0].removeprefix("nginx version: ") if done.returncode == 0 else ""

    floor = json.loads(run(BUILD / "tests/bench/floor", stack.organization, stack.query(20), "--seconds", 0,
                           env=stack.env))
    return {"cpu": cpu[1] if cpu else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            "kernel": platform.release(), "mariadb": stack.sql("SELECT VERSION()")[0][0],
            "nginx": version("/usr/sbin/nginx", "-v"),
            "php": version(sorted(glob.glob("/usr/sbin/php-fpm*"))[-1], "-v"),
            "client_library": floor["client"],
            "service": version(BUILD / "usage-record-api", "--version"),
            "commit": version("git", "-C", ROOT, "describe", "--always", "--dirty")}


PARTS = {"main": measure_main, "gzip": measure_gzip, "go": measure_go, "walks": measure_walks, "filters": measure_filters,
         "depths": measure_depths, "memory": measure_memory, "metainfo": measure_metainfo, "export": measure_export,
         "summary": measure_summary, "load": measure_load}


def main(words):
    is_quick = "quick" in words
    wanted = [part for part in PARTS if part in words] or list(PARTS)
    state_dir = ROOT / os.environ.get("STATE_DIR", "build/bench-quick" if is_quick else "build/bench")
    picture_path = ROOT / os.environ.get("PICTURE", state_dir / "bench.svg")
    stack = Stack(state_dir, is_quick)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    targets, results = Targets(), {}
    try:
        stack.start()
        results["machine"] = machine(stack)
        results["run"] = {"rows": stack.rows, "rounds": stack.round_count, "seconds": stack.round_seconds,
                          "processes": PROCESSES}
        table("Machine", ("", ""), {**results["machine"], **results["run"]}.items())
        if wanted != ["load"]:
            check_answers(stack)
        for part in wanted:
            PARTS[part](stack, targets, results)
    finally:
        stack.stop()
    targets.show()
    results["targets"] = targets.rows
    results["run"]["minutes"] = round((time.monotonic() - started) / 60, 1)
    (state_dir / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print(f"\nAll figures: {state_dir}/results.json")
    if "main" in results and "depths" in results:
        picture.draw(results, picture_path)
        print(f"Picture: {picture_path}")
    print(f"{results['run']['minutes']} minutes")
    return 3 if not is_quick and not all(row["is_met"] for row in targets.rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        fail(f"{pathlib.Path(error.cmd[0]).name} failed with exit status {error.returncode}")
