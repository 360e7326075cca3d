"""The Debian package and make install: what goes where, the units, and the worker of the
package on a socket that somebody else holds.  Nothing of the machine is changed."""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

import fastcgi  # noqa: E402
from service import build_dir, wait_until  # noqa: E402

PACKAGE = ROOT / os.environ["PACKAGE"]
SOCKET, SERVICE = "usage-record-api.socket", "usage-record-api@.service"
SEARCH_SOCKET, SEARCH_SERVICE = "usage-record-api-search.socket", "usage-record-api-search@.service"
EXPOSURE_MAX = 1.5  # of 10, as systemd-analyze security counts; the unit has 1.2

# Debian 12 has them below /lib, later releases below /usr/lib.
UNITS = subprocess.run(["pkg-config", "--variable=systemdsystemunitdir", "systemd"], stdout=subprocess.PIPE,
                       text=True).stdout.strip() or "/usr/lib/systemd/system"

PACKAGE_FILES = f"""\
-rw-r--r-- /etc/nginx/sites-available/usage-record-api-cells.conf
-rw-r--r-- /etc/nginx/sites-available/usage-record-api.conf
-rw-r----- /etc/usage-record-api/client.cnf
-rw-r--r-- /etc/usage-record-api/usage-record-api.conf
-rw-r--r-- {UNITS}/usage-record-api-search.socket
-rw-r--r-- {UNITS}/usage-record-api-search@.service
-rw-r--r-- {UNITS}/usage-record-api.socket
-rw-r--r-- {UNITS}/usage-record-api@.service
-rw-r--r-- /usr/lib/sysusers.d/usage-record-api.conf
-rwxr-xr-x /usr/sbin/usage-record-api
-rwxr-xr-x /usr/sbin/usage-record-api-key
-rwxr-xr-x /usr/sbin/usage-record-api-load
-rwxr-xr-x /usr/sbin/usage-record-api-move
-rwxr-xr-x /usr/sbin/usage-record-api-retire
-rw-r--r-- /usr/share/doc/usage-record-api/NEWS.gz
-rw-r--r-- /usr/share/doc/usage-record-api/README.md.gz
-rw-r--r-- /usr/share/doc/usage-record-api/api.md.gz
-rw-r--r-- /usr/share/doc/usage-record-api/changelog.gz
-rw-r--r-- /usr/share/doc/usage-record-api/copyright
-rw-r--r-- /usr/share/doc/usage-record-api/data.md.gz
-rw-r--r-- /usr/share/doc/usage-record-api/openapi.yaml.gz
-rw-r--r-- /usr/share/doc/usage-record-api/examples/usage-record-api-CELL.conf
-rw-r--r-- /usr/share/doc/usage-record-api/examples/usage-record-api-CELL.socket
-rw-r--r-- /usr/share/doc/usage-record-api/examples/usage-record-api-CELL@.service
-rw-r--r-- /usr/share/doc/usage-record-api/examples/usage-record-api-search-CELL.socket
-rw-r--r-- /usr/share/doc/usage-record-api/operations.md.gz
-rw-r--r-- /usr/share/doc/usage-record-api/prometheus-rules.yml
-rw-r--r-- /usr/share/doc/usage-record-api/scaling.md.gz
-rw-r--r-- /usr/share/lintian/overrides/usage-record-api
-rw-r--r-- /usr/share/man/man8/usage-record-api-key.8.gz
-rw-r--r-- /usr/share/man/man8/usage-record-api-load.8.gz
-rw-r--r-- /usr/share/man/man8/usage-record-api-move.8.gz
-rw-r--r-- /usr/share/man/man8/usage-record-api-retire.8.gz
-rw-r--r-- /usr/share/man/man8/usage-record-api.8.gz
-rw-r--r-- /usr/share/usage-record-api/sql/001-usage-record-group.sql
-rw-r--r-- /usr/share/usage-record-api/sql/002-api-key.sql
-rw-r--r-- /usr/share/usage-record-api/sql/003-promises.sql
-rw-r--r-- /usr/share/usage-record-api/sql/004-heartbeat.sql
-rw-r--r-- /usr/share/usage-record-api/sql/005-text.sql
-rw-r--r-- /usr/share/usage-record-api/sql/account.sql
-rwxr-xr-x /usr/share/usage-record-api/sql/check
-rwxr-xr-x /usr/share/usage-record-api/sql/client
-rw-r--r-- /usr/share/usage-record-api/sql/loader-account.sql
-rwxr-xr-x /usr/share/usage-record-api/sql/migrate
-rwxr-xr-x /usr/share/usage-record-api/sql/partition
-rw-r--r-- /usr/share/usage-record-api/sql/retire-account.sql
-rw-r--r-- /usr/share/usage-record-api/sql/server.cnf
-rw-r--r-- /usr/share/usage-record-api/web/api.js
-rw-r--r-- /usr/share/usage-record-api/web/charts.js
-rw-r--r-- /usr/share/usage-record-api/web/columns.js
-rw-r--r-- /usr/share/usage-record-api/web/csv.js
-rw-r--r-- /usr/share/usage-record-api/web/days.js
-rw-r--r-- /usr/share/usage-record-api/web/docs.css
-rw-r--r-- /usr/share/usage-record-api/web/docs.html
-rw-r--r-- /usr/share/usage-record-api/web/docs.js
-rw-r--r-- /usr/share/usage-record-api/web/download.js
-rw-r--r-- /usr/share/usage-record-api/web/exact.js
-rw-r--r-- /usr/share/usage-record-api/web/explorer.css
-rw-r--r-- /usr/share/usage-record-api/web/explorer.js
-rw-r--r-- /usr/share/usage-record-api/web/filter.js
-rw-r--r-- /usr/share/usage-record-api/web/form.js
-rw-r--r-- /usr/share/usage-record-api/web/icon.svg
-rw-r--r-- /usr/share/usage-record-api/web/index.html
-rw-r--r-- /usr/share/usage-record-api/web/key.js
-rw-r--r-- /usr/share/usage-record-api/web/messages.js
-rw-r--r-- /usr/share/usage-record-api/web/metainfo.js
-rw-r--r-- /usr/share/usage-record-api/web/openapi.json
-rw-r--r-- /usr/share/usage-record-api/web/page.css
-rw-r--r-- /usr/share/usage-record-api/web/record.js
-rw-r--r-- /usr/share/usage-record-api/web/show.js
-rw-r--r-- /usr/share/usage-record-api/web/summary.js
-rw-r--r-- /usr/share/usage-record-api/web/table.js
-rw-r--r-- /usr/share/usage-record-api/web/view.js
"""

INSTALLED_FILES = """\
/lib/systemd/system/usage-record-api-search.socket
/lib/systemd/system/usage-record-api-search@.service
/lib/systemd/system/usage-record-api.socket
/lib/systemd/system/usage-record-api@.service
/usr/local/lib/sysusers.d/usage-record-api.conf
/usr/local/sbin/usage-record-api
/usr/local/sbin/usage-record-api-key
/usr/local/sbin/usage-record-api-load
/usr/local/sbin/usage-record-api-move
/usr/local/sbin/usage-record-api-retire
/usr/local/share/doc/usage-record-api/NEWS
/usr/local/share/doc/usage-record-api/README.md
/usr/local/share/doc/usage-record-api/api.md
/usr/local/share/doc/usage-record-api/data.md
/usr/local/share/doc/usage-record-api/examples/client.cnf
/usr/local/share/doc/usage-record-api/examples/usage-record-api-CELL.conf
/usr/local/share/doc/usage-record-api/examples/usage-record-api-CELL.socket
/usr/local/share/doc/usage-record-api/examples/usage-record-api-CELL@.service
/usr/local/share/doc/usage-record-api/examples/usage-record-api-search-CELL.socket
/usr/local/share/doc/usage-record-api/examples/usage-record-api.conf
/usr/local/share/doc/usage-record-api/openapi.yaml
/usr/local/share/doc/usage-record-api/operations.md
/usr/local/share/doc/usage-record-api/prometheus-rules.yml
/usr/local/share/doc/usage-record-api/scaling.md
/usr/local/share/man/man8/usage-record-api-key.8
/usr/local/share/man/man8/usage-record-api-load.8
/usr/local/share/man/man8/usage-record-api-move.8
/usr/local/share/man/man8/usage-record-api-retire.8
/usr/local/share/man/man8/usage-record-api.8
/usr/local/share/usage-record-api/nginx/usage-record-api-cells.conf
/usr/local/share/usage-record-api/nginx/usage-record-api.conf
/usr/local/share/usage-record-api/sql/001-usage-record-group.sql
/usr/local/share/usage-record-api/sql/002-api-key.sql
/usr/local/share/usage-record-api/sql/003-promises.sql
/usr/local/share/usage-record-api/sql/004-heartbeat.sql
/usr/local/share/usage-record-api/sql/005-text.sql
/usr/local/share/usage-record-api/sql/account.sql
/usr/local/share/usage-record-api/sql/check
/usr/local/share/usage-record-api/sql/client
/usr/local/share/usage-record-api/sql/loader-account.sql
/usr/local/share/usage-record-api/sql/migrate
/usr/local/share/usage-record-api/sql/partition
/usr/local/share/usage-record-api/sql/retire-account.sql
/usr/local/share/usage-record-api/sql/server.cnf
/usr/local/share/usage-record-api/web/api.js
/usr/local/share/usage-record-api/web/charts.js
/usr/local/share/usage-record-api/web/columns.js
/usr/local/share/usage-record-api/web/csv.js
/usr/local/share/usage-record-api/web/days.js
/usr/local/share/usage-record-api/web/docs.css
/usr/local/share/usage-record-api/web/docs.html
/usr/local/share/usage-record-api/web/docs.js
/usr/local/share/usage-record-api/web/download.js
/usr/local/share/usage-record-api/web/exact.js
/usr/local/share/usage-record-api/web/explorer.css
/usr/local/share/usage-record-api/web/explorer.js
/usr/local/share/usage-record-api/web/filter.js
/usr/local/share/usage-record-api/web/form.js
/usr/local/share/usage-record-api/web/icon.svg
/usr/local/share/usage-record-api/web/index.html
/usr/local/share/usage-record-api/web/key.js
/usr/local/share/usage-record-api/web/messages.js
/usr/local/share/usage-record-api/web/metainfo.js
/usr/local/share/usage-record-api/web/openapi.json
/usr/local/share/usage-record-api/web/page.css
/usr/local/share/usage-record-api/web/record.js
/usr/local/share/usage-record-api/web/show.js
/usr/local/share/usage-record-api/web/summary.js
/usr/local/share/usage-record-api/web/table.js
/usr/local/share/usage-record-api/web/view.js
"""


def run(*command, **more):
    """Standard output of a command that has to succeed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **more)
    assert result.returncode == 0, f"{command}:\n{result.stdout}"
    return result.stdout


def files_in(folder):
    return sorted("/" + str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The files of the package."""
    folder = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "--extract", PACKAGE, folder)
    return folder


@pytest.fixture(scope="module")
def unit(unpacked):
    """The lines of the worker's unit, as (name, value)."""
    text = (unpacked / UNITS[1:] / SERVICE).read_text()
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def environment(unpacked, unit, tmp_path_factory):
    """The settings of the worker's unit, the files of the package beside them."""
    places = {"%t": str(tmp_path_factory.mktemp("run")), "%d": str(unpacked / "etc/usage-record-api")}
    settings = dict(value.split("=", 1) for name, value in unit if name == "Environment")
    os.makedirs(pathlib.Path(places["%t"], dict(unit)["RuntimeDirectory"]))
    return {name: re.sub("%.", lambda match: places[match[0]], value) for name, value in settings.items()}


@pytest.fixture
def listener(tmp_path):
    """A socket that outlives the workers, as systemd has it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(64)
    yield listener
    listener.close()


def test_files_of_the_package():
    found = [line.split() for line in run("dpkg-deb", "--contents", PACKAGE).splitlines()]
    assert {line[1] for line in found} == {"root/root"}
    lines = sorted((f"{line[0]} {line[5][1:]}" for line in found if line[0][0] != "d"), key=lambda line: line.split()[1])
    assert lines == sorted(PACKAGE_FILES.splitlines(), key=lambda line: line.split()[1])


def test_each_build_is_an_upgrade_of_those_before():
    version = run("dpkg-deb", "--field", PACKAGE, "Version").strip()
    worker = run(build_dir() / "usage-record-api", "--version").split()[-1]
    assert re.fullmatch(re.escape(worker) + r"\+2\d{13}\+deb(\d+|sid)", version)
    for older in ("0.1.0", f"{worker}+20260101000000+deb13"):
        run("dpkg", "--compare-versions", older, "lt", version)


def test_lintian_finds_no_fault():
    assert run("lintian", "--allow-root", "--fail-on", "error,warning", PACKAGE) == ""


def test_the_package_is_installed_removed_and_purged(tmp_path):
    """In an empty root, with the machine's list of packages to hold the dependencies
    against; the scripts of the package know that it is no running system."""
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    shutil.copy("/var/lib/dpkg/status", tmp_path / "var/lib/dpkg")

    def dpkg(*arguments):
        run("fakeroot", "dpkg", f"--root={tmp_path}", "--force-script-chrootless", "--no-triggers", *arguments)

    def found():
        return [name for name in files_in(tmp_path) if not name.startswith("/var/lib/dpkg/")]

    def is_in(name):
        return any(name in path for path in found())

    dpkg("--install", PACKAGE)
    assert set(line.split()[1] for line in PACKAGE_FILES.splitlines()) <= set(found())
    assert "\nusage-record-api:" in "\n" + (tmp_path / "etc/passwd").read_text()
    assert not is_in("sites-enabled") and not is_in(".wants/")  # the operator's to do

    client_file = tmp_path / "etc/usage-record-api/client.cnf"
    client_file.write_text("[client]\npassword = secret\n")
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants/usage-record-api@1.service"
    wanted.parent.mkdir(parents=True)
    wanted.symlink_to(f"/lib/systemd/system/{SERVICE}")
    wanted.with_name("usage-record-api-search-b@1.service").symlink_to("/etc/systemd/system/usage-record-api-search-b@.service")
    site = tmp_path / "etc/nginx/sites-enabled/usage-record-api.conf"
    site.parent.mkdir()
    site.symlink_to("../sites-available/usage-record-api.conf")
    dpkg("--install", PACKAGE)
    assert "secret" in client_file.read_text() and client_file.stat().st_mode & 0o777 == 0o640
    dpkg("--remove", "usage-record-api")
    assert "secret" in client_file.read_text() and wanted.is_symlink() and site.exists() and not is_in("/sbin/")
    dpkg("--purge", "usage-record-api")
    assert set(found()) <= {"/etc/.pwd.lock", "/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow"}


def test_make_install(tmp_path):
    """Under the default prefix; make distcheck has another and uninstalls."""
    run("make", "-s", "-C", build_dir(), "install", f"DESTDIR={tmp_path}", "systemdsystemunitdir=/lib/systemd/system")
    assert "\n".join(files_in(tmp_path)) + "\n" == INSTALLED_FILES
    text = (tmp_path / "lib/systemd/system" / SERVICE).read_text()
    assert "\nExecStart=/usr/local/sbin/usage-record-api\n" in text
    assert "\nLoadCredential=client.cnf:/usr/local/etc/usage-record-api/client.cnf\n" in text
    site = tmp_path / "usr/local/share/usage-record-api/nginx/usage-record-api.conf"
    assert " /usr/local/share/usage-record-api/web; " in site.read_text()


def cell_units(root):
    """The units of a cell b, as doc/scaling.md has them made of the examples."""
    examples = root / "usr/share/doc/usage-record-api/examples"
    return {to: (examples / f"usage-record-api{sample}").read_text() for to, sample in (
        ("usage-record-api-b.socket", "-CELL.socket"), ("usage-record-api-b@.service", "-CELL@.service"),
        ("usage-record-api-search-b.socket", "-search-CELL.socket"), ("usage-record-api-search-b@.service", "-CELL@.service"))}


def test_systemd_understands_the_units(unpacked, tmp_path):
    """Together with the machine's targets, which they depend on."""
    root = shutil.copytree(unpacked, tmp_path / "root")
    for target in pathlib.Path("/lib/systemd/system").glob("*.*"):
        if target.suffix in (".target", ".mount", ".slice"):
            shutil.copy(target, root / UNITS[1:], follow_symlinks=False)
    cell = cell_units(root)
    for name, text in cell.items():
        (root / UNITS[1:] / name).write_text(text)
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy("/bin/kill", root / "bin")  # the unit's, from another package
    assert run("systemd-analyze", "verify", "--man=no", f"--root={root}", SOCKET, SERVICE.replace("@", "@1"),
               SEARCH_SOCKET, SEARCH_SERVICE.replace("@", "@1"), *(name.replace("@", "@1") for name in cell)) == ""


def test_the_worker_may_do_little(unpacked):
    run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE_MAX * 10:.0f}",
        f"--root={unpacked}", SERVICE)


def test_the_unit_holds_no_secret_and_never_gives_up(unit):
    values = dict(unit)
    assert values["StartLimitIntervalSec"] == "0" and values["Restart"] == "always"
    assert values["LoadCredential"] == "client.cnf:/etc/usage-record-api/client.cnf"
    assert values["LimitCORE"] == "0" and values["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert values["Sockets"] == SOCKET and values["StandardInput"] == "socket"


def test_searches_have_a_pool_like_the_other(unpacked, unit):
    """Its unit is the same but for the name and the socket."""
    folder = unpacked / UNITS[1:]
    own = dict(unit)
    other = dict(re.findall(r"^(\w+)=(.*)$", (folder / SEARCH_SERVICE).read_text(), re.MULTILINE))
    assert {name for name in own if own[name] != other[name]} == {"Description", "Requires", "Sockets"}
    assert other["Sockets"] == other["Requires"] == SEARCH_SOCKET
    assert "\nListenStream=/run/usage-record-api/search.sock\n" in (folder / SEARCH_SOCKET).read_text()
    assert "\nService=usage-record-api-search@1.service\n" in (folder / SEARCH_SOCKET).read_text()


def test_a_cell_has_pools_like_the_others(unpacked, unit):
    """On the sockets that nginx knows; its settings are its own."""
    units = {name: text.replace("%p", name.split(".")[0].rstrip("@")).replace("%j", "b") for name, text in cell_units(unpacked).items()}
    site = (unpacked / "etc/nginx/sites-available/usage-record-api-cells.conf").read_text()
    for pool in ("usage-record-api-b", "usage-record-api-search-b"):
        lines = re.findall(r"^\w+=.*$", units[f"{pool}@.service"], re.MULTILINE)
        added = {line for line in lines if tuple(line.split("=", 1)) not in unit}
        assert added == {
            f"Description=Usage record API, worker %i of {pool}", f"Requires={pool}.socket", f"Sockets={pool}.socket",
            "Wants=usage-record-api-search-b.socket", "RuntimeDirectory=usage-record-api-b/pool",
            "LoadCredential=client.cnf:/etc/usage-record-api/b/client.cnf",
            "Environment=USAGE_RECORD_API_METRICS_FILE=%t/usage-record-api-b/pool/metrics",
            "Environment=USAGE_RECORD_API_PLACES_FILE=%t/usage-record-api-b/pool/places",
            "Environment=USAGE_RECORD_API_CELL=b USAGE_RECORD_API_CELLS_FILE=/etc/usage-record-api/cells/cells",
            "EnvironmentFile=-/etc/usage-record-api/b/usage-record-api.conf"}
        assert len(lines) == len(unit) + 1
        values = dict(re.findall(r"^(\w+)=(.*)$", units[f"{pool}.socket"], re.MULTILINE))
        assert f" unix:{values['ListenStream']} " in site and values["Service"] == f"{pool}@1.service"


def test_manuals():
    assert run("mandoc", "-Tlint", "-Wwarning", *sorted((ROOT / "doc").glob("*.8"))) == ""


def test_the_worker_accepts_the_settings_of_its_unit(unpacked, environment):
    lines = run(unpacked / "usr/sbin/usage-record-api", "--check-config", env=environment).splitlines()
    for name, value in environment.items():
        assert f"{name}={value}" in lines


def test_the_worker_accepts_the_sample_settings(unpacked):
    """All of them, when the lines are no longer comments."""
    text = (unpacked / "etc/usage-record-api/usage-record-api.conf").read_text()
    settings = dict(re.findall(r"^#(USAGE_RECORD_API_\w+)=(.*)$", text, re.MULTILINE))
    assert len(settings) > 10
    run(unpacked / "usr/sbin/usage-record-api", "--check-config", env=settings)


def is_alive(path):
    return fastcgi.ask(path, "/healthz", USAGE_RECORD_API_ROLE="local").status == 200


def test_started_by_a_connection(unpacked, environment, tmp_path):
    """systemd's own activation; it has the socket as descriptor 3."""
    path = tmp_path / "s"
    settings = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
    process = subprocess.Popen(["systemd-socket-activate", *settings, f"--listen={path}", "sh", "-c",
                                'exec "$0" <&3', unpacked / "usr/sbin/usage-record-api"])
    try:
        wait_until(path.exists)
        assert is_alive(path) and is_alive(path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()


def test_workers_restarted_one_at_a_time_lose_no_request(unpacked, environment, listener):
    """Clients that ask once and never again, as long as the pool is restarted."""
    answers, is_over = [], threading.Event()

    def start():
        # systemd clears O_NONBLOCK each time it hands the socket over.
        flags = fcntl.fcntl(listener, fcntl.F_GETFL)
        fcntl.fcntl(listener, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
        return subprocess.Popen([unpacked / "usr/sbin/usage-record-api"], stdin=listener, env=environment,
                                stderr=subprocess.DEVNULL)

    def ask():
        while not is_over.is_set():
            try:
                answers.append(is_alive(listener.getsockname()))
            except (OSError, AssertionError) as fault:
                answers.append(repr(fault))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    workers = [start() for _ in range(3)]
    try:
        for client in clients:
            client.start()
        for number in range(30):
            time.sleep(0.03)
            worker = workers[number % 3]
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(5) == 0
            workers[number % 3] = start()
    finally:
        is_over.set()
        for client in clients:
            client.join()
        for worker in workers:
            worker.kill()
            worker.wait()
    assert len(answers) > 100 and set(answers) == {True}
