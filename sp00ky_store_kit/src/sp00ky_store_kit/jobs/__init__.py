"""Write rows: enqueue, claim, settle and all else that changes a job."""
