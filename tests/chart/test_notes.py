"""What `helm install` tells people at its end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, NAMESPACE, run_helm


def notes(folder: Path, values: dict[str, Any]) -> str:
    """The notes, which `helm template` leaves out: rendered as the value of a document."""
    chart = shutil.copytree(CHART, folder / "trawler")
    text = (chart / "templates" / "NOTES.txt").read_text()
    shown = f'{{{{ define "notes" }}}}{text}{{{{ end }}}}notes: {{{{ include "notes" . | quote }}}}\n'
    (chart / "templates" / "notes.yaml").write_text(shown)
    only = ("--show-only", "templates/notes.yaml")
    rendered = run_helm("template", "trawler", str(chart), "--namespace", NAMESPACE, *only, values=json.dumps(values))
    told: str = yaml.safe_load(rendered)["notes"]
    return " ".join(told.split())


@pytest.mark.parametrize(
    ("library", "said"),
    [
        pytest.param({"storageClass": {"size": "1Ti"}}, "It is ReadWriteOnce: its volume is on one", id="one node"),
        pytest.param(
            {"existingClaim": "mine"}, "If it is ReadWriteOnce, its volume is on one", id="a claim of one's own"
        ),
    ],
)
def test_a_library_that_is_on_one_node_at_a_time(tmp_path: Path, library: dict[str, Any], said: str) -> None:
    """What follows for its Jobs, and for a media server."""
    told = notes(tmp_path, {"library": library})
    assert said in told
    assert "Jobs run on one node together" in told


@pytest.mark.parametrize(
    "library",
    [
        pytest.param({"storageClass": {"size": "1Ti", "accessModes": ["ReadWriteMany"]}}, id="a class of many nodes"),
        pytest.param({"nfs": {"server": "nas", "path": "/media"}}, id="NFS"),
        pytest.param({}, id="none"),
    ],
)
def test_a_library_that_many_nodes_may_use(tmp_path: Path, library: dict[str, Any]) -> None:
    """Nothing is to be thought of."""
    assert "ReadWriteOnce" not in notes(tmp_path, {"library": library})
