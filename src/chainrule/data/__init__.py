"""Whatever X and y are, as rows of numbers that stay where they lie."""
