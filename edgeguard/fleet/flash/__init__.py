"""A card or an image made ready: at its first boot the device installs the artifact, verifies it and lets the key in.

What is written is decided by a renderer (:mod:`~edgeguard.fleet.flash.renderer`), where it is written by a
:class:`~edgeguard.fleet.flash.partition.BootPartition`. Neither knows the other; :mod:`~edgeguard.fleet.flash.prepare`
joins them.
"""
