from tests.core.schedule_bench import timer, witness

__all__ = ["timer", "witness"]
