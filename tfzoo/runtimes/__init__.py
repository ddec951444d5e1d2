"""What opens and runs a graph, each imported only when asked for, and nothing else."""
