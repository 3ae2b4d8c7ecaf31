from tests.core.runner.conftest import make_bench

__all__ = ["make_bench"]
