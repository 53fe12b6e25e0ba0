"""Our overlay on Label Studio: who comes into which project, and by which door.

It runs inside Label Studio, which it changes through Django's settings alone, and knows nothing
of our service but its address and one shared key.
"""
