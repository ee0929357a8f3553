"""Three packages, one direction: files -> d2v_core -> store -> probes -> app."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "d2v_core": {"probes", "app", "streamlit", "plotly", "typer", "rich"},
    "probes": {"d2v_core", "app", "streamlit", "lancedb", "plotly", "typer", "rich"},
    "app": {"torch", "torchaudio", "scipy", "sklearn", "umap", "lancedb"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def python_files(package):
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_forbidden_import(package):
    found = [
        (file.name, name)
        for file in python_files(package)
        for name in imports_of(file)
        if name.split(".")[0] in FORBIDDEN[package]
    ]

    assert python_files(package)
    assert found == []


def test_the_walk_sees_imports_inside_functions(tmp_path):
    """The control: a forbidden import hidden in a function would be found."""
    file = tmp_path / "sly.py"
    file.write_text("def f():\n    from sklearn.svm import SVC\n    import app.cli\n")

    assert list(imports_of(file)) == ["sklearn.svm", "app.cli"]


def test_torchaudio_is_imported_in_one_place_only():
    found = [
        file.name
        for package in FORBIDDEN
        for file in python_files(package)
        if "torchaudio" in {name.split(".")[0] for name in imports_of(file)}
    ]

    assert found == []  # torchaudio_cpu.py imports it by name


def test_only_the_store_talks_to_lancedb():
    found = {file.name for file in python_files("d2v_core") if "lancedb" in set(imports_of(file))}

    assert found == {"store.py"}


def test_the_core_leaves_scikit_learn_to_the_k_means_of_hubert():
    found = {
        file.name
        for file in python_files("d2v_core")
        if "sklearn" in {name.split(".")[0] for name in imports_of(file)}
    }

    assert found == {"clusters.py"}


def test_no_import_cycle():
    """Depth-first over our own modules; an import inside a function counts as well."""
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for package in FORBIDDEN
        for file in python_files(package)
    }
    edges = {name: set(imports_of(file)) & set(modules) for name, file in modules.items()}
    finished, path = set(), []

    def visit(name):
        if name in path:
            pytest.fail(" -> ".join([*path[path.index(name) :], name]))
        if name not in finished:
            path.append(name)
            for other in sorted(edges[name]):
                visit(other)
            path.pop()
            finished.add(name)

    for name in modules:
        visit(name)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_is_unpickled(package):
    """torch.load may read tensors and plain values, and pickle may lend the name of its refusal."""
    for file in python_files(package):
        text = file.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                assert "pickle" not in {alias.name for alias in node.names}, file
            if isinstance(node, ast.ImportFrom) and node.module == "pickle":
                assert [alias.name for alias in node.names] == ["UnpicklingError"], file
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("weights_only") == "True", file


def test_files_stay_readable():
    """Over 400 lines, a file holds more than one idea."""
    long = [
        (file.name, lines)
        for package in FORBIDDEN
        for file in python_files(package)
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 400
    ]

    assert long == []
