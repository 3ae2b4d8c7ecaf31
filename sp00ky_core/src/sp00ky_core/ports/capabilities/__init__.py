"""Promise what a store may do beside ``Store``: each a Protocol, with a flag in its capabilities.

What the core does with a store that lacks one stands at each; nothing is ever ignored. ``TransactionalStore``
has them all.
"""
