"""What is asked: rubrics, comparisons, cases, doctests, stubs, planted wrong answers. No worker in sight."""
