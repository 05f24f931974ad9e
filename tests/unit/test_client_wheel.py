"""The wheel `penstock-client`: built from jobs/, and sufficient where nothing else of Penstock is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Run in a process of its own. The room jobs/ itself is importable there, through the editable install:
# whatever the wheel must not need is refused, and so is what only the worker needs.
SERVICE = """
import asyncio, json, sys

class Refuse:
    names = {"arq", "elasticsearch", "elastic_transport", "orjson", "settings", "worker", "jobs", "embedded",
             "penstock", "typer", "rich", "pydantic_settings"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ImportError(f"a service has no {name}")
        return None

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
import penstock_client
from penstock_client.envelope import encode_job

assert penstock_client.__file__.startswith(sys.argv[1]), penstock_client.__file__
for name in penstock_client.__all__:
    getattr(penstock_client, name)
payload = penstock_client.IndexDocument(index="products", id="42", document={"name": "Tap"})

async def main():
    # Reads the scripts out of the wheel; connects to nothing before the first command.
    async with penstock_client.IndexQueue("redis://127.0.0.1:1/0") as queue:
        assert isinstance(queue.dead_letters, penstock_client.DeadLetters)

asyncio.run(main())
assert not Refuse.names & {name.split(".")[0] for name in sys.modules}
print(json.dumps(json.loads(encode_job(payload, enqueued_ms=1))))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel; hatchling is installed already, so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT / "client",
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files, as an installation would have them."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def metadata(unpacked: Path) -> Message:
    """What an installer reads."""
    (path,) = unpacked.glob("*.dist-info/METADATA")
    return message_from_string(path.read_text(encoding="utf-8"))


def test_it_has_the_name_and_the_version_of_the_release(metadata: Message) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert metadata["Name"] == "penstock-client"
    assert metadata["Version"] == project["version"]
    assert metadata["License-Expression"] == project["license"]
    assert metadata["Requires-Python"] == project["requires-python"]


def test_it_needs_nothing_but_pydantic_and_redis(metadata: Message) -> None:
    needed = metadata.get_all("Requires-Dist") or []

    assert sorted(need.partition("<")[0].partition(">")[0] for need in needed) == ["pydantic", "redis"]
    assert "redis>=5.0.1" in needed, "no upper bound: arq's belongs to the worker"


def test_it_holds_the_room_jobs_and_nothing_beside_it(unpacked: Path) -> None:
    (package,) = (path for path in unpacked.iterdir() if not path.name.endswith(".dist-info"))
    source = {path.name: path.read_bytes() for path in (ROOT / "jobs").iterdir() if path.is_file()}
    held = {path.name: path.read_bytes() for path in package.iterdir()}

    assert package.name == "penstock_client"
    assert held == source | {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    assert {"enqueue.lua", "memory.lua", "dead_letters.lua", "retry_dead.lua", "py.typed"} <= held.keys()


def test_a_service_without_arq_and_without_a_worker_encodes_a_job(unpacked: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", SERVICE, str(unpacked)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert '"k": {"index": "products", "id": "42", "document": {"name": "Tap"}}' in ended.stdout
