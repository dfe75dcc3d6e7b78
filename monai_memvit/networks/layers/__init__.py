"""Pure functions on tensors: no parameters, no state."""

from __future__ import annotations

from .heads import merge_heads, split_heads
from .memory_read import attend_facts, convex_gate
from .token_facts import attention_fact, class_token_fact, mean_token_fact

__all__ = [
    "attend_facts",
    "attention_fact",
    "class_token_fact",
    "convex_gate",
    "mean_token_fact",
    "merge_heads",
    "split_heads",
]
