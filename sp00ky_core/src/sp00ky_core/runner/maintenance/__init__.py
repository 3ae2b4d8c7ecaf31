"""Beat, reclaim and prune beside the claims."""
