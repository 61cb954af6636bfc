"""What judges: the judge, its reports, how they are told, mutants, the debugger."""
