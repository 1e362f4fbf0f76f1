"""The figures: what the service costs in time and memory, side by side with what an operator would use instead."""
