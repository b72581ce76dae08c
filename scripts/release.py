"""Build wheels and source archives of both projects from the last commit, check them, and say what
to upload.

The repository does not know its own address. This script is told it, and writes it into a copy:
links of the README become absolute, so that they work on a package index, and the metadata lead to
repository, changelog, issues and documentation. Airflow's Providers page takes its link from there.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "release"
TREE, DIST = HOME / "tree", HOME / "dist"
_REPOSITORY = re.compile(r"https://[^\s/\"]+/[^\s\"]+")
_SITE = re.compile(r"https://[^\s/\"]+(/[^\s\"]*)?")
#: A link of Markdown to a file of the repository: not to another site, and not within the page.
RELATIVE_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")

METADATA = re.compile(r"^[^/]+/(PKG-INFO|METADATA)$")
#: A source archive has the .gitignore, which the build reads.
STRAY = re.compile(r"(^|/)(\.(?!gitignore$)[^/]+|__pycache__|[^/]+\.(pyc|orig|rej|log|db))(/|$)")


@dataclass(frozen=True)
class Project:
    """One of the two projects.

    :param name: on the package index
    :param package: what is imported
    :param folder: within the repository
    """

    name: str
    package: str
    folder: str

    @property
    def path(self) -> Path:
        return TREE / self.folder


#: In the order of the upload: the provider's extra asks for the emulator.
PROJECTS = (
    Project("trifacta-emulator", "trifacta_emulator", "emulator"),
    Project("airflow-provider-trifacta", "airflow_provider_trifacta", "."),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/release", description="Build and check what is published."
    )
    parser.add_argument(
        "--repository",
        required=True,
        help="address of the repository, such as https://github.com/o/p",
    )
    parser.add_argument("--ref", help="what links point at (default: the tag of this version)")
    parser.add_argument(
        "--documentation", help="address of the published docs/ (default: docs/ in the repository)"
    )
    options = parser.parse_args()
    repository = options.repository.rstrip("/")
    if not _REPOSITORY.fullmatch(repository):
        parser.error("--repository takes an https address of a repository")
    if options.documentation is not None and not _SITE.fullmatch(options.documentation):
        parser.error("--documentation takes an https address of a site")
    _copy_tree()
    version = _version()
    ref = options.ref or f"v{version}"
    addresses = _addresses(repository, ref, options.documentation)
    for project in PROJECTS:
        _write_addresses(project, repository, ref, addresses)
        # Without isolation: the build tool that is pinned by its hash, not the newest of the index.
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST)]
        _run(*command, str(project.path))
    files = sorted(DIST.iterdir())
    _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    problems = [problem for file in files for problem in _problems(file, addresses)]
    if len(files) != 2 * len(PROJECTS):
        problems.append(
            "expected a wheel and a source archive of each project, found"
            f" {[one.name for one in files]}"
        )
    if problems:
        print(*problems, sep="\n", file=sys.stderr)
        return 1
    digests = _digests(files)
    _install(version)
    if _digests(files) != digests:
        sys.exit("What was built changed while it was installed: do not publish it.")
    for name, digest in digests.items():
        print(f"{digest}  {name}")
    print(
        f"\nVersion {version} is built and checked. Upload in this order; the provider's extra asks"
        " for the emulator:"
    )
    for number, project in enumerate(PROJECTS, 1):
        stem = project.name.replace("-", "_")
        print(f"  {number}. twine upload {DIST.relative_to(ROOT)}/{stem}-{version}*")
    print(f"Then tag the commit, which must be on the main branch: git tag v{version}")
    return 0


def _digests(files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _copy_tree() -> None:
    """Copy the last commit: what is not committed is not published."""
    shutil.rmtree(HOME, ignore_errors=True)
    TREE.mkdir(parents=True)
    command = ["git", "archive", "--format", "zip", "HEAD"]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with zipfile.ZipFile(io.BytesIO(archive)) as copy:
        copy.extractall(TREE)
    if _run("git", "status", "--porcelain"):
        print("Changes that are not committed are left out.", file=sys.stderr)


def _version() -> str:
    """Return the version of both projects, which are released together."""
    texts = [(project.path / project.package / "__init__.py").read_text() for project in PROJECTS]
    versions = [
        version for text in texts for version in re.findall(r'^__version__ = "(.+)"$', text, re.M)
    ]
    if len(versions) != len(PROJECTS) or len(set(versions)) > 1:
        sys.exit(f"Both projects need one and the same version, and have {versions}")
    version = versions[0]
    extra = tomllib.loads((TREE / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]["emulator"]
    major, minor = map(int, version.split(".")[:2])
    if extra != [f"trifacta-emulator>={major}.{minor},<{major}.{minor + 1}"]:
        sys.exit(f"The extra 'emulator' asks for {extra}, and the version is {version}")
    return version


def _addresses(repository: str, ref: str, documentation: str | None) -> dict[str, str]:
    """Return what the metadata lead to, by the names that a package index knows."""
    return {
        "Repository": repository,
        "Documentation": documentation or f"{repository}/blob/{ref}/docs/index.md",
        "Changelog": f"{repository}/blob/{ref}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def _write_addresses(
    project: Project, repository: str, ref: str, addresses: Mapping[str, str]
) -> None:
    folder = "" if project.folder == "." else f"{project.folder}/"
    readme = project.path / "README.md"
    readme.write_text(_absolute(readme.read_text(), repository, ref, folder))
    settings = project.path / "pyproject.toml"
    lines = "".join(f'{name} = "{address}"\n' for name, address in addresses.items())
    text = settings.read_text()
    if text.count("[project.urls]\n") != 1:
        sys.exit(f"{settings} has no [project.urls]")
    settings.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{lines}"))


def _absolute(text: str, repository: str, ref: str, folder: str) -> str:
    """Make each relative link absolute. Pictures need the file itself and not the page
    around it.
    """

    def link(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        path, _, anchor = target.partition("#")
        path = (TREE / folder / path).resolve().relative_to(TREE.resolve()).as_posix()
        kind = "raw" if mark else "tree" if (TREE / path).is_dir() else "blob"
        return f"{mark}[{words}]({repository}/{kind}/{ref}/{path}{'#' if anchor else ''}{anchor})"

    return RELATIVE_LINK.sub(link, text)


def _problems(file: Path, addresses: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a built file."""
    members = _members(file)
    found = [*_missing(file, members), *_stray(file, members)]
    here = (f"{ROOT}".encode(), f"{Path.home()}/".encode())
    found += [
        f"a path of this machine in {name}"
        for name, body in members.items()
        if any(one in body for one in here)
    ]
    (metadata,) = [body.decode() for name, body in members.items() if METADATA.search(name)]
    urls = [f"Project-URL: {name}, {address}" for name, address in addresses.items()]
    found += [f"no {url!r} in the metadata" for url in urls if url not in metadata]
    found += [f"relative link to {match[3]}" for match in RELATIVE_LINK.finditer(metadata)]
    return [f"{file.name}: {problem}" for problem in found]


def _missing(file: Path, names: Iterable[str]) -> list[str]:
    package = next(one.package for one in PROJECTS if file.name.startswith(one.package))
    wanted = (f"/{package}/py.typed", "/LICENSE")
    return [
        f"no {end} in it" for end in wanted if not any(f"/{name}".endswith(end) for name in names)
    ]


def _stray(file: Path, names: Iterable[str]) -> list[str]:
    """Return what does not belong there: hidden and made files, and in a wheel all but the package,
    tests too."""
    package = file.name.split("-")[0]
    inside = (f"{package}/", f"{package}-") if file.suffix == ".whl" else ("",)
    return [
        f"stray file {name}" for name in names if STRAY.search(name) or not name.startswith(inside)
    ]


def _members(file: Path) -> dict[str, bytes]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(file) as tar:
        files = [one for one in tar.getmembers() if one.isfile()]
        return {one.name: tar.extractfile(one).read() for one in files}


def _install(version: str) -> None:
    """Install both wheels into an empty environment, import them, and ask each for its version."""
    empty = HOME / "empty"
    _run(sys.executable, "-m", "venv", str(empty))
    pip = [str(empty / "bin" / "python"), "-m", "pip", "install", "--quiet", "--quiet"]
    emulator, provider = (next(DIST.glob(f"{one.package}-*.whl")) for one in PROJECTS)
    _run(*pip, str(emulator))
    listed = _run(str(empty / "bin" / "python"), "-m", "pip", "list", "--format", "freeze")
    if "apache-airflow" in listed:
        sys.exit("The emulator alone brings Airflow.")
    _run(str(empty / "bin" / "trifacta-emulator"), "--help")
    pins = ROOT / "constraints" / "airflow-3.3.txt"
    _run(*pip, str(provider), "--constraint", str(pins))
    for project in PROJECTS:
        code = (
            f"import {project.package}; print({project.package}.__version__,"
            f" {project.package}.__file__)"
        )
        # Not from here: the folder of the script would be in front of what is installed.
        found = _run(str(empty / "bin" / "python"), "-I", "-c", code, cwd=HOME).split()
        if found[0] != version or not found[1].startswith(str(empty)):
            sys.exit(f"{project.package} is {found} and not {version} of the wheel")


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
