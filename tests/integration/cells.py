"""Two cells and the gate before them, each a service in a folder of its own."""

import os
import pathlib
import subprocess

from service import ROOT, Service, build_dir


class Cells:
    """cells["default"] and cells["b"] have a database and pools; the gate has nginx, and no database."""

    programs = build_dir()

    def __init__(self, names=("default", "b"), AUTH="0"):
        self.gate = Service(workers=2, search_workers=0)
        self.file = self.gate.dir / "cells"
        self.file.write_text("")
        self.cells = {}
        try:
            for name in names:
                cell = self.cells[name] = Service(CELLS_FILE=self.file, CELL=name)
                cell.stack("database", "start")
                cell.migrate()
                cell.stack("workers", "start")
                (self.gate.dir / f"{name}.cnf").write_text(f"[client]\nuser=root\nsocket={cell.dir}/mysql.sock\n")
            self.gate.settings = {"CELLS_FILE": self.file, "LOG_LEVEL": "debug"}
            self.gate.stack("workers", "start")
            self.gate.stack("nginx", "start", AUTH=AUTH,
                            CELLS=" ".join(f"{name}={cell.dir}" for name, cell in self.cells.items()))
        except BaseException:
            self.remove()
            raise

    def __getitem__(self, name):
        return self.cells[name]

    def write(self, text):
        """Replaces the file of cells as an operator does: by another."""
        new = pathlib.Path(f"{self.file}.new")
        new.write_text(text, encoding="utf-8")
        new.rename(self.file)

    def ask(self, target, **more):
        return self.gate.ask(target, **more)

    def run(self, script, *words, check=True, timeout=120):
        """One of the scripts of sql/, told where the cells are."""
        env = {**os.environ, "USAGE_RECORD_API_CELLS_FILE": str(self.file), "PATH": f"{self.programs}:{os.environ['PATH']}"}
        result = subprocess.run([ROOT / "sql" / script, *map(str, words)], env=env, capture_output=True, text=True,
                                timeout=timeout, check=False)
        assert not check or result.returncode == 0, result.stderr
        return result

    def remove(self):
        for service in (self.gate, *self.cells.values()):
            service.remove()
