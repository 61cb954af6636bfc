"""What a student holds: a workspace, files read with care, merging, playing."""
