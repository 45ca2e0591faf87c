"""What there is to say about a result, and how a terminal and a page show it."""
