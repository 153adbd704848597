"""Serving: the ways in for traffic. Today the batch one: a file in, the same file with verdicts out.

result = judge_file(judge, Path("in.jsonl"), Path("out.jsonl"), BatchSettings())
"""

from assay.serving.batch import judge_file
from assay.serving.batch_result import BatchResult
from assay.serving.batch_settings import BatchSettings
from assay.serving.pace import BatchProgress

__all__ = ["BatchProgress", "BatchResult", "BatchSettings", "judge_file"]
