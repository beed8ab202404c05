"""What users call: each method checks its arguments, cuts chains into blocks, runs them and returns a result."""
