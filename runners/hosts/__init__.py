"""Builds and calls the stages: reuse of outputs, memos, arrays that nobody changes."""
