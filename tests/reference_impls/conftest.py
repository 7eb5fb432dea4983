"""A golden case that no test consumes fails the run."""

import pytest

from tests.reference_impls import golden


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Only a run over the whole folder can tell that a case was left out."""
    modules = {item.path.stem for item in items if item.path.parent.name == "reference_impls"}
    papers = {path.name for path in golden.GOLDEN_DIR.iterdir() if path.is_dir()}
    whole = {f"test_{paper}" for paper in papers} <= modules
    narrowed = any(str(golden.Path(__file__).parent) not in str(a) for a in config.args)
    chosen = {f"test_{p}" for p in papers} & modules if not whole or narrowed else None
    stored = {
        f"{path.parent.name}/{path.stem}"
        for path in golden.GOLDEN_DIR.glob("*/*.json")
        if chosen is None or f"test_{path.parent.name}" in chosen
    }
    orphans = sorted(stored - golden.consumed)
    if orphans:
        raise pytest.UsageError(f"golden cases that no test consumes: {', '.join(orphans)}")
