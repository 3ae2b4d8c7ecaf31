"""Do what operators want, once they have confirmed it."""
