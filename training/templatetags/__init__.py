"""What only the pages of runs and gates draw."""
