"""The computer: its devices, memory, processes, signals, and how it computes."""
