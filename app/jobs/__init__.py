"""Jobs and their runs: what may be asked of a job, and the runners that do it."""
