# The two commands of the README:  make demo  and  make test.
# PYTHON makes the virtual environment; on a fresh Debian machine `make` installs what is missing (as root).

PYTHON ?= /usr/bin/python3
VENV := .venv
PROV := $(VENV)/bin/prov
STAMP := $(VENV)/.installed
WORKERS ?= 2
LAB_WORKERS ?= 3

.PHONY: demo test check unit lab-test vagrant-test test-roles prove bench clean

# a lab host, a real application on it, and its page as fetched over verified HTTPS
demo: $(STAMP)
	$(PROV) lab up web1 --install
	$(PROV) deploy web1
	$(VENV)/bin/python examples/fetch.py web1 polls.test

test: check unit lab-test

# lint and types
check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# logic, and the agent on real files
unit: $(STAMP)
	$(VENV)/bin/pytest -n $(WORKERS) tests/unit tests/agent tests/steps_more

# real hosts: systemd, sshd, apt, nginx
lab-test: $(STAMP)
	$(PROV) lab up t-first --install
	$(PROV) lab down t-first
	$(VENV)/bin/pytest tests/lab/test_lab.py
	$(VENV)/bin/pytest -n $(LAB_WORKERS) tests/lab --ignore tests/lab/test_lab.py

# a real VM, from its box to its end; installs Vagrant and a provider where apt can, else says what is missing
vagrant-test: $(STAMP)
	$(VENV)/bin/pytest tests/vagrant

# what docs/proofs.md says of plans, runs that are cut and undo, and docs/matrix.md of servers and fronts; writes both.
# Takes hours, as there are about a thousand cuts: `CASES=50 CUTS=100` less, `PROOFS=tests/prove/test_matrix.py` one
# of them. Cuts that were made are not made again while the code is the same (pytest's cache)
CASES ?= 300
CUTS ?=
PROOFS ?= tests/prove
prove: $(STAMP)
	CASES=$(CASES) CUTS=$(CUTS) $(VENV)/bin/pytest $(PROOFS)

# every built-in role on every image, from bare to rebooted; takes about 20 minutes, `ROLES="nginx tls"` less
ROLES ?= $(patsubst roles/%/__init__.py,%,$(wildcard roles/*/__init__.py))
test-roles: $(STAMP)
	$(PROV) lab up t-first --install
	$(PROV) lab down t-first
	$(PROV) test $(ROLES) --image debian-12,debian-13

# side by side with Ansible, Mitogen, pyinfra and a script: bench/README.md; takes about an hour, `BENCH=--quick` less
bench: $(STAMP) bench/.venv/.installed
	$(PROV) lab up b-first --install
	$(PROV) lab down b-first
	$(VENV)/bin/python -m bench $(BENCH)

bench/.venv/.installed: bench/requirements.txt
	test -x bench/.venv/bin/python || $(PYTHON) -m venv bench/.venv
	bench/.venv/bin/python -m pip install -q --disable-pip-version-check -r bench/requirements.txt
	@touch $@

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { apt-get update -q && apt-get install -q -y python3 python3-venv; }
	@command -v git >/dev/null || { apt-get update -q && apt-get install -q -y git; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
