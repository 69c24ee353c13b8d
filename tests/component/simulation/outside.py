"""What sites and volumes do by themselves: videos come, open and go, and some answer nobody for a while."""

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
    """Sites and volumes, as they change.

    Args:
        internet: the sites.
        nas: the volumes.
        watchdog: is told of trouble, and of videos whose end cannot be foreseen.
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

    def limit(self, site: str, reason: str | None) -> None:
        """A site asks everybody to slow down, or does so no more."""
        if reason is None:
            self._internet.limits.pop(site, None)
        else:
            self._internet.limits[site] = reason
            self._watchdog.gates.troubled.add(site)

    def upset_listings(self, trouble: Trouble) -> None:
        self._internet.trouble = trouble
        if trouble is Trouble.UNREACHABLE:
            self._watchdog.gates.troubled |= {*self._internet.sites.values()}

    def take_away(self, claim: str, *, on: bool) -> None:
        """A volume answers no more, or again."""
        if on:
            self._nas.away.add(claim)
            self._watchdog.gates.troubled.add(claim)
        else:
            self._nas.away.discard(claim)

    def remove_file(self, number: int) -> None:
        """Somebody takes a video off the volume; its manifest stays."""
        standing = [identity for identity in self._nas.landed if self._nas.has(identity)]
        if standing:
            identity = standing[number % len(standing)]
            self._nas.landed[identity].stands = False
            self._watchdog.removed.add(identity[1:])

    def recover(self) -> None:
        """All is well from now on."""
        self._internet.trouble = Trouble.NONE
        self._internet.limits.clear()
        self._nas.away.clear()

    def _videos(self) -> list[Video]:
        return [video for videos in self._internet.channels.values() for video in videos]
