"""Times, memory and multiply-adds, and how they are told."""
