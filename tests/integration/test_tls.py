"""TLS to the database: what is encrypted, and whose certificate is believed."""

import re
import subprocess

import pytest

from host import Host
from service import ROOT
from worker import Worker

TARGET = "/org/acme/usageRecordGroup?endDate=2024-08-12"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_authority(folder, name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}",
            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")


def make_certificate(folder, authority, name, alternative):
    """A server's certificate that an authority has signed."""
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.csr")
    openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{authority}.pem", "-CAkey",
            folder / f"{authority}.key", "-CAcreateserial", "-days", 2, "-extfile", folder / f"{name}.ext",
            "-out", folder / f"{name}.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    for name in ("authority", "stranger"):
        make_authority(folder, name)
    make_certificate(folder, "authority", "right", "IP:127.0.0.1,DNS:127.0.0.1")
    make_certificate(folder, "authority", "wrong", "DNS:elsewhere.example")
    make_certificate(folder, "authority", "local", "DNS:localhost")
    return folder


@pytest.fixture(scope="module")
def host(certificates):
    host = Host()
    try:
        yield host
    finally:
        host.remove()


def restart(host, options):
    host.stop_database()
    host.start_database(options)


def options_with(folder, name):
    """Options of the server: a certificate."""
    return f"--ssl-cert={folder}/{name}.pem --ssl-key={folder}/{name}.key --ssl-ca={folder}/authority.pem"


def status_with(host, folder, tls, authority=None, **more):
    """What a worker with these settings answers; a refusal has to be for TLS's sake."""
    settings = {"DB_OPTION_FILE": host.option_file, "DB_HOST": host.address, "DB_TLS": tls, **more}
    if authority is not None:
        settings["DB_TLS_CA"] = folder / f"{authority}.pem"
    worker = Worker(host.dir, {f"USAGE_RECORD_API_{name}": str(value) for name, value in settings.items()})
    try:
        status = worker.start().ask(TARGET).status
        assert status == 200 or re.search("TLS|SSL|ertificate|secure|denied", worker.log_path.read_text())
        return status
    finally:
        worker.close()


def test_the_certificate_is_verified(host, certificates):
    restart(host, options_with(certificates, "right"))
    host.sql("ALTER USER usage_record_api@'%' REQUIRE SSL")  # who is not encrypted is refused
    assert status_with(host, certificates, "off") == 500
    assert status_with(host, certificates, "required") == 200
    assert status_with(host, certificates, "verify", "authority") == 200
    assert status_with(host, certificates, "verify", "stranger") == 500
    host.sql("ALTER USER usage_record_api@'%' REQUIRE NONE")
    assert status_with(host, certificates, "off") == 200
    assert status_with(host, certificates, "verify", "authority") == 200


def test_the_certificate_of_another_host_is_refused(host, certificates):
    restart(host, options_with(certificates, "wrong"))
    assert status_with(host, certificates, "required", "authority") == 200
    assert status_with(host, certificates, "verify", "authority") == 500


def test_encryption_alone_believes_anybody(host, certificates):
    restart(host, options_with(certificates, "wrong"))
    assert status_with(host, certificates, "required", "stranger") == 200


def test_a_unix_socket_is_localhost(host, certificates):
    socket = {"DB_SOCKET": host.dir / "mysql.sock"}
    restart(host, options_with(certificates, "local"))
    assert status_with(host, certificates, "verify", "authority", **socket) == 200
    assert status_with(host, certificates, "verify", "stranger", **socket) == 500
    restart(host, options_with(certificates, "wrong"))
    assert status_with(host, certificates, "verify", "authority", **socket) == 500


def test_a_server_without_tls_is_refused(host, certificates):
    restart(host, "--skip-ssl" if host.is_mariadb() else "--tls-version=")
    if host.is_mariadb():  # MySQL's accounts do not send passwords in the clear
        assert status_with(host, certificates, "off") == 200
    assert status_with(host, certificates, "required") == 500
    assert status_with(host, certificates, "verify", "authority") == 500


@pytest.mark.parametrize("certificate", ["right", "wrong"])
def test_the_scripts_believe_whom_the_client_believes(host, certificates, tmp_path, certificate):
    """With an option file that names a host. From 11.4 on the client believes any server on loopback."""
    if not host.is_mariadb():
        pytest.skip("MySQL's client has other options")
    restart(host, options_with(certificates, certificate))
    address, port = host.address.rsplit(":", 1)
    (tmp_path / "b.cnf").write_text(f"{host.option_file.read_text()}host={address}\nport={port}\n"
                                    f"ssl-ca={certificates}/authority.pem\nssl-verify-server-cert\n")

    def ask(client):
        return subprocess.run([client, f"--defaults-file={tmp_path}/b.cnf", "-BN", "-e", "SELECT 7"], capture_output=True, timeout=60)

    by_script, by_client = ask(ROOT / "sql/client"), ask("mariadb")
    assert (by_script.returncode, by_script.stdout) == (by_client.returncode, by_client.stdout), by_script.stderr
    assert certificate == "wrong" or by_script.stdout == b"7\n"
