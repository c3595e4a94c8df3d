# Two commands do all the set-up: `make cinemagraph` and `make test`.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
EXAMPLE := data/example.jpg
VIDEO ?=

.PHONY: cinemagraph app test lint clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -e '.[dev]'
	@touch $@

# make cinemagraph                                  animates the example
# make cinemagraph PHOTO=lake.jpg                   animates your photo
# make cinemagraph PHOTO=lake.jpg ARGS='motion=left speed=2'
cinemagraph: $(VENV)/.installed
	$(RUN) -m stylecinegan generate photo='$(or $(PHOTO),$(EXAMPLE))' $(if $(VIDEO),video='$(VIDEO)') $(ARGS)

# make app                                          opens the browser app
# make app ARGS='--port 8080 --no-browser'
app: $(VENV)/.installed
	$(RUN) -m pip install --quiet -e '.[app]'
	$(VENV)/bin/stylecinegan app $(ARGS)

test: $(VENV)/.installed lint
	$(RUN) -m pytest

lint: $(VENV)/.installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m codespell_lib
	$(RUN) -m pyright

clean:
	rm -rf $(VENV) outputs
