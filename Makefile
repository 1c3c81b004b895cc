# The two commands of the README:  make demo  and  make test.
# On a fresh Debian machine `make` installs what is missing: as root, or through sudo.
# PYTHON makes the virtual environment.

PYTHON ?= /usr/bin/python3
VENV := .venv
PROV := $(VENV)/bin/prov
PYTEST := $(VENV)/bin/pytest
STAMP := $(VENV)/.installed
WORKERS ?= 2
LAB_WORKERS ?= 3

# where this is set, every run of prov would compile a checkout's modules again
unexport PYTHONDONTWRITEBYTECODE

AS_ROOT := sh tests/as_root
# Ansible with its collections, for the comparison of all modules
ANSIBLE := tests/lab/like_ansible/.venv
# ministack, which pins botocore, for the tests of ECS
MINISTACK := build/ministack
# the programs that these folders of tests call
NEED = @missing=$$($(PYTHON) tests/needs.py $(1)) && sh tests/install $$missing
# an extra of pyproject.toml, installed where a module of it is missing: module, extra
EXTRA = @$(VENV)/bin/python -c 'import $(1)' 2>/dev/null || $(VENV)/bin/python -m pip install -q -e '.[$(2)]'

.PHONY: help demo staging test check unit agent-test lab-test coverage vagrant-test fresh test-roles prove bench security-page docs picture pictures format \
	release clean

# a lab host, a real application on it, and its page as fetched over verified HTTPS
demo: $(STAMP)
	$(AS_ROOT) $(PROV) lab up web1 --install
	$(PROV) deploy web1
	$(VENV)/bin/python examples/fetch.py web1 polls.test

# a whole set-up in the lab: a balancer, two hosts of applications, their databases
# Deployed, checked from outside, deployed again (docs/staging.md). Its hosts stay, until `prov lab down stage-lb1 stage-app1 stage-app2 stage-db1`
staging: $(STAMP)
	$(AS_ROOT) $(PROV) lab up stage-lb1 stage-app1 stage-app2 stage-db1 --install
	$(PROV) deploy staging
	$(VENV)/bin/python examples/check_staging.py

# all of it: lint, types, logic, the agent, real hosts
test: check unit agent-test lab-test

# list the goals: the first line above each
help:
	@awk '/^#/ { if (!text) text = substr($$0, 2) } /^$$/ { text = "" } \
		/^[a-z-]+:/ { if (text) printf "%-14s%s\n", substr($$1, 1, length($$1) - 1), text; text = "" }' Makefile

# format all code
format: $(STAMP)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# the docs site, into build/site; every link is checked. Only the first build needs network
docs: $(STAMP) build/mermaid/.downloaded
	$(call EXTRA,material,docs)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build -q

build/mermaid/.downloaded: docs/mermaid.txt | $(STAMP)
	rm -rf $(@D)
	$(VENV)/bin/python -m pip download -q --disable-pip-version-check --no-deps --require-hashes -d $(@D) -r docs/mermaid.txt
	@touch $@

# docs/picture.svg, the terminal of the README, recorded on a lab host
picture: $(STAMP)
	$(call EXTRA,pyte,docs)
	$(AS_ROOT) $(VENV)/bin/python docs/picture.py

# docs/pictures/*, what runs on two lab hosts show
pictures: $(STAMP)
	$(AS_ROOT) $(VENV)/bin/python docs/recorded_pictures.py record

# lint, types, and texts that read translated
check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	for file in tests/*/conftest.py; do $(VENV)/bin/mypy --no-error-summary $$file || exit 1; done
	$(PYTEST) -q tests/unit/test_voice.py

# logic, as the user who runs make
unit: $(STAMP) $(MINISTACK)/.installed
	$(call NEED,unit)
	$(PYTEST) -n $(WORKERS) tests/unit

# the agent and its steps on real files, as root
agent-test: $(STAMP)
	$(call NEED,agent steps_more steps_past)
	$(AS_ROOT) $(PYTEST) -n $(WORKERS) tests/agent tests/steps_more tests/steps_past

# real hosts: systemd, sshd, apt, nginx
lab-test: $(STAMP)
	$(call NEED,lab)
	$(AS_ROOT) $(PROV) lab up t-first --install
	$(AS_ROOT) $(PROV) lab down t-first
	$(AS_ROOT) $(PYTEST) tests/lab/test_lab.py
	$(AS_ROOT) $(PYTEST) -n $(LAB_WORKERS) --durations 20 --durations-min 15 tests/lab --ignore tests/lab/test_lab.py

# show which lines of provision/ the tests of `make unit agent-test` leave out; not a gate
# What agents run in processes of their own is not counted.
coverage: $(STAMP) $(MINISTACK)/.installed
	$(call NEED,unit agent steps_more)
	$(call EXTRA,pytest_cov,coverage)
	$(AS_ROOT) $(PYTEST) -q -n $(WORKERS) --cov=provision --cov-report=term tests/unit tests/agent tests/steps_more

# the sdist and the wheel of this commit, built into dist/ and checked; publishes nothing, TAG=1 tags the commit
release: $(STAMP)
	$(call EXTRA,twine,release)
	bash .ci/release

# a real VM, from its box to its end; installs Vagrant and a provider where apt can, else says what is missing
vagrant-test: $(STAMP)
	$(call NEED,vagrant)
	$(AS_ROOT) $(PYTEST) tests/vagrant

# `make demo` from a clone of HEAD, on a bare host, as root and as a user with sudo; for the user `make check unit` before
# it, or what GOALS says: `agent-test`, `lab-test`
# The host has make, git and certificates.
GOALS ?= check unit
fresh: $(STAMP)
	$(call NEED,fresh)
	$(AS_ROOT) $(PROV) lab up t-first --install
	$(AS_ROOT) $(PROV) lab down t-first
	$(AS_ROOT) env GOALS="$(GOALS)" $(PYTEST) -s tests/fresh

# what docs/proofs.md says of plans, runs that are cut and undo, and docs/matrix.md of servers and fronts; writes both.
# And a user who exchanges names in their folders, RACES times against each kind of step.
# Takes hours, as there are about a thousand cuts: `CASES=50 CUTS=100` less, `PROOFS=tests/prove/test_matrix.py` one
# of them. Cuts that were made are not made again while the code is the same (pytest's cache)
CASES ?= 300
CUTS ?=
# moments, a quarter of a second apart, at which each kind of run is killed under traffic (tests/prove/test_every_moment.py),
# and drawn moments for deploys in waves (tests/prove/test_waves_continued.py)
MOMENTS ?= 16
# seconds of mutated inputs for each parser (tests/prove/test_fuzz.py)
FUZZ_SECONDS ?= 600
RACES ?= 1000
# pasts of a host that are drawn for each step (tests/unit/test_steps_past.py lists the tests)
DRAWS ?= 200
DRAWN ?= tests/steps_past tests/lab/test_drawn_units.py tests/lab/test_drawn_databases.py tests/lab/test_packages.py
# of these, `make test` runs a sample
SAMPLED ?= tests/lab/test_acme_previews.py tests/lab/test_commands_python.py tests/lab/test_whole_applications.py \
	tests/lab/test_changed_fronts.py tests/lab/test_deploy.py tests/lab/test_encrypted_credentials.py tests/lab/test_exactness.py tests/lab/test_like_ansible.py \
	tests/lab/test_board_everywhere.py tests/lab/test_own_server.py tests/lab/test_postgres.py tests/lab/test_prov_test.py tests/lab/test_servers.py \
	tests/lab/test_steps_more.py tests/lab/test_traffic.py tests/lab/test_unit_kinds.py tests/lab/test_used_services.py \
	tests/agent/test_cases.py tests/unit/test_ecs.py tests/unit/test_kubernetes_deploy.py tests/unit/test_kubernetes_releases.py tests/unit/test_lambda.py \
	tests/unit/test_beanstalk_swaps.py tests/unit/test_elastic_beanstalk.py tests/unit/test_lambda_releases.py
PROOFS ?= tests/prove $(DRAWN) $(SAMPLED) tests/agent/test_users_races.py
prove: $(STAMP) $(ANSIBLE)/.installed $(MINISTACK)/.installed
	$(call NEED,prove)
	$(AS_ROOT) env CASES=$(CASES) CUTS=$(CUTS) MOMENTS=$(MOMENTS) FUZZ_SECONDS=$(FUZZ_SECONDS) RACES=$(RACES) DRAWS=$(DRAWS) WHOLE=1 \
		$(PYTEST) $(PROOFS)

# every built-in role on every image, from bare to rebooted; takes about 20 minutes, `ROLES="nginx tls"` less
# container needs a base image: tests/lab/test_containers.py
ROLES ?= $(filter-out container,$(patsubst roles/%/__init__.py,%,$(wildcard roles/*/__init__.py)))
test-roles: $(STAMP)
	$(AS_ROOT) $(PROV) lab up t-first --install
	$(AS_ROOT) $(PROV) lab down t-first
	$(AS_ROOT) $(PROV) test $(ROLES) --image debian-12,debian-13

# docs/security.md, from the results that the tests have left
security-page: $(STAMP)
	cd tests/lab && ../../$(VENV)/bin/python -m helpers.securitypage

# side by side with Ansible, Mitogen, pyinfra and a script: bench/README.md; takes about an hour, `BENCH=--quick` less
bench: $(STAMP) bench/.venv/.installed
	$(call NEED,bench)
	$(AS_ROOT) $(PROV) lab up b-first --install
	$(AS_ROOT) $(PROV) lab down b-first
	$(AS_ROOT) $(VENV)/bin/python -m bench $(BENCH)

$(ANSIBLE)/.installed: tests/lab/like_ansible/requirements.txt
	test -x $(ANSIBLE)/bin/python || $(PYTHON) -m venv $(ANSIBLE)
	$(ANSIBLE)/bin/python -m pip install -q --disable-pip-version-check -r tests/lab/like_ansible/requirements.txt
	@touch $@

$(MINISTACK)/.installed: tests/unit/aws_server/requirements.txt
	test -x $(MINISTACK)/bin/python || $(PYTHON) -m venv $(MINISTACK)
	$(MINISTACK)/bin/python -m pip install -q --disable-pip-version-check -r tests/unit/aws_server/requirements.txt
	@touch $@

bench/.venv/.installed: bench/requirements.txt
	test -x bench/.venv/bin/python || $(PYTHON) -m venv bench/.venv
	bench/.venv/bin/python -m pip install -q --disable-pip-version-check -r bench/requirements.txt
	@touch $@

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || sh tests/install python3 python3-venv
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

# forget the virtual environment and all caches of tools
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist build
