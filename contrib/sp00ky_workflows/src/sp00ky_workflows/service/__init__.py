"""Let workflows go on and batches end, in every runner."""
