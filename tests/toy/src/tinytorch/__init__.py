"""A course of two chapters, to test the course tool on."""
