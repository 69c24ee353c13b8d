"""What sites and volumes do by themselves: videos come, open and go, and nothing may answer for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from component.simulation.truth import Fate, Internet, Nas, Trouble, Video
from component.simulation.watchdog import Watchdog


@dataclass(frozen=True)
class Wish:
    """What the site does at a time: the part of a run that faults must not change the end of."""

    at: float
    channel: str
    video: Video


class Outside:
    """The site and the NAS, as they change.

    Args:
        internet: the site.
        nas: the volume.
        watchdog: is told what a video's end cannot be foreseen for.
        monotonic: seconds.
    """

    def __init__(self, internet: Internet, nas: Nas, watchdog: Watchdog, monotonic: Callable[[], float]) -> None:
        self._internet = internet
        self._nas = nas
        self._watchdog = watchdog
        self._monotonic = monotonic
        self.published: list[Wish] = []
        self.opened: list[tuple[float, str]] = []

    def publish(self, channel: str, fate: Fate, number: int) -> None:
        """A new video; `number`: of failures, or of hours until its premiere."""
        name = f"{channel[0]}{len(self.published)}"
        premiere = self._internet.clock.now() + timedelta(hours=number)
        video = Video(name, fate, number if fate is Fate.FLAKY else 0, premiere)
        self.published.append(Wish(self._monotonic(), channel, replace(video)))
        self._internet.publish(channel, video)

    def open(self, number: int) -> None:
        """What was for members only is for everyone."""
        closed = [video for video in self._videos() if video.fate is Fate.MEMBERS]
        if closed:
            video = closed[number % len(closed)]
            video.fate = Fate.GOOD
            self.opened.append((self._monotonic(), video.key))

    def take_down(self, number: int) -> None:
        """Who has the video, has it."""
        videos = self._videos()
        if videos:
            video = videos[number % len(videos)]
            video.fate = Fate.REMOVED
            self._watchdog.edited |= {(name, video.key) for name in self._internet.channels}

    def rate_limit(self, *, on: bool) -> None:
        self._internet.rate_limited = on

    def upset_listings(self, trouble: Trouble) -> None:
        self._internet.trouble = trouble

    def take_volume_away(self, *, on: bool) -> None:
        self._nas.away = on

    def recover(self) -> None:
        """All is well from now on."""
        self._internet.trouble, self._internet.rate_limited, self._nas.away = Trouble.NONE, False, False

    def _videos(self) -> list[Video]:
        return [video for videos in self._internet.channels.values() for video in videos]
