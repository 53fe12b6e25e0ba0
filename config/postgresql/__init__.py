"""PostgreSQL as Django speaks to it, but for how a connection is looked after."""
