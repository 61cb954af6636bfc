"""tito: the course tool of TinyTorch. Workspace, stubs, grading. The framework never imports it."""
