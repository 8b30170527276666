"""The time zone that schedules follow."""

from zoneinfo import ZoneInfo

import pytest

from arc_pipeline.machine.time_zone import time_zone


def test_it_is_that_of_the_environment_if_that_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Madrid")
    assert time_zone() == "Europe/Madrid"
    monkeypatch.setenv("TZ", "../nowhere")
    assert ZoneInfo(time_zone())
