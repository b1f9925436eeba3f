"""``edgeguard verify``: does an artifact do here what its exporter says?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgeguard.cli.console import print_json
from edgeguard.cli.options import artifact_argument, json_option, threads_option

__all__ = ["verify"]


@click.command()
@artifact_argument
@threads_option
@json_option
def verify(artifact: Path, threads: int, as_json: bool) -> None:
    """Check an artifact on this machine: its files' digests, the contract of its answers, its golden answers.

    Exit code 4 if a file differs from the manifest, 3 if this machine's answers are not what they should be.
    """
    from edgeguard.runtimes.verify import verify as check

    found = check(artifact, threads=threads)
    if as_json:
        print_json({**asdict(found), "passed": found.passed})
    else:
        for each in found.checks:
            click.echo(f"{'ok' if each.passed else 'FAILED':6}  {each.name:8}  {each.detail}")
    found.require()
