"""The benchmarks' arithmetic; what it is applied to is measured by `make bench` alone."""

from __future__ import annotations

from bench.checks import _without_idle
from bench.machine import Spent, parse_busy_seconds, parse_cgroup_path
from bench.table import Row, render

_CONTAINER = "145b2735210c"


def test_waiting_for_disks_and_for_other_guests_is_not_work() -> None:
    """idle, iowait and steal are left out; interrupts are work."""
    stat = "cpu  100 20 30 99999 88888 5 6 77777 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert parse_busy_seconds(stat) == 1.61


def test_a_nodes_control_group_is_the_containers_own_not_its_first_process() -> None:
    """Systemd moves itself into a group below the container's, where nothing else is."""
    cgroups = f"9:name=systemd:/docker/{_CONTAINER}/init.scope\n2:cpu,cpuacct:/docker/{_CONTAINER}/init.scope\n"
    assert parse_cgroup_path(cgroups, _CONTAINER, "cpuacct") == f"/docker/{_CONTAINER}"


def test_a_machine_of_one_hierarchy_has_no_controllers_in_front_of_the_path() -> None:
    """Cgroup v2, with the group that systemd makes for a container."""
    cgroups = f"0::/system.slice/docker-{_CONTAINER}.scope/init.scope\n"
    assert parse_cgroup_path(cgroups, _CONTAINER, "cpuacct") is None
    assert parse_cgroup_path(cgroups, _CONTAINER, "") == f"/system.slice/docker-{_CONTAINER}.scope"


def test_what_an_idle_machine_would_have_used_is_subtracted_for_the_windows_own_length() -> None:
    """Half a CPU busy around a window of 20 s takes 10 CPU-s off it."""
    before, after = Spent(4.0, 4.0, {}, 10.0), Spent(6.0, 6.0, {}, 10.0)
    assert _without_idle(Spent(13.0, 13.0, {}, 20.0), before, after, lambda spent: spent.machine) == 3.0


def test_a_row_shows_medians_and_says_when_a_goal_is_missed() -> None:
    """One slow run does not move the ratio."""
    row = Row("listing", "s", ours=[1.0, 1.2, 9.0], theirs=[1.0, 1.0, 1.0], theirs_is="bare", goal=1.1)
    assert (
        render([row]).splitlines()[-1]
        == "| listing | 1.2 s (1 to 9) | bare: 1 s (1 to 1) | 1.200 | ≤ 1.1, missed | 3 + 3 |"
    )


def test_a_cost_that_drowned_in_the_idle_load_meets_no_goal() -> None:
    """Less than nothing is not a tenth."""
    row = Row("check", "CPU-s", ours=[-0.1], theirs=[1.0], theirs_is="Job", goal=0.1)
    assert row.verdict == "≤ 0.1, cannot be told"
