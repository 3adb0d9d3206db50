"""The page docs/api-coverage.md: every public name of mod_python, with a test that uses it."""
