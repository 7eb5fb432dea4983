"""The fixtures of runs serve the API as well."""

from tests.runs.conftest import (  # noqa: F401
    own_folder,
    upload,
    woken,
)
