"""A model in production: a web service on one's own framework, its page, and a load generator to measure it by."""
