"""What a job's published reports say: pages of findings, and their summary."""
