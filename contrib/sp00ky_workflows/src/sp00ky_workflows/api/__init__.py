"""Make, read and steer workflows and batches."""
