"""The plugin: registers what this distribution brings."""
