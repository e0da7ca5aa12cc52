"""Bills of materials in CycloneDX, for the wheel, the Debian package and the image."""

import json
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.parser import Parser
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Final
from uuid import NAMESPACE_URL, uuid5

from attrs import frozen
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from release.artefacts import SBOM, Artefacts, sha256
from release.sources import debian_release, project_version

_LICENCE: Final = "Apache-2.0"
_STATUS: Final = PurePosixPath("var/lib/dpkg/status")
_OS_RELEASE: Final = PurePosixPath("etc/os-release")


class NothingToDescribe(Exception):
    """There is no built file to describe."""


@frozen
class Content:
    """The content of a built file.

    Attributes:
        libraries: The folders with Python libraries.
        further: Other components.
    """

    libraries: Sequence[Path]
    further: Sequence[Component] = ()


def write_sboms(root: Path, dist: Path, image: str | None) -> Sequence[Path]:
    """Write the bills of materials of the wheel and the package in `dist`, or of an image.

    Args:
        root: The project's folder.
        dist: The folder of the built files; the bills are written there.
        image: A local Docker image to describe instead.

    Raises:
        NothingToDescribe: There is no file of this version, and no image is given.
    """
    version = project_version(root)
    artefacts = Artefacts(version)
    if image is not None:
        dist.mkdir(parents=True, exist_ok=True)
        with _content_of_image(image) as (digest, content):
            url = PackageURL("oci", name="orders", version=f"sha256:{digest}")
            subject = _subject("orders", version, url, digest, ComponentType.CONTAINER)
            return [_write(root, dist / artefacts.image_sbom, subject, content)]
    wheel, package = dist / artefacts.wheel, dist / artefacts.package
    written = []
    if wheel.exists():
        with _environment_of(wheel, root / "requirements.txt") as content:
            url = PackageURL("pypi", name="orders-core", version=version)
            subject = _subject("orders-core", version, url, sha256(wheel))
            written.append(_write(root, dist / (wheel.name + SBOM), subject, content))
    if package.exists():
        with _content_of_package(package) as content:
            url = PackageURL("deb", name="orders", version=version, qualifiers={"arch": "all"})
            subject = _subject("orders", version, url, sha256(package))
            written.append(_write(root, dist / (package.name + SBOM), subject, content))
    if not written:
        raise NothingToDescribe(
            f"{dist} contains neither {wheel.name} nor {package.name}; run `make build deb` first"
        )
    return written


def _subject(
    name: str,
    version: str,
    url: PackageURL,
    digest: str,
    kind: ComponentType = ComponentType.APPLICATION,
) -> Component:
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=str(url),
        purl=url,
        licenses=[LicenseExpression(_LICENCE)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )


@contextmanager
def _environment_of(wheel: Path, requirements: Path) -> Iterator[Content]:
    """Install the wheel with the locked libraries."""
    with TemporaryDirectory() as name:
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        options = ("--no-deps", "--no-compile", "--only-binary", ":all:", "--target", name)
        _run(*pip, *options, "--require-hashes", "--requirement", requirements)
        # Both a library and the wheel install into `bin`.
        _run(*pip, *options, "--no-index", "--upgrade", wheel)
        yield Content([Path(name)])


@contextmanager
def _content_of_package(package: Path) -> Iterator[Content]:
    with TemporaryDirectory() as name, _output("dpkg-deb", "--fsys-tarfile", package) as stream:
        yield _unpacked(stream, Path(name))


@contextmanager
def _content_of_image(image: str) -> Iterator[tuple[str, Content]]:
    """Export a local Docker image, and return its digest and content."""
    described = json.loads(_run("docker", "image", "inspect", image))[0]
    settings = dict(each.partition("=")[::2] for each in described["Config"]["Env"])
    # A container that never runs, because only containers can be exported.
    container = _run("docker", "create", image).strip()
    try:
        with TemporaryDirectory() as name, _output("docker", "export", container) as stream:
            content = _unpacked(stream, Path(name))
            further = [*content.further, *_interpreter(settings)]
            # The digest by which it was pulled; an image built here has only its id.
            digest = image.partition("@sha256:")[2] or described["Id"].removeprefix("sha256:")
            yield digest, Content(content.libraries, further)
    finally:
        _run("docker", "rm", "--force", container)


def _interpreter(settings: Mapping[str, str]) -> Iterator[Component]:
    """Describe the Python that the official image compiled, which is not a Debian package."""
    if (version := settings.get("PYTHON_VERSION")) is not None:
        url = PackageURL("generic", name="python", version=version)
        yield Component(name="python", version=version, bom_ref=str(url), purl=url)


def _unpacked(stream: IO[bytes], folder: Path) -> Content:
    """Extract the metadata of libraries and packages from an archive of a file system."""
    libraries: dict[PurePosixPath, Path] = {}
    texts: dict[PurePosixPath, str] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = PurePosixPath(member.name.removeprefix("./"))
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            if path.match("*.dist-info/METADATA"):
                target = folder / str(len(libraries))
                library = libraries.setdefault(path.parent.parent, target)
                file = library / path.parent.name / path.name
                file.parent.mkdir(parents=True)
                file.write_bytes(content.read())
            elif path in {_STATUS, _OS_RELEASE, PurePosixPath("usr/lib/os-release")}:
                texts[path] = content.read().decode()
    release = texts.get(_OS_RELEASE) or texts.get(PurePosixPath("usr/lib/os-release"), "")
    return Content(list(libraries.values()), list(_packages(texts.get(_STATUS, ""), release)))


def _packages(status: str, release: str) -> Iterator[Component]:
    """List the packages that dpkg has installed."""
    settings = dict(line.replace('"', "").partition("=")[::2] for line in release.splitlines())
    distribution = "-".join(settings[key] for key in ("ID", "VERSION_ID") if key in settings)
    for text in status.strip().split("\n\n") if status else ():
        package = Parser().parsestr(text, headersonly=True)
        if package["Status"] != "install ok installed":
            continue
        url = PackageURL(
            "deb",
            "debian",
            package["Package"],
            package["Version"],
            {"arch": package["Architecture"], "distro": distribution},
        )
        yield Component(
            name=package["Package"], version=package["Version"], bom_ref=str(url), purl=url
        )


def _write(root: Path, file: Path, subject: Component, content: Content) -> Path:
    """Write the bill of materials; the same content always gives the same file."""
    bom = _libraries(content.libraries)
    for component in content.further:
        bom.components.add(component)
        bom.register_dependency(component)
    _describe(bom, subject)
    bom.metadata.timestamp = debian_release(root).moment
    digests = [each.content for each in subject.hashes]
    bom.serial_number = uuid5(NAMESPACE_URL, " ".join((str(subject.purl), *digests)))
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise ValueError(f"{file.name} would not be valid CycloneDX: {error}")
    file.write_text(text + "\n", "utf-8")
    return file


def _libraries(folders: Iterable[Path]) -> Bom:
    """List the Python libraries in these folders."""
    with TemporaryDirectory() as name:
        venv.create(name)
        (site_packages,) = Path(name).glob("lib/python*/site-packages")
        (site_packages / "libraries.pth").write_text("".join(f"{each}\n" for each in folders))
        command = ("environment", "--output-reproducible", "--of", "JSON", f"{name}/bin/python")
        text = _run(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *command)
    bom: Bom = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]  # a decorator adds it
    return bom


def _describe(bom: Bom, subject: Component) -> None:
    """Set the subject of the bill, and let it depend on what no other component depends on."""
    if subject.purl is not None and subject.purl.type == "pypi":
        # The subject is not one of its own components.
        for component in [each for each in bom.components if each.name == subject.name]:
            bom.components.remove(component)
            for known in [each for each in bom.dependencies if each.ref == component.bom_ref]:
                bom.dependencies.remove(known)
    required = {each.ref for known in bom.dependencies for each in known.dependencies}
    bom.metadata.component = subject
    bom.register_dependency(
        subject, [each for each in bom.components if each.bom_ref not in required]
    )


@contextmanager
def _output(*command: str | Path) -> Iterator[IO[bytes]]:
    """Return the output of a command, or raise if it fails."""
    with TemporaryFile() as output:
        subprocess.run(command, stdout=output, check=True)
        output.seek(0)
        yield output


def _run(*command: str | Path) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
