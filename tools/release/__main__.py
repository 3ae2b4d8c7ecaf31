"""Build, check, install and record a release: ``nox -s release``, ``nox -s changelogs``."""

from __future__ import annotations

import argparse
import time

from tools.release import installation, package, record
from tools.release.distribution import Distribution, all_distributions


def say(text: str) -> None:
    """Print a step, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def one_version(distributions: list[Distribution]) -> str:
    """Return the version that all have.

    Raises:
        SystemExit: they have several.
    """
    versions = {each.version for each in distributions}
    if len(versions) > 1:
        raise SystemExit(f"one version for all, not {', '.join(sorted(versions))}: see each pyproject.toml")
    return versions.pop()


def install_everywhere(distributions: list[Distribution]) -> None:
    """Try the wheels on each Python that is here, and resolve for those that aren't."""
    for version, python in installation.pythons(distributions[0].pythons).items():
        for resolution in installation.RESOLUTIONS:
            if python:
                say(f"Python {version}, {resolution}: each alone, all together")
                installation.try_all(distributions, python, resolution)
            else:
                say(f"Python {version}, {resolution}: not on this machine, only resolved")
                installation.resolve(distributions, version, resolution)


def make(distributions: list[Distribution]) -> None:
    """Make the release in ``dist/``."""
    say("wheels and sdists, twice")
    package.build_all(distributions)
    say("twine, check-wheel-contents")
    package.check(distributions)
    install_everywhere(distributions)
    here = [python for python in installation.pythons(distributions[0].pythons).values() if python]
    say("SBOM, changelogs")
    record.sbom(distributions, here[-1])
    record.changelogs(distributions)


def refuse_unready(distributions: list[Distribution], version: str, tag: str) -> None:
    """Stop where a tag isn't the version's, or the changelogs lack what is released."""
    if tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, the distributions' version {version}: tag v{version}")
    left = record.fragments(distributions)
    if left:
        raise SystemExit(
            f"{len(left)} changelog fragments are left: run nox -s changelogs, commit, and tag again"
        )


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true", help="only move the fragments into the changelogs")
    parser.add_argument("--tag", help="the tag that is released: refuse one that isn't ready")
    arguments = parser.parse_args()
    distributions = all_distributions()
    version = one_version(distributions)
    if arguments.tag:
        refuse_unready(distributions, version, arguments.tag)
    if arguments.render:
        record.render(distributions)
        say(f"the changelogs have {version}: look, and commit")
        return
    make(distributions)
    say(f"{version} is in dist/")


if __name__ == "__main__":
    main()
