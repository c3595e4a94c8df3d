# Two commands do all the set-up: `make cinemagraph` and `make test`.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
EXAMPLE := data/example.jpg
VIDEO ?=

.PHONY: cinemagraph app tables test coverage lint clean

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

# make tables                                       measures every table, docs/reproduction.md; goes on where it stopped
# make tables DATA=FOLDER CLIPS=VIDEOS PHOTOS=FOLDER   on one's own files
# make table-4 ARGS='table.clips.number=2'          one of them, into outputs/evaluate/table_4
DATA ?= ../shared/data
CLIPS ?= $(DATA)/sky_timelapse_128/clips.npz
PHOTOS ?= $(DATA)/landscapes/photos
TABLES := 1 4 4-predicted 5 figure6 mask motion loop
TRUNK = $(wildcard $(DATA)/weights/alexnet_features.safetensors)
SQUEEZENET = $(wildcard $(DATA)/squeezenet1_0_features.npz)
EVALUATE = $(RUN) -m stylecinegan evaluate $(if $(TRUNK),table.lpips_trunk=$(TRUNK))
ON_CLIPS = table.clips.path=$(CLIPS) table.clips.num_frames=32 table.compared_size=128 \
  $(if $(findstring $(DATA)/,$(CLIPS)),table.clips.listed=configs/data/motion_held_out.txt)
tables: $(TABLES:%=table-%)
table-1: $(VENV)/.installed
	$(EVALUATE) table=1 $(ON_CLIPS) table.clips.size=128 table.scenes.motion=clip table.scenes.speed=own $(ARGS)
table-4: $(VENV)/.installed
	$(EVALUATE) table=4 $(ON_CLIPS) table.clips.size=256 $(ARGS)
table-4-predicted: $(VENV)/.installed
	$(EVALUATE) table=4 $(ON_CLIPS) table.clips.size=256 table.scenes.motion=predicted output_dir=outputs/evaluate/table_4_predicted $(ARGS)
table-5: $(VENV)/.installed
	$(EVALUATE) table=5 table.photos.path=$(PHOTOS) $(if $(findstring $(DATA)/,$(PHOTOS)),,table.photos.listed=null table.photos.number=null) $(if $(SQUEEZENET),table.squeezenet=$(SQUEEZENET)) $(ARGS)
table-figure6: $(VENV)/.installed
	$(EVALUATE) table=figure6 table.num_samples=8 table.horizon=0.4 table.motion=right $(ARGS)
table-mask: $(VENV)/.installed
	$(RUN) -m stylecinegan evaluate table=mask table.labelled.dir=$(DATA)/landscapes/photos \
	  table.labelled.labels_dir=$(DATA)/landscapes/labels table.drawn.path=$(DATA)/samples $(ARGS)
table-loop: $(VENV)/.installed
	$(EVALUATE) table=loop table.photos.path=$(DATA)/samples $(ARGS)
table-motion: $(VENV)/.installed
	$(RUN) -m stylecinegan prepare_data task=motion source=$(CLIPS) output=outputs/motion_pairs
	$(RUN) -m stylecinegan evaluate table=motion 'table.clips.dirs=[outputs/motion_pairs]' table.samples.path=$(DATA)/samples $(ARGS)

# make test WORKERS=8                               as many processes
WORKERS ?= 2
test: $(VENV)/.installed lint
	$(RUN) -m pytest -n $(WORKERS)

# make coverage                                     lines that the tests reach, their processes included
# make coverage TESTS=tests/mask
coverage: $(VENV)/.installed
	$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest -n $(WORKERS) $(TESTS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report

lint: $(VENV)/.installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m codespell_lib
	$(RUN) -m pyright

clean:
	rm -rf $(VENV) outputs
