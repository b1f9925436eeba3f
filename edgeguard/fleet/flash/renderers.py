"""The renderers there are."""

from __future__ import annotations

from edgeguard.fleet.flash.cloud_init import CloudInit
from edgeguard.fleet.flash.renderer import Renderer

__all__ = ["RENDERERS"]

# A new one is one file beside this one and one line here.
RENDERERS: dict[str, Renderer] = {renderer.name: renderer for renderer in (CloudInit(),)}
