"""Backups: database, weights, embeddings and Label Studio as one point in time, and back again.

Our database is pinned first, Label Studio's right after it, and both are copied from there while
everything goes on. What lies between the two is answers and tasks that only Label Studio knows:
the next sweep fetches the first, and after a restore each project is taken to be in doubt, so that
the next push adopts the second and puts no text there twice. Weights and embeddings never change
once they are written; they are copied last, so that whatever the database names is among them.
"""
