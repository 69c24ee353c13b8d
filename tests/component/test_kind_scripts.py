"""The pieces of hack/kind and hack/tools that need no Docker engine, no root and no cluster.

Every call gets a cache folder of its own and a DOCKER_HOST where nothing answers, so that neither the engine nor
the clusters of the machine that tests run on are seen. What needs an engine is exercised by every e2e test.
"""

import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
EVALUATED = 'eval "$(hack/kind/env)"'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "TRAWLER_CACHE": str(tmp_path / "cache"), "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def shell(environment: dict[str, str], script: str) -> str:
    done = run(environment, "bash", "-euo", "pipefail", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_env_names_everything_that_a_shell_needs(environment: dict[str, str]) -> None:
    """It sets the cluster, its kubeconfig in the cache, the docker CLI and the build arguments."""
    printed = shell(
        environment, f'{EVALUATED}; echo "$CLUSTER|$KUBECONFIG|$DOCKER_BUILDKIT|$DOCKER_BUILD_ARGS|$DOCKER"'
    )
    cache = environment["TRAWLER_CACHE"]
    assert (
        printed.rpartition("|")[0]
        == f"trawler|{cache}/clusters/trawler/kubeconfig|1|--build-arg BASE_IMAGE=debian:trixie-slim"
    )
    assert printed.rpartition("|")[2].strip().endswith("docker")


def test_env_keeps_clusters_apart_by_name(environment: dict[str, str]) -> None:
    """CLUSTER=other has a kubeconfig of its own."""
    printed = shell({**environment, "CLUSTER": "other"}, f'{EVALUATED}; echo "$KUBECONFIG"')
    assert printed == f"{environment['TRAWLER_CACHE']}/clusters/other/kubeconfig\n"


def test_env_evaluated_twice_leaves_path_as_it_was(environment: dict[str, str]) -> None:
    """The folder with the pinned programs comes first in PATH, once."""
    printed = shell(environment, f'{EVALUATED}; once=$PATH; {EVALUATED}; [ "$PATH" = "$once" ] && echo "${{PATH%%:*}}"')
    assert printed == f"{environment['TRAWLER_CACHE']}/bin\n"


def test_env_names_the_certificate_bundle_of_the_machine(environment: dict[str, str], tmp_path: Path) -> None:
    """BUILD_CA is what SSL_CERT_FILE names, if that is a file."""
    bundle = tmp_path / "ca bundle.crt"
    bundle.touch()
    assert shell({**environment, "SSL_CERT_FILE": str(bundle)}, f'{EVALUATED}; echo "$BUILD_CA"') == f"{bundle}\n"


def test_down_where_nothing_ever_ran_succeeds_and_says_nothing(environment: dict[str, str]) -> None:
    """`make cluster-down` is harmless."""
    done = run(environment, "hack/kind/down")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        pytest.param(
            ["hack/kind/load", "some:image"],
            "The cluster trawler is not running: hack/kind/up brings it up.",
            id="loading into no cluster",
        ),
        pytest.param(
            ["hack/kind/dns", "www.youtube.com"],
            "usage: hack/kind/dns NAME... --to SERVICE.NAMESPACE",
            id="names without a target",
        ),
        pytest.param(
            ["hack/kind/dns", "a.example", "--to", "site"],
            "usage: hack/kind/dns NAME... --to SERVICE.NAMESPACE",
            id="target without namespace",
        ),
        pytest.param(
            ["hack/tools/ensure", "nosuch"],
            "there is no recipe for 'nosuch' in hack/tools/recipes.sh",
            id="unknown program",
        ),
        pytest.param(["hack/tools/ensure"], "usage: hack/tools/ensure NAME...", id="no program"),
    ],
)
def test_what_cannot_be_done_ends_with_one_sentence(
    environment: dict[str, str], command: list[str], sentence: str
) -> None:
    """No trace of the shell's own, and an exit code that make sees."""
    done = run(environment, *command)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_up_refuses_a_configuration_that_does_not_exist(environment: dict[str, str]) -> None:
    """Before anything is installed or started."""
    done = run({**environment, "KIND_CONFIG": "no/such.yaml"}, "hack/kind/up")
    assert (done.returncode, done.stderr) == (1, "KIND_CONFIG names no/such.yaml, and there is no such file.\n")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        pytest.param("trawler-operator:dev", "docker.io/library/trawler-operator:dev", id="plain"),
        pytest.param("trawler-operator", "docker.io/library/trawler-operator:latest", id="without a tag"),
        pytest.param("trawler/operator:dev", "docker.io/trawler/operator:dev", id="with an owner"),
        pytest.param("example.test/operator:dev", "example.test/operator:dev", id="with a host"),
        pytest.param("localhost:5000/operator", "localhost:5000/operator:latest", id="with a port and no tag"),
    ],
)
def test_an_image_is_loaded_under_the_name_that_the_kubelet_looks_for(
    environment: dict[str, str], image: str, name: str
) -> None:
    """Docker's short names are long ones in the node."""
    assert shell(environment, f". hack/kind/paths.sh; . hack/kind/registry.sh; full_name {image}") == f"{name}\n"


def runtime() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("runtime", str(REPOSITORY / "hack/kind/runtime"))
    spec = importlib.util.spec_from_loader("runtime", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_runtime_asks_for_no_capability_that_the_machine_lacks() -> None:
    """A privileged container gets all that there is, and nothing is added."""
    process: dict[str, Any] = {"capabilities": {"bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "effective": None}}
    runtime().confine(process, {"CAP_SYS_ADMIN", "CAP_CHOWN"})
    assert process == {"capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": []}}


def test_the_runtime_leaves_scores_and_limits_alone_where_they_may_be_set() -> None:
    """With CAP_SYS_RESOURCE a container gets what Docker asked for."""
    limit = {"type": "RLIMIT_NOFILE", "hard": 1 << 30, "soft": 1 << 30}
    process: dict[str, Any] = {"oomScoreAdj": -1000, "rlimits": [dict(limit)]}
    runtime().confine(process, {"CAP_SYS_RESOURCE"})
    assert process == {"oomScoreAdj": -1000, "rlimits": [limit]}


def test_the_runtime_never_lowers_the_score_below_its_own() -> None:
    """Without CAP_SYS_RESOURCE the kernel would refuse, and the container with it."""
    own = int(Path("/proc/self/oom_score_adj").read_text())
    process: dict[str, Any] = {"oomScoreAdj": own - 1}
    runtime().confine(process, set())
    assert process == {"oomScoreAdj": own}
