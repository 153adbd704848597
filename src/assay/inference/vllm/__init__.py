"""The `vllm` backend: judges on vLLM servers that the user runs, over HTTP. No torch, no vLLM in this process."""
