"""The batch way in: a file in, the same rows with verdicts out.

result = judge_file(judge, Path("in.jsonl"), Path("out.jsonl"), BatchSettings())
"""

from assay.serving.batch.judging import judge_file
from assay.serving.batch.pace import BatchProgress
from assay.serving.batch.result import BatchResult
from assay.serving.batch.settings import BatchSettings

__all__ = ["BatchProgress", "BatchResult", "BatchSettings", "judge_file"]
