"""Milestones, and the questions that chapters answer together."""
