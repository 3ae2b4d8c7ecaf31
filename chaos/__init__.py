"""Real processes, a real database and a backend that misbehaves, all of them broken on purpose.

``history.py`` says what is recorded, ``checker.py`` what must be true of it, ``session.py`` how it is made.
"""
