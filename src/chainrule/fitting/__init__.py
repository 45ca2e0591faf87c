"""A request, checked; the method that runs; what comes back."""
