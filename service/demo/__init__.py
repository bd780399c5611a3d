"""A simulated support app: what it is asked, what its models answer, and when they get worse."""
