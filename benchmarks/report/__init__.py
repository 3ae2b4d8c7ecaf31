"""What a benchmark finds, and the document that is made of it."""

from benchmarks.report.section import Bound, Row, Section, rate_rows

__all__ = ["Bound", "Row", "Section", "rate_rows"]
