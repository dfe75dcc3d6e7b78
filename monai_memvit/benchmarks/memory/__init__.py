"""What the memory inside a network costs."""
