"""Imports of the package point downwards, those inside of functions included."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "stylecinegan"

LAYERS = (
    ("cli",),
    ("app",),
    ("benchmarks", "user_study"),
    ("evaluation",),
    ("baselines",),
    ("tasks",),
    ("data",),
    ("pipeline",),
    ("scene",),
    ("cinemagraph",),
    ("importers", "appearance"),
    ("camera",),
    ("motion",),
    ("mask", "metrics"),
    ("losses", "inversion"),
    ("backbones", "warping"),
    ("io", "visualization"),
    ("checkpoints",),
    ("training",),
    ("generator", "ops", "framing", "transparency", "inputs"),
    ("errors", "freed_memory", "progress", "resources", "threads"),
)
"""From the top down. Whatever stands in a line imports from the lines below it alone."""

HEIGHT = {name: -number for number, names in enumerate(LAYERS) for name in names}
HEIGHT["__main__"] = 1
HEIGHT["__init__"] = HEIGHT["pipeline"]  # the public names: whoever reads them gets the pipeline


def imports_of(tree, modules):
    """Modules that a syntax tree imports anywhere, by line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield longer if longer in modules else node.module, node.lineno


def read_graph(package):
    """Imports between the modules of a package: ``{module: {imported: line}}``."""
    modules = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = defaultdict(dict)
    for module, path in modules.items():
        graph[module] = {
            name: line
            for name, line in imports_of(ast.parse(path.read_text(encoding="utf-8")), modules)
            if name in modules and name != module
        }
    return dict(graph)


def part_of(module):
    """The part of the package that a module belongs to: a name of ``LAYERS``."""
    return module.split(".")[1] if "." in module else "__init__"


def upward_imports(graph):
    """Imports that do not lead downwards, as ``module:line imports module``."""
    return [
        f"{module}:{line} imports {imported}"
        for module, imports in graph.items()
        for imported, line in imports.items()
        if part_of(module) not in ("__init__", part_of(imported))
        and HEIGHT[part_of(module)] <= HEIGHT[part_of(imported)]
    ]


@pytest.fixture(scope="module")
def graph():
    return read_graph(PACKAGE)


def test_every_part_of_the_package_has_its_layer(graph):
    parts = {part_of(module) for module in graph}
    assert parts == set(HEIGHT), "a part that comes or goes has its line in LAYERS"


def test_parts_import_from_lower_layers_only(graph):
    assert upward_imports(graph) == []


def test_no_modules_import_each_other_in_a_circle(graph):
    # Of a package, its __init__ imports the parts below: a part that imports it closes a circle.
    TopologicalSorter(graph).prepare()


def test_a_circle_and_an_upward_import_inside_a_function_are_found(tmp_path):
    package = tmp_path / "stylecinegan"
    (package / "mask").mkdir(parents=True)
    (package / "mask/__init__.py").write_text("")
    (package / "mask/edges.py").write_text("from stylecinegan.mask import smooth\n")
    (package / "mask/smooth.py").write_text(
        "def smooth():\n    from stylecinegan.mask import edges\n    import stylecinegan.pipeline\n"
    )
    (package / "pipeline.py").write_text("from stylecinegan.mask.smooth import smooth\n")
    graph = read_graph(package)
    assert upward_imports(graph) == ["stylecinegan.mask.smooth:3 imports stylecinegan.pipeline"]
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
